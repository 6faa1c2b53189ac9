"""What is recommended at the end of a day: ranked by the model in force, or by habit where there is none."""

from datetime import date
from typing import TYPE_CHECKING

import polars as pl

from portrait_assets import columns as c
from portrait_assets.assets.daily import write_days
from portrait_assets.assets.derivation import parameters
from portrait_assets.assets.scoring import blocks_at, purchase_rows, scored_days, vector_rows, write_scores
from portrait_assets.assets.tag_quality import write_tag_quality
from portrait_assets.assets.training import ITEMS, SEEN_OF_SOME, bought_at, users_in_order
from portrait_assets.history import history_start
from portrait_assets.home import Home
from portrait_assets.lineage import models_in_force
from portrait_assets.packs.recommending import Recommending, Rule
from portrait_assets.partitions import Window, as_of_of
from portrait_assets.resources.session import Session
from portrait_assets.words_near import pattern_of

if TYPE_CHECKING:
    from portrait_assets.kernels.ranking.lists import Policy
    from portrait_assets.kernels.ranking.recommend import Recommended

PLAIN = (
    "most_of_a_type", "most_of_a_category", "most_of_a_brand", "most_of_a_maker", "discover_places", "explore_places", "diversity",
)  # fmt: skip
BLENDED = """
select $end as event_date, * from ranked_blended
union all by name
select * exclude (list_rank) from habit_top anti join ranked_blended using (user_id) where "rank" is not null
"""
LISTS = """
select $end as event_date, * from ranked_lists
union all by name
select * exclude (list_rank) replace (if(list = 'popular', 'discover', list) as list, list_rank as "rank")
from habit_top anti join ranked_blended using (user_id)
where list_rank <= 20
"""


def write_recommendations(session: Session, home: Home, day: date) -> dict[str, int]:
    """Write both tables of `day`; returns their rows. Users whom the ranker cannot know (no purchase) get what habit and fashion say."""
    window = Window(day, day)
    stage_withheld(session, home.recommending)
    stage_popular(session, home, day)
    session.stage("gone", "recommendations/gone.sql", end=day)
    known = parameters(home, window, history_start(session, home)) | {"discover_places": home.recommending.discover_places}
    session.stage("habit_top", "recommendations/top.sql", end=day, **known)
    ranked = ranked_at(session, home, day)
    session.stage_frame("ranked_blended", ranked.blended)
    session.stage_frame("ranked_lists", ranked.lists)
    tables = ((c.RECOMMENDATIONS_TOP, BLENDED), (c.RECOMMENDATIONS_LISTS, LISTS))
    return {table.name: write_days(session, home, table, window, select) for table, select in tables}


def ranked_at(session: Session, home: Home, day: date) -> "Recommended":
    """What the ranker of the model in force recommends at the end of `day`, with `gone` staged; no rows without one."""
    from portrait_assets.kernels import storage
    from portrait_assets.kernels.ranking.recommend import SCHEMA, Recommended, recommend
    from portrait_assets.kernels.ranking.seen import seen_from

    version = models_in_force(session, Window(day, day))[day]
    ranker = storage.load(home.settings.models_dir / version)[0].ranker if version else None
    as_of = as_of_of(day)
    items = session.frame(ITEMS)
    lines = bought_at(session, as_of, items) if ranker else None
    if ranker is None or lines is None or not lines.users:
        return Recommended(pl.DataFrame(schema=SCHEMA), pl.DataFrame(schema=SCHEMA))
    seen = seen_from((session.frame(SEEN_OF_SOME, as_of=as_of, **some) for some in users_in_order(session, as_of)), lines)
    return recommend(ranker, lines, items, as_of, policy_of(home.recommending), seen)


def policy_of(rules: Recommending) -> "Policy":
    """The pack's rules as the ranking kernel takes them."""
    from portrait_assets.kernels.ranking.lists import Policy

    return Policy(
        **{name: getattr(rules, name) for name in PLAIN},
        exclude=tuple(rule.of for rule in rules.exclude),
        out_of_stock=frozenset(rules.out_of_stock),
        boost=tuple((*rule.of, rule.by) for rule in rules.boost),
        cool_down=tuple((*rule.of, rule.days) for rule in rules.cool_down),
    )


def stage_withheld(session: Session, rules: Recommending) -> None:
    """Temporary tables of what the rules keep from being offered: `withheld(item_id)` to anybody, `cooling(item_id, rule, days)` after a purchase.

    `cooling` has a row for each item of a rule: buying one of them cools all of them down.
    """
    never = [items_of(session, rule) for rule in rules.exclude]
    unsold = pl.DataFrame({"item_id": list(rules.out_of_stock)}, schema={"item_id": pl.String})
    session.stage_frame("withheld", pl.concat([unsold, *never]).unique().sort("item_id"))
    schema = {"item_id": pl.String, "rule": pl.Int32, "days": pl.Float64}
    cools = [
        items_of(session, rule).with_columns(rule=pl.lit(number, pl.Int32), days=pl.lit(rule.days, pl.Float64))
        for number, rule in enumerate(rules.cool_down)
    ]
    session.stage_frame("cooling", pl.concat([pl.DataFrame(schema=schema), *cools]))


def stage_popular(session: Session, home: Home, day: date) -> None:
    """A temporary table `popular` of what is so at the end of `day`, after `stage_withheld`."""
    session.stage("popular", "recommendations/popular.sql", end=day, **home.pack.sql_parameters)


def items_of(session: Session, rule: Rule) -> pl.DataFrame:
    """item_id of what a rule speaks of."""
    level, name = rule.of
    if level == "item":
        return pl.DataFrame({"item_id": [name]})
    if level == "name":
        return session.frame(
            "select item_id from clean.items where regexp_full_match(name, $pattern)", pattern=pattern_of(name)
        )
    return session.frame(f"select item_id from clean.items where {level} = $name", name=name)


def write_published(session: Session, home: Home, day: date) -> None:
    """Write what is kept for published days only: vectors, next purchases, recommendations and the quality of tags."""
    window = Window(day, day)
    scored = list(scored_days(session, home, window))
    vectors = [vector_rows(one) for one in scored] or [blocks_at(session, home, day)]
    write_scores(session, home, c.SCORES_VECTORS, window, vectors)
    write_scores(session, home, c.SCORES_NEXT_PURCHASES, window, [purchase_rows(one) for one in scored])
    write_recommendations(session, home, day)
    write_tag_quality(session, home, day)
