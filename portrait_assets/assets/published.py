"""published: what readers open. Nobody but the pipeline opens the warehouse."""

import json

import dagster as dg

from portrait_assets.assets.common import DAILY, OWNERS, HomeParam, window_of
from portrait_assets.assets.kept import make_again
from portrait_assets.publishing import publish
from portrait_assets.resources.warehouse import Warehouse


@dg.asset(
    key=["published", "export"],
    deps=[
        ["portraits", "snapshots"],
        ["portraits", "changes"],
        ["portraits", "audiences"],
        ["scores", "vectors"],
        ["scores", "next_purchases"],
        ["scores", "predictions"],
        ["scores", "segments"],
        ["recommendations", "top"],
        ["recommendations", "lists"],
        ["observability", "tag_quality"],
    ],
    partitions_def=DAILY,
    backfill_policy=dg.BackfillPolicy.multi_run(1),
    group_name="published",
    owners=OWNERS,
    kinds={"parquet"},
)
def export(context: dg.AssetExecutionContext, warehouse: Warehouse, home: HomeParam) -> dg.MaterializeResult:
    """One immutable folder of Parquet files with a manifest, swapped in whole: what notebooks, commands and services read."""
    day = window_of(context).end
    with warehouse.open("published/export") as session:
        make_again(session, home, [day])
        folder = publish(session, home, day)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": manifest["rows"]["portraits.parquet"],
            "folder": dg.MetadataValue.path(str(folder)),
            "generation": folder.name,
            "manifest": dg.MetadataValue.json(manifest),
        }
    )
