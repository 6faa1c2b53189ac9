-- features.cut_points
-- Grain:    calendar month x measure.
-- Inputs:   features.user_day.
-- Promise:  quintiles frozen by the calendar: a month's cuts come from the state $cut_lead_days before its first day, so that
--           neither a new day nor an event that is a fortnight late moves everybody's class. Users active in the 365 days
--           before count; whole numbers only.
with

months as (
    select unnest($month_starts::date[]) as month_start
),

states as (
    select
        months.month_start,
        days.user_id,
        months.month_start - $cut_lead_days - max(days.event_date) filter (where days.active_days = 1) as recency_days,
        sum(days.active_days)::bigint as active_days_365d,
        sum(days.spend_cents)::bigint as spend_cents_365d
    from months
    inner join features.user_day as days
        on
            days.event_date <= months.month_start - $cut_lead_days
            and days.event_date > months.month_start - $cut_lead_days - 365
    group by months.month_start, days.user_id
    having sum(days.active_days) > 0
),

measures as (
    select
        month_start as event_date,
        unnest([
            {'measure': 'recency_days', 'amount': recency_days},
            {'measure': 'active_days_365d', 'amount': active_days_365d},
            {'measure': 'spend_cents_365d', 'amount': spend_cents_365d}
        ], recursive := true)
    from states
)

select
    event_date,
    measure,
    quantile_disc(amount, [0.2, 0.4, 0.6, 0.8])::bigint[] as cuts,
    count(*) as user_count
from measures
group by event_date, measure
order by event_date, measure
