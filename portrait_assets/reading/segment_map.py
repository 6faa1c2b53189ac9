"""Segments of one export laid out on a plane: the published clusters, or the cells of recency, frequency and spend where none are."""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from portrait_assets.errors import PortraitError
from portrait_assets.reading.export import Export

LEAST_USERS = 3
FLOW_DAYS = 28
RFM_TAG = "rfm_segment"
NOWHERE = "in none"
FLOWS = {"from": pl.String, "to": pl.String, "users": pl.Int64}


@dataclass(frozen=True)
class SegmentMap:
    """`users`: user_id, segment, x, y (-1 to 1). `segments`: segment, traits, users, share, the greatest first. `flows`: from, to, users."""

    users: pl.DataFrame
    segments: pl.DataFrame
    flows: pl.DataFrame
    flow_days: int
    is_published: bool


def segment_map(export: Export) -> SegmentMap:
    """Where each user with a vector is; PortraitError where too few have one."""
    return _laid_out(export.folder)


@lru_cache(maxsize=4)
def _laid_out(folder: Path) -> SegmentMap:
    """An export never changes, so its map is made once a process."""
    export = Export.open(folder, verify=False)
    embeddings = export.scan("embeddings").collect().sort("user_id")
    if embeddings.height < LEAST_USERS:
        raise PortraitError(f"{embeddings.height} users have a vector, too few for a map; it takes {LEAST_USERS}")
    places = plane(np.array(embeddings["embedding"].to_list(), np.float64))
    laid = embeddings.select("user_id").with_columns(x=pl.Series(places[:, 0]), y=pl.Series(places[:, 1]))
    sizes, published = _published(export, "segment_sizes"), _published(export, "segments")
    is_published = published is not None and sizes is not None and not sizes.is_empty()
    if published is None or sizes is None or sizes.is_empty():
        users = export.scan("portraits").select("user_id", pl.col("segment").fill_null(NOWHERE)).collect()
        segments = users.group_by("segment").agg(pl.len().cast(pl.Int64).alias("users"))
        segments = segments.with_columns(pl.lit(None, pl.String).alias("traits"), share=pl.col("users") / users.height)
        flows, days = rfm_flows(export), FLOW_DAYS
    else:
        users, segments = published, sizes
        flows, days = _published_flows(export)
    ordered = segments.select("segment", "traits", "users", "share").sort("users", "segment", descending=[True, False])
    joined = laid.join(users.select("user_id", "segment"), on="user_id", how="left").with_columns(
        pl.col("segment").fill_null(NOWHERE)
    )
    return SegmentMap(joined.sort("user_id"), ordered, flows, days, is_published)


def plane(vectors: np.ndarray) -> np.ndarray:
    """The two directions in which (n, d) vectors differ most, each scaled to -1 to 1; (n, 2). Its signs are fixed."""
    centred = vectors - vectors.mean(axis=0)
    with threadpool_limits(1):  # sums in one order, whatever the machine
        axes = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :2].T
    axes = axes * np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:, None]
    places = centred @ axes.T
    if places.shape[1] < 2:
        places = np.column_stack([places, np.zeros(len(places))])
    # The few far out do not squeeze all others into a corner.
    reach = np.quantile(np.abs(places), 0.995, axis=0)
    return np.clip(np.divide(places, reach, out=np.zeros_like(places), where=reach > 0), -1, 1)


def rfm_flows(export: Export, days: int = FLOW_DAYS) -> pl.DataFrame:
    """from, to, users: each user's cell of recency, frequency and spend `days` before the as-of and at it, by the tag's history."""
    began = export.as_of - timedelta(days=days)
    changes = export.scan("changes").filter(pl.col("tag_id") == RFM_TAG).select("user_id", "event_date", "to_value").collect()

    def held(until: date) -> pl.DataFrame:
        known = changes.filter(pl.col("event_date") < until).sort("user_id", "event_date")
        return known.unique("user_id", keep="last", maintain_order=True).select("user_id", "to_value")

    both = held(export.as_of).join(held(began), on="user_id", how="left", suffix="_before")
    return _counted(both.select(pl.col("to_value_before").alias("from"), pl.col("to_value").alias("to")).with_columns(users=1))


def _published_flows(export: Export) -> tuple[pl.DataFrame, int]:
    """The published flows over the longest stretch of days there is, and how many days that is."""
    found = _published(export, "segment_flows")
    if found is None or found.is_empty():
        return pl.DataFrame(schema=FLOWS), FLOW_DAYS
    days = found["days_before"].to_list()
    longest = found.filter(pl.col("days_before") == max(days))
    return _counted(longest.select(pl.col("from_segment").alias("from"), pl.col("to_segment").alias("to"), "users")), max(days)


def _counted(moved: pl.DataFrame) -> pl.DataFrame:
    """from, to, users summed; null is nowhere."""
    named = moved.select(pl.col("from", "to").fill_null(NOWHERE), pl.col("users").cast(pl.Int64))
    return named.group_by("from", "to").agg(pl.col("users").sum()).sort("from", "to")


def _published(export: Export, name: str) -> pl.DataFrame | None:
    file = export.folder / f"{name}.parquet"
    return pl.read_parquet(file) if file.exists() else None
