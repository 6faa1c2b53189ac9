"""How a window of a daily table is written: whole, or for the users that new batches touched. The SQL is the same for both."""

from collections.abc import Iterable
from datetime import date
from itertools import groupby
from operator import attrgetter

from portrait_assets import columns as c
from portrait_assets.assets.derivation import days_at_once, parameters, selection
from portrait_assets.assets.touched import stage_due_events, stage_touched
from portrait_assets.history import history_start
from portrait_assets.home import Home
from portrait_assets.lineage import RETAINED, SCORE_TABLES, Ledger
from portrait_assets.partitions import DAY, Window
from portrait_assets.resources.scope import scope_to_all, scope_to_touched
from portrait_assets.resources.session import Select, Session
from portrait_assets.resources.sql import sql_version
from portrait_assets.tables import Relation

UNDATED: tuple[Relation, ...] = (c.CLEAN_IDENTITIES, c.CLEAN_ITEMS, c.CLEAN_USERS)
FEATURES: tuple[Relation, ...] = (
    c.CLEAN_EVENTS,
    c.FEATURES_VISIT,
    c.FEATURES_USER_DAY,
    c.FEATURES_USER_DAY_INTEREST,
    c.FEATURES_USER_STATE,
    c.FEATURES_INTERESTS,
    c.FEATURES_CUT_POINTS,
)
PORTRAITS: tuple[Relation, ...] = (c.PORTRAITS_SNAPSHOTS, c.PORTRAITS_CHANGES, c.PORTRAITS_AUDIENCES)
AS_OF_INPUTS = ("scoped_user_state", "scoped_interests")
FEW_DAYS = 10
# Tables that grow with the events, of which a long window is written piece by piece: lists and sorts of a whole year of a large
# source do not fit into memory. Each piece goes on from the days before it.
GROWING = (c.CLEAN_EVENTS, c.FEATURES_VISIT, c.FEATURES_USER_DAY, c.FEATURES_USER_DAY_INTEREST, c.FEATURES_USER_STATE)
EVENTS_AT_ONCE = 5_000_000
# Of a state, each day of a user is joined with those before it in the window; of cut points, everybody is measured a month.
DAYS_AT_ONCE = 31
FEW_EVENTS = 5_000

# One to one, as in clean/identities.sql: who is new since a batch.
NEW_IDENTITIES = """
insert into clean.identities by name
select distinct told.source, told.user_id as source_user_id, told.user_id
from raw.events as told
anti join clean.identities as known on told.source = known.source and told.user_id = known.source_user_id
where told.batch_seq > $since
order by told.source, told.user_id
"""


def write_days(session: Session, home: Home, table: Relation, window: Window, select: Select | None = None) -> int:
    """Replace the window of `table` by what is derived now (or by `select`), and enter it in the ledger; returns its rows.

    Of snapshots the days that are kept, and no earlier ones.
    """
    if table is c.PORTRAITS_SNAPSHOTS:
        first = Ledger(session, home).first_kept(window.end)
        if window.end < first:
            return 0
        window = Window(max(window.start, first), window.end)
    return sum(write_piece(session, home, table, piece, select) for piece in _pieces(session, table, window))


def _pieces(session: Session, table: Relation, window: Window) -> list[Window]:
    """The window in order, in as many days at a time as fit into memory."""
    if table in GROWING:
        return pieces_of(session, window, EVENTS_AT_ONCE, DAYS_AT_ONCE if table is c.FEATURES_USER_STATE else None)
    if table in PORTRAITS:
        return window.cut(days_at_once(session, window.end))
    if table is c.FEATURES_CUT_POINTS:
        return window.cut(max(DAYS_AT_ONCE, days_at_once(session, window.end)))
    return [window]


def write_piece(session: Session, home: Home, table: Relation, window: Window, select: Select | None = None) -> int:
    """The same at once, whether the days are kept or not."""
    if table is c.CLEAN_EVENTS:
        stage_due_events(session, window)
    select = select or selection(session, home, table, window)
    known = parameters(home, window, history_start(session, home))
    return session.replace(table, window, select, _marks(session, home, table, window), **known)


def pieces_of(session: Session, window: Window, most: int, days: int | None = None) -> list[Window]:
    """The window in order, cut into windows of at most `most` raw events each; a day is never cut. With `days`, a window of more days
    than that has few events: years with hardly any are then not cut into months."""
    events = dict(
        session.rows(
            "select event_date, count(*) from raw.events where event_date between $start and $end group by event_date",
            start=window.start,
            end=window.end,
        )
    )
    pieces, held = [window], 0
    for day in window:
        held += events.get(day, 0)
        is_long = days is not None and (day - pieces[-1].start).days >= days and held > FEW_EVENTS
        if (held > most or is_long) and day > pieces[-1].start:
            pieces[-1:] = [Window(pieces[-1].start, day - DAY), Window(day, window.end)]
            held = events.get(day, 0)
    return pieces


def refresh_days(session: Session, home: Home, table: Relation, window: Window) -> int:
    """Bring up to date what is due of the window, and nothing else; returns the rows written.

    Days never written, or written by other code, are written whole. In the others only the rows of users whom batches
    landed since then touched are, from the first day they touched; of clean events, only the events in them. In the order of days,
    since days go on from those before them, which may be new: events earlier than all before.
    """
    due = Ledger(session, home).due(table, window)
    touched = runs_of(due.touched)
    # A few new days of snapshots go on from the day before them, one by one; many are cheaper derived at once.
    one_by_one = table is c.PORTRAITS_SNAPSHOTS and len(due.whole) <= FEW_DAYS
    whole = [Window(day, day) for day in due.whole] if one_by_one else runs_of(due.whole)
    rows = 0
    for part in sorted([*touched, *whole], key=attrgetter("start")):
        is_touched = part in touched
        rows += (
            _refresh_touched(session, home, table, part, due.since) if is_touched else write_days(session, home, table, part)
        )
    return rows


def rebuild_undated(session: Session, table: Relation) -> int:
    """Rebuild a clean table without days: identities, items or users; returns its rows."""
    marks = _undated_marks(session, table)
    return session.rebuild(table, session.sql(file_of(table)), marks, through=marks[1])


def refresh_undated(session: Session, table: Relation) -> int:
    """Bring such a table up to date: rebuilt where descriptions were landed since, identities only added to; returns its rows."""
    version, _ = _undated_marks(session, table)
    since = session.scalar(
        "select through_seq from meta.materializations where table_name = $name and version = $version",
        name=table.name, version=version,
    )  # fmt: skip
    described = session.scalar("select max(batch_seq) from raw.batches where rows_accepted > 0 and first_date is null") or 0
    if since is None or described > since:
        return rebuild_undated(session, table)
    if table is c.CLEAN_IDENTITIES:
        with session.transaction():
            session.execute(NEW_IDENTITIES, since=since)
            session.remember_undated(table, _undated_marks(session, table))
    return session.count(table)


def _undated_marks(session: Session, table: Relation) -> tuple[str, int]:
    return sql_version(session.schema, file_of(table)), session.scalar("select coalesce(max(batch_seq), 0) from raw.batches")


def file_of(table: Relation) -> str:
    return table.name.replace(".", "/") + ".sql"


def write_path(session: Session, home: Home, window: Window) -> None:
    """Write the window of everything that no model makes, from clean tables to tag changes."""
    write_features(session, home, window)
    write_portraits(session, home, window)


def write_features(session: Session, home: Home, window: Window) -> None:
    """Write the clean tables and the features of the window."""
    for table in UNDATED:
        rebuild_undated(session, table)
    for table in FEATURES:
        write_days(session, home, table, window)


def write_portraits(session: Session, home: Home, window: Window) -> None:
    """Write the snapshots and tag changes of the window, from predictions as they are."""
    _write_unscored(session, home, window)
    for table in PORTRAITS:
        write_days(session, home, table, window)
    drop_unkept(session, home)


def refresh_path(session: Session, home: Home, window: Window) -> None:
    """Bring up to date what is due of the window, in everything that no model makes."""
    for table in UNDATED:
        refresh_undated(session, table)
    for table in FEATURES:
        refresh_days(session, home, table, window)
    _write_unscored(session, home, window)
    for table in PORTRAITS:
        refresh_days(session, home, table, window)
    drop_unkept(session, home)


def drop_unkept(session: Session, home: Home) -> None:
    """Drop what tables that are kept for the newest days alone hold of earlier ones, once tags and audiences are made of it."""
    first = Ledger(session, home).first_kept(home.days.start)
    for table in RETAINED:
        known = {"name": table.name, "first": first}
        if session.rows("from meta.materializations where table_name = $name and event_date < $first limit 1", **known):
            with session.transaction():
                session.execute(f"delete from {table.name} where {table.partition} < $first", first=first)
                session.execute("delete from meta.materializations where table_name = $name and event_date < $first", **known)


def _write_unscored(session: Session, home: Home, window: Window) -> None:
    """Enter in the ledger that days before the first model are scored: there is nothing to score them with."""
    ledger = Ledger(session, home)
    for table in SCORE_TABLES:
        for run in runs_of(day for day in ledger.due(table, window).whole if ledger.models[day] is None):
            with session.transaction():
                session.remember(table, run, _marks(session, home, table, run))


def _refresh_touched(session: Session, home: Home, table: Relation, window: Window, since: int) -> int:
    history, rows = history_start(session, home), 0
    if table is not c.CLEAN_EVENTS:
        stage_touched(session, since, window.end)
        scope_to_touched(session.connection, AS_OF_INPUTS if table in PORTRAITS else ())
    try:
        for piece in _pieces(session, table, window):
            if table is c.CLEAN_EVENTS:
                stage_due_events(session, piece, since)
            revise = session.revise_events if table is c.CLEAN_EVENTS else session.revise
            select, marks = selection(session, home, table, piece), _marks(session, home, table, piece)
            rows += revise(table, piece, select, marks, **parameters(home, piece, history))
    finally:
        scope_to_all(session.connection)
    return rows


def _marks(session: Session, home: Home, table: Relation, window: Window) -> dict[date, tuple[str, int]]:
    """Day -> the version it is written with and the newest batch it then holds."""
    ledger = Ledger(session, home)
    through = ledger.through(table, window)
    return {day: (ledger.versions[table.name][day], through[day]) for day in window}


def runs_of(days: Iterable[date]) -> list[Window]:
    """Windows of consecutive days that together hold just `days`."""
    runs = [[day for _, day in run] for _, run in groupby(enumerate(sorted(days)), lambda entry: entry[1] - DAY * entry[0])]
    return [Window(run[0], run[-1]) for run in runs]
