-- A key is one event.
-- Offenders: keys with more than one clean row.
-- A day that a later batch touches is due, not wrong: another process may have landed it just now.
with

current_days as (
    select written.event_date
    from meta.materializations as written
    anti join (select * from raw.batches where rows_accepted > 0) as later
        on
            written.through_seq < later.batch_seq
            and written.event_date between later.first_date and later.last_date
    where written.table_name = 'clean.events'
)

select
    events.source,
    events.event_key,
    count(*) as row_count
from clean.events as events
semi join current_days on events.event_date = current_days.event_date
group by events.source, events.event_key
having count(*) > 1
