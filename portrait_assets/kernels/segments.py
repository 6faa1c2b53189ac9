"""Segments: clusters of user vectors, named for what sets them apart, and the same ones tomorrow.

k-means finds them; a segment keeps its number from one day to the next where most of its users do (assignment of greatest overlap); its
name is made of the traits whose share in it exceeds their share among all by the greatest factor (lift).
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

LEAST_LIFT = 1.2  # a trait this much more frequent than among all may give a name
LEAST_SHARE = 0.3  # of the segment's users, so that a name fits many of them
NAMED_BY = 2


@dataclass(frozen=True)
class Segments:
    """users: user_id, segment. segments: segment, name, users, share, traits (text with lifts). flows: from, to, users (with a day before)."""

    users: pl.DataFrame
    segments: pl.DataFrame
    flows: pl.DataFrame


def segment_users(
    embeddings: pl.DataFrame, traits: pl.DataFrame, count: int, before: pl.DataFrame | None = None, seed: int = 7
) -> Segments:
    """`embeddings`: user_id, embedding. `traits`: user_id and text columns, null where nothing is to be said. `before`: user_id, segment
    of an earlier day. No more segments than users.
    """
    embeddings = embeddings.sort("user_id")
    x = np.array(embeddings["embedding"].to_list(), np.float64)
    with threadpool_limits(1):  # sums in one order, whatever the machine
        labels = KMeans(min(count, len(x)), n_init=4, random_state=seed).fit_predict(x)
    labels = by_size(labels)
    users = pl.DataFrame({"user_id": embeddings["user_id"], "segment": labels}, schema_overrides={"segment": pl.Int64})
    if before is not None:
        users = users.with_columns(pl.col("segment").replace_strict(matched(before, users), return_dtype=pl.Int64))
    return Segments(users, described(users, traits), flows(before, users))


def by_size(labels: np.ndarray) -> np.ndarray:
    """The same clusters numbered from 1, the greatest first; ties by whose first user comes first."""
    kinds, first, size = np.unique(labels, return_index=True, return_counts=True)
    order = np.lexsort((first, -size))
    number = np.empty(len(kinds), np.int64)
    number[order] = np.arange(1, len(kinds) + 1)
    return number[np.searchsorted(kinds, labels)]


def matched(before: pl.DataFrame, now: pl.DataFrame) -> dict[int, int]:
    """Each segment of `now` -> its number: that of the earlier segment it shares most users with, one to one, or a new one."""
    old, new = sorted(before["segment"].unique()), sorted(now["segment"].unique())
    shared = {(begin, end): users for begin, end, users in flows(before, now).iter_rows()}
    table = np.array([[shared.get((a, b), 0) for b in new] for a in old]).reshape(len(old), len(new))
    rows, columns = linear_sum_assignment(-table)
    kept = {new[j]: old[i] for i, j in zip(rows, columns, strict=True) if table[i, j]}
    fresh = iter(range(max(old, default=0) + 1, max(old, default=0) + len(new) + 1))
    return {segment: kept[segment] if segment in kept else next(fresh) for segment in new}


def flows(before: pl.DataFrame | None, now: pl.DataFrame) -> pl.DataFrame:
    """from, to, users: who went where, of users known on both days."""
    if before is None:
        return pl.DataFrame(schema={"from": pl.Int64, "to": pl.Int64, "users": pl.Int64})
    both = before.rename({"segment": "from"}).join(now.rename({"segment": "to"}), on="user_id")
    return both.group_by("from", "to").agg(pl.len().cast(pl.Int64).alias("users")).sort("from", "to")


def described(users: pl.DataFrame, traits: pl.DataFrame) -> pl.DataFrame:
    """segment, name, users, share, traits: named by the traits of greatest lift, one a column, ties by name."""
    told = users.join(traits, on="user_id", how="left")
    long = told.unpivot(index=["user_id", "segment"], variable_name="trait", value_name="is").drop_nulls("is")
    everywhere = long.group_by("trait", "is").agg((pl.len() / users.height).alias("overall"))
    size = users.group_by("segment").agg(pl.len().cast(pl.Int64).alias("users"))
    lifts = (
        long.group_by("segment", "trait", "is")
        .len()
        .join(size, on="segment")
        .join(everywhere, on=["trait", "is"])
        .with_columns(share=pl.col("len") / pl.col("users"))
        .with_columns(lift=pl.col("share") / pl.col("overall"))
        .filter((pl.col("lift") >= LEAST_LIFT) & (pl.col("share") >= LEAST_SHARE))
        .sort("segment", "lift", "trait", "is", descending=[False, True, False, False])
        .unique(["segment", "trait"], keep="first", maintain_order=True)
        .group_by("segment", maintain_order=True)
        .head(NAMED_BY)
    )
    text = pl.format("{} {} ({}x)", pl.col("trait").str.replace_all("_", " "), pl.col("is"), pl.col("lift").round(1))
    names = lifts.group_by("segment", maintain_order=True).agg(
        pl.col("is").str.join(", ").alias("name"), text.str.join("; ").alias("traits")
    )
    return (
        size.join(names, on="segment", how="left")
        .with_columns(pl.col("name").fill_null("like everybody"), share=pl.col("users") / users.height)
        .select("segment", "name", "users", "share", "traits")
        .sort("segment")
    )
