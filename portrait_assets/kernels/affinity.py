"""What users of like habits buy: how near a target is to all that a user buys, bought before or not.

A user is a unit row of decayed counts over the targets, the most bought items and all categories. Three numbers a pair: the sum of
the user's row over the targets' cosine neighbours, and the target as two truncations of the rows' principal components tell it.
"""

from datetime import date

import numpy as np
from threadpoolctl import threadpool_limits

from portrait_assets.kernels import habits
from portrait_assets.kernels.config import BehaviourConfig
from portrait_assets.kernels.sequences import History

EVER_DAYS = 10_000
RANKS = (16, 48)  # components kept: broad tastes, and finer ones


def affinity(history: History, level: str, targets: list[str], as_of: date, config: BehaviourConfig) -> np.ndarray:
    """(U, T, 1 + len(RANKS)) float32 for every user of the history, from lines before as_of."""
    with threadpool_limits(config.threads):  # sums in one order, whatever the machine
        rows = unit_rows(history, level, targets, as_of, config)
        together, mean = (rows.T @ rows).astype(np.float64), rows.mean(0, dtype=np.float64)
        length, count = np.sqrt(np.diag(together)) + 1e-9, len(targets)
        cosine = together / np.outer(length, length)
        np.fill_diagonal(cosine, 0.0)  # the target itself is told by the pair's own habit
        _, axes = np.linalg.eigh(together / max(len(rows), 1) - np.outer(mean, mean))
        columns = [rows @ cosine[:, :count].astype(np.float32)]
        for rank in RANKS:
            kept = axes[:, -rank:].astype(np.float32)
            columns.append((rows - mean.astype(np.float32)) @ kept @ kept[:count].T + mean[:count].astype(np.float32))
    return np.stack(columns, axis=2)


def unit_rows(history: History, level: str, targets: list[str], as_of: date, config: BehaviourConfig) -> np.ndarray:
    """(U, D) float32 of length one (zero for who bought nothing): the targets stand first."""
    counts = []
    for kind in dict.fromkeys((level, "item", "category")):
        first = targets if kind == level else []
        others = history.popular(kind, as_of, EVER_DAYS, config.affinity_items)
        names = first + [name for name in others if name not in set(first)]
        table = habits.decayed_counts(history, history.recode(kind, names), len(names), as_of, config.half_lives_days[-1:])
        counts.append(table[:, :, 0])
    rows = np.concatenate(counts, axis=1)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
