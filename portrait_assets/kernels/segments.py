"""Segments: clusters of user vectors, named for what sets them apart, and the same ones from model to model.

k-means finds the centres once, when a model is trained; on each day a user stands in the cluster of the nearest one, so yesterday's
segments are today's. A later model's cluster gets the number of the earlier segment that it shares most users with (assignment of
greatest overlap). A name is made of the words whose share among its users exceeds their share among all by the greatest factor (lift).
"""

import numpy as np
import polars as pl
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

LEAST_LIFT = 1.2  # a word this much more frequent than among all may give a name
LEAST_SHARE = 0.3  # of the segment's users, so that a name fits many of them
NAMED_BY = 2  # words; more where another segment is called the same
LIKE_EVERYBODY = "like everybody"


def fit_centres(vectors: np.ndarray, count: int, seed: int) -> np.ndarray:
    """(K, D) float32, K at most `count` and at most the number of different vectors (N, D); the centre of most users first."""
    found = min(count, len(np.unique(vectors, axis=0)))
    with threadpool_limits(1):  # sums in one order, whatever the machine
        means = KMeans(found, n_init=4, random_state=seed).fit(vectors.astype(np.float64)).cluster_centers_.astype(np.float32)
    users = np.bincount(nearest(means, vectors), minlength=found)
    return np.ascontiguousarray(means[np.lexsort((np.arange(found), -users))][: (users > 0).sum()])


def nearest(centres: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """(N,) the place in `centres` (K, D) of the one nearest to each of `vectors` (N, D); the first of equals."""
    return cdist(vectors.astype(np.float64), centres.astype(np.float64)).argmin(axis=1)


def matched(before: pl.DataFrame, now: pl.DataFrame, highest: int) -> dict[int, int]:
    """Each cluster of `now` (user_id, cluster) -> the number of the segment `before` (user_id, segment_id) it shares most users with.

    One to one; a cluster that shares no user with what is left gets a number above `highest`, the highest ever given.
    """
    shared = before.join(now, on="user_id").group_by("segment_id", "cluster").len()
    old, new = sorted(before["segment_id"].unique()), sorted(now["cluster"].unique())
    table = np.zeros((len(old), len(new)), np.int64)
    for segment, cluster, users in shared.iter_rows():
        table[old.index(segment), new.index(cluster)] = users
    pairs = zip(*linear_sum_assignment(-table), strict=True)
    kept = {new[j]: old[i] for i, j in pairs if table[i, j]}
    fresh = iter(range(highest + 1, highest + 1 + len(new)))
    return {cluster: kept[cluster] if cluster in kept else next(fresh) for cluster in new}


def described(clusters: pl.DataFrame, traits: pl.DataFrame) -> pl.DataFrame:
    """cluster, name, traits (the words of the name with their lifts; null without any), users, share of all.

    `clusters`: user_id, cluster. `traits`: user_id, trait, word; a name takes one word of a trait at most. Ties by trait, then word.
    """
    told = clusters.join(traits, on="user_id")
    everywhere = told.group_by("trait", "word").agg((pl.len() / clusters.height).alias("overall"))
    size = clusters.group_by("cluster").agg(pl.len().cast(pl.Int64).alias("users")).sort("cluster")
    lifts = (
        told.group_by("cluster", "trait", "word")
        .len()
        .join(size, on="cluster")
        .join(everywhere, on=["trait", "word"])
        .with_columns(share=pl.col("len") / pl.col("users"))
        .with_columns(lift=pl.col("share") / pl.col("overall"))
        .filter((pl.col("lift") >= LEAST_LIFT) & (pl.col("share") >= LEAST_SHARE))
        .sort("cluster", "lift", "trait", "word", descending=[False, True, False, False])
        .unique(["cluster", "trait"], keep="first", maintain_order=True)
    )
    names, reasons = list[str](), list[str | None]()
    for cluster in size["cluster"]:
        words = lifts.filter(pl.col("cluster") == cluster).select("word", "lift").rows()
        name, many = unlike(names, [word for word, _ in words])
        names.append(name)
        reasons.append("; ".join(f"{word} {lift:.1f}x" for word, lift in words[:many]) or None)
    return size.with_columns(
        name=pl.Series(names, dtype=pl.String),
        traits=pl.Series(reasons, dtype=pl.String),
        share=pl.col("users") / clusters.height,
    ).select("cluster", "name", "traits", "users", "share")


def unlike(taken: list[str], words: list[str]) -> tuple[str, int]:
    """A name that none of `taken` says in another order, and how many of `words` it is made of: as few as will do, else numbered."""
    said = {frozenset(name.split(", ")) for name in taken}
    for many in range(min(NAMED_BY, len(words)), len(words) + 1):
        name = ", ".join(words[:many]) or LIKE_EVERYBODY
        if frozenset(name.split(", ")) not in said:
            return name, many
    numbered = (f"{name} ({number})" for number in range(2, len(taken) + 3))
    return next(other for other in numbered if other not in taken), len(words)


def flows(before: pl.DataFrame, now: pl.DataFrame) -> pl.DataFrame:
    """from, to, users: who went where, of users in both frames (user_id, segment_id, segment); the names as of each."""
    label = pl.format("{} {}", pl.col("segment_id"), pl.col("segment"))
    both = before.select("user_id", label.alias("from")).join(now.select("user_id", label.alias("to")), on="user_id")
    return (
        both.group_by("from", "to")
        .agg(pl.len().cast(pl.Int64).alias("users"))
        .sort("users", "from", "to", descending=[True, False, False])
    )
