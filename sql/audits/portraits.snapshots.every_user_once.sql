-- Every user seen by the end of the day has one portrait of that day, and nobody else has one.
-- Offenders: days with another number of portraits than of users seen.
with

first_days as (
    select
        user_id,
        min(event_date) as first_date
    from features.user_day
    group by user_id
),

written as (
    select event_date
    from meta.materializations
    where table_name = 'portraits.snapshots'
),

seen as (
    select
        written.event_date,
        count(first_days.user_id) as user_count
    from written
    left join first_days on first_days.first_date <= written.event_date
    group by written.event_date
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
