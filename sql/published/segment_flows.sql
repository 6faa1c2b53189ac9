-- segment_flows.parquet
-- Grain:    days before $day (1, 7 and 28, where users stood in segments then) x segment then x segment on $day.
-- Inputs:   scores.segments, models.segments.
-- Promise:  users of one of the three add up to those of segments.parquet: who stood in none then comes from null.
with

days as (
    select
        unnest([1, 7, 28]) as days_before,
        $day::date - days_before as event_date
),

compared as (
    select
        days_before,
        event_date
    from days
    where event_date in (select event_date from scores.segments)
),

named as (
    select
        stands.event_date,
        stands.user_id,
        names.segment_id,
        names.name as segment
    from scores.segments as stands
    inner join models.segments as names on stands.model_version = names.model_version and stands.cluster = names.cluster
    where stands.event_date = $day or stands.event_date in (select event_date from compared)
)

select
    compared.days_before,
    earlier.segment_id as from_segment_id,
    earlier.segment as from_segment,
    today.segment_id as to_segment_id,
    today.segment as to_segment,
    count(*) as users
from named as today
cross join compared
left join named as earlier on compared.event_date = earlier.event_date and today.user_id = earlier.user_id
where today.event_date = $day
group by all
order by compared.days_before, from_segment_id nulls first, to_segment_id
