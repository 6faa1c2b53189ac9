"""What diversity costs: the blended list at some weights of it, measured as recommendations are, beside how varied its first ten are."""

import numpy as np
import polars as pl

from portrait_assets.kernels.ranking.filling import levels_of, likeness
from portrait_assets.kernels.ranking.lines import Lines
from portrait_assets.kernels.ranking.lists import Policy, make_lists
from portrait_assets.kernels.ranking.measures import K, Measured, measure
from portrait_assets.kernels.ranking.ranker import Read
from portrait_assets.kernels.ranking.rhythm import runs_of

WEIGHTS = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0)
SCHEMA = ("diversity", "to none", "low", "high", "item types", "categories", "likeness")


def diversity_frame(
    lines: Lines, read: Read, score: np.ndarray, horizon_days: int, over: tuple[tuple[str, str], ...], draws: int
) -> pl.DataFrame:
    """One row a weight: the mean ratio of the measures `over` (target, measure) to those without diversity, with its 95 % interval over
    users by a paired bootstrap; item types and categories among the first K, and the mean likeness of two of these.
    """
    pairs, rows, plain = read.candidates, [], None
    for weight in WEIGHTS:
        allowed = np.ones(len(score), bool)
        at, rank = make_lists(lines, pairs, score, allowed, Policy(diversity=weight), read.as_of).blended
        user, item = pairs.user[at], pairs.item[at]
        found = measure(lines, read.as_of, horizon_days, user, item, -rank.astype(np.float64))
        plain = plain or found
        rows.append((weight, *ratio(found, plain, over, draws), *variety(lines, user[rank <= K], item[rank <= K])))
    return pl.DataFrame(rows, schema=dict.fromkeys(SCHEMA, pl.Float64), orient="row")


def ratio(found: Measured, plain: Measured, over: tuple[tuple[str, str], ...], draws: int) -> tuple[float, float, float]:
    """Mean ratio and its 95 % interval."""
    values = [(found.values[target][name], plain.values[target][name]) for target, name in over]
    drawn = np.random.default_rng(0).integers(0, len(values[0][0]), (draws, len(values[0][0])))
    low, high = np.percentile(np.mean([a[drawn].mean(1) / b[drawn].mean(1) for a, b in values], axis=0), [2.5, 97.5])
    return float(np.mean([a.mean() / b.mean() for a, b in values])), float(low), float(high)


def variety(lines: Lines, user: np.ndarray, item: np.ndarray) -> tuple[float, float, float]:
    """Item types a list, categories a list, mean likeness of two items of a list; rows by user."""
    names = [
        len(np.unique(user * (lines.width(level) + 1) + lines.groups[level][item] + 1)) / max(len(np.unique(user)), 1)
        for level in ("item_type", "category")
    ]
    runs, levels = runs_of(user), levels_of(lines)
    alike = [
        likeness(levels, item[np.flatnonzero(pair)], item[np.flatnonzero(pair) + step])
        for step in range(1, K)
        for pair in [runs.of[:-step] == runs.of[step:]]
    ]
    return names[0], names[1], float(np.concatenate(alike).mean())
