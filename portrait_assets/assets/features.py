"""features: additive partials of a user's day, running state that only events change, and cuts frozen by the calendar."""

import dagster as dg

from portrait_assets import columns as c
from portrait_assets.assets.common import DAILY, OWNERS, SINGLE_RUN, HomeParam, definition_metadata, shown, window_of, written
from portrait_assets.resources.warehouse import Warehouse
from portrait_assets.tables import Relation


def _daily(table: Relation, deps: list[list[str]], description: str) -> dg.AssetsDefinition:
    """A daily table, its window replaced by its `.sql` file."""

    @dg.asset(
        key=table.name.split("."),
        deps=deps,
        partitions_def=DAILY,
        backfill_policy=SINGLE_RUN,
        group_name="features",
        owners=OWNERS,
        kinds={"duckdb", "sql"},
        description=description,
        metadata=definition_metadata(table),
    )
    def daily(context: dg.AssetExecutionContext, warehouse: Warehouse, home: HomeParam) -> dg.MaterializeResult:
        with warehouse.open(table.name) as session:
            rows = written(context, session, home, table)
            return shown(context, session, table, rows, window_of(context))

    return daily


visit = _daily(
    c.FEATURES_VISIT, [["clean", "events"]], "Visits with their events in order: the sequences the behaviour model reads."
)
user_day = _daily(
    c.FEATURES_USER_DAY,
    [["clean", "events"]],
    "One row per user, UTC day and local date: whole-number partials. Any range of days is the sum of its days.",
)
user_day_interest = _daily(
    c.FEATURES_USER_DAY_INTEREST,
    [["clean", "events"]],
    "One row per user, UTC day, department, category, brand and price band: attention, purchases, spend.",
)
user_state = _daily(
    c.FEATURES_USER_STATE,
    [["features", "user_day"]],
    "Running totals on the days a user was active. Windows and recency are derived from it at the as-of.",
)
interests = _daily(
    c.FEATURES_INTERESTS,
    [["features", "user_day_interest"]],
    "Where a user's decayed attention goes: departments, categories, brands, price bands.",
)


@dg.asset(
    key=["features", "cut_points"],
    deps=[["features", "user_day"], ["features", "user_state"]],
    partitions_def=DAILY,
    backfill_policy=SINGLE_RUN,
    group_name="features",
    owners=OWNERS,
    kinds={"duckdb", "sql"},
    metadata=definition_metadata(c.FEATURES_CUT_POINTS),
)
def cut_points(context: dg.AssetExecutionContext, warehouse: Warehouse, home: HomeParam) -> dg.MaterializeResult:
    """Quintile cuts for value, segment, classes and the source's rhythm, frozen on the first of each month from the state a fortnight before it."""
    with warehouse.open("features/cut_points") as session:
        rows = written(context, session, home, c.FEATURES_CUT_POINTS)
        return shown(context, session, c.FEATURES_CUT_POINTS, rows, window_of(context))
