"""Which daily table is made from what, and so which of its days are stale.

A day of a table is known by a version: a hash of the code that makes it, the pack's data, the landed batches that
can have touched it, and, downstream of a model, the model in force. The ledger `meta.materializations` remembers the version
each day was written with. Staleness is a difference of the two, never a comparison of clocks.
"""

import hashlib
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from portrait_assets import columns as c
from portrait_assets.home import Home
from portrait_assets.partitions import Window, as_of_of
from portrait_assets.resources.session import Session
from portrait_assets.resources.sql import sql_version
from portrait_assets.tables import Table


@dataclass(frozen=True)
class Daily:
    """A daily table, the `.sql` files that make it and the daily tables it reads."""

    table: Table
    sql: tuple[str, ...]
    inputs: tuple[Table, ...] = ()
    uses_model: bool = False
    on_demand: bool = False
    """Kept for the published days only, not for every day."""


CLEAN_SQL = ("clean/identities.sql", "clean/items.sql", "clean/users.sql")

DAILY_TABLES: tuple[Daily, ...] = (
    Daily(c.CLEAN_EVENTS, ("clean/events.sql", *CLEAN_SQL)),
    Daily(c.FEATURES_VISIT, ("features/visit.sql",), (c.CLEAN_EVENTS,)),
    Daily(c.FEATURES_USER_DAY, ("features/user_day.sql",), (c.CLEAN_EVENTS, c.FEATURES_VISIT)),
    Daily(c.FEATURES_USER_DAY_INTEREST, ("features/user_day_interest.sql",), (c.CLEAN_EVENTS,)),
    Daily(c.FEATURES_USER_STATE, ("features/user_state.sql",), (c.FEATURES_USER_DAY,)),
    Daily(c.FEATURES_INTERESTS, ("features/interests.sql",), (c.FEATURES_USER_DAY_INTEREST,)),
    Daily(
        c.FEATURES_CUT_POINTS,
        ("features/cut_points.sql", "features/as_of.sql"),
        (c.FEATURES_USER_STATE, c.FEATURES_INTERESTS),
    ),
    Daily(
        c.SCORES_PREDICTIONS,
        ("features/as_of.sql",),
        (c.FEATURES_USER_STATE, c.FEATURES_INTERESTS, c.FEATURES_VISIT),
        uses_model=True,
    ),
    Daily(c.PORTRAITS_SNAPSHOTS, ("portraits/snapshots.sql",), (c.FEATURES_CUT_POINTS, c.SCORES_PREDICTIONS)),
    Daily(c.PORTRAITS_CHANGES, (), (c.PORTRAITS_SNAPSHOTS,)),
    Daily(
        c.SCORES_VECTORS,
        ("features/as_of.sql",),
        (c.FEATURES_USER_STATE, c.FEATURES_INTERESTS, c.FEATURES_VISIT),
        uses_model=True,
        on_demand=True,
    ),
    Daily(
        c.SCORES_NEXT_PURCHASES,
        ("features/as_of.sql",),
        (c.FEATURES_USER_STATE, c.FEATURES_INTERESTS, c.FEATURES_VISIT),
        uses_model=True,
        on_demand=True,
    ),
    Daily(
        c.RECOMMENDATIONS_TOP,
        ("recommendations/top.sql",),
        (c.CLEAN_EVENTS, c.FEATURES_USER_STATE),
        on_demand=True,
    ),
)


PORTRAIT_TABLES = {c.SCORES_PREDICTIONS.name, c.PORTRAITS_SNAPSHOTS.name, c.PORTRAITS_CHANGES.name}
ON_DEMAND_TABLES = {daily.table.name for daily in DAILY_TABLES if daily.on_demand}
FEATURE_TABLES = {daily.table.name for daily in DAILY_TABLES} - PORTRAIT_TABLES - ON_DEMAND_TABLES


def expected_versions(session: Session, home: Home, window: Window) -> dict[str, dict[date, str]]:
    """Table name -> day -> the version the day should have been written with, given what is landed and trained."""
    landed = _landed_versions(session, window)
    models = {day: version or "none" for day, version in models_in_force(session, window).items()}
    begins = history_start(session, home)
    expected: dict[str, dict[date, str]] = {}
    for daily in DAILY_TABLES:
        code = sql_version(*daily.sql) + home.pack.version + (kernel_version() if daily.uses_model else "")
        expected[daily.table.name] = {
            day: _digest(
                code,
                *(expected[table.name][day] for table in daily.inputs),
                models[day] if daily.uses_model else "",
                "first" if daily.table is c.PORTRAITS_CHANGES and day == begins else "",
                landed[day],
            )
            for day in window
        }
    return expected


@cache
def kernel_version() -> str:
    """Hash of the Python that scores: a changed kernel makes what it wrote stale, as a changed `.sql` file does."""
    package = Path(__file__).parent
    files = [*sorted((package / "kernels").glob("*.py")), package / "assets" / "scoring.py", package / "assets" / "training.py"]
    return _digest(*(file.read_text(encoding="utf-8") for file in files))


def stale_days(session: Session, home: Home, window: Window) -> dict[str, list[date]]:
    """Table name -> the days of the window whose ledger entry is missing or of another version."""
    written = {
        (table, day): version
        for table, day, version in session.rows("select table_name, event_date, version from meta.materializations")
    }
    return {
        table: [day for day, version in versions.items() if written.get((table, day)) != version]
        for table, versions in expected_versions(session, home, window).items()
    }


def history_start(session: Session, home: Home) -> date:
    """The first day with portraits. Before it a tag has no history: on that day all a user's tags begin."""
    return session.scalar("select min(first_date) from meta.history") or home.days.start


def begin_history(session: Session, day: date) -> None:
    """Let the kept history begin at `day`, if it does not begin earlier already."""
    with session.transaction():
        session.execute("delete from meta.history where first_date > $day", day=day)
        session.execute("insert into meta.history select $day where not exists (select 1 from meta.history)", day=day)


def covering(stale: dict[str, list[date]], tables: set[str]) -> Window | None:
    """The smallest window that holds every stale day of `tables`; None where nothing is stale."""
    return Window.covering(day for table, days in stale.items() if table in tables for day in days)


def models_in_force(session: Session, window: Window) -> dict[date, str | None]:
    """Day -> the newest champion whose training saw nothing after the day's as-of; None before the first one."""
    champions = session.rows(
        "select trained_through, version from models.registry where status = 'champion' "
        "order by trained_through, recorded_at, version"
    )
    return {
        day: next((version for through, version in reversed(champions) if through <= as_of_of(day)), None) for day in window
    }


def _landed_versions(session: Session, window: Window) -> dict[date, str]:
    """Day -> hash of the batches that told something of the day or before, or something undated (items, attributes)."""
    batches = session.rows("select batch_id, first_date from raw.batches where rows_accepted > 0 order by batch_id")
    return {day: _digest(*(batch for batch, first in batches if first is None or first <= day)) for day in window}


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
