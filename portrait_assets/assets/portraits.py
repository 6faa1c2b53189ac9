"""portraits: the snapshot of every user on every day, its tags as history, and what each user is likely to want next."""

import dagster as dg

from portrait_assets import columns as c
from portrait_assets import plots
from portrait_assets.assets.common import (
    DAILY,
    OWNERS,
    SINGLE_RUN,
    HomeParam,
    definition_metadata,
    shown,
    window_of,
    written,
)
from portrait_assets.assets.daily import drop_unkept
from portrait_assets.assets.recommending import write_recommendations
from portrait_assets.history import begin_history, history_start
from portrait_assets.resources.warehouse import Warehouse
from portrait_assets.tables import Relation


@dg.asset(
    key=["portraits", "snapshots"],
    deps=[
        ["features", "user_state"],
        ["features", "interests"],
        ["features", "cut_points"],
        ["scores", "predictions"],
        ["clean", "users"],
    ],
    partitions_def=DAILY,
    backfill_policy=SINGLE_RUN,
    group_name="portraits",
    owners=OWNERS,
    kinds={"duckdb", "sql"},
    metadata=definition_metadata(c.PORTRAITS_SNAPSHOTS),
)
def snapshots(context: dg.AssetExecutionContext, warehouse: Warehouse, home: HomeParam) -> dg.MaterializeResult:
    """The whole portrait of each user at the end of each day: behaviour, preference, social attributes, value, risk."""
    window = window_of(context)
    with warehouse.open("portraits/snapshots") as session:
        rows = written(context, session, home, c.PORTRAITS_SNAPSHOTS)
        lifecycle = session.frame(
            "select coalesce(lifecycle, 'unknown') as lifecycle, count(*) as users from portraits.snapshots where event_date = $end group by all order by all",
            end=window.end,
        )
        plot = plots.bars(lifecycle, "lifecycle", "users", f"Users by lifecycle stage at the end of {window.end}")
        return shown(context, session, c.PORTRAITS_SNAPSHOTS, rows, window, plot=plot)


@dg.asset(
    key=["portraits", "changes"],
    deps=[["portraits", "snapshots"], ["clean", "events"]],
    partitions_def=DAILY,
    backfill_policy=SINGLE_RUN,
    group_name="portraits",
    owners=OWNERS,
    kinds={"duckdb", "sql"},
    metadata=definition_metadata(c.PORTRAITS_CHANGES),
)
def changes(context: dg.AssetExecutionContext, warehouse: Warehouse, home: HomeParam) -> dg.MaterializeResult:
    """What changed in whose tags on which day, and why. `portraits.tags` reads the intervals from it."""
    window = window_of(context)
    with warehouse.open("portraits/changes") as session:
        if window.start < history_start(session, home):
            begin_history(session, window.start)
        rows = written(context, session, home, c.PORTRAITS_CHANGES)
        busiest = session.frame(
            "select tag_id, count(*) as changes from portraits.changes where event_date between $start and $end "
            "group by tag_id order by changes desc, tag_id limit 12",
            start=window.start,
            end=window.end,
        )
        plot = plots.bars(busiest, "tag_id", "changes", "Changes by tag")
        return shown(context, session, c.PORTRAITS_CHANGES, rows, window, plot=plot)


@dg.asset(
    key=["portraits", "audiences"],
    deps=[["portraits", "snapshots"], ["scores", "predictions"]],
    partitions_def=DAILY,
    backfill_policy=SINGLE_RUN,
    group_name="portraits",
    owners=OWNERS,
    kinds={"duckdb", "sql"},
    metadata=definition_metadata(c.PORTRAITS_AUDIENCES),
)
def audiences(context: dg.AssetExecutionContext, warehouse: Warehouse, home: HomeParam) -> dg.MaterializeResult:
    """Who is in each saved audience (`portrait audience save`) at the end of each day of the history; then snapshots and predictions
    of days that are not kept are dropped."""
    window = window_of(context)
    with warehouse.open("portraits/audiences") as session:
        rows = written(context, session, home, c.PORTRAITS_AUDIENCES)
        drop_unkept(session, home)
        sizes = session.frame(
            "select audience, count(*) as users from portraits.audiences where event_date = $end group by all order by all",
            end=window.end,
        )
        plot = plots.bars(sizes, "audience", "users", f"Members of saved audiences at the end of {window.end}")
        return shown(context, session, c.PORTRAITS_AUDIENCES, rows, window, plot=plot)


def _recommended(table: Relation, description: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        table.name.split("."),
        deps=[["clean", "events"], ["clean", "items"], ["features", "user_state"], ["models", "behaviour"]],
        description=description,
        group_name="recommendations",
        owners=OWNERS,
        kinds={"duckdb", "python"},
        metadata=definition_metadata(table),
        partitions_def=DAILY,
    )


@dg.multi_asset(
    name="recommendations__lists",
    specs=[
        _recommended(
            c.RECOMMENDATIONS_TOP, "Twenty items a user, best first, with a probability and the reason that moved the score."
        ),
        _recommended(c.RECOMMENDATIONS_LISTS, "What to buy again and what to discover, each on its own."),
    ],
    backfill_policy=dg.BackfillPolicy.multi_run(1),
)
def recommendations(context: dg.AssetExecutionContext, warehouse: Warehouse, home: HomeParam):
    """Rank what each user may want next, for the days that are published."""
    window = window_of(context)
    with warehouse.open("recommendations") as session:
        rows = write_recommendations(session, home, window.end)
        for table in (c.RECOMMENDATIONS_TOP, c.RECOMMENDATIONS_LISTS):
            yield shown(context, session, table, rows[table.name], window)
