"""observability: how the portraits of a published day differ from those of four weeks before and of the model's last day, and how far
its tags can be relied on.
"""

import dagster as dg

from portrait_assets import columns as c
from portrait_assets import plots
from portrait_assets.assets.common import DAILY, OWNERS, HomeParam, definition_metadata, shown, window_of
from portrait_assets.assets.kept import make_again
from portrait_assets.assets.tag_quality import write_tag_quality
from portrait_assets.observability import COMPARED_WITH, LARGE_PSI, days_compared, drift, measure_drift, tag_quality_of
from portrait_assets.partitions import Window
from portrait_assets.resources.warehouse import Warehouse


@dg.asset(
    key=["observability", "drift"],
    deps=[["portraits", "snapshots"]],
    partitions_def=DAILY,
    backfill_policy=dg.BackfillPolicy.multi_run(1),
    group_name="observability",
    owners=OWNERS,
    kinds={"duckdb", "sql"},
    metadata=definition_metadata(c.OBSERVABILITY_DRIFT),
)
def feature_drift(context: dg.AssetExecutionContext, warehouse: Warehouse, home: HomeParam) -> dg.MaterializeResult:
    """Population stability index of key features of a published day against the portraits of 28 days before, and of the last day the
    model in force learnt from: far from that, the sensor `drifted` asks for a training."""
    day = window_of(context).end
    with warehouse.open("observability/drift") as session:
        make_again(session, home, [day, *days_compared(session, day)])
        rows = measure_drift(session, day)
        moved = drift(session, day)
        title = f"PSI of {day} against {day - COMPARED_WITH}; above {LARGE_PSI} is a large move"
        plot = plots.bars(moved, "feature", "psi", title, mark=LARGE_PSI) if rows else None
        return shown(context, session, c.OBSERVABILITY_DRIFT, rows, Window(day, day), plot=plot)


@dg.asset(
    key=["observability", "tag_quality"],
    deps=[["portraits", "snapshots"], ["portraits", "changes"], ["scores", "vectors"], ["clean", "events"]],
    partitions_def=DAILY,
    backfill_policy=dg.BackfillPolicy.multi_run(1),
    group_name="observability",
    owners=OWNERS,
    kinds={"duckdb", "python"},
    metadata=definition_metadata(c.OBSERVABILITY_TAG_QUALITY),
)
def tag_quality(context: dg.AssetExecutionContext, warehouse: Warehouse, home: HomeParam) -> dg.MaterializeResult:
    """What each tag of a published day covers, how old it is and how often it flips, how often it came true, what else says the same."""
    day = window_of(context).end
    with warehouse.open("observability/tag_quality") as session:
        rows = write_tag_quality(session, home, day)
        plot = plots.tag_quality(tag_quality_of(session, day))
        return shown(context, session, c.OBSERVABILITY_TAG_QUALITY, rows, Window(day, day), plot=plot)
