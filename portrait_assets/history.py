"""The kept history: from which day on there are portraits, tags and stored interests of every day."""

from datetime import date

from portrait_assets.home import Home
from portrait_assets.partitions import DAY
from portrait_assets.resources.session import Session

DAILY_PORTRAITS_KEPT = 2_500_000


def history_start(session: Session, home: Home) -> date:
    """The first day with portraits. Before it a tag has no history: on that day all a user's tags begin."""
    return session.scalar("select min(first_date) from meta.history") or home.days.start


def begin_history(session: Session, day: date) -> None:
    """Let the kept history begin at `day`, if it does not begin earlier already."""
    with session.transaction():
        session.execute("delete from meta.history where first_date > $day", day=day)
        session.execute("insert into meta.history select $day where not exists (select 1 from meta.history)", day=day)


def affordable_start(session: Session, home: Home, day: date) -> date:
    """The first day of the data, or, where daily portraits of all users would be too many, as late as keeps them to the limit."""
    users, user_days = session.rows(
        "select count(*), sum($day - first_date + 1) from "
        "(select min(event_date) as first_date from raw.events where event_date <= $day group by source, user_id)",
        day=day,
    )[0]
    if not users or user_days <= DAILY_PORTRAITS_KEPT:
        return home.days.start
    return max(home.days.start, day - DAY * (max(14, DAILY_PORTRAITS_KEPT // users) - 1))


def decide_history(session: Session, home: Home, day: date) -> None:
    """Where it is still open, let the history begin where portraits through `day` are affordable; what is landed tells that."""
    if not session.rows("from meta.history"):
        begin_history(session, affordable_start(session, home, day))
