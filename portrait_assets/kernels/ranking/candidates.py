"""Who may be offered what: a few generators, each with a reason of its own. The ranker then decides.

`again` is what the user bought before; the others are new to the user.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
from scipy import sparse

from portrait_assets.kernels.ranking.lines import Lines
from portrait_assets.kernels.ranking.neighbours import Neighbours
from portrait_assets.kernels.ranking.rhythm import runs_of
from portrait_assets.kernels.sequences import day_number

NEW_GENERATORS = ("alike", "goes_with", "leaders", "popular", "arrivals")
NEW_ITEMS = 20  # a user and generator
POPULAR_DAYS = 28
LEADING_GROUPS = 8  # the item types a user buys most, whose best sellers are offered
LEADERS = 4  # of each
ARRIVAL_DAYS = 28  # an item first sold within these days is new to everybody


@dataclass(frozen=True)
class Candidates:
    """N pairs sorted by (user, item), each once; `by` says per generator which pairs it named."""

    user: np.ndarray  # (N,)
    item: np.ndarray  # (N,)
    by: dict[str, np.ndarray]  # "again" or one of NEW_GENERATORS -> (N,) bool


def candidates_at(lines: Lines, as_of: date, near: Neighbours) -> Candidates:
    """Of every user with a line before as_of."""
    known = lines.before(as_of)
    again = lines.pairs_before(as_of)
    users, count = np.unique(lines.user[known]), len(lines.items)
    named = {"again": again}
    for name in NEW_GENERATORS:
        pairs = GENERATORS[name](lines, as_of, near, users)
        named[name] = np.setdiff1d(pairs, again) if name not in ("alike", "goes_with") else pairs
    every = np.unique(np.concatenate(list(named.values())))
    by = {name: np.isin(every, pairs, assume_unique=True) for name, pairs in named.items()}
    return Candidates(every // count, every % count, by)


def _alike(lines: Lines, as_of: date, near: Neighbours, users: np.ndarray) -> np.ndarray:
    return best_unknown(near.alike, lines, as_of, NEW_ITEMS)


def _goes_with(lines: Lines, as_of: date, near: Neighbours, users: np.ndarray) -> np.ndarray:
    return best_unknown(near.goes_with, lines, as_of, NEW_ITEMS)


def _popular(lines: Lines, as_of: date, near: Neighbours, users: np.ndarray) -> np.ndarray:
    best = best_sellers(lines, as_of, np.zeros(len(lines.items), np.int64), NEW_ITEMS)
    return np.unique((users[:, None] * len(lines.items) + best[best >= 0]).ravel())


def _arrivals(lines: Lines, as_of: date, near: Neighbours, users: np.ndarray) -> np.ndarray:
    """The best sellers of what nobody bought before the last days, to those who buy the item's type."""
    known = lines.before(as_of)
    first = np.full(len(lines.items), np.inf)
    np.minimum.at(first, lines.item[known], lines.day[known])
    fresh = np.isfinite(first) & (first >= day_number(as_of) - ARRIVAL_DAYS)
    return of_leading_groups(lines, as_of, users, np.where(fresh, lines.groups["item_type"], -1))


def _leaders(lines: Lines, as_of: date, near: Neighbours, users: np.ndarray) -> np.ndarray:
    """The best sellers of the item types that a user buys most."""
    return of_leading_groups(lines, as_of, users, lines.groups["item_type"])


GENERATORS = {"alike": _alike, "goes_with": _goes_with, "leaders": _leaders, "popular": _popular, "arrivals": _arrivals}


def best_unknown(scores: sparse.csr_matrix, lines: Lines, as_of: date, count: int) -> np.ndarray:
    """Pairs: the `count` best scored items of each user among those the user never bought; ties by item."""
    width, pairs = scores.shape[1], []
    known = lines.pairs_before(as_of)
    bought, items = runs_of(known // width), known % width
    for user, start, length in zip(bought.key, bought.start, bought.length, strict=True):
        cells = slice(scores.indptr[user], scores.indptr[user + 1])
        item, score = scores.indices[cells], scores.data[cells].copy()
        score[np.isin(item, items[start : start + length], assume_unique=True)] = 0.0
        if len(score) > count:
            likely = np.flatnonzero(score >= np.partition(score, -count)[-count])
            item, score = item[likely], score[likely]
        best = np.lexsort((item, -score))[:count]
        pairs.append(user * width + item[best[score[best] > 0]])
    return np.sort(np.concatenate(pairs)) if pairs else np.zeros(0, np.int64)


def best_sellers(lines: Lines, as_of: date, group: np.ndarray, count: int) -> np.ndarray:
    """(groups, count) items of each group with most buyers lately, -1 where there are fewer; ties by item."""
    now = day_number(as_of)
    lately = lines.before(as_of) & (lines.day >= now - POPULAR_DAYS)
    pairs = runs_of(lines.pair[lately]).key
    buyers = np.bincount(pairs % len(lines.items), minlength=len(lines.items))
    sold = np.flatnonzero((buyers > 0) & (group >= 0))
    table = np.full((int(group.max(initial=-1)) + 1, count), -1, np.int64)
    order = sold[np.lexsort((sold, -buyers[sold], group[sold]))]
    runs = runs_of(group[order])
    rank = np.arange(len(order)) - runs.start[runs.of] if len(order) else order
    keep = rank < count
    table[group[order[keep]], rank[keep]] = order[keep]
    return table


def of_leading_groups(lines: Lines, as_of: date, users: np.ndarray, sellers: np.ndarray) -> np.ndarray:
    """Pairs: for each user's strongest item types, the best sellers among items with a `sellers` code."""
    group, known = lines.groups["item_type"], lines.before(as_of)
    best = best_sellers(lines, as_of, sellers, LEADERS)
    width = int(group.max(initial=-1)) + 1
    if not width or not len(best):
        return np.zeros(0, np.int64)
    code = group[lines.item[known]]
    told = code >= 0
    age = day_number(as_of) - lines.day[known][told]
    mass = np.bincount(lines.user[known][told] * width + code[told], weights=2.0 ** (-age / 45.0))
    cell = np.flatnonzero(mass)
    order = cell[np.lexsort((cell, -mass[cell], cell // width))]
    runs = runs_of(order // width)
    rank = np.arange(len(order)) - runs.start[runs.of] if len(order) else order
    leading = order[rank < LEADING_GROUPS]
    leading = leading[leading % width < len(best)]
    items = best[leading % width]
    pairs = (leading // width)[:, None] * len(lines.items) + items
    return np.unique(pairs[items >= 0])
