"""Lists on request: a generation's ranker over what everybody bought by then, and one user's events up to now."""

import difflib
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from portrait_assets.assets.recommending import policy_of
from portrait_assets.assets.training import JUDGED, LINES, LOOKED_AT, OUTCOME_EVENT
from portrait_assets.errors import PortraitError
from portrait_assets.home import Home
from portrait_assets.kernels.ranking.context import NOWHERE, Context
from portrait_assets.packs.recommending import parse_recommending
from portrait_assets.serving.generation import Generation
from portrait_assets.serving.popular import listed

if TYPE_CHECKING:
    from portrait_assets.kernels.ranking.live import Bought
    from portrait_assets.kernels.ranking.ranker import Ranker
    from portrait_assets.kernels.ranking.recommend import Standing

LISTS = ("blended", "again", "discover")
CONTEXT_LEFT_OUT = "; of the context only the basket counts, it is not offered"


class Unready(Exception):
    """Why there is no recommender."""


class Recommender:
    """All that one generation's live lists are made from. Any thread may ask; one list is made at a time."""

    def __init__(self, generation: Generation, standing: "Standing"):
        self._as_of, self._described, self._standing = generation.export.as_of, generation.item_places, standing
        self._alone = threading.Lock()

    @classmethod
    def of(cls, generation: Generation, home: Home, is_stopped: Callable[[], bool] = lambda: False) -> "Recommender":
        """Read what everybody bought: some seconds. Unready where no ranker is in force, or it is stopped half way.

        A PortraitError where the model's files are not what was trained.
        """
        ranker = _ranker_of(generation, home)
        from threadpoolctl import threadpool_limits

        from portrait_assets.kernels.ranking.everyone import everyone_at
        from portrait_assets.kernels.ranking.lines import lines_from, without
        from portrait_assets.kernels.ranking.recommend import standing_of

        as_of, items = generation.export.as_of, pl.DataFrame(pl.from_arrow(generation.items))
        bought = _bought_by_all(generation.events.table, as_of)
        lines = lines_from(bought, items)
        if is_stopped():
            raise Unready("this generation is no longer served")
        rules = parse_recommending(generation.recommending, generation.export.folder / "manifest.json")
        with threadpool_limits(1):  # as in the batch path
            everyone = everyone_at(lines, as_of, ranker.config.horizon_days)
            standing = standing_of(ranker, everyone, items, policy_of(rules))
        return cls(generation, replace(standing, everyone=replace(everyone, lines=without(lines, ()))))

    def rows(self, user_id: str, events: pa.Table, as_of: date, which: str, context: Context) -> list[dict[str, Any]] | None:
        """A list of one user, whose events these are; None where no purchase of theirs is of anything known."""
        from portrait_assets.kernels.ranking.live import lines_of, recommend_live
        from portrait_assets.kernels.ranking.seen import seen_from

        lines = lines_of(self._standing.everyone.lines, user_id, bought_of(events))
        seen = seen_from([seen_of(events, as_of)], lines)
        with self._alone:
            return recommend_live(self._standing, lines, as_of, context, which, seen)

    def check(self, context: Context) -> None:
        """A PortraitError where nobody knows the place or an item."""
        known = self._standing.everyone.lines
        if context.place is not None and context.place not in known.place_codes:
            near = difflib.get_close_matches(context.place, known.places, n=3, cutoff=0.5) or known.places[:3]
            raise PortraitError(
                f"store '{context.place}': nobody bought anything there before {self._as_of}; {len(known.places)} are known, "
                f"for example {', '.join(near) or 'none'}"
            )
        for item in context.basket:
            if item not in known.item_codes and item not in self._described:
                raise PortraitError(
                    f"basket, item '{item}': it is neither described nor bought before {self._as_of}; check the id"
                )


def answer(
    generation: Generation,
    recommender: Recommender | str,
    user_id: str,
    live_events: pa.Table | None,
    as_of: date,
    which: str,
    context: Context,
) -> dict[str, Any]:
    """What to offer a user, as of when, whether that was made now, and where something is missing a `note` that says what.

    Made now where the user has `live_events` or a context is given; else, and while the recommender is not there (then it is the
    reason), it is as published. A PortraitError where nobody knows what the context names.
    """
    published, note = generation.export.as_of, None
    rows = None
    if live_events is not None or context != NOWHERE:
        if isinstance(recommender, str):
            note = f"as published: {recommender}{CONTEXT_LEFT_OUT if context != NOWHERE else ''}"
        else:
            recommender.check(context)
            events = generation.events.of(user_id)
            events = events if live_events is None else pa.concat_tables([events, live_events])
            rows = recommender.rows(user_id, events, as_of, which, context)
    is_live = rows is not None
    if rows is None:
        rows = _published(generation, user_id, which, context.basket)
    if rows is None:
        rows = [] if which == "again" else listed(generation.popular, context.basket)
        note = f"nothing that user '{user_id}' bought is known: this is what is popular" if rows else None
    if not rows:
        note = "the rules or the data leave nothing to offer here"
    return {
        "user_id": user_id,
        "list": which,
        "live": is_live,
        "as_of": str(as_of if is_live else published),
        "stale": not is_live and as_of > published,
        "generation": generation.name,
        "note": note,
        "recommendations": rows,
    }


def bought_of(events: pa.Table) -> "Bought":
    """One user's purchases among clean events."""
    from portrait_assets.kernels.ranking.live import Bought

    rows = events.filter(pc.and_(pc.equal(events["event_type"], OUTCOME_EVENT), pc.is_valid(events["item_id"])))
    items, visits, places = (rows[name].combine_chunks() for name in ("item_id", "visit_id", "place_id"))
    moments = rows["event_time"].to_numpy().astype("datetime64[us]").astype("int64")
    cents, discount, coupon = (
        pc.fill_null(rows[f"{name}_cents"], 0).to_numpy().astype("float64") for name in ("amount", "discount", "coupon")
    )
    return Bought(items, visits, places, moments, cents, discount, coupon)


def seen_of(events: pa.Table, as_of: date) -> pl.DataFrame:
    """What a user of these clean events knows without having bought it, as the batch path's query says it: a connection takes too long here."""
    columns = ["user_id", "item_id", "event_type", "event_date", "event_time", "quantity_milli"]
    rows = pl.DataFrame(pl.from_arrow(events.select(columns)))
    kind = pl.col("event_type")
    known = rows.filter(
        pl.col("event_date") < as_of,
        pl.col("item_id").is_not_null(),
        kind.is_in([*LOOKED_AT, *JUDGED, OUTCOME_EVENT]),
    )
    # As recommendations/gone.sql has it.
    units = pl.when(pl.col("quantity_milli") > 0).then("quantity_milli").otherwise(1000)
    bought, returned = (pl.col("event_time").filter(kind == name).max() for name in (OUTCOME_EVENT, "return"))
    left = (pl.when(kind == OUTCOME_EVENT).then(units).when(kind == "return").then(-units)).sum()
    return (
        known.group_by("user_id", "item_id")
        .agg(
            kind.is_in(JUDGED).any().alias("is_judged"),
            ((bought <= returned) & (left <= 0)).fill_null(False).alias("is_gone"),
            (kind != OUTCOME_EVENT).any().alias("is_seen"),
        )
        .filter("is_seen")
    )


def _published(generation: Generation, user_id: str, which: str, basket: tuple[str, ...]) -> list[dict[str, Any]] | None:
    """A published list, without what names the user and what is in the basket; None where nothing was published for them."""
    if user_id not in generation.rows["recommendations"]:
        return None
    rows = generation.rows["recommendations" if which == "blended" else "lists"].of(user_id).to_pylist()
    told = [row for row in rows if which in ("blended", row["list"]) and row["item_id"] not in basket]
    ranked = sorted(told, key=lambda row: row["rank"])
    return [{name: value for name, value in row.items() if name != "user_id"} | {"rank": k} for k, row in enumerate(ranked, 1)]


def _ranker_of(generation: Generation, home: Home) -> "Ranker":
    if not generation.export.model_versions:
        raise Unready("no model is in force")
    from portrait_assets.kernels import storage

    [version] = generation.export.model_versions
    model, found = storage.load(home.settings.models_dir / version)
    if found != version:
        raise PortraitError(f"{home.settings.models_dir / version} holds the model {found}; restore the folder or train again")
    if model.ranker is None:
        raise Unready("the model in force was trained on too little for a ranker")
    return model.ranker


def _bought_by_all(events: pa.Table, as_of: date) -> pl.DataFrame:
    """What the ranker reads, by the batch path's own query."""
    with duckdb.connect(config={"threads": 1}) as con:
        con.execute("set enable_progress_bar = false")
        con.execute("create schema clean")
        con.register("held", events)
        con.execute("create view clean.events as from held")
        return con.sql(LINES, params={"as_of": as_of, "outcome_event": OUTCOME_EVENT}).pl()
