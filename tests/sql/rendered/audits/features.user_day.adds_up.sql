-- Partials add up to the events they come from.
-- Offenders: days whose counts, sums or activity differ between clean.events and features.user_day.
-- A day that a later batch touches is due, not wrong: another process may have landed it just now.
with

current_days as (
    select written.event_date
    from meta.materializations as written
    anti join (select * from raw.batches where rows_accepted > 0) as later
        on
            written.through_seq < later.batch_seq
            and written.event_date between later.first_date and later.last_date
    where written.table_name = 'features.user_day'
),

events as (
    select
        event_date,
        coalesce(sum(amount_cents) filter (where event_type = 'purchase'), 0) as spend_cents,
        coalesce(sum(case event_type when 'purchase' then amount_cents when 'return' then -amount_cents end), 0) as net_spend_cents,
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
        count(*) filter (where is_outlier) as outliers,
        count(distinct row(user_id, local_date)) filter (where event_type != 'exposure') as active_days
    from clean.events
    group by event_date
),

days as (
    select
        event_date,
        sum(spend_cents) as spend_cents,
        sum(net_spend_cents) as net_spend_cents,
        sum(purchases) as purchases,
        sum(views) as views,
        sum(carts) as carts,
        sum(coupons) as coupons,
        sum(searches) as searches,
        sum(returns) as returns,
        sum(reviews) as reviews,
        sum(exposures) as exposures,
        sum(quantity_milli) as quantity_milli,
        sum(refund_cents) as refund_cents,
        sum(discount_cents) as discount_cents,
        sum(coupon_cents) as coupon_cents,
        sum(discounted_purchases) as discounted_purchases,
        sum(coupon_purchases) as coupon_purchases,
        sum(ratings) as ratings,
        sum(rating_milli) as rating_milli,
        sum(outliers) as outliers,
        sum(active_days) as active_days
    from features.user_day
    group by event_date
)

select
    coalesce(events.event_date, days.event_date) as event_date,
    events.spend_cents,
    days.spend_cents as partial_spend_cents,
    events.net_spend_cents,
    days.net_spend_cents as partial_net_spend_cents,
    events.purchases,
    days.purchases as partial_purchases,
    events.views,
    days.views as partial_views,
    events.carts,
    days.carts as partial_carts,
    events.coupons,
    days.coupons as partial_coupons,
    events.searches,
    days.searches as partial_searches,
    events.returns,
    days.returns as partial_returns,
    events.reviews,
    days.reviews as partial_reviews,
    events.exposures,
    days.exposures as partial_exposures,
    events.quantity_milli,
    days.quantity_milli as partial_quantity_milli,
    events.refund_cents,
    days.refund_cents as partial_refund_cents,
    events.discount_cents,
    days.discount_cents as partial_discount_cents,
    events.coupon_cents,
    days.coupon_cents as partial_coupon_cents,
    events.discounted_purchases,
    days.discounted_purchases as partial_discounted_purchases,
    events.coupon_purchases,
    days.coupon_purchases as partial_coupon_purchases,
    events.ratings,
    days.ratings as partial_ratings,
    events.rating_milli,
    days.rating_milli as partial_rating_milli,
    events.outliers,
    days.outliers as partial_outliers,
    events.active_days,
    days.active_days as partial_active_days
from events
full join days on events.event_date = days.event_date
semi join current_days on coalesce(events.event_date, days.event_date) = current_days.event_date
where
    events.active_days is distinct from days.active_days
    or events.spend_cents is distinct from days.spend_cents
    or events.net_spend_cents is distinct from days.net_spend_cents
    or events.purchases is distinct from days.purchases
    or events.views is distinct from days.views
    or events.carts is distinct from days.carts
    or events.coupons is distinct from days.coupons
    or events.searches is distinct from days.searches
    or events.returns is distinct from days.returns
    or events.reviews is distinct from days.reviews
    or events.exposures is distinct from days.exposures
    or events.quantity_milli is distinct from days.quantity_milli
    or events.refund_cents is distinct from days.refund_cents
    or events.discount_cents is distinct from days.discount_cents
    or events.coupon_cents is distinct from days.coupon_cents
    or events.discounted_purchases is distinct from days.discounted_purchases
    or events.coupon_purchases is distinct from days.coupon_purchases
    or events.ratings is distinct from days.ratings
    or events.rating_milli is distinct from days.rating_milli
    or events.outliers is distinct from days.outliers
