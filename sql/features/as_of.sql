-- features at the as-of (not stored: what moves with the clock is derived when asked for)
-- Grain:    user x day of `wanted_days(event_date)`; the state at the end of that day.
-- Inputs:   scoped_user_state, known_interests, wanted_days.
-- Promise:  reads rows of the day or before, never after; a window of w days is the running total less the one w days ago.
with

first_seen as (
    select
        user_id,
        min(event_date) as first_date
    from scoped_user_state
    group by user_id
),

grid as (
    select
        first_seen.user_id,
        wanted_days.event_date
    from wanted_days
    inner join first_seen on first_seen.first_date <= wanted_days.event_date
),

now as (
    select
        grid.user_id,
        grid.event_date,
        state.* exclude (user_id, event_date)
    from grid
    asof inner join scoped_user_state as state
        on grid.user_id = state.user_id and grid.event_date >= state.event_date
),

-- Where each user's totals stood when each window began: one look into the past for all windows.
looks as (
    select
        grid.user_id,
        grid.event_date,
        windows.days,
        grid.event_date - windows.days as look_date
    from grid
    cross join (select unnest([7, 14, 30, 60, 90, 365]) as days) as windows
),

stood as (
    select
        looks.user_id,
        looks.event_date,
        looks.days,
        state.active_days,
        state.visits,
        state.views,
        state.carts,
        state.purchases,
        state.purchase_days,
        state.item_days,
        state.spend_cents,
        state.discounted_purchases,
        state.coupon_purchases,
        state.coupons
    from looks
    asof inner join scoped_user_state as state
        on looks.user_id = state.user_id and looks.look_date >= state.event_date
),

before as (
    select
        user_id,
        event_date,
        max(active_days) filter (where days = 7) as active_days_7,
        max(active_days) filter (where days = 14) as active_days_14,
        max(active_days) filter (where days = 30) as active_days_30,
        max(active_days) filter (where days = 60) as active_days_60,
        max(active_days) filter (where days = 90) as active_days_90,
        max(active_days) filter (where days = 365) as active_days_365,
        max(visits) filter (where days = 7) as visits_7,
        max(visits) filter (where days = 14) as visits_14,
        max(visits) filter (where days = 30) as visits_30,
        max(visits) filter (where days = 60) as visits_60,
        max(visits) filter (where days = 90) as visits_90,
        max(visits) filter (where days = 365) as visits_365,
        max(views) filter (where days = 7) as views_7,
        max(views) filter (where days = 14) as views_14,
        max(views) filter (where days = 30) as views_30,
        max(views) filter (where days = 60) as views_60,
        max(views) filter (where days = 90) as views_90,
        max(views) filter (where days = 365) as views_365,
        max(carts) filter (where days = 7) as carts_7,
        max(carts) filter (where days = 14) as carts_14,
        max(carts) filter (where days = 30) as carts_30,
        max(carts) filter (where days = 60) as carts_60,
        max(carts) filter (where days = 90) as carts_90,
        max(carts) filter (where days = 365) as carts_365,
        max(purchases) filter (where days = 7) as purchases_7,
        max(purchases) filter (where days = 14) as purchases_14,
        max(purchases) filter (where days = 30) as purchases_30,
        max(purchases) filter (where days = 60) as purchases_60,
        max(purchases) filter (where days = 90) as purchases_90,
        max(purchases) filter (where days = 365) as purchases_365,
        max(purchase_days) filter (where days = 7) as purchase_days_7,
        max(purchase_days) filter (where days = 14) as purchase_days_14,
        max(purchase_days) filter (where days = 30) as purchase_days_30,
        max(purchase_days) filter (where days = 60) as purchase_days_60,
        max(purchase_days) filter (where days = 90) as purchase_days_90,
        max(purchase_days) filter (where days = 365) as purchase_days_365,
        max(item_days) filter (where days = 7) as item_days_7,
        max(item_days) filter (where days = 14) as item_days_14,
        max(item_days) filter (where days = 30) as item_days_30,
        max(item_days) filter (where days = 60) as item_days_60,
        max(item_days) filter (where days = 90) as item_days_90,
        max(item_days) filter (where days = 365) as item_days_365,
        max(spend_cents) filter (where days = 7) as spend_cents_7,
        max(spend_cents) filter (where days = 14) as spend_cents_14,
        max(spend_cents) filter (where days = 30) as spend_cents_30,
        max(spend_cents) filter (where days = 60) as spend_cents_60,
        max(spend_cents) filter (where days = 90) as spend_cents_90,
        max(spend_cents) filter (where days = 365) as spend_cents_365,
        max(discounted_purchases) filter (where days = 7) as discounted_purchases_7,
        max(discounted_purchases) filter (where days = 14) as discounted_purchases_14,
        max(discounted_purchases) filter (where days = 30) as discounted_purchases_30,
        max(discounted_purchases) filter (where days = 60) as discounted_purchases_60,
        max(discounted_purchases) filter (where days = 90) as discounted_purchases_90,
        max(discounted_purchases) filter (where days = 365) as discounted_purchases_365,
        max(coupon_purchases) filter (where days = 7) as coupon_purchases_7,
        max(coupon_purchases) filter (where days = 14) as coupon_purchases_14,
        max(coupon_purchases) filter (where days = 30) as coupon_purchases_30,
        max(coupon_purchases) filter (where days = 60) as coupon_purchases_60,
        max(coupon_purchases) filter (where days = 90) as coupon_purchases_90,
        max(coupon_purchases) filter (where days = 365) as coupon_purchases_365,
        max(coupons) filter (where days = 7) as coupons_7,
        max(coupons) filter (where days = 14) as coupons_14,
        max(coupons) filter (where days = 30) as coupons_30,
        max(coupons) filter (where days = 60) as coupons_60,
        max(coupons) filter (where days = 90) as coupons_90,
        max(coupons) filter (where days = 365) as coupons_365
    from stood
    group by user_id, event_date
),

interests as (
    select
        grid.user_id,
        grid.event_date,
        interests.* exclude (user_id, event_date)
    from grid
    asof left join known_interests as interests
        on grid.user_id = interests.user_id and grid.event_date >= interests.event_date
)

select
    now.user_id,
    now.event_date,
    now.event_date + 1 as as_of,
    now.first_date,
    now.event_date - now.first_date as tenure_days,
    now.last_active_date,
    now.event_date - now.last_active_date as recency_days,
    now.last_purchase_date,
    now.event_date - now.last_purchase_date as purchase_recency_days,
    -- Interpurchase times: gaps telescope, so the mean needs only the two ends; the spread needs the running sum of squares.
    case
        when now.purchase_days >= 2
            then (now.last_purchase_date - now.first_purchase_date) / (now.purchase_days - 1)
    end as mean_gap_days,
    case
        when now.purchase_days >= 3 then sqrt(greatest(
            now.gap_square_days / (now.purchase_days - 1)
            - pow((now.last_purchase_date - now.first_purchase_date) / (now.purchase_days - 1), 2), 0
        ))
    end as std_gap_days,
    now.gap_days as last_gap_days,
    now.active_days,
    now.visits,
    now.views,
    now.searches,
    now.carts,
    now.purchases,
    now.purchase_days,
    now.returns,
    now.reviews,
    now.coupons,
    now.exposures,
    now.item_days,
    now.quantity_milli,
    now.spend_cents,
    now.refund_cents,
    now.discount_cents,
    now.coupon_cents,
    now.discounted_purchases,
    now.coupon_purchases,
    now.night_visits,
    now.morning_visits,
    now.afternoon_visits,
    now.evening_visits,
    now.weekend_visits,
    now.ratings,
    now.rating_milli,
    now.active_days - coalesce(before.active_days_7, 0) as active_days_7d,
    now.active_days - coalesce(before.active_days_14, 0) as active_days_14d,
    now.active_days - coalesce(before.active_days_30, 0) as active_days_30d,
    now.active_days - coalesce(before.active_days_60, 0) as active_days_60d,
    now.active_days - coalesce(before.active_days_90, 0) as active_days_90d,
    now.active_days - coalesce(before.active_days_365, 0) as active_days_365d,
    now.visits - coalesce(before.visits_7, 0) as visits_7d,
    now.visits - coalesce(before.visits_14, 0) as visits_14d,
    now.visits - coalesce(before.visits_30, 0) as visits_30d,
    now.visits - coalesce(before.visits_60, 0) as visits_60d,
    now.visits - coalesce(before.visits_90, 0) as visits_90d,
    now.visits - coalesce(before.visits_365, 0) as visits_365d,
    now.views - coalesce(before.views_7, 0) as views_7d,
    now.views - coalesce(before.views_14, 0) as views_14d,
    now.views - coalesce(before.views_30, 0) as views_30d,
    now.views - coalesce(before.views_60, 0) as views_60d,
    now.views - coalesce(before.views_90, 0) as views_90d,
    now.views - coalesce(before.views_365, 0) as views_365d,
    now.carts - coalesce(before.carts_7, 0) as carts_7d,
    now.carts - coalesce(before.carts_14, 0) as carts_14d,
    now.carts - coalesce(before.carts_30, 0) as carts_30d,
    now.carts - coalesce(before.carts_60, 0) as carts_60d,
    now.carts - coalesce(before.carts_90, 0) as carts_90d,
    now.carts - coalesce(before.carts_365, 0) as carts_365d,
    now.purchases - coalesce(before.purchases_7, 0) as purchases_7d,
    now.purchases - coalesce(before.purchases_14, 0) as purchases_14d,
    now.purchases - coalesce(before.purchases_30, 0) as purchases_30d,
    now.purchases - coalesce(before.purchases_60, 0) as purchases_60d,
    now.purchases - coalesce(before.purchases_90, 0) as purchases_90d,
    now.purchases - coalesce(before.purchases_365, 0) as purchases_365d,
    now.purchase_days - coalesce(before.purchase_days_7, 0) as purchase_days_7d,
    now.purchase_days - coalesce(before.purchase_days_14, 0) as purchase_days_14d,
    now.purchase_days - coalesce(before.purchase_days_30, 0) as purchase_days_30d,
    now.purchase_days - coalesce(before.purchase_days_60, 0) as purchase_days_60d,
    now.purchase_days - coalesce(before.purchase_days_90, 0) as purchase_days_90d,
    now.purchase_days - coalesce(before.purchase_days_365, 0) as purchase_days_365d,
    now.item_days - coalesce(before.item_days_7, 0) as item_days_7d,
    now.item_days - coalesce(before.item_days_14, 0) as item_days_14d,
    now.item_days - coalesce(before.item_days_30, 0) as item_days_30d,
    now.item_days - coalesce(before.item_days_60, 0) as item_days_60d,
    now.item_days - coalesce(before.item_days_90, 0) as item_days_90d,
    now.item_days - coalesce(before.item_days_365, 0) as item_days_365d,
    now.spend_cents - coalesce(before.spend_cents_7, 0) as spend_cents_7d,
    now.spend_cents - coalesce(before.spend_cents_14, 0) as spend_cents_14d,
    now.spend_cents - coalesce(before.spend_cents_30, 0) as spend_cents_30d,
    now.spend_cents - coalesce(before.spend_cents_60, 0) as spend_cents_60d,
    now.spend_cents - coalesce(before.spend_cents_90, 0) as spend_cents_90d,
    now.spend_cents - coalesce(before.spend_cents_365, 0) as spend_cents_365d,
    now.discounted_purchases - coalesce(before.discounted_purchases_7, 0) as discounted_purchases_7d,
    now.discounted_purchases - coalesce(before.discounted_purchases_14, 0) as discounted_purchases_14d,
    now.discounted_purchases - coalesce(before.discounted_purchases_30, 0) as discounted_purchases_30d,
    now.discounted_purchases - coalesce(before.discounted_purchases_60, 0) as discounted_purchases_60d,
    now.discounted_purchases - coalesce(before.discounted_purchases_90, 0) as discounted_purchases_90d,
    now.discounted_purchases - coalesce(before.discounted_purchases_365, 0) as discounted_purchases_365d,
    now.coupon_purchases - coalesce(before.coupon_purchases_7, 0) as coupon_purchases_7d,
    now.coupon_purchases - coalesce(before.coupon_purchases_14, 0) as coupon_purchases_14d,
    now.coupon_purchases - coalesce(before.coupon_purchases_30, 0) as coupon_purchases_30d,
    now.coupon_purchases - coalesce(before.coupon_purchases_60, 0) as coupon_purchases_60d,
    now.coupon_purchases - coalesce(before.coupon_purchases_90, 0) as coupon_purchases_90d,
    now.coupon_purchases - coalesce(before.coupon_purchases_365, 0) as coupon_purchases_365d,
    now.coupons - coalesce(before.coupons_7, 0) as coupons_7d,
    now.coupons - coalesce(before.coupons_14, 0) as coupons_14d,
    now.coupons - coalesce(before.coupons_30, 0) as coupons_30d,
    now.coupons - coalesce(before.coupons_60, 0) as coupons_60d,
    now.coupons - coalesce(before.coupons_90, 0) as coupons_90d,
    now.coupons - coalesce(before.coupons_365, 0) as coupons_365d,
    interests.departments,
    interests.categories,
    interests.brands,
    interests.price_bands,
    coalesce(interests.category_count, 0) as category_count,
    coalesce(interests.unknown_share_milli, 0) as unknown_share_milli
from now
left join before on now.user_id = before.user_id and now.event_date = before.event_date
inner join interests on now.user_id = interests.user_id and now.event_date = interests.event_date
