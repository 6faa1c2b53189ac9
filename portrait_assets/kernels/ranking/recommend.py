"""From a trained ranker and the lines before an as-of to the lists of every user, with probabilities and reasons."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from portrait_assets.kernels.ranking.everyone import Everyone, everyone_at
from portrait_assets.kernels.ranking.lines import Lines, without
from portrait_assets.kernels.ranking.lists import Lists, Policy, make_lists
from portrait_assets.kernels.ranking.neighbours import NO_ITEMS
from portrait_assets.kernels.ranking.ranker import Ranker, Read, read_of
from portrait_assets.kernels.ranking.reasons import Names, middle_of, tell
from portrait_assets.kernels.ranking.seen import NOTHING, Seen
from portrait_assets.kernels.sequences import day_number
from portrait_assets.settings import CORES
from portrait_assets.words_near import pattern_of

DRAWN = "drawn to explore; "  # begins the reason of what the scores would not show
MIDDLING_USERS = 200
USERS_AT_ONCE = 100  # of a core
LEVELS = ("item_id", "item_type", "category", "department", "brand", "maker")
SCHEMA = {
    "user_id": pl.String,
    "list": pl.String,
    "rank": pl.Int64,
    "item_id": pl.String,
    "score": pl.Float64,
    "probability": pl.Float64,
    "reason": pl.String,
    "draw_chance": pl.Float64,  # of what was drawn to explore; null for what was not
}


@dataclass(frozen=True)
class Recommended:
    """SCHEMA's columns: the blended list (`list` says whether an item is of `again` or `discover`), and those two on their own."""

    blended: pl.DataFrame
    lists: pl.DataFrame


@dataclass(frozen=True)
class Standing:
    """All that lists are made from besides a user's own lines: made once a state, it answers for anybody at any moment."""

    ranker: Ranker
    everyone: Everyone
    described: pl.DataFrame
    names: Names
    policy: Policy
    offered: np.ndarray  # (I,) bool: not kept from everybody by the policy
    middle: np.ndarray  # (F,) the median candidate: what a reason is compared with
    threads: int = CORES  # that score


@dataclass(frozen=True)
class Ranked:
    """The N candidates of a read with what to rank by and the probability, both (N,), and the lists made of them."""

    read: Read
    score: np.ndarray
    probability: np.ndarray
    lists: Lists

    def ordered_by(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """(N,) what the list `name` (a field of Lists) is ordered by, and (N,) the chance of being drawn to it, NaN for what was not."""
        if name == "blended":
            return self.lists.value, self.lists.chance
        return self.score, np.full(len(self.score), np.nan)


def recommend(
    ranker: Ranker, lines: Lines, items: pl.DataFrame, as_of: date, policy: Policy, seen: Seen = NOTHING
) -> Recommended:
    """For every user with a line before as_of, by what they have `seen`. The same inputs give the same rows, on any number of cores."""

    def of_part(users: np.ndarray) -> Recommended:
        part = without(lines, [(int(user), ()) for user in users])
        return listed(standing, part, read_of(everyone, part), seen.of(users, len(lines.items)))

    with threadpool_limits(1):  # as `read_at`; cores take users instead, some at a time, which also stay in the cache
        everyone = everyone_at(lines, as_of, ranker.config.horizon_days)
        standing = replace(standing_of(ranker, everyone, items, policy), threads=1)
        users = np.unique(lines.user[lines.before(as_of)])
        parts = np.array_split(users, max(1, -(-len(users) // USERS_AT_ONCE)))
        with ThreadPoolExecutor(CORES, initializer=threadpool_limits, initargs=(1,)) as pool:
            made = list(pool.map(of_part, parts))
    return Recommended(pl.concat([one.blended for one in made]), pl.concat([one.lists for one in made]))


def standing_of(ranker: Ranker, everyone: Everyone, items: pl.DataFrame, policy: Policy) -> Standing:
    """`items` describe, as `described_items` reads them."""
    described = described_items(everyone.lines, items)
    return Standing(ranker, everyone, described, names_of(described), policy, offered(described, policy), middling(everyone))


def middling(everyone: Everyone) -> np.ndarray:
    """(F,) the median candidate of some users, at equal distances in the order of their ids: nobody need read all users for it."""
    lines = everyone.lines
    users = np.unique(lines.user[lines.before(everyone.as_of)])
    some = users[np.linspace(0, len(users) - 1, min(len(users), MIDDLING_USERS)).astype(np.int64)]
    return middle_of(read_of(everyone, without(lines, [(int(user), ()) for user in some])).x)


def ranked(standing: Standing, lines: Lines, read: Read, hidden: np.ndarray = NO_ITEMS, seen: Seen = NOTHING) -> Ranked:
    """The lists of the users of `lines`, of whom `read` was read; `hidden` items are in none, what they have `seen` is not new."""
    described, policy = standing.described, standing.policy
    score, probability = standing.ranker.scores(read.x, standing.threads)
    score = score + boosts(described, read, policy)
    shown = allowed(standing, lines, read) & ~np.isin(read.candidates.item, hidden)
    return Ranked(read, score, probability, make_lists(lines, read.candidates, score, shown, policy, read.as_of, seen))


def reasons_of(standing: Standing, read: Read, rows: np.ndarray) -> list[str]:
    """Why each of `rows` (M,) of the candidates is offered."""
    return tell(standing.ranker, read, rows, standing.middle, standing.names, standing.threads)[1]


def listed(standing: Standing, lines: Lines, read: Read, seen: Seen = NOTHING) -> Recommended:
    """The lists of the users of `lines`, of whom `read` was read."""
    made = ranked(standing, lines, read, seen=seen)
    parts = {"blended": made.lists.blended, "again": made.lists.again, "discover": made.lists.discover}
    shown = np.unique(np.concatenate([rows for rows, _ in parts.values()]))
    reason = pl.Series(reasons_of(standing, read, shown), dtype=pl.String)
    frames = {}
    for name, (rows, rank) in parts.items():
        is_again = read.candidates.by["again"][rows]
        value, chance = made.ordered_by(name)
        told = reason[np.searchsorted(shown, rows)]
        frames[name] = pl.DataFrame(
            {
                "user_id": [lines.users[k] for k in read.candidates.user[rows]],
                "list": pl.Series(np.where(is_again, "again", "discover"), dtype=pl.String),
                "rank": rank,
                "item_id": [lines.items[k] for k in read.candidates.item[rows]],
                "score": value[rows],
                "probability": made.probability[rows],
                "reason": told.zip_with(pl.Series(np.isnan(chance[rows])), DRAWN + told),
                "draw_chance": pl.Series(chance[rows], dtype=pl.Float64).fill_nan(None),
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
    if level == "name":
        return described["name"].str.contains(f"^(?:{pattern_of(name)})$").fill_null(False).to_numpy()
    column = "item_id" if level == "item" else level
    return (described[column] == name).fill_null(False).to_numpy()


def boosts(described: pl.DataFrame, read: Read, policy: Policy) -> np.ndarray:
    """(N,) what the policy adds to the scores."""
    added = np.zeros(len(described))
    for level, name, boost in policy.boost:
        added[matches(described, level, name)] += boost
    return added[read.candidates.item]


def offered(described: pl.DataFrame, policy: Policy) -> np.ndarray:
    """(I,) bool: what is in stock and not excluded."""
    shown = ~described["item_id"].is_in(policy.out_of_stock).to_numpy()
    for level, name in policy.exclude:
        shown &= ~matches(described, level, name)
    return shown


def allowed(standing: Standing, lines: Lines, read: Read) -> np.ndarray:
    """(N,) bool: whether the policy lets a candidate be shown."""
    keep = standing.offered[read.candidates.item]
    for level, name, days in standing.policy.cool_down:
        durable = matches(standing.described, level, name)
        age = day_number(read.as_of) - lines.day
        lately = durable[lines.item] & (age > 0) & (age < days)
        cooling = np.zeros(len(lines.users), bool)
        cooling[lines.user[lately]] = True
        keep &= ~(durable[read.candidates.item] & cooling[read.candidates.user])
    return keep
