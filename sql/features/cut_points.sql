-- features.cut_points
-- Grain:    calendar month x measure.
-- Inputs:   as_of_features staged for the day $cut_lead_days before each month.
-- Promise:  quintiles frozen by the calendar: a month's cuts come from the state a fortnight before it, so a late event or a
--           new day never moves everybody's class. Users active in the 365 days before count; whole numbers only.
with

measures as (
    select
        event_date + $cut_lead_days as event_date,
        unnest([
            {'measure': 'recency_days', 'amount': recency_days},
            {'measure': 'active_days_365d', 'amount': active_days_365d},
            {'measure': 'spend_cents_365d', 'amount': spend_cents_365d}
        ], recursive := true)
    from as_of_features
    where active_days_365d > 0
)

select
    event_date,
    measure,
    quantile_disc(amount, [0.2, 0.4, 0.6, 0.8])::bigint[] as cuts,
    count(*) as user_count
from measures
group by event_date, measure
order by event_date, measure
