-- How many events a day brought, beside what was to be expected of it.
-- Grain:    one UTC day from $start to $end; a day without an event is a row too.
-- Inputs:   raw.events.
-- Promise:  expected is the median of the same weekday in the eight weeks before, from four such days on; spread is their median
--           absolute deviation, made comparable to a standard deviation by 1.4826, and at least what counting alone gives
--           (the square root). A day further than five spreads, and a fifth, from what was expected is an anomaly.
with

days as (
    select unnest(generate_series($start::date, $end::date, interval 1 day))::date as event_date
),

counted as (
    select
        event_date,
        count(*) as events
    from raw.events
    where event_date between $start and $end
    group by event_date
),

volumes as (
    select
        days.event_date,
        coalesce(counted.events, 0) as events
    from days
    left join counted on days.event_date = counted.event_date
),

earlier as (
    select
        volumes.event_date,
        before.events
    from volumes
    inner join volumes as before
        on
            before.event_date between volumes.event_date - 56 and volumes.event_date - 7
            and dayofweek(before.event_date) = dayofweek(volumes.event_date)
),

expected as (
    select
        event_date,
        median(events) as expected,
        greatest(1.4826 * mad(events), sqrt(greatest(median(events), 1))) as spread
    from earlier
    group by event_date
    having count(*) >= 4
)

select
    volumes.event_date,
    volumes.events,
    expected.expected,
    expected.spread,
    coalesce(
        abs(volumes.events - expected.expected) > greatest(5 * expected.spread, 0.2 * expected.expected),
        false
    ) as is_anomaly
from volumes
left join expected on volumes.event_date = expected.event_date
order by volumes.event_date
