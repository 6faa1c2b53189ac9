"""Tag values of a run of days, evaluated from the catalogue."""

from portrait_assets import columns as c
from portrait_assets.assets.daily import parameters, stage_features
from portrait_assets.home import Home
from portrait_assets.lineage import history_start
from portrait_assets.packs.tag_sql import tag_values
from portrait_assets.partitions import DAY, Window
from portrait_assets.resources.session import Session
from portrait_assets.resources.sql import read_sql


def stage_tag_values(session: Session, home: Home, window: Window) -> None:
    """Stage `tag_values` for the window and the day before it.

    The day before is derived from state, not read from a stored snapshot, so that changes do not depend on which
    snapshots exist. On the first day of the kept history there is no day before.
    """
    session.execute(
        f"create or replace temp table snapshot_rows as select * from {c.PORTRAITS_SNAPSHOTS.name} "
        "where event_date between $start and $end",
        start=window.start,
        end=window.end,
    )
    if window.start > history_start(session, home):
        stage_features(session, [window.start - DAY])
        session.execute(f"insert into snapshot_rows by name {read_sql('portraits/snapshots.sql')}", **parameters(home))
    session.execute(f"create or replace temp table tag_values as {tag_values(home.pack.tags)}")
