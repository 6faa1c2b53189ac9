-- features at the as-of, from those of the day before (the same rows as as_of.sql derives from scratch)
-- Grain:    user x the day $event_date.
-- Inputs:   scoped_snapshots of the day before, which must be up to date; features.user_day of the day and of those that leave
--           a window on it; features.user_state and features.interests of the day; all of everybody.
-- Promise:  a window of w days is yesterday's, and today's partials, less those of the day w days ago. Nobody's past is read.
with

before as (
    select *
    from scoped_snapshots
    where event_date = $event_date - 1
),

today as (
    select *
    from scoped_user_day
    where event_date = $event_date
),

state as (
    select *
    from scoped_user_state
    where event_date = $event_date
),

interests as (
    select *
    from scoped_interests
    where event_date = $event_date
),

left_7 as (
    select *
    from scoped_user_day
    where event_date = $event_date - 7
),

left_14 as (
    select *
    from scoped_user_day
    where event_date = $event_date - 14
),

left_30 as (
    select *
    from scoped_user_day
    where event_date = $event_date - 30
),

left_60 as (
    select *
    from scoped_user_day
    where event_date = $event_date - 60
),

left_90 as (
    select *
    from scoped_user_day
    where event_date = $event_date - 90
),

left_365 as (
    select *
    from scoped_user_day
    where event_date = $event_date - 365
),

users as (
    select
        coalesce(before.user_id, state.user_id) as user_id,
        state.user_id is not null as has_event
    from before
    full join state on before.user_id = state.user_id
),

moved as (
    select
        users.user_id,
        coalesce(state.first_date, before.first_date) as first_date,
        case when users.has_event then state.last_active_date else before.last_active_date end as last_active_date,
        case when users.has_event then state.last_purchase_date else before.last_purchase_date end as last_purchase_date,
        -- Interpurchase times, as in as_of.sql.
        case
            when not users.has_event then before.mean_gap_days
            when state.purchase_days >= 2
                then (state.last_purchase_date - state.first_purchase_date) / (state.purchase_days - 1)
        end as mean_gap_days,
        case
            when not users.has_event then before.std_gap_days
            when state.purchase_days >= 3 then sqrt(greatest(
                state.gap_square_days / (state.purchase_days - 1)
                - pow((state.last_purchase_date - state.first_purchase_date) / (state.purchase_days - 1), 2), 0
            ))
        end as std_gap_days,
        case when users.has_event then state.gap_days else before.last_gap_days end as last_gap_days,
        coalesce(state.active_days, before.active_days) as active_days,
        coalesce(state.visits, before.visits) as visits,
        coalesce(state.views, before.views) as views,
        coalesce(state.searches, before.searches) as searches,
        coalesce(state.carts, before.carts) as carts,
        coalesce(state.purchases, before.purchases) as purchases,
        coalesce(state.purchase_days, before.purchase_days) as purchase_days,
        coalesce(state.returns, before.returns) as returns,
        coalesce(state.reviews, before.reviews) as reviews,
        coalesce(state.coupons, before.coupons) as coupons,
        coalesce(state.exposures, before.exposures) as exposures,
        coalesce(state.item_days, before.item_days) as item_days,
        coalesce(state.quantity_milli, before.quantity_milli) as quantity_milli,
        coalesce(state.spend_cents, before.spend_cents) as spend_cents,
        coalesce(state.refund_cents, before.refund_cents) as refund_cents,
        coalesce(state.discount_cents, before.discount_cents) as discount_cents,
        coalesce(state.coupon_cents, before.coupon_cents) as coupon_cents,
        coalesce(state.discounted_purchases, before.discounted_purchases) as discounted_purchases,
        coalesce(state.coupon_purchases, before.coupon_purchases) as coupon_purchases,
        coalesce(state.night_visits, before.night_visits) as night_visits,
        coalesce(state.morning_visits, before.morning_visits) as morning_visits,
        coalesce(state.afternoon_visits, before.afternoon_visits) as afternoon_visits,
        coalesce(state.evening_visits, before.evening_visits) as evening_visits,
        coalesce(state.weekend_visits, before.weekend_visits) as weekend_visits,
        coalesce(state.ratings, before.ratings) as ratings,
        coalesce(state.rating_milli, before.rating_milli) as rating_milli,
        coalesce(before.active_days_7d, 0) + coalesce(today.active_days, 0) - coalesce(left_7.active_days, 0) as active_days_7d,
        coalesce(before.active_days_14d, 0) + coalesce(today.active_days, 0) - coalesce(left_14.active_days, 0) as active_days_14d,
        coalesce(before.active_days_30d, 0) + coalesce(today.active_days, 0) - coalesce(left_30.active_days, 0) as active_days_30d,
        coalesce(before.active_days_60d, 0) + coalesce(today.active_days, 0) - coalesce(left_60.active_days, 0) as active_days_60d,
        coalesce(before.active_days_90d, 0) + coalesce(today.active_days, 0) - coalesce(left_90.active_days, 0) as active_days_90d,
        coalesce(before.active_days_365d, 0) + coalesce(today.active_days, 0) - coalesce(left_365.active_days, 0) as active_days_365d,
        coalesce(before.visits_7d, 0) + coalesce(today.visits, 0) - coalesce(left_7.visits, 0) as visits_7d,
        coalesce(before.visits_14d, 0) + coalesce(today.visits, 0) - coalesce(left_14.visits, 0) as visits_14d,
        coalesce(before.visits_30d, 0) + coalesce(today.visits, 0) - coalesce(left_30.visits, 0) as visits_30d,
        coalesce(before.visits_60d, 0) + coalesce(today.visits, 0) - coalesce(left_60.visits, 0) as visits_60d,
        coalesce(before.visits_90d, 0) + coalesce(today.visits, 0) - coalesce(left_90.visits, 0) as visits_90d,
        coalesce(before.visits_365d, 0) + coalesce(today.visits, 0) - coalesce(left_365.visits, 0) as visits_365d,
        coalesce(before.views_7d, 0) + coalesce(today.views, 0) - coalesce(left_7.views, 0) as views_7d,
        coalesce(before.views_14d, 0) + coalesce(today.views, 0) - coalesce(left_14.views, 0) as views_14d,
        coalesce(before.views_30d, 0) + coalesce(today.views, 0) - coalesce(left_30.views, 0) as views_30d,
        coalesce(before.views_60d, 0) + coalesce(today.views, 0) - coalesce(left_60.views, 0) as views_60d,
        coalesce(before.views_90d, 0) + coalesce(today.views, 0) - coalesce(left_90.views, 0) as views_90d,
        coalesce(before.views_365d, 0) + coalesce(today.views, 0) - coalesce(left_365.views, 0) as views_365d,
        coalesce(before.carts_7d, 0) + coalesce(today.carts, 0) - coalesce(left_7.carts, 0) as carts_7d,
        coalesce(before.carts_14d, 0) + coalesce(today.carts, 0) - coalesce(left_14.carts, 0) as carts_14d,
        coalesce(before.carts_30d, 0) + coalesce(today.carts, 0) - coalesce(left_30.carts, 0) as carts_30d,
        coalesce(before.carts_60d, 0) + coalesce(today.carts, 0) - coalesce(left_60.carts, 0) as carts_60d,
        coalesce(before.carts_90d, 0) + coalesce(today.carts, 0) - coalesce(left_90.carts, 0) as carts_90d,
        coalesce(before.carts_365d, 0) + coalesce(today.carts, 0) - coalesce(left_365.carts, 0) as carts_365d,
        coalesce(before.purchases_7d, 0) + coalesce(today.purchases, 0) - coalesce(left_7.purchases, 0) as purchases_7d,
        coalesce(before.purchases_14d, 0) + coalesce(today.purchases, 0) - coalesce(left_14.purchases, 0) as purchases_14d,
        coalesce(before.purchases_30d, 0) + coalesce(today.purchases, 0) - coalesce(left_30.purchases, 0) as purchases_30d,
        coalesce(before.purchases_60d, 0) + coalesce(today.purchases, 0) - coalesce(left_60.purchases, 0) as purchases_60d,
        coalesce(before.purchases_90d, 0) + coalesce(today.purchases, 0) - coalesce(left_90.purchases, 0) as purchases_90d,
        coalesce(before.purchases_365d, 0) + coalesce(today.purchases, 0) - coalesce(left_365.purchases, 0) as purchases_365d,
        coalesce(before.purchase_days_7d, 0) + coalesce(today.purchase_days, 0) - coalesce(left_7.purchase_days, 0) as purchase_days_7d,
        coalesce(before.purchase_days_14d, 0) + coalesce(today.purchase_days, 0) - coalesce(left_14.purchase_days, 0) as purchase_days_14d,
        coalesce(before.purchase_days_30d, 0) + coalesce(today.purchase_days, 0) - coalesce(left_30.purchase_days, 0) as purchase_days_30d,
        coalesce(before.purchase_days_60d, 0) + coalesce(today.purchase_days, 0) - coalesce(left_60.purchase_days, 0) as purchase_days_60d,
        coalesce(before.purchase_days_90d, 0) + coalesce(today.purchase_days, 0) - coalesce(left_90.purchase_days, 0) as purchase_days_90d,
        coalesce(before.purchase_days_365d, 0) + coalesce(today.purchase_days, 0) - coalesce(left_365.purchase_days, 0) as purchase_days_365d,
        coalesce(before.item_days_7d, 0) + coalesce(today.item_days, 0) - coalesce(left_7.item_days, 0) as item_days_7d,
        coalesce(before.item_days_14d, 0) + coalesce(today.item_days, 0) - coalesce(left_14.item_days, 0) as item_days_14d,
        coalesce(before.item_days_30d, 0) + coalesce(today.item_days, 0) - coalesce(left_30.item_days, 0) as item_days_30d,
        coalesce(before.item_days_60d, 0) + coalesce(today.item_days, 0) - coalesce(left_60.item_days, 0) as item_days_60d,
        coalesce(before.item_days_90d, 0) + coalesce(today.item_days, 0) - coalesce(left_90.item_days, 0) as item_days_90d,
        coalesce(before.item_days_365d, 0) + coalesce(today.item_days, 0) - coalesce(left_365.item_days, 0) as item_days_365d,
        coalesce(before.spend_cents_7d, 0) + coalesce(today.spend_cents, 0) - coalesce(left_7.spend_cents, 0) as spend_cents_7d,
        coalesce(before.spend_cents_14d, 0) + coalesce(today.spend_cents, 0) - coalesce(left_14.spend_cents, 0) as spend_cents_14d,
        coalesce(before.spend_cents_30d, 0) + coalesce(today.spend_cents, 0) - coalesce(left_30.spend_cents, 0) as spend_cents_30d,
        coalesce(before.spend_cents_60d, 0) + coalesce(today.spend_cents, 0) - coalesce(left_60.spend_cents, 0) as spend_cents_60d,
        coalesce(before.spend_cents_90d, 0) + coalesce(today.spend_cents, 0) - coalesce(left_90.spend_cents, 0) as spend_cents_90d,
        coalesce(before.spend_cents_365d, 0) + coalesce(today.spend_cents, 0) - coalesce(left_365.spend_cents, 0) as spend_cents_365d,
        coalesce(before.discounted_purchases_7d, 0) + coalesce(today.discounted_purchases, 0) - coalesce(left_7.discounted_purchases, 0) as discounted_purchases_7d,
        coalesce(before.discounted_purchases_14d, 0) + coalesce(today.discounted_purchases, 0) - coalesce(left_14.discounted_purchases, 0) as discounted_purchases_14d,
        coalesce(before.discounted_purchases_30d, 0) + coalesce(today.discounted_purchases, 0) - coalesce(left_30.discounted_purchases, 0) as discounted_purchases_30d,
        coalesce(before.discounted_purchases_60d, 0) + coalesce(today.discounted_purchases, 0) - coalesce(left_60.discounted_purchases, 0) as discounted_purchases_60d,
        coalesce(before.discounted_purchases_90d, 0) + coalesce(today.discounted_purchases, 0) - coalesce(left_90.discounted_purchases, 0) as discounted_purchases_90d,
        coalesce(before.discounted_purchases_365d, 0) + coalesce(today.discounted_purchases, 0) - coalesce(left_365.discounted_purchases, 0) as discounted_purchases_365d,
        coalesce(before.coupon_purchases_7d, 0) + coalesce(today.coupon_purchases, 0) - coalesce(left_7.coupon_purchases, 0) as coupon_purchases_7d,
        coalesce(before.coupon_purchases_14d, 0) + coalesce(today.coupon_purchases, 0) - coalesce(left_14.coupon_purchases, 0) as coupon_purchases_14d,
        coalesce(before.coupon_purchases_30d, 0) + coalesce(today.coupon_purchases, 0) - coalesce(left_30.coupon_purchases, 0) as coupon_purchases_30d,
        coalesce(before.coupon_purchases_60d, 0) + coalesce(today.coupon_purchases, 0) - coalesce(left_60.coupon_purchases, 0) as coupon_purchases_60d,
        coalesce(before.coupon_purchases_90d, 0) + coalesce(today.coupon_purchases, 0) - coalesce(left_90.coupon_purchases, 0) as coupon_purchases_90d,
        coalesce(before.coupon_purchases_365d, 0) + coalesce(today.coupon_purchases, 0) - coalesce(left_365.coupon_purchases, 0) as coupon_purchases_365d,
        coalesce(before.coupons_7d, 0) + coalesce(today.coupons, 0) - coalesce(left_7.coupons, 0) as coupons_7d,
        coalesce(before.coupons_14d, 0) + coalesce(today.coupons, 0) - coalesce(left_14.coupons, 0) as coupons_14d,
        coalesce(before.coupons_30d, 0) + coalesce(today.coupons, 0) - coalesce(left_30.coupons, 0) as coupons_30d,
        coalesce(before.coupons_60d, 0) + coalesce(today.coupons, 0) - coalesce(left_60.coupons, 0) as coupons_60d,
        coalesce(before.coupons_90d, 0) + coalesce(today.coupons, 0) - coalesce(left_90.coupons, 0) as coupons_90d,
        coalesce(before.coupons_365d, 0) + coalesce(today.coupons, 0) - coalesce(left_365.coupons, 0) as coupons_365d,
        case when interests.user_id is not null then interests.departments else before.departments end as departments,
        case when interests.user_id is not null then interests.categories else before.categories end as categories,
        case when interests.user_id is not null then interests.brands else before.brands end as brands,
        case when interests.user_id is not null then interests.price_bands else before.price_bands end as price_bands,
        coalesce(interests.category_count, before.category_count, 0) as category_count,
        coalesce(interests.unknown_share_milli, before.unknown_share_milli, 0) as unknown_share_milli
    from users
    left join before on users.user_id = before.user_id
    left join state on users.user_id = state.user_id
    left join today on users.user_id = today.user_id
    left join interests on users.user_id = interests.user_id
    left join left_7 on users.user_id = left_7.user_id
    left join left_14 on users.user_id = left_14.user_id
    left join left_30 on users.user_id = left_30.user_id
    left join left_60 on users.user_id = left_60.user_id
    left join left_90 on users.user_id = left_90.user_id
    left join left_365 on users.user_id = left_365.user_id
)

select
    user_id,
    $event_date as event_date,
    $event_date + 1 as as_of,
    first_date,
    $event_date - first_date as tenure_days,
    last_active_date,
    $event_date - last_active_date as recency_days,
    last_purchase_date,
    $event_date - last_purchase_date as purchase_recency_days,
    * exclude (user_id, first_date, last_active_date, last_purchase_date)
from moved
