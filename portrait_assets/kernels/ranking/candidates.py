"""Who may be offered what: a few generators, each with a reason of its own. The ranker then decides.

`again` is what the user bought before; the others are new to the user.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
from scipy import sparse

from portrait_assets.kernels.ranking.everyone import NEW_ITEMS, Everyone
from portrait_assets.kernels.ranking.lines import Lines
from portrait_assets.kernels.ranking.neighbours import Neighbours
from portrait_assets.kernels.ranking.rhythm import runs_of
from portrait_assets.kernels.sequences import day_number

LEADING_TYPES = 8  # the item types a user buys most, whose best sellers are offered


@dataclass(frozen=True)
class Candidates:
    """N pairs sorted by (user, item), each once; `by` says per generator which pairs it named."""

    user: np.ndarray  # (N,)
    item: np.ndarray  # (N,)
    by: dict[str, np.ndarray]  # generator -> (N,) bool


def candidates_of(everyone: Everyone, lines: Lines, near: Neighbours, also: np.ndarray) -> Candidates:
    """Of every user of `lines` with a line before everyone's as-of, and the pairs in `also` whoever names them."""
    as_of, count = everyone.as_of, len(lines.items)
    known = lines.before(as_of)
    again, users = lines.pairs_before(as_of), np.unique(lines.user[known])
    popular = everyone.sellers["popular"][:1]
    named = {
        "again": again,
        "alike": best_unknown(near.alike, lines, as_of, NEW_ITEMS),
        "goes_with": best_unknown(near.goes_with, lines, as_of, NEW_ITEMS),
        "leaders": np.setdiff1d(of_leading_types(everyone.sellers["leaders"], lines, as_of), again),
        "popular": np.setdiff1d((users[:, None] * count + popular[popular >= 0]).ravel(), again),
        "arrivals": np.setdiff1d(of_leading_types(everyone.sellers["arrivals"], lines, as_of), again),
    }
    every = np.unique(np.concatenate([*named.values(), also]))
    by = {name: np.isin(every, pairs) for name, pairs in named.items()}
    return Candidates(every // count, every % count, by)


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


def of_leading_types(best: np.ndarray, lines: Lines, as_of: date) -> np.ndarray:
    """Pairs: for each user's strongest item types, the best sellers (types, n) of the type."""
    group, known, width = lines.groups["item_type"], lines.before(as_of), lines.width("item_type")
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
    leading = order[rank < LEADING_TYPES]
    leading = leading[leading % width < len(best)]
    items = best[leading % width]
    pairs = (leading // width)[:, None] * len(lines.items) + items
    return np.unique(pairs[items >= 0])
