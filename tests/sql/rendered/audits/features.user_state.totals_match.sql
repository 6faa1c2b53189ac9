-- Running totals end where the sum of the days ends; visits, less those that went on from the day before.
-- Offenders: users whose last state differs from the sum of their days.
-- Where a later batch makes days of it due, totals are not compared: another process may have landed it just now.
with

current_days as (
    select written.event_date
    from meta.materializations as written
    anti join (select * from raw.batches where rows_accepted > 0) as later
        on
            written.through_seq < later.batch_seq
            and written.event_date >= later.first_date
    where written.table_name = 'features.user_state'
),

due as (
    select count(*) as day_count
    from meta.materializations as written
    anti join current_days on written.event_date = current_days.event_date
    where written.table_name = 'features.user_state'
),

last_state as (
    select *
    from features.user_state
    qualify row_number() over (partition by user_id order by event_date desc) = 1
),

carried as (
    select
        user_id,
        sum(carried_visits) as visits
    from features.user_state
    group by user_id
),

sums as (
    select
        user_id,
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
        sum(visits) as visits,
        max(event_date) as event_date
    from features.user_day
    where event_date <= (select max(event_date) from meta.materializations where table_name = 'features.user_state')
    group by user_id
)

select
    sums.user_id,
    sums.event_date,
    sums.spend_cents,
    last_state.spend_cents as state_spend_cents,
    sums.net_spend_cents,
    last_state.net_spend_cents as state_net_spend_cents,
    sums.purchases,
    last_state.purchases as state_purchases,
    sums.views,
    last_state.views as state_views,
    sums.carts,
    last_state.carts as state_carts,
    sums.coupons,
    last_state.coupons as state_coupons,
    sums.searches,
    last_state.searches as state_searches,
    sums.returns,
    last_state.returns as state_returns,
    sums.reviews,
    last_state.reviews as state_reviews,
    sums.exposures,
    last_state.exposures as state_exposures,
    sums.quantity_milli,
    last_state.quantity_milli as state_quantity_milli,
    sums.refund_cents,
    last_state.refund_cents as state_refund_cents,
    sums.discount_cents,
    last_state.discount_cents as state_discount_cents,
    sums.coupon_cents,
    last_state.coupon_cents as state_coupon_cents,
    sums.discounted_purchases,
    last_state.discounted_purchases as state_discounted_purchases,
    sums.coupon_purchases,
    last_state.coupon_purchases as state_coupon_purchases,
    sums.ratings,
    last_state.ratings as state_ratings,
    sums.rating_milli,
    last_state.rating_milli as state_rating_milli,
    sums.outliers,
    last_state.outliers as state_outliers,
    sums.visits - carried.visits as visits,
    last_state.visits as state_visits
from sums
left join last_state on sums.user_id = last_state.user_id
left join carried on sums.user_id = carried.user_id
inner join due on due.day_count = 0
where
    sums.event_date is distinct from last_state.event_date
    or sums.spend_cents is distinct from last_state.spend_cents
    or sums.net_spend_cents is distinct from last_state.net_spend_cents
    or sums.purchases is distinct from last_state.purchases
    or sums.views is distinct from last_state.views
    or sums.carts is distinct from last_state.carts
    or sums.coupons is distinct from last_state.coupons
    or sums.searches is distinct from last_state.searches
    or sums.returns is distinct from last_state.returns
    or sums.reviews is distinct from last_state.reviews
    or sums.exposures is distinct from last_state.exposures
    or sums.quantity_milli is distinct from last_state.quantity_milli
    or sums.refund_cents is distinct from last_state.refund_cents
    or sums.discount_cents is distinct from last_state.discount_cents
    or sums.coupon_cents is distinct from last_state.coupon_cents
    or sums.discounted_purchases is distinct from last_state.discounted_purchases
    or sums.coupon_purchases is distinct from last_state.coupon_purchases
    or sums.ratings is distinct from last_state.ratings
    or sums.rating_milli is distinct from last_state.rating_milli
    or sums.outliers is distinct from last_state.outliers
    or sums.visits - carried.visits is distinct from last_state.visits
