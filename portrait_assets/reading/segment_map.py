"""Segments of one export: the published ones, or clusters of its vectors where none are, laid out on a plane, with flows."""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from portrait_assets.errors import PortraitError
from portrait_assets.reading.export import Export

COUNT = 8
LEAST_USERS = 3
TRAITS = ("lifecycle", "value_tier", "segment", "top_department", "top_category", "age", "kids")
FLOW_DAYS = 28
RFM_TAG = "rfm_segment"
ABSENT = "not there"


@dataclass(frozen=True)
class SegmentMap:
    """`users`: user_id, segment, x, y. `segments`: segment, name, users, share, traits. `is_published`: not made here."""

    users: pl.DataFrame
    segments: pl.DataFrame
    is_published: bool


def segment_map(export: Export) -> SegmentMap:
    """Where each user with a vector is; PortraitError where too few have one."""
    return _laid_out(export.folder)


@lru_cache(maxsize=4)
def _laid_out(folder: Path) -> SegmentMap:
    """An export never changes, so its map is made once a process."""
    from portrait_assets.kernels.segments import described, segment_users

    export = Export.open(folder, verify=False)
    embeddings = export.scan("embeddings").collect().sort("user_id")
    if embeddings.height < LEAST_USERS:
        raise PortraitError(f"{embeddings.height} users have a vector, too few for a map; it takes {LEAST_USERS}")
    traits = export.scan("portraits").select("user_id", *(pl.col(name).cast(pl.String) for name in TRAITS)).collect()
    traits = traits.rename({"segment": "rfm"})
    published = export.folder / "segments.parquet"
    if published.exists():
        users = pl.read_parquet(published).select("user_id", pl.col("segment_id").alias("segment"))
        segments = described(users, traits)
    else:
        found = segment_users(embeddings, traits, COUNT)
        users, segments = found.users, found.segments
    places = plane(np.array(embeddings["embedding"].to_list(), np.float64))
    laid = embeddings.select("user_id").with_columns(x=pl.Series(places[:, 0]), y=pl.Series(places[:, 1]))
    return SegmentMap(laid.join(users, on="user_id").sort("user_id"), segments, published.exists())


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
    """from, to, users: each user's RFM segment `days` before the as-of and at it, by the tag's published history."""
    began = export.as_of - timedelta(days=days)
    changes = export.scan("changes").filter(pl.col("tag_id") == RFM_TAG).select("user_id", "event_date", "to_value").collect()

    def held(until: date) -> pl.DataFrame:
        known = changes.filter(pl.col("event_date") < until).sort("user_id", "event_date")
        return known.unique("user_id", keep="last", maintain_order=True).select("user_id", "to_value")

    both = held(export.as_of).join(held(began), on="user_id", how="left", suffix="_before")
    named = both.select(
        pl.col("to_value_before").fill_null(ABSENT).alias("from"), pl.col("to_value").fill_null(ABSENT).alias("to")
    )
    return named.group_by("from", "to").agg(pl.len().cast(pl.Int64).alias("users")).sort("from", "to")
