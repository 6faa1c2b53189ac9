"""How a catalogue's tags do in one export: who has them, how sure they are, how often they move."""

from datetime import timedelta

import polars as pl

from portrait_assets.packs import Pack
from portrait_assets.reading.export import Export

QUALITY = "tag_quality.parquet"
DAYS = 28


def tag_health(export: Export, pack: Pack) -> pl.DataFrame:
    """A row a tag in the catalogue's order: tag_id, coverage, confidence (mean), stale (share), values, changes a user and week.

    Changes are those of the last DAYS days otherwise than by a new prediction. A tag that nobody has, has no confidence.
    """
    users = max(1, int(export.manifest.get("rows", {}).get("portraits.parquet", 0)))
    began = export.as_of - timedelta(days=DAYS)
    held = export.scan("tags").group_by("tag_id").agg(
        (pl.len() / users).alias("coverage"), pl.col("confidence").mean(), pl.col("is_stale").mean().alias("stale"),
        pl.col("value").n_unique().alias("values"), pl.len().alias("users"),
    )  # fmt: skip
    moved = (
        export.scan("changes")
        .filter(pl.col("event_date") >= began, pl.col("cause") != "model")
        .group_by("tag_id")
        .agg((pl.len() * 7 / DAYS / users).alias("moves"))
    )
    catalogue = pl.LazyFrame({"tag_id": [tag.id for tag in pack.catalogue]}, schema={"tag_id": pl.String})
    joined = catalogue.join(held, on="tag_id", how="left", maintain_order="left").join(
        moved, on="tag_id", how="left", maintain_order="left"
    )
    return joined.with_columns(pl.col("coverage", "moves").fill_null(0.0), pl.col("users", "values").fill_null(0)).collect()
