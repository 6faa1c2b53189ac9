-- features.user_day
-- Grain:    user x UTC day x local date (a UTC day holds parts of two local dates, in the source's zone).
-- Inputs:   scoped_events; $visit_types are the event types that make a visit.
-- Promise:  whole-number partials of the day alone: sums add up over any range of days. What is counted distinct (days, visits, items)
--           is so within the UTC day, and carries what it counted: user_state takes off what the day before counted already.
--           Exposures alone make no activity; what is no shopping (a review, a return) makes no visit, and a date without an
--           hour begins in no part of the day.
with

events as not materialized (
    select *
    from scoped_events
    where event_date between $start and $end
),

-- The instant a visit begins, packed with its weekday; and the first of it that has an hour, packed with that.
beginnings as (
    select
        event_date,
        user_id,
        visit_id,
        min(local_date) as local_date,
        (min(epoch_us(event_time) * 7 + local_weekday - 1) % 7 + 1)::utinyint as local_weekday,
        (min(epoch_us(event_time) * 24 + local_hour) % 24)::utinyint as local_hour
    from events
    where list_contains($visit_types, event_type)
    group by event_date, user_id, visit_id
),

visits as (
    select
        event_date,
        user_id,
        local_date,
        count(*) filter (where true) as visits,
        count(*) filter (where local_hour between 0 and 5) as night_visits,
        count(*) filter (where local_hour between 6 and 11) as morning_visits,
        count(*) filter (where local_hour between 12 and 17) as afternoon_visits,
        count(*) filter (where local_hour between 18 and 23) as evening_visits,
        count(*) filter (where local_weekday in (6, 7)) as weekend_visits,
        list({'visit_id': visit_id, 'local_hour': local_hour, 'local_weekday': local_weekday} order by visit_id) as begun
    from beginnings
    group by event_date, user_id, local_date
),

counted_item_days as (
    select
        event_date,
        user_id,
        local_date,
        list(distinct item_id order by item_id) as counted
    from events
    where (event_type = 'purchase') and (item_id) is not null
    group by event_date, user_id, local_date
),

days as (
    select
        event_date,
        user_id,
        local_date,
        coalesce(sum(amount_cents) filter (where event_type = 'purchase'), 0) as spend_cents,
        coalesce(sum(case event_type when 'purchase' then amount_cents when 'return' then -amount_cents end), 0) as net_spend_cents,
        max((event_type != 'exposure')::int) as active_days,
        max((event_type = 'purchase')::int) as purchase_days,
        count(*) filter (where event_type = 'purchase') as purchases,
        count(*) filter (where event_type = 'view') as views,
        count(*) filter (where event_type = 'cart') as carts,
        count(*) filter (where event_type = 'coupon') as coupons,
        count(*) filter (where event_type = 'search') as searches,
        count(*) filter (where event_type = 'return') as returns,
        count(*) filter (where event_type = 'review') as reviews,
        count(*) filter (where event_type = 'exposure') as exposures,
        coalesce(sum(quantity_milli) filter (where event_type = 'purchase'), 0) as quantity_milli,
        coalesce(sum(amount_cents) filter (where event_type = 'return'), 0) as refund_cents,
        coalesce(sum(discount_cents) filter (where event_type = 'purchase'), 0) as discount_cents,
        coalesce(sum(coupon_cents) filter (where event_type = 'purchase'), 0) as coupon_cents,
        count(*) filter (where event_type = 'purchase' and discount_cents > 0) as discounted_purchases,
        count(*) filter (where event_type = 'purchase' and coupon_cents > 0) as coupon_purchases,
        count(*) filter (where rating_milli is not null) as ratings,
        coalesce(sum(rating_milli), 0) as rating_milli,
        count(*) filter (where is_outlier) as outliers
    from events
    group by event_date, user_id, local_date
)

select
    days.*,
    coalesce(visits.visits, 0) as visits,
    coalesce(visits.night_visits, 0) as night_visits,
    coalesce(visits.morning_visits, 0) as morning_visits,
    coalesce(visits.afternoon_visits, 0) as afternoon_visits,
    coalesce(visits.evening_visits, 0) as evening_visits,
    coalesce(visits.weekend_visits, 0) as weekend_visits,
    coalesce(len(counted_item_days.counted), 0) as item_days,
    coalesce(counted_item_days.counted, []) as item_days_values,
    coalesce(visits.begun, []) as begun_visits
from days
left join visits
    on days.event_date = visits.event_date and days.user_id = visits.user_id and days.local_date = visits.local_date
left join counted_item_days
    on days.event_date = counted_item_days.event_date and days.user_id = counted_item_days.user_id
        and days.local_date = counted_item_days.local_date
