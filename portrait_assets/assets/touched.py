"""What batches landed since a refresh touched: which events, and which users from which day on."""

from datetime import date

from portrait_assets.partitions import Window
from portrait_assets.resources.session import Session

# Items whose description now differs from the one that held when batch $since was the newest.
REDESCRIBED = """
create or replace temp table redescribed_items as
with
told as (
    select items.* exclude (batch_id, row_number), batches.batch_seq, items.row_number
    from raw.items as items inner join raw.batches as batches on items.batch_id = batches.batch_id
    where $since < (select max(batch_seq) from raw.batches where first_date is null)
),
newest as (
    select * exclude (batch_seq, row_number) from told
    qualify row_number() over (partition by item_id order by batch_seq desc, row_number desc) = 1
),
newest_then as (
    select * exclude (batch_seq, row_number) from told where batch_seq <= $since
    qualify row_number() over (partition by item_id order by batch_seq desc, row_number desc) = 1
)
select item_id from (from newest except from newest_then)
"""

# An event that was moved or taken back touches the day it stood at too; attributes are undated, so known from the start.
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
    union all
    select attributes.source, attributes.user_id, date '0001-01-01'
    from raw.attributes as attributes inner join raw.batches as batches on attributes.batch_id = batches.batch_id
    where batches.batch_seq > $since
)
select identities.user_id, min(told.event_date) as first_date
from told
inner join clean.identities as identities
    on told.source = identities.source and told.user_id = identities.source_user_id
    and (identities.valid_from is null or told.event_date >= identities.valid_from)
    and (identities.valid_to is null or told.event_date < identities.valid_to)
group by identities.user_id
having min(told.event_date) <= $last
"""


def stage_touched(session: Session, since: int, last: date) -> None:
    """Stage `touched(user_id, first_date)`: whom batches after `since` touched, from which day on, where that is `last` or before."""
    session.execute(REDESCRIBED, since=since)
    session.execute(TOUCHED, since=since, last=last)


def stage_due_events(session: Session, window: Window, since: int | None = None) -> None:
    """Let the view `due_events` show the raw events that are due: all of the window, or those told after batch `since`.

    An event whose item was described anew is due too: its category may be another one.
    """
    if since is None:
        told = f"event_date between date '{window.start}' and date '{window.end}'"
    else:
        session.execute(REDESCRIBED, since=since)
        told = f"batch_seq > {since} or item_id in (select item_id from redescribed_items)"
    session.execute(f"create or replace temp view due_events as select * from raw.events where {told}")
