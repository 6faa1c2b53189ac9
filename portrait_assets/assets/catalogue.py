"""catalogue: the definitions of tags that days were published with."""

import dagster as dg

from portrait_assets import columns as c
from portrait_assets.assets.common import DAILY, OWNERS, HomeParam, definition_metadata, shown, window_of
from portrait_assets.resources.warehouse import Warehouse
from portrait_assets.versions import record_versions


@dg.asset(
    key=["catalogue", "versions"],
    deps=[["portraits", "changes"]],
    partitions_def=DAILY,
    backfill_policy=dg.BackfillPolicy.multi_run(1),
    group_name="observability",
    owners=OWNERS,
    kinds={"duckdb", "python"},
    metadata=definition_metadata(c.CATALOGUE_VERSIONS),
)
def versions(context: dg.AssetExecutionContext, warehouse: Warehouse, home: HomeParam) -> dg.MaterializeResult:
    """Every definition of a tag that a day was published with, so that the values of a former version stay readable."""
    with warehouse.open("catalogue/versions") as session:
        return shown(context, session, c.CATALOGUE_VERSIONS, record_versions(session, home.pack.tags, window_of(context).end))
