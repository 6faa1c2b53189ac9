-- Every user seen by the end of the day has one portrait of that day, and nobody else has one.
-- Offenders: days with another number of portraits than of users seen.
-- A day that a later batch touches is due, not wrong: another process may have landed it just now.
with

first_days as (
    select
        user_id,
        min(event_date) as first_date
    from features.user_day
    group by user_id
),

current_days as (
    select written.event_date
    from meta.materializations as written
    anti join (select * from raw.batches where rows_accepted > 0) as later
        on
            written.through_seq < later.batch_seq
            and written.event_date >= later.first_date
    where written.table_name = 'portraits.snapshots'
),

seen as (
    select
        current_days.event_date,
        count(first_days.user_id) as user_count
    from current_days
    left join first_days on first_days.first_date <= current_days.event_date
    group by current_days.event_date
),

drawn as (
    select
        event_date,
        count(*) as portrait_count,
        count(distinct user_id) as user_count
    from portraits.snapshots
    group by event_date
)

select
    seen.event_date,
    seen.user_count,
    coalesce(drawn.portrait_count, 0) as portrait_count
from seen
left join drawn on seen.event_date = drawn.event_date
where seen.user_count != coalesce(drawn.portrait_count, 0) or seen.user_count != coalesce(drawn.user_count, 0)
