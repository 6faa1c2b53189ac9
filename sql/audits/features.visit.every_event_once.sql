-- A visit holds each of its events once.
-- Offenders: days whose visits hold another number of events than the clean day, exposures aside.
with

events as (
    select
        event_date,
        count(*) as event_count
    from clean.events
    where event_type != 'exposure'
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
inner join (select event_date from meta.materializations where table_name = 'features.visit') as written
    on events.event_date = written.event_date
left join visits on events.event_date = visits.event_date
where events.event_count is distinct from visits.event_count
