"""What users of like habits buy: how near a target is to all that a user buys, bought before or not.

A user is a unit row of decayed counts over the targets, the most bought items and all categories. Three numbers a pair: the sum of
the user's row over the targets' cosine neighbours, and the target as two truncations of the rows' principal components give it.
"""

from datetime import date

import numpy as np
from threadpoolctl import threadpool_limits

from portrait_assets.kernels import habits
from portrait_assets.kernels.config import BehaviourConfig
from portrait_assets.kernels.sequences import History

EVER_DAYS = 10_000
RANKS = (16, 48)  # components kept: broad tastes, and finer ones


def affinity(
    history: History, level: str, targets: list[str], as_of: date, config: BehaviourConfig, crowd: History | None = None
) -> np.ndarray:
    """(U, T, 1 + len(RANKS)) float32 for every user of the history, from lines before as_of; `crowd` says what goes with what."""
    with threadpool_limits(config.threads):  # sums in one order, whatever the machine
        names = row_names(crowd or history, level, targets, as_of, config)
        learnt = unit_rows(crowd or history, names, as_of, config)
        together, mean = (learnt.T @ learnt).astype(np.float64), learnt.mean(0, dtype=np.float64)
        length, count = np.sqrt(np.diag(together)) + 1e-9, len(targets)
        cosine = together / np.outer(length, length)
        np.fill_diagonal(cosine, 0.0)  # the target itself is in the pair's own habit
        _, axes = np.linalg.eigh(together / max(len(learnt), 1) - np.outer(mean, mean))
        rows = learnt if crowd is None else unit_rows(history, names, as_of, config)
        columns = [rows @ cosine[:, :count].astype(np.float32)]
        for rank in RANKS:
            kept = axes[:, -rank:].astype(np.float32)
            columns.append((rows - mean.astype(np.float32)) @ kept @ kept[:count].T + mean[:count].astype(np.float32))
    return np.stack(columns, axis=2)


def row_names(history: History, level: str, targets: list[str], as_of: date, config: BehaviourConfig) -> dict[str, list[str]]:
    """Level -> the names that a row counts, of D in all: the targets stand first."""
    found = {}
    for kind in dict.fromkeys((level, "item", "category")):
        first = targets if kind == level else []
        others = history.popular(kind, as_of, EVER_DAYS, config.affinity_items)
        found[kind] = first + [name for name in others if name not in set(first)]
    return found


def unit_rows(history: History, names: dict[str, list[str]], as_of: date, config: BehaviourConfig) -> np.ndarray:
    """(U, D) float32 of length one (zero for who bought nothing)."""
    counts = []
    for kind, of_kind in names.items():
        codes = history.recode(kind, of_kind)
        table = habits.decayed_counts(history, codes, len(of_kind), as_of, config.half_lives_days[-1:])
        counts.append(table[:, :, 0])
    rows = np.concatenate(counts, axis=1)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
