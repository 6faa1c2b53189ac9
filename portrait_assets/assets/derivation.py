"""The SQL that selects a window of each daily table, with what it reads staged: said once, for writing, refreshing and verifying."""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

from portrait_assets import columns as c
from portrait_assets.audiences.membership_sql import membership
from portrait_assets.history import history_start
from portrait_assets.home import Home
from portrait_assets.lineage import Ledger, fixed_parameters
from portrait_assets.packs.tag_sql import tag_changes, tag_values
from portrait_assets.partitions import DAY, Window
from portrait_assets.resources.session import Select, Session
from portrait_assets.tables import Relation

# A user's days that get a row, each with all the user's partials up to then: what making interests takes.
INTEREST_LOOKS = """
select sum(rows * days)
from (
    select
        count(*) as rows,
        count(distinct event_date) filter (where event_date >= greatest($start, $history_start))
        + ($history_start between $start and $end)::bigint as days
    from scoped_interest_days
    where event_date <= $end
    group by user_id
)
"""
INTEREST_LOOKS_AT_ONCE = 20_000_000
USER_DAYS_AT_ONCE = 250_000  # rows of features, of about four kilobytes while they are made
INTEREST_PARTS = """
create or replace temp table interest_parts as
select hash(user_id) % $parts as part, * from scoped_interest_days where event_date <= $end order by part
"""


def parameters(home: Home, window: Window, history: date) -> dict[str, Any]:
    """The named values a `.sql` file may ask for: the pack's, where the kept history begins, what the calendar says of the window."""
    return fixed_parameters(home) | {"history_start": history, "month_starts": [day for day in window if day.day == 1]}


def selection(session: Session, home: Home, table: Relation, window: Window) -> Select:
    """What selects the rows of `table` in the window, of the users in scope; `$start` and `$end` are its bounds."""
    prepare = PREPARED.get(table.name)
    return prepare(session, home, window) if prepare else session.sql(table.name.replace(".", "/") + ".sql")


def stage_features(session: Session, home: Home, days: list[date]) -> None:
    """Derive the features at the end of each of `days` into the temporary table `as_of_features`, from all that came before."""
    _stage_known_interests(session, home, days)
    size, zone = days_at_once(session, max(days, default=home.days.end)), home.source.time_zone
    for first in range(0, max(len(days), 1), size):
        session.stage_days("wanted_days", days[first : first + size])
        if first == 0:
            session.stage("as_of_features", "features/as_of.sql", time_zone=zone)
        else:
            session.execute(f"insert into as_of_features by name {session.sql('features/as_of.sql')}", time_zone=zone)
    session.stage_days("wanted_days", days)


def days_at_once(session: Session, end: date, most: int | None = None) -> int:
    """How many days hold at most so many (USER_DAYS_AT_ONCE) portraits of the users in scope."""
    users = session.scalar("select count(distinct user_id) from scoped_user_state where event_date <= $end", end=end)
    return max(1, (most or USER_DAYS_AT_ONCE) // max(users, 1))


def _stage_known_interests(session: Session, home: Home, days: list[date]) -> None:
    """Let `known_interests` show what is stored, and of days before the kept history, of which nothing is, what would be."""
    history = history_start(session, home)
    session.execute("create or replace temp table early_interests as select * from features.interests where false")
    for day in days:
        if day < history:
            as_if_it_began = parameters(home, Window(day, day), history=day)
            for made in _interests_of(session, Window(day, day), as_if_it_began):
                session.execute(f"insert into early_interests by name {made}", start=day, end=day, **as_if_it_began)
    session.execute(
        "create or replace temp view known_interests as from scoped_interests union all by name from early_interests"
    )


def stage_next_day(session: Session, home: Home, day: date) -> None:
    """The same for one day, from the stored snapshot of the day before, which must be up to date."""
    session.stage_days("wanted_days", [day])
    session.stage("as_of_features", "features/next_day.sql", event_date=day, time_zone=home.source.time_zone)


def stage_tag_values(session: Session, home: Home, window: Window) -> None:
    """Stage `tag_values` for the window and the day before it. On the first day of the history there is no day before."""
    first = max(window.start - DAY, history_start(session, home))
    rows = _snapshot_rows(session, home, Window(min(first, window.start), window.end))
    known = parameters(home, window, history_start(session, home))
    staged = f"create or replace temp table tag_values as with snapshot_rows as ({rows}) {tag_values(home.pack.tags)}"
    session.execute(staged, **known)


def _snapshot_rows(session: Session, home: Home, window: Window) -> str:
    """A query for the snapshots of the window: the stored ones as far back as they are up to date, earlier ones derived, so that what is
    made of them does not depend on which are stored."""
    ledger, derived = Ledger(session, home), list(window)
    while derived and ledger.is_current(c.PORTRAITS_SNAPSHOTS, derived[-1]):
        derived.pop()
    if not derived:
        return f"select * from temp.scoped_snapshots where event_date between date '{window.start}' and date '{window.end}'"
    stage_features(session, home, derived)
    columns = ", ".join(f'"{column.name}"::{column.type} as "{column.name}"' for column in session.schema.snapshots.columns)
    made = f"select {columns} from ({session.sql('portraits/snapshots.sql')}\n)"
    stored = (
        f"select * from temp.scoped_snapshots where event_date > date '{derived[-1]}' and event_date <= date '{window.end}'"
    )
    return f"{stored} union all by name {made}"


def _interests(session: Session, home: Home, window: Window) -> Iterator[str]:
    return _interests_of(session, window, parameters(home, window, history_start(session, home)))


def _interests_of(session: Session, window: Window, known: dict[str, Any]) -> Iterator[str]:
    """Interests look at the whole past of whoever has a row, once for each of their days: of some users after the others, whose
    past is laid out side by side."""
    made = session.sql("features/interests.sql")
    looks = session.scalar(INTEREST_LOOKS, start=window.start, end=window.end, history_start=known["history_start"])
    parts = 1 + int(looks or 0) // INTEREST_LOOKS_AT_ONCE
    if parts == 1:
        yield made
        return
    session.execute(INTEREST_PARTS, parts=parts, end=window.end)
    for part in range(parts):
        of_some = f"select * exclude (part) from interest_parts where part = {part}"
        yield f"with scoped_interest_days as ({of_some}) from ({made}\n)"
    session.execute("drop table interest_parts")


def _snapshots(session: Session, home: Home, window: Window) -> str:
    if len(window) == 1 and follows_a_current_snapshot(session, home, window.start):
        stage_next_day(session, home, window.start)
    else:
        stage_features(session, home, list(window))
    return session.sql("portraits/snapshots.sql")


def follows_a_current_snapshot(session: Session, home: Home, day: date) -> bool:
    """Whether the snapshot of the day before is stored and misses nothing that is landed."""
    ledger = Ledger(session, home)
    return day > ledger.history_start and ledger.is_current(c.PORTRAITS_SNAPSHOTS, day - DAY)


def _changes(session: Session, home: Home, window: Window) -> str:
    stage_tag_values(session, home, window)
    return tag_changes(home.pack.tags)


def _audiences(session: Session, home: Home, window: Window) -> str:
    members = membership(home.audiences, home.pack)
    rows = _snapshot_rows(session, home, window) if home.audiences else "select * from temp.scoped_snapshots where false"
    return f"with scoped_snapshots as ({rows}) {members}"


PREPARED: dict[str, Callable[[Session, Home, Window], Select]] = {
    c.FEATURES_INTERESTS.name: _interests,
    c.PORTRAITS_SNAPSHOTS.name: _snapshots,
    c.PORTRAITS_CHANGES.name: _changes,
    c.PORTRAITS_AUDIENCES.name: _audiences,
}
