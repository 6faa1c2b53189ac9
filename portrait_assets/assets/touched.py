"""What batches landed since a refresh touched: which events, and which users from which day on."""

from datetime import date

from portrait_assets.partitions import Window
from portrait_assets.resources.session import Session

# An event that was moved or taken back touches the day it stood at too; attributes hold from the start.
TOUCHED = """
create or replace temp table touched as
with
corrected as (
    select distinct source, event_key from raw.events where batch_seq > $since and not is_first
),
told as (
    select source, user_id, event_date from raw.events where batch_seq > $since
    union all
    select events.source, events.user_id, events.event_date
    from raw.events as events
    semi join corrected on events.source = corrected.source and events.event_key = corrected.event_key
    union all
    select events.source, events.user_id, events.event_date
    from raw.events as events semi join redescribed_items on events.item_id = redescribed_items.item_id
),
persons as (
    select identities.user_id, told.event_date
    from told
    inner join clean.identities as identities
        on told.source = identities.source and told.user_id = identities.source_user_id
        and (identities.valid_from is null or told.event_date >= identities.valid_from)
        and (identities.valid_to is null or told.event_date < identities.valid_to)
    union all
    select user_id, date '0001-01-01' from redescribed_users
)
select user_id, min(event_date) as first_date
from persons
group by user_id
having min(event_date) <= $last
"""


def stage_touched(session: Session, since: int, last: date) -> None:
    """Stage `touched(user_id, first_date)`: whom batches after `since` touched, from which day on, where that is `last` or before."""
    _stage_redescribed(session, since, "items", "item_id")
    _stage_redescribed(session, since, "users", "user_id")
    session.execute(TOUCHED, since=since, last=last)


def stage_due_events(session: Session, window: Window, since: int | None = None) -> None:
    """Let the view `due_events` show the raw events that are due: all of the window, or those landed after batch `since`.

    An event whose item was described anew is due too: its category may be another one.
    """
    if since is None:
        told = f"event_date between date '{window.start}' and date '{window.end}'"
    else:
        _stage_redescribed(session, since, "items", "item_id")
        told = f"batch_seq > {since} or item_id in (select item_id from redescribed_items)"
    session.execute(f"create or replace temp view due_events as select * from raw.events where {told}")


def _stage_redescribed(session: Session, since: int, described: str, identity: str) -> None:
    """Stage `redescribed_items(item_id)` or `redescribed_users(user_id)`: those of which something else holds now than after batch `since`."""
    newest = session.scalar(
        "select coalesce(max(batch_seq), 0) from raw.batches where first_date is null and rows_accepted > 0"
    )
    if newest <= since:
        session.execute(
            f"create or replace temp table redescribed_{described} as select {identity} from clean.{described} limit 0"
        )
        return
    session.stage("described_now", f"clean/{described}.sql", through=newest)
    session.stage("described_then", f"clean/{described}.sql", through=since)
    changed = "(from described_now except from described_then)"
    session.execute(f"create or replace temp table redescribed_{described} as select distinct {identity} from {changed}")
