-- A visit holds each of its events once.
-- Offenders: days whose visits hold another number of events than the clean day, what is sent to users aside.
-- A day that a later batch touches is due, not wrong: another process may have landed it just now.
with

current_days as (
    select written.event_date
    from meta.materializations as written
    anti join (select * from raw.batches where rows_accepted > 0) as later
        on
            written.through_seq < later.batch_seq
            and written.event_date between later.first_date and later.last_date
    where written.table_name = 'features.visit'
),

events as (
    select
        event_date,
        count(*) as event_count
    from clean.events
    where not list_contains($sent_types, event_type)
    group by event_date
),

visits as (
    select
        event_date,
        sum(len(item_ids)) as event_count
    from features.visit
    group by event_date
)

select
    events.event_date,
    events.event_count,
    visits.event_count as visit_event_count
from events
inner join current_days on events.event_date = current_days.event_date
left join visits on events.event_date = visits.event_date
where events.event_count is distinct from visits.event_count
