"""Whose rows a computation reads: user-level SQL takes its inputs from temporary views, of all users or of those touched.

So the same `.sql` file recomputes everybody, refreshes the few users a late event touched, and serves the live service.
"""

import duckdb

# View -> the table behind it, and whether days before the user's first touched one matter: running totals and windows
# need a user's whole past, partials of a day need that day only.
SCOPED_VIEWS = {
    "scoped_events": ("clean.events", False),
    "scoped_user_day": ("features.user_day", True),
    "scoped_interest_days": ("features.user_day_interest", True),
    "scoped_user_state": ("features.user_state", True),
    "scoped_interests": ("features.interests", True),
    "scoped_snapshots": ("portraits.snapshots", True),
}


def scope_to_all(connection: duckdb.DuckDBPyConnection) -> None:
    """Let the scoped views show every user's rows."""
    for view, (table, _) in SCOPED_VIEWS.items():
        connection.execute(f"create or replace temp view {view} as select * from {table}")


def scope_to_touched(connection: duckdb.DuckDBPyConnection, gathered: tuple[str, ...] = ()) -> None:
    """Let the scoped views show the rows of the users in the temporary table `touched(user_id, first_date)`.

    Views in `gathered` are read so often that the users' rows are put aside once.
    """
    for view, (table, whole_past) in SCOPED_VIEWS.items():
        days = "" if whole_past else " and rows_of.event_date >= touched.first_date"
        rows = f"select rows_of.* from {table} as rows_of semi join touched on rows_of.user_id = touched.user_id{days}"
        if view in gathered:
            connection.execute(f"create or replace temp table gathered_{view} as {rows}")
            rows = f"select * from gathered_{view}"
        connection.execute(f"create or replace temp view {view} as {rows}")
