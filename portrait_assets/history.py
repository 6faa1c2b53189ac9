"""The history: from which day on tags, their changes, audiences and stored interests are daily."""

from datetime import date

from portrait_assets.home import Home
from portrait_assets.resources.session import Session


def history_start(session: Session, home: Home) -> date:
    """The first day with portraits. Before it a tag has no history: on that day all a user's tags begin."""
    return session.scalar("select min(first_date) from meta.history") or home.days.start


def begin_history(session: Session, day: date) -> None:
    """Let the history begin at `day`, if it does not begin earlier already. Without this it begins with the home's first day."""
    with session.transaction():
        session.execute("delete from meta.history where first_date > $day", day=day)
        session.execute("insert into meta.history select $day where not exists (select 1 from meta.history)", day=day)
