"""Users like an audience: by the cosine of the published vectors, and how well that finds an audience's own hidden half."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from portrait_assets.audiences.members import Audience
from portrait_assets.errors import PortraitError

LEAST_SEEDS = 10
SPLITS = 20
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Quality:
    """Of a hidden half, found among as many top users as it has members: the mean over `splits` halves, and what chance finds."""

    hidden: int
    candidates: int
    recall: float
    recall_by_chance: float
    lift: float
    lift_low: float
    lift_high: float
    """The 5th and 95th percentile of the splits' lift."""
    splits: int


def similarity(vectors: Floats, seeds: NDArray[np.bool_]) -> Floats:
    """Cosine of each vector (n, d) with the mean direction of the `seeds` (n,), after the mean of all vectors is taken off.

    What all users share says nothing of any, and would make every cosine near one.
    """
    centred = vectors - vectors.mean(axis=0)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    unit = np.divide(centred, length, out=np.zeros_like(centred), where=length > 0)
    direction = unit[seeds].mean(axis=0)
    size = float(np.linalg.norm(direction))
    return np.asarray(unit @ direction / size if size > 0 else np.zeros(len(vectors)), dtype=np.float32)


def expand(group: Audience, count: int) -> pl.DataFrame:
    """The `count` users most like the audience who are not in it: user_id, similarity; most alike first."""
    users, vectors, seeds = _vectors(group)
    scores = similarity(vectors, seeds)
    order = np.lexsort((np.arange(len(users)), -scores))
    chosen = order[~seeds[order]][:count]
    return pl.DataFrame({"user_id": [users[place] for place in chosen], "similarity": scores[chosen].astype(float)})


def quality(group: Audience, splits: int = SPLITS, seed: int = 0) -> Quality:
    """Hide half of the audience at random, look for it by the other half, `splits` times."""
    _, vectors, members = _vectors(group)
    places, draw = np.flatnonzero(members), np.random.default_rng(seed)
    hidden_count = len(places) // 2
    candidates = len(members) - (len(places) - hidden_count)
    recalls = []
    for _ in range(splits):
        hidden = draw.choice(places, hidden_count, replace=False)
        shown = members.copy()
        shown[hidden] = False
        scores = similarity(vectors, shown)
        scores[shown] = -np.inf
        top = np.argsort(-scores, kind="stable")[:hidden_count]
        recalls.append(np.isin(hidden, top).mean())
    chance = hidden_count / candidates
    lifts = np.array(recalls) / chance
    low, high = np.quantile(lifts, (0.05, 0.95))
    recall = float(np.mean(recalls))
    return Quality(hidden_count, candidates, recall, chance, recall / chance, float(low), float(high), splits)


def _vectors(group: Audience) -> tuple[list[str], Floats, NDArray[np.bool_]]:
    """Users, vectors (n, d) and who is a member (n,); users without a vector are left out."""
    rows = group.facts.select("user_id", "is_member").join(
        group.export.scan("embeddings").collect(), on="user_id", maintain_order="left"
    )
    members = rows["is_member"].to_numpy()
    if members.sum() < LEAST_SEEDS:
        raise PortraitError(
            f"{members.sum()} members with a vector are too few to look for users like them; it takes {LEAST_SEEDS}: widen the audience"
        )
    return rows["user_id"].to_list(), np.array(rows["embedding"].to_list(), dtype=np.float32), members
