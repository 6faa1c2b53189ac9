"""How one window of a daily table is written: the same few lines for every table made by one `.sql` file."""

from datetime import date
from typing import Any

from portrait_assets.home import Home
from portrait_assets.lineage import expected_versions
from portrait_assets.partitions import Window
from portrait_assets.resources.session import Session
from portrait_assets.resources.sql import read_sql
from portrait_assets.tables import Table


def parameters(home: Home) -> dict[str, Any]:
    """The named values a `.sql` file may ask for: the pack's, and where the calendar begins."""
    return {**home.pack.sql_parameters, "landmark": home.landmark}


def write_days(session: Session, home: Home, table: Table, window: Window, select: str | None = None) -> int:
    """Replace the window of `table` by its `.sql` file (or `select`), and remember the versions; returns the rows written."""
    select = select or read_sql(table.name.replace(".", "/") + ".sql")
    versions = expected_versions(session, home, window)[table.name]
    return session.replace(table, window, select, versions, **parameters(home))


def stage_features(session: Session, days: list[date]) -> None:
    """Derive the features at the end of each of `days` into the temporary table `as_of_features`."""
    session.stage_days("wanted_days", days)
    session.stage("as_of_features", "features/as_of.sql")
