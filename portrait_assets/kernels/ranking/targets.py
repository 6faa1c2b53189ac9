"""Whom to target with a set of items: the users most likely to buy any of it, each with the item that most likely is and its reason."""

from datetime import date

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from portrait_assets.kernels.ranking.everyone import Everyone, everyone_at
from portrait_assets.kernels.ranking.lines import Lines, without
from portrait_assets.kernels.ranking.measures import top
from portrait_assets.kernels.ranking.propensity import fit_propensity
from portrait_assets.kernels.ranking.ranker import Ranker, read_of
from portrait_assets.kernels.ranking.reasons import Names, middle_of, tell
from portrait_assets.kernels.ranking.recommend import described_items, names_of
from portrait_assets.kernels.ranking.sets import stand_at

SCHEMA = {
    "rank": pl.Int64,
    "user_id": pl.String,
    "propensity": pl.Float64,
    "item_id": pl.String,
    "item_name": pl.String,
    "reason": pl.String,
}


def target(ranker: Ranker, lines: Lines, items: pl.DataFrame, as_of: date, in_set: np.ndarray, count: int) -> pl.DataFrame:
    """SCHEMA, best first, of the `count` users known before as_of who are likeliest to buy any of `in_set` (I,) bool within the horizon.

    PortraitError as `fit_propensity`. The same inputs give the same rows; ties stand in the users' order.
    """
    horizon = ranker.config.horizon_days
    with threadpool_limits(1):  # sums in one order, whatever the machine
        model = fit_propensity(lines, as_of, horizon)
        everyone = everyone_at(lines, as_of, horizon)
        stand = stand_at(lines, as_of, horizon, everyone.near)
        chance = model.chances(stand, in_set)
        known = stand.seen
        best = known[np.argsort(-chance[known], kind="stable")[:count]]
        names = names_of(described_items(lines, items))
        item, reason = strongest(ranker, everyone, best, in_set, names)
    return pl.DataFrame(
        {
            "rank": np.arange(1, len(best) + 1),
            "user_id": [lines.users[k] for k in best],
            "propensity": chance[best],
            "item_id": [lines.items[k] for k in item],
            "item_name": [names.item[k] for k in item],
            "reason": reason,
        },
        schema=SCHEMA,
    )


def strongest(
    ranker: Ranker, everyone: Everyone, users: np.ndarray, in_set: np.ndarray, names: Names
) -> tuple[np.ndarray, list[str]]:
    """(M,) of the set's items the one that the ranker thinks each user likeliest to buy, and why; compared with these users' candidates."""
    lines = everyone.lines
    copies = without(lines, [(int(user), ()) for user in users])
    sold = np.bincount(lines.item[lines.before(everyone.as_of)], minlength=len(lines.items))
    best_seller = int(np.argmax(np.where(in_set, sold, -1)))  # so that everybody has an item of the set
    read = read_of(everyone, copies, np.arange(len(users)) * len(lines.items) + best_seller)
    at = np.flatnonzero(in_set[read.candidates.item])
    _, chance = ranker.scores(read.x[at])
    rows = at[top(read.candidates.user[at], read.candidates.item[at], chance, 1)[0]]
    _, texts = tell(ranker, read, rows, middle_of(read.x), names)
    return read.candidates.item[rows], texts
