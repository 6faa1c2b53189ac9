"""clean: one row per distinct event, item, user and identity; typed, in UTC, in normalised units."""

import dagster as dg

from portrait_assets import columns as c
from portrait_assets.assets.common import (
    DAILY,
    OWNERS,
    SINGLE_RUN,
    HomeParam,
    definition_metadata,
    refreshes,
    shown,
    window_of,
    written,
)
from portrait_assets.assets.daily import rebuild_undated, refresh_undated
from portrait_assets.resources.warehouse import Warehouse
from portrait_assets.tables import Relation


def _rebuilt(table: Relation, deps: list[list[str]], description: str) -> dg.AssetsDefinition:
    """An unpartitioned table, rebuilt whole from its `.sql` file."""

    @dg.asset(
        key=table.name.split("."),
        deps=deps,
        group_name="clean",
        owners=OWNERS,
        kinds={"duckdb", "sql"},
        description=description,
        metadata=definition_metadata(table),
    )
    def rebuilt(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult:
        with warehouse.open(table.name) as session:
            rows = (refresh_undated if refreshes(context) else rebuild_undated)(session, table)
            return shown(context, session, table, rows)

    return rebuilt


identities = _rebuilt(
    c.CLEAN_IDENTITIES,
    [["raw", "batches"], ["raw", "attributes"]],
    "Which person stands behind a source id. Nothing downstream joins on a source id.",
)
items = _rebuilt(c.CLEAN_ITEMS, [["raw", "items"], ["raw", "batches"]], "Each item once, as its newest batch describes it.")
users = _rebuilt(
    c.CLEAN_USERS,
    [["raw", "attributes"], ["raw", "batches"], ["clean", "identities"]],
    "Declared attributes, one row a user. Unknown stays null; nothing inferred stands here.",
)


@dg.asset(
    key=["clean", "events"],
    deps=[["raw", "events"], ["clean", "items"], ["clean", "identities"]],
    partitions_def=DAILY,
    backfill_policy=SINGLE_RUN,
    group_name="clean",
    owners=OWNERS,
    kinds={"duckdb", "sql"},
    metadata=definition_metadata(c.CLEAN_EVENTS),
)
def clean_events(context: dg.AssetExecutionContext, warehouse: Warehouse, home: HomeParam) -> dg.MaterializeResult:
    """Distinct events: newest version of each key, UTC with the wall clock's hour and weekday, outliers flagged."""
    window = window_of(context)
    with warehouse.open("clean/events") as session:
        rows = written(context, session, home, c.CLEAN_EVENTS)
        facts = session.frame(
            "select count(*) filter (where is_outlier) as outliers, count(*) filter (where not is_known_item) as unknown_items "
            "from clean.events where event_date between $start and $end",
            start=window.start,
            end=window.end,
        ).row(0, named=True)
        return shown(context, session, c.CLEAN_EVENTS, rows, window, **facts)
