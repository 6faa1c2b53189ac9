"""How good a ranking is: recall, NDCG, hit rate and reciprocal rank per user, for the window and its first basket.

The protocol: users known before the as-of who buy in [as_of, as_of + horizon); every item is a candidate; the targets are the
distinct items of the window, or of the user's first visit in it. Recall is over all targets, NDCG's ideal is cut at k;
deep recall is that of twice as many places.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from portrait_assets.kernels.ranking.lines import Lines
from portrait_assets.kernels.ranking.rhythm import runs_of
from portrait_assets.kernels.sequences import day_number

TARGETS = ("window", "basket", "again", "discover")  # the window's, its first visit's; the window's known and new to the user
MEASURES = ("recall", "ndcg", "hit", "mrr", "deep_recall")
K = 10
DEEP = 2  # deep recall looks at so many times k places


@dataclass(frozen=True)
class Measured:
    """Per target the users (code) who have one, and per measure their values."""

    users: dict[str, np.ndarray]
    values: dict[str, dict[str, np.ndarray]]

    def frame(self) -> pl.DataFrame:
        """target, measure, users, mean."""
        rows = [
            (target, name, len(values), float(values.mean()) if len(values) else None)
            for target, measures in self.values.items()
            for name, values in measures.items()
        ]
        schema = {"target": pl.String, "measure": pl.String, "users": pl.Int64, "mean": pl.Float64}
        return pl.DataFrame(rows, schema=schema, orient="row")


def targets_of(lines: Lines, as_of: date, horizon_days: int) -> dict[str, np.ndarray]:
    """Each of TARGETS -> sorted pairs (user * I + item)."""
    now, pair = day_number(as_of), lines.pair
    before = lines.before(as_of)
    known = np.zeros(len(lines.users), bool)
    known[lines.user[before]] = True
    inside = (lines.day >= now) & (lines.day < now + horizon_days) & known[lines.user]
    window = np.unique(pair[inside])
    first = np.full(len(lines.users), len(lines.visit_user))
    np.minimum.at(first, lines.user[inside], lines.visit[inside])
    again = np.isin(window, pair[before])
    return {
        "window": window,
        "basket": np.unique(pair[inside & (lines.visit == first[lines.user])]),
        "again": window[again],
        "discover": window[~again],
    }


def top(user: np.ndarray, item: np.ndarray, score: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of each user's k best, by user and rank, and their rank from 0; ties by item."""
    order = np.lexsort((item, -score, user))
    runs = runs_of(user[order])
    rank = np.arange(len(order)) - runs.start[runs.of] if len(order) else order
    return order[rank < k], rank[rank < k]


def measure(
    lines: Lines, as_of: date, horizon_days: int, user: np.ndarray, item: np.ndarray, score: np.ndarray, k: int = K
) -> Measured:
    """Measures of a ranking of (user, item) pairs. For `again` and `discover` only items of that kind are ranked."""
    known = lines.pairs_before(as_of)
    pair = user * len(lines.items) + item
    is_again = np.isin(pair, known)
    users, values = {}, {}
    for target, wanted in targets_of(lines, as_of, horizon_days).items():
        of_kind = {"again": is_again, "discover": ~is_again}.get(target, np.ones(len(user), bool))
        best, rank = top(user[of_kind], item[of_kind], score[of_kind], DEEP * k)
        users[target], values[target] = measure_one(user[of_kind][best], pair[of_kind][best], rank, wanted, lines, k)
    return Measured(users, values)


def measure_one(
    user: np.ndarray, pair: np.ndarray, rank: np.ndarray, wanted: np.ndarray, lines: Lines, k: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Users with a target, and their values; `user`, `pair`, `rank` (N,) are the ranked items, DEEP * k of each user."""
    size, discount = len(lines.users), 1 / np.log2(np.arange(2, k + 2))
    count = np.bincount(wanted // len(lines.items), minlength=size)
    found = np.isin(pair, wanted)
    deep, hit = np.bincount(user[found], minlength=size), found & (rank < k)
    hits = np.bincount(user[hit], minlength=size)
    gain = np.bincount(user[hit], weights=discount[rank[hit]], minlength=size)
    first = np.full(size, np.inf)
    np.minimum.at(first, user[hit], rank[hit] + 1.0)
    has = np.flatnonzero(count)
    ideal = np.cumsum(discount)[np.minimum(count[has], k) - 1]
    return has, {
        "recall": hits[has] / count[has],
        "ndcg": gain[has] / ideal,
        "hit": (hits[has] > 0).astype(np.float64),
        "mrr": 1 / first[has],
        "deep_recall": deep[has] / count[has],
    }
