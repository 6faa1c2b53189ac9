"""The frames a training or a scoring reads from the warehouse. The same SQL serves both, so neither can drift from the other."""

import hashlib
import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import polars as pl

from portrait_assets.assets.derivation import parameters, stage_features
from portrait_assets.history import history_start
from portrait_assets.home import Home
from portrait_assets.partitions import DAY, Window, partition_of
from portrait_assets.resources.session import Session

if TYPE_CHECKING:
    from portrait_assets.kernels.machine import Machine
    from portrait_assets.kernels.ranking.lines import Lines
    from portrait_assets.kernels.sequences import History

logger = logging.getLogger("portrait")

HORIZON = timedelta(days=14)
TRAINING_AS_OFS = 16
TRAINING_USERS = 12_000

VISITS = "select * exclude (visit_id) from features.visit where event_date < $as_of order by user_id, visit_time, visit_id"
VISITS_OF_SOME = VISITS.replace("< $as_of", "< $as_of and user_id between $first and $last")
LINES_OF_USERS = "select user_id, sum(line_count)::bigint as lines from features.visit where event_date < $as_of group by user_id order by user_id"
LINES_AT_ONCE = 1_000_000  # of visits, as rows: with all their names some 300 bytes a line
ITEMS = "select item_id, department, category, item_type, brand, maker, name, size from clean.items order by item_id"
# One row for each item of a visit: what the ranker reads. A purchase of two is one row of two units.
LINES = """
select
    user_id, item_id, visit_id, min(event_time) as visit_time, count(*) as units,
    sum(amount_cents) as cents, sum(discount_cents) as discount_cents, sum(coupon_cents) as coupon_cents, max(place_id) as place_id
from clean.events
where event_date < $as_of and event_type = $outcome_event and item_id is not null
group by user_id, item_id, visit_id
order by user_id, item_id, visit_id
"""
LINES_OF_SOME = LINES.replace("< $as_of", "< $as_of and user_id between $first and $last")
OUTCOME_EVENT = "purchase"
# What users know without having bought it, once a pair: looked at, put into the cart, rated or returned; and whether all of it went back.
LOOKED_AT, JUDGED = ("view", "cart", "search"), ("return", "review")
SEEN_OF_SOME = f"""
with seen as (
    select user_id, item_id, bool_or(event_type in {JUDGED}) as is_judged
    from clean.events
    where
        event_date < $as_of and user_id between $first and $last
        and item_id is not null and event_type in {(*LOOKED_AT, *JUDGED)}
    group by user_id, item_id
)
select seen.*, gone.item_id is not null as is_gone
from seen left join gone on seen.user_id = gone.user_id and seen.item_id = gone.item_id
order by seen.user_id, seen.item_id
"""
TRAITS = ("user_id", "trait", "word")
DECLARED = """
select user_id, pair.attribute, pair."value"
from (select user_id, unnest([{pairs}]::struct(attribute varchar, "value" varchar)[]) as pair from clean.users as users)
where pair."value" is not null
order by user_id, pair.attribute
"""


@dataclass(frozen=True)
class Frames:
    """What the behaviour model reads. No event of `visits` and no feature is from `as_of` or later."""

    visits: pl.DataFrame
    features: pl.DataFrame
    items: pl.DataFrame
    attributes: pl.DataFrame
    lines: pl.DataFrame | None = None  # of a training only
    traits: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=dict.fromkeys(TRAITS, pl.String)))  # the same


def features_at(session: Session, home: Home, days: list[date]) -> pl.DataFrame:
    """The features at the end of each of `days` (partitions)."""
    stage_features(session, home, days)
    return session.frame(features_sql(session.schema.measures.windows))


def features_sql(windows: tuple[int, ...]) -> str:
    """What the model reads of `as_of_features`. What it knows of spend is what stayed of it: net, under the names of spend."""
    amounts = ("spend_cents", *(f"spend_cents_{days}d" for days in windows))
    return f"""
    select
        * exclude (event_date, departments, categories, brands, price_bands, {", ".join(f"net_{name}" for name in amounts)})
        replace ({", ".join(f"net_{name} as {name}" for name in amounts)})
    from as_of_features
    order by as_of, user_id
    """


def history_at(session: Session, as_of: date) -> "History":
    """What everybody did before `as_of`, as arrays: read for some users after the others, so that the rows of all are never there at once."""
    from portrait_assets.kernels.sequences import history_from, joined

    items = session.frame(ITEMS)
    return joined(
        [
            history_from(session.frame(VISITS_OF_SOME, as_of=as_of, **some), items, as_of, OUTCOME_EVENT)
            for some in users_in_order(session, as_of)
        ]
    )


def bought_at(session: Session, as_of: date, items: pl.DataFrame) -> "Lines":
    """What everybody bought before `as_of`, as arrays that the ranker reads: read for some users after the others."""
    from portrait_assets.kernels.ranking.lines import joined, lines_from

    rows = (
        session.frame(LINES_OF_SOME, as_of=as_of, outcome_event=OUTCOME_EVENT, **some)
        for some in users_in_order(session, as_of)
    )
    return joined([lines_from(frame, items) for frame in rows], items)


def users_in_order(session: Session, as_of: date) -> list[dict[str, str]]:
    """All users with a visit before `as_of`, from a `first` to a `last` who together have some LINES_AT_ONCE lines; one such range at least."""
    lines = session.frame(LINES_OF_USERS, as_of=as_of).with_columns(part=(pl.col("lines").cum_sum() - 1) // LINES_AT_ONCE)
    of_part = lines.group_by("part", maintain_order=True).agg(first=pl.col("user_id").first(), last=pl.col("user_id").last())
    return of_part.select("first", "last").to_dicts() or [{"first": "", "last": ""}]


def frames_at(session: Session, home: Home, as_of: date, days: list[date]) -> Frames:
    """Visits before `as_of`, and the features at the end of each of `days` (partitions)."""
    features = features_at(session, home, days)
    return Frames(
        visits=session.frame(VISITS, as_of=as_of),
        features=features,
        items=session.frame(ITEMS),
        attributes=declared(session, session.schema.inferred),
    )


def declared(session: Session, attributes: Sequence[str]) -> pl.DataFrame:
    """user_id, attribute, value of those attributes, as users declared them."""
    pairs = ", ".join(f"{{'attribute': '{name}', 'value': users.{name}}}" for name in attributes)
    return session.frame(DECLARED.replace("{pairs}", pairs))


def frames_for(session: Session, home: Home, trained_through: date) -> Frames:
    """What a training for `trained_through` reads: its own as-of and whole horizons before it, of at most TRAINING_USERS users."""
    frames = frames_at(session, home, trained_through, training_days(home, trained_through))
    traits = traits_at(session, home, partition_of(trained_through))
    return sampled(replace(frames, lines=lines_at(session, trained_through), traits=traits))


@contextmanager
def machine_for(home: Home, training: str) -> Iterator["Machine"]:
    """What the settings say to train with. Checkpoints of a training that fails stay: begun again, it goes on from them."""
    from portrait_assets.kernels.machine import machine_of

    settings, folder = home.settings, home.settings.checkpoints_dir / training
    machine = machine_of(settings.model_size, settings.training_pieces, settings.training_processes, folder)
    if settings.model_size.startswith("gpu") and machine.device == "cpu":
        logger.warning("PORTRAIT_MODEL_SIZE is '%s' and there is no GPU here: the CPU will take very long", settings.model_size)
    yield machine
    shutil.rmtree(folder, ignore_errors=True)


def lines_at(session: Session, as_of: date) -> pl.DataFrame:
    """What was bought before `as_of`, item by item of each visit."""
    return session.frame(LINES, as_of=as_of, outcome_event=OUTCOME_EVENT)


def traits_at(session: Session, home: Home, day: date) -> pl.DataFrame:
    """user_id, trait, word: what may name a segment of the users at the end of `day`."""
    stage_features(session, home, [day])
    window = Window(day, day)
    session.stage("snapshot_rows", "portraits/snapshots.sql", **parameters(home, window, history_start(session, home)))
    return session.frame(session.sql("models/segment_traits.sql"))


def learnt_later(session: Session, trained_through: date) -> bool:
    """Whether anything that happened before `trained_through` was learnt at that instant or later."""
    return session.rows(
        "select 1 from raw.events where event_time < $trained_through and ingested_at >= $trained_through limit 1",
        trained_through=trained_through,
    ) != []  # fmt: skip


def sampled(frames: Frames) -> Frames:
    """At most TRAINING_USERS users, chosen by a hash of their id: enough to learn from, and the same ones every time."""
    users = frames.visits.select(pl.col("user_id").unique())
    if len(users) <= TRAINING_USERS:
        return frames
    digests = [hashlib.md5(user.encode()).hexdigest() for user in users["user_id"]]
    chosen = users.with_columns(digest=pl.Series(digests)).sort("digest").head(TRAINING_USERS).select("user_id")
    return replace(
        frames,
        visits=frames.visits.join(chosen, on="user_id", how="semi", maintain_order="left"),
        features=frames.features.join(chosen, on="user_id", how="semi", maintain_order="left"),
        lines=None if frames.lines is None else frames.lines.join(chosen, on="user_id", how="semi", maintain_order="left"),
    )


def training_days(home: Home, trained_through: date) -> list[date]:
    """Partitions whose as-ofs are `trained_through` and whole horizons before it, back to the first event."""
    candidates = (trained_through - HORIZON * step - DAY for step in range(TRAINING_AS_OFS + 1))
    return [day for day in candidates if day >= home.days.start]
