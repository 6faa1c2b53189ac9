"""Which items each coupon is for: read from the source's own files when somebody asks, by the mapping's `[coupons]`."""

import duckdb
import polars as pl

from portrait_assets.errors import PortraitError
from portrait_assets.sources.compiling import row_wise
from portrait_assets.sources.files import files_of
from portrait_assets.sources.landing import stage_and_compile, stage_lookups
from portrait_assets.sources.mapping import Source
from portrait_assets.sources.planning import Work


def coupons_of(source: Source) -> pl.DataFrame:
    """coupon_id, item_id, campaign_id (null where the mapping has none), each row once, in order; rows without an id are left out.

    PortraitError where the mapping declares no coupons or its files are not as it says.
    """
    if source.coupons is None:
        raise PortraitError(
            f"{source.path}: declares no coupons; add [coupons] with from, coupon_id and item_id (docs/mapping.md), or name the items"
        )
    stream, frames = source.coupons, []
    files = files_of(source, stream.table)
    looked_up = {lookup.table: files_of(source, lookup.table) for lookup in stream.lookups.values()}
    work = Work(source, stream, files, looked_up)
    with duckdb.connect() as con:
        lookups = stage_lookups(con, work)
        for file in files:
            plan = stage_and_compile(con, work, file, lookups)
            with row_wise(con):
                found = con.sql(
                    f"select coupon_id, item_id, campaign_id from ({plan.mapped}) where reason is null"
                ).to_arrow_table()
            frames.append(pl.DataFrame(found))
    return pl.concat(frames).drop_nulls(["coupon_id", "item_id"]).unique().sort("campaign_id", "coupon_id", "item_id")
