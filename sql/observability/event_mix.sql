-- What kinds of events a day brought, beside what was to be expected of it.
-- Grain:    one UTC day from $start to $end with at least 30 events x event type seen on it or in the eight weeks before.
-- Inputs:   raw.events.
-- Promise:  expected is the median share of the type on the days with events of the eight weeks before, from 14 such days on;
--           spread is their median absolute deviation times 1.4826, at least what drawing that many events alone gives
--           (the binomial deviation). A share further than five spreads, and five hundredths, from it is an anomaly.
with

counted as (
    select
        event_date,
        event_type,
        count(*) as events
    from raw.events
    where event_date between $start and $end
    group by event_date, event_type
),

days as (
    select
        event_date,
        sum(events)::bigint as events
    from counted
    group by event_date
),

types as (
    select distinct event_type from counted
),

shares as (
    select
        days.event_date,
        types.event_type,
        days.events as day_events,
        coalesce(counted.events, 0) / days.events as share
    from days
    cross join types
    left join counted on days.event_date = counted.event_date and types.event_type = counted.event_type
),

expected as (
    select
        shares.event_date,
        shares.event_type,
        median(before.share) as expected,
        mad(before.share) as deviation
    from shares
    inner join shares as before
        on
            shares.event_type = before.event_type
            and before.event_date between shares.event_date - 56 and shares.event_date - 1
    group by shares.event_date, shares.event_type
    having count(*) >= 14
),

judged as (
    select
        shares.event_date,
        shares.event_type,
        shares.day_events,
        shares.share,
        expected.expected,
        greatest(
            1.4826 * expected.deviation,
            sqrt(greatest(expected.expected * (1 - expected.expected), 0.01) / shares.day_events)
        ) as spread
    from shares
    left join expected on shares.event_date = expected.event_date and shares.event_type = expected.event_type
    where shares.day_events >= 30
)

select
    event_date,
    event_type,
    day_events,
    share,
    expected,
    spread,
    coalesce(abs(share - expected) > greatest(5 * spread, 0.05), false) as is_anomaly
from judged
order by event_date, event_type
