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

before_7 as (
    select
        grid.user_id,
        grid.event_date,
        coalesce(state.active_days, 0) as active_days,
        coalesce(state.visits, 0) as visits,
        coalesce(state.views, 0) as views,
        coalesce(state.carts, 0) as carts,
        coalesce(state.purchases, 0) as purchases,
        coalesce(state.purchase_days, 0) as purchase_days,
        coalesce(state.item_days, 0) as item_days,
        coalesce(state.spend_cents, 0) as spend_cents,
        coalesce(state.discounted_purchases, 0) as discounted_purchases,
        coalesce(state.coupon_purchases, 0) as coupon_purchases,
        coalesce(state.coupons, 0) as coupons
    from grid
    asof left join scoped_user_state as state
        on grid.user_id = state.user_id and grid.event_date - 7 >= state.event_date
),

before_14 as (
    select
        grid.user_id,
        grid.event_date,
        coalesce(state.active_days, 0) as active_days,
        coalesce(state.visits, 0) as visits,
        coalesce(state.views, 0) as views,
        coalesce(state.carts, 0) as carts,
        coalesce(state.purchases, 0) as purchases,
        coalesce(state.purchase_days, 0) as purchase_days,
        coalesce(state.item_days, 0) as item_days,
        coalesce(state.spend_cents, 0) as spend_cents,
        coalesce(state.discounted_purchases, 0) as discounted_purchases,
        coalesce(state.coupon_purchases, 0) as coupon_purchases,
        coalesce(state.coupons, 0) as coupons
    from grid
    asof left join scoped_user_state as state
        on grid.user_id = state.user_id and grid.event_date - 14 >= state.event_date
),

before_30 as (
    select
        grid.user_id,
        grid.event_date,
        coalesce(state.active_days, 0) as active_days,
        coalesce(state.visits, 0) as visits,
        coalesce(state.views, 0) as views,
        coalesce(state.carts, 0) as carts,
        coalesce(state.purchases, 0) as purchases,
        coalesce(state.purchase_days, 0) as purchase_days,
        coalesce(state.item_days, 0) as item_days,
        coalesce(state.spend_cents, 0) as spend_cents,
        coalesce(state.discounted_purchases, 0) as discounted_purchases,
        coalesce(state.coupon_purchases, 0) as coupon_purchases,
        coalesce(state.coupons, 0) as coupons
    from grid
    asof left join scoped_user_state as state
        on grid.user_id = state.user_id and grid.event_date - 30 >= state.event_date
),

before_60 as (
    select
        grid.user_id,
        grid.event_date,
        coalesce(state.active_days, 0) as active_days,
        coalesce(state.visits, 0) as visits,
        coalesce(state.views, 0) as views,
        coalesce(state.carts, 0) as carts,
        coalesce(state.purchases, 0) as purchases,
        coalesce(state.purchase_days, 0) as purchase_days,
        coalesce(state.item_days, 0) as item_days,
        coalesce(state.spend_cents, 0) as spend_cents,
        coalesce(state.discounted_purchases, 0) as discounted_purchases,
        coalesce(state.coupon_purchases, 0) as coupon_purchases,
        coalesce(state.coupons, 0) as coupons
    from grid
    asof left join scoped_user_state as state
        on grid.user_id = state.user_id and grid.event_date - 60 >= state.event_date
),

before_90 as (
    select
        grid.user_id,
        grid.event_date,
        coalesce(state.active_days, 0) as active_days,
        coalesce(state.visits, 0) as visits,
        coalesce(state.views, 0) as views,
        coalesce(state.carts, 0) as carts,
        coalesce(state.purchases, 0) as purchases,
        coalesce(state.purchase_days, 0) as purchase_days,
        coalesce(state.item_days, 0) as item_days,
        coalesce(state.spend_cents, 0) as spend_cents,
        coalesce(state.discounted_purchases, 0) as discounted_purchases,
        coalesce(state.coupon_purchases, 0) as coupon_purchases,
        coalesce(state.coupons, 0) as coupons
    from grid
    asof left join scoped_user_state as state
        on grid.user_id = state.user_id and grid.event_date - 90 >= state.event_date
),

before_365 as (
    select
        grid.user_id,
        grid.event_date,
        coalesce(state.active_days, 0) as active_days,
        coalesce(state.visits, 0) as visits,
        coalesce(state.views, 0) as views,
        coalesce(state.carts, 0) as carts,
        coalesce(state.purchases, 0) as purchases,
        coalesce(state.purchase_days, 0) as purchase_days,
        coalesce(state.item_days, 0) as item_days,
        coalesce(state.spend_cents, 0) as spend_cents,
        coalesce(state.discounted_purchases, 0) as discounted_purchases,
        coalesce(state.coupon_purchases, 0) as coupon_purchases,
        coalesce(state.coupons, 0) as coupons
    from grid
    asof left join scoped_user_state as state
        on grid.user_id = state.user_id and grid.event_date - 365 >= state.event_date
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
    now.active_days - before_7.active_days as active_days_7d,
    now.active_days - before_14.active_days as active_days_14d,
    now.active_days - before_30.active_days as active_days_30d,
    now.active_days - before_60.active_days as active_days_60d,
    now.active_days - before_90.active_days as active_days_90d,
    now.active_days - before_365.active_days as active_days_365d,
    now.visits - before_7.visits as visits_7d,
    now.visits - before_14.visits as visits_14d,
    now.visits - before_30.visits as visits_30d,
    now.visits - before_60.visits as visits_60d,
    now.visits - before_90.visits as visits_90d,
    now.visits - before_365.visits as visits_365d,
    now.views - before_7.views as views_7d,
    now.views - before_14.views as views_14d,
    now.views - before_30.views as views_30d,
    now.views - before_60.views as views_60d,
    now.views - before_90.views as views_90d,
    now.views - before_365.views as views_365d,
    now.carts - before_7.carts as carts_7d,
    now.carts - before_14.carts as carts_14d,
    now.carts - before_30.carts as carts_30d,
    now.carts - before_60.carts as carts_60d,
    now.carts - before_90.carts as carts_90d,
    now.carts - before_365.carts as carts_365d,
    now.purchases - before_7.purchases as purchases_7d,
    now.purchases - before_14.purchases as purchases_14d,
    now.purchases - before_30.purchases as purchases_30d,
    now.purchases - before_60.purchases as purchases_60d,
    now.purchases - before_90.purchases as purchases_90d,
    now.purchases - before_365.purchases as purchases_365d,
    now.purchase_days - before_7.purchase_days as purchase_days_7d,
    now.purchase_days - before_14.purchase_days as purchase_days_14d,
    now.purchase_days - before_30.purchase_days as purchase_days_30d,
    now.purchase_days - before_60.purchase_days as purchase_days_60d,
    now.purchase_days - before_90.purchase_days as purchase_days_90d,
    now.purchase_days - before_365.purchase_days as purchase_days_365d,
    now.item_days - before_7.item_days as item_days_7d,
    now.item_days - before_14.item_days as item_days_14d,
    now.item_days - before_30.item_days as item_days_30d,
    now.item_days - before_60.item_days as item_days_60d,
    now.item_days - before_90.item_days as item_days_90d,
    now.item_days - before_365.item_days as item_days_365d,
    now.spend_cents - before_7.spend_cents as spend_cents_7d,
    now.spend_cents - before_14.spend_cents as spend_cents_14d,
    now.spend_cents - before_30.spend_cents as spend_cents_30d,
    now.spend_cents - before_60.spend_cents as spend_cents_60d,
    now.spend_cents - before_90.spend_cents as spend_cents_90d,
    now.spend_cents - before_365.spend_cents as spend_cents_365d,
    now.discounted_purchases - before_7.discounted_purchases as discounted_purchases_7d,
    now.discounted_purchases - before_14.discounted_purchases as discounted_purchases_14d,
    now.discounted_purchases - before_30.discounted_purchases as discounted_purchases_30d,
    now.discounted_purchases - before_60.discounted_purchases as discounted_purchases_60d,
    now.discounted_purchases - before_90.discounted_purchases as discounted_purchases_90d,
    now.discounted_purchases - before_365.discounted_purchases as discounted_purchases_365d,
    now.coupon_purchases - before_7.coupon_purchases as coupon_purchases_7d,
    now.coupon_purchases - before_14.coupon_purchases as coupon_purchases_14d,
    now.coupon_purchases - before_30.coupon_purchases as coupon_purchases_30d,
    now.coupon_purchases - before_60.coupon_purchases as coupon_purchases_60d,
    now.coupon_purchases - before_90.coupon_purchases as coupon_purchases_90d,
    now.coupon_purchases - before_365.coupon_purchases as coupon_purchases_365d,
    now.coupons - before_7.coupons as coupons_7d,
    now.coupons - before_14.coupons as coupons_14d,
    now.coupons - before_30.coupons as coupons_30d,
    now.coupons - before_60.coupons as coupons_60d,
    now.coupons - before_90.coupons as coupons_90d,
    now.coupons - before_365.coupons as coupons_365d,
    interests.departments,
    interests.categories,
    interests.brands,
    interests.price_bands,
    coalesce(interests.category_count, 0) as category_count,
    coalesce(interests.unknown_share_milli, 0) as unknown_share_milli
from now
inner join before_7 on now.user_id = before_7.user_id and now.event_date = before_7.event_date
inner join before_14 on now.user_id = before_14.user_id and now.event_date = before_14.event_date
inner join before_30 on now.user_id = before_30.user_id and now.event_date = before_30.event_date
inner join before_60 on now.user_id = before_60.user_id and now.event_date = before_60.event_date
inner join before_90 on now.user_id = before_90.user_id and now.event_date = before_90.event_date
inner join before_365 on now.user_id = before_365.user_id and now.event_date = before_365.event_date
inner join interests on now.user_id = interests.user_id and now.event_date = interests.event_date
