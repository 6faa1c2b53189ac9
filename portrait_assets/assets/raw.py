"""raw: what arrived, as it arrived, append-only, every row accounted for."""

from datetime import UTC, datetime

import dagster as dg
from pydantic import Field

from portrait_assets import columns as c
from portrait_assets import plots, sources
from portrait_assets.assets.common import (
    DAILY,
    OWNERS,
    SINGLE_RUN,
    HomeParam,
    definition_metadata,
    shown,
    window_of,
)
from portrait_assets.errors import PortraitError
from portrait_assets.home import extend_to_landed
from portrait_assets.resources.warehouse import Warehouse
from portrait_assets.tables import Table


class Landing(dg.Config):
    """What to land: the source's own files, unless files are named."""

    files: list[str] = Field(default=[], description="Paths of files to land; empty lands the source's own.")


def _spec(table: Table, description: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        table.name.split("."),
        description=description,
        group_name="raw",
        owners=OWNERS,
        kinds={"duckdb"},
        metadata=definition_metadata(table),
    )


@dg.multi_asset(
    specs=[
        _spec(c.RAW_BATCHES, "The ledger: one row per landed batch. The same bytes landed twice change nothing."),
        _spec(c.RAW_ITEMS, "Items as described by the source."),
        _spec(c.RAW_ATTRIBUTES, "Declared attributes of users: age, income, household and the like."),
        _spec(c.RAW_QUARANTINE, "Rejected rows with their reason. Nothing is lost: rows in = accepted + duplicate + rejected."),
    ]
)
def landing(context: dg.AssetExecutionContext, config: Landing, warehouse: Warehouse, home: HomeParam):
    """Land what the source holds and the ledger does not know yet; one transaction per batch.

    Of named files, one that can not be landed fails the step when the others have landed.
    """
    now, refused = datetime.now(UTC).replace(tzinfo=None), sources.Refused()
    with warehouse.open("landing") as session:
        source, files = (home.source, config.files) if config.files else (home.landed_whole, None)
        try:
            for batch in sources.land(session.connection, source, now, files, refused if files else None):
                context.log.info("%s %s", "landed" if batch.is_new else "known", batch)
        finally:  # what landed before a file that can not be stays
            extend_to_landed(home, session)
        reasons = session.frame(
            "select reason, count(*) as row_count from raw.quarantine group by reason order by row_count desc, reason limit 12"
        )
        plot = plots.bars(reasons, "reason", "row_count", "Why rows were rejected") if len(reasons) else None
        for table in (c.RAW_BATCHES, c.RAW_ITEMS, c.RAW_ATTRIBUTES):
            yield shown(context, session, table, session.count(table))
        yield shown(context, session, c.RAW_QUARANTINE, session.count(c.RAW_QUARANTINE), plot=plot)
    if refused:
        raise PortraitError(sources.told(refused))


@dg.asset(
    key=["raw", "events"],
    deps=[["raw", "batches"]],
    partitions_def=DAILY,
    backfill_policy=SINGLE_RUN,
    group_name="raw",
    owners=OWNERS,
    kinds={"duckdb"},
    metadata=definition_metadata(c.RAW_EVENTS),
)
def raw_events(context: dg.AssetExecutionContext, warehouse: Warehouse, home: HomeParam) -> dg.MaterializeResult:
    """Accepted events by UTC day of event time, appended by the landing: this opens a day for what reads it."""
    window = window_of(context)
    with warehouse.open("raw/events") as session:
        volume = session.frame(
            "select event_date, count(*) as events from raw.events where event_date between $start and $end "
            "group by event_date order by event_date",
            start=window.start,
            end=window.end,
        )
        plot = plots.line(volume, "event_date", "events", "Events a day") if len(volume) > 1 else None
        return shown(context, session, c.RAW_EVENTS, session.count(c.RAW_EVENTS, window), window, plot=plot)
