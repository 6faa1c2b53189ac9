"""Whom a ranking serves well: its measures for some users alone, by what they did and by what they declared."""

from datetime import date
from itertools import pairwise

import numpy as np
import polars as pl

from portrait_assets.kernels.ranking.lines import Lines
from portrait_assets.kernels.ranking.measures import Measured
from portrait_assets.kernels.sequences import day_number

VISITS = (5, 20, 80)  # edges of the slices by visits before the as-of
LATELY = 28  # days: first seen within them, or not seen for them
FEWEST = 30  # users of a declared value that are shown apart
SCHEMA = {
    "slice": pl.String, "users": pl.Int64, "recall": pl.Float64, "ndcg": pl.Float64, "rival recall": pl.Float64,
    "rival ndcg": pl.Float64, "ratio": pl.Float64,
}  # fmt: skip


def slices_frame(lines: Lines, as_of: date, served: Measured, rival: Measured, attributes: pl.DataFrame) -> pl.DataFrame:
    """Recall and NDCG of the window for the users of each slice, beside a rival's, and the mean ratio of the two to it.

    `attributes` has user_id, attribute, value; a slice without users has no row.
    """
    users = served.users["window"]
    ours, theirs = served.values["window"], rival.values["window"]
    slices = {"everybody": np.ones(len(users), bool)} | by_visits(lines, users, as_of) | declared(lines, users, attributes)
    rows = []
    for name, of in slices.items():
        if not of.any():
            continue
        figures = [float(measured[which][of].mean()) for measured in (ours, theirs) for which in ("recall", "ndcg")]
        ratios = [a / b for a, b in zip(figures[:2], figures[2:], strict=True) if b > 0]
        rows.append((name, int(of.sum()), *figures, float(np.mean(ratios)) if len(ratios) == 2 else None))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def by_visits(lines: Lines, users: np.ndarray, as_of: date) -> dict[str, np.ndarray]:
    """Name -> (N,) bool of `users` (N,): few and many visits, those who are new and those who had gone."""
    now = day_number(as_of)
    past = lines.visit_day < now
    of, day, size = lines.visit_user[past], lines.visit_day[past], len(lines.users)
    visits = np.bincount(of, minlength=size)[users]
    first, last = np.full(size, np.inf), np.full(size, -np.inf)
    np.minimum.at(first, of, day)
    np.maximum.at(last, of, day)
    slices = {
        f"{low + 1} to {high} visits" if high < np.inf else f"more than {low} visits": (visits > low) & (visits <= high)
        for low, high in pairwise((0, *VISITS, np.inf))
    }
    slices[f"new: first seen in the last {LATELY} days"] = now - first[users] <= LATELY
    slices[f"not seen for {LATELY} days"] = now - last[users] > LATELY
    return slices


def declared(lines: Lines, users: np.ndarray, attributes: pl.DataFrame) -> dict[str, np.ndarray]:
    """Name -> (N,) bool of `users` (N,): those who declared a value, where FEWEST of them did."""
    code = {lines.users[user]: place for place, user in enumerate(users)}
    found: dict[str, np.ndarray] = {}
    for attribute, value, ids in (
        attributes.group_by("attribute", "value").agg("user_id").sort("attribute", "value").iter_rows()
    ):
        places = [code[user] for user in ids if user in code]
        if len(places) >= FEWEST:
            found[f"{attribute}: {value}"] = np.isin(np.arange(len(users)), places)
    return found
