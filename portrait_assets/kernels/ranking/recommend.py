"""From a trained ranker and the lines before an as-of to the lists of every user, with probabilities and reasons."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from portrait_assets.kernels.ranking.lines import Lines
from portrait_assets.kernels.ranking.lists import Policy, make_lists
from portrait_assets.kernels.ranking.ranker import Ranker, Read, read_at
from portrait_assets.kernels.ranking.reasons import Names, contributions, middle_of, tell
from portrait_assets.kernels.sequences import day_number

LEVELS = ("item_id", "item_type", "category", "department", "brand", "maker")
SCHEMA = {
    "user_id": pl.String,
    "list": pl.String,
    "rank": pl.Int64,
    "item_id": pl.String,
    "score": pl.Float64,
    "probability": pl.Float64,
    "reason": pl.String,
}


@dataclass(frozen=True)
class Recommended:
    """SCHEMA's columns: the blended list (`list` says whether an item is of `again` or `discover`), and those two on their own."""

    blended: pl.DataFrame
    lists: pl.DataFrame


def recommend(ranker: Ranker, lines: Lines, items: pl.DataFrame, as_of: date, policy: Policy) -> Recommended:
    """For every user with a line before as_of. The same inputs give the same rows."""
    read = read_at(lines, as_of, ranker.config.horizon_days)
    score, probability = ranker.scores(read.x)
    described = described_items(lines, items)
    score = score + boosts(described, read, policy)
    made = make_lists(lines, read.candidates, score, allowed(lines, described, read, as_of, policy), policy)
    listed = {"blended": made.blended, "again": made.again, "discover": made.discover}
    shown = np.unique(np.concatenate([rows for rows, _ in listed.values()]))
    falls = contributions(ranker, read.x[shown], middle_of(read.x))
    _, texts = tell(read, shown, falls, names_of(described))
    reason = pl.Series(texts, dtype=pl.String)
    frames = {}
    for name, (rows, rank) in listed.items():
        is_again = read.candidates.by["again"][rows]
        frames[name] = pl.DataFrame(
            {
                "user_id": pl.Series(lines.users, dtype=pl.String)[read.candidates.user[rows]],
                "list": pl.Series(np.where(is_again, "again", "discover"), dtype=pl.String),
                "rank": rank,
                "item_id": pl.Series(lines.items, dtype=pl.String)[read.candidates.item[rows]],
                "score": score[rows],
                "probability": probability[rows],
                "reason": reason[np.searchsorted(shown, rows)],
            },
            schema=SCHEMA,
        )
    return Recommended(frames["blended"], pl.concat([frames["again"], frames["discover"]]).sort("user_id", "list", "rank"))


def described_items(lines: Lines, items: pl.DataFrame) -> pl.DataFrame:
    """LEVELS and name of the I items, in their order, nulls where undescribed."""
    known = items.unique("item_id", keep="first", maintain_order=True)
    told = pl.DataFrame({"item_id": pl.Series(lines.items, dtype=pl.String)}).join(
        known, on="item_id", how="left", maintain_order="left"
    )
    return told.select(*(pl.col(level).cast(pl.String) for level in LEVELS), pl.col("name").cast(pl.String))


def names_of(described: pl.DataFrame) -> Names:
    """An item is called by its name, else by its type and id, else by its id."""
    item = described.select(
        pl.coalesce("name", pl.concat_str("item_type", pl.lit(" ("), "item_id", pl.lit(")")), "item_id")
    ).to_series()
    return Names(item.to_list(), described.select(pl.coalesce("item_type", "category")).to_series().to_list())


def matches(described: pl.DataFrame, level: str, name: str) -> np.ndarray:
    """(I,) bool: the items that a rule speaks of."""
    column = "item_id" if level == "item" else level
    return (described[column] == name).fill_null(False).to_numpy()


def boosts(described: pl.DataFrame, read: Read, policy: Policy) -> np.ndarray:
    """(N,) what the policy adds to the scores."""
    added = np.zeros(len(described))
    for level, name, boost in policy.boost:
        added[matches(described, level, name)] += boost
    return added[read.candidates.item]


def allowed(lines: Lines, described: pl.DataFrame, read: Read, as_of: date, policy: Policy) -> np.ndarray:
    """(N,) bool: whether the policy lets a candidate be shown."""
    shown = np.ones(len(described), bool)
    for level, name in policy.exclude:
        shown &= ~matches(described, level, name)
    keep = shown[read.candidates.item]
    for level, name, days in policy.cool_down:
        durable = matches(described, level, name)
        age = day_number(as_of) - lines.day
        lately = durable[lines.item] & (age > 0) & (age < days)
        cooling = np.zeros(len(lines.users), bool)
        cooling[lines.user[lately]] = True
        keep &= ~(durable[read.candidates.item] & cooling[read.candidates.user])
    return keep
