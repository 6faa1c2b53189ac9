-- features.user_day
-- Grain:    user x UTC day x local date (a UTC day holds parts of two local dates, in the source's zone).
-- Inputs:   scoped_events; $visit_types are the event types that make a visit.
-- Promise:  whole-number partials of the day alone: sums add up over any range of days. What is counted distinct (days, visits, items)
--           is so within the UTC day, and carries what it counted: user_state takes off what the day before counted already.
--           Exposures alone make no activity; what is no shopping (a review, a return) makes no visit, and a date without an
--           hour begins in no part of the day.
with

events as not materialized (
    select
        event_date,
        local_date,
        user_id,
        visit_id,
        event_time,
        local_hour,
        local_weekday,
        event_type,
        item_id,
        quantity_milli,
        amount_cents,
        discount_cents,
        coupon_cents,
        rating_milli,
        is_outlier
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
        min(epoch_us(event_time) * 7 + local_weekday - 1) % 7 as weekday,
        min(epoch_us(event_time) * 24 + local_hour) % 24 as local_hour
    from events
    where list_contains($visit_types, event_type)
    group by event_date, user_id, visit_id
),

visits as (
    select
        event_date,
        user_id,
        local_date,
        count(*) as visits,
        count(*) filter (where local_hour < 6) as night_visits,
        count(*) filter (where local_hour between 6 and 11) as morning_visits,
        count(*) filter (where local_hour between 12 and 17) as afternoon_visits,
        count(*) filter (where local_hour >= 18) as evening_visits,
        count(*) filter (where weekday >= 5) as weekend_visits,
        list({'visit_id': visit_id, 'day_part': local_hour // 6, 'is_weekend': weekday >= 5} order by visit_id) as begun
    from beginnings
    group by event_date, user_id, local_date
),

items as (
    select
        event_date,
        user_id,
        local_date,
        count(distinct item_id) as item_days,
        list(distinct item_id order by item_id) filter (where item_id is not null) as item_ids
    from events
    where event_type = 'purchase'
    group by event_date, user_id, local_date
),

days as (
    select
        event_date,
        user_id,
        local_date,
        max((event_type != 'exposure')::int) as active_days,
        count(*) filter (where event_type = 'view') as views,
        count(*) filter (where event_type = 'search') as searches,
        count(*) filter (where event_type = 'cart') as carts,
        count(*) filter (where event_type = 'purchase') as purchases,
        max((event_type = 'purchase')::int) as purchase_days,
        count(*) filter (where event_type = 'return') as returns,
        count(*) filter (where event_type = 'review') as reviews,
        count(*) filter (where event_type = 'coupon') as coupons,
        count(*) filter (where event_type = 'exposure') as exposures,
        sum(quantity_milli) filter (where event_type = 'purchase') as quantity_milli,
        sum(amount_cents) filter (where event_type = 'purchase') as spend_cents,
        sum(amount_cents) filter (where event_type = 'return') as refund_cents,
        sum(discount_cents) filter (where event_type = 'purchase') as discount_cents,
        sum(coupon_cents) filter (where event_type = 'purchase') as coupon_cents,
        count(*) filter (where event_type = 'purchase' and discount_cents > 0) as discounted_purchases,
        count(*) filter (where event_type = 'purchase' and coupon_cents > 0) as coupon_purchases,
        count(rating_milli) as ratings,
        sum(rating_milli) as rating_milli,
        count(*) filter (where is_outlier) as outliers
    from events
    group by event_date, user_id, local_date
)

select
    days.event_date,
    days.user_id,
    days.local_date,
    days.active_days,
    coalesce(visits.visits, 0) as visits,
    days.views,
    days.searches,
    days.carts,
    days.purchases,
    days.purchase_days,
    days.returns,
    days.reviews,
    days.coupons,
    days.exposures,
    coalesce(items.item_days, 0) as item_days,
    coalesce(days.quantity_milli, 0) as quantity_milli,
    coalesce(days.spend_cents, 0) as spend_cents,
    coalesce(days.refund_cents, 0) as refund_cents,
    coalesce(days.spend_cents, 0) - coalesce(days.refund_cents, 0) as net_spend_cents,
    coalesce(days.discount_cents, 0) as discount_cents,
    coalesce(days.coupon_cents, 0) as coupon_cents,
    days.discounted_purchases,
    days.coupon_purchases,
    coalesce(visits.night_visits, 0) as night_visits,
    coalesce(visits.morning_visits, 0) as morning_visits,
    coalesce(visits.afternoon_visits, 0) as afternoon_visits,
    coalesce(visits.evening_visits, 0) as evening_visits,
    coalesce(visits.weekend_visits, 0) as weekend_visits,
    days.ratings,
    coalesce(days.rating_milli, 0) as rating_milli,
    days.outliers,
    coalesce(visits.begun, []) as begun_visits,
    coalesce(items.item_ids, []) as item_ids
from days
left join visits
    on days.event_date = visits.event_date and days.user_id = visits.user_id and days.local_date = visits.local_date
left join items
    on days.event_date = items.event_date and days.user_id = items.user_id and days.local_date = items.local_date
