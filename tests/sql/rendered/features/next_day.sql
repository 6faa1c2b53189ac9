-- features at the as-of, from those of the day before (the same rows as as_of.sql derives from scratch)
-- Grain:    user x the day $event_date.
-- Inputs:   scoped_snapshots of the day before, which must be up to date; features.user_day of the day and of those that leave
--           a window on it; features.user_state of the day and of those that open a window; features.interests of the day; all of
--           everybody; $time_zone is the source's.
-- Promise:  a window of w days is yesterday's, and today's partials, less those of the day w days ago. Nobody's past is read.
with

clock as (
    select timezone($time_zone, timezone('UTC', ($event_date + 1)::timestamp - interval 1 microsecond))::date as local_date
),

before as (
    select *
    from scoped_snapshots
    where event_date = $event_date - 1
),

state as (
    select
        *,
        case when spend_cents = 0 or net_spend_cents > 0 then last_purchase_date end as last_kept_date
    from scoped_user_state
    where event_date = $event_date
),

interests as (
    select *
    from scoped_interests
    where event_date = $event_date
),

-- What comes into windows on the day (age 0) and what leaves one of w days (age w). A date, an item or a visit that the day before
-- counted already comes in no second time; where the day before has left, it stays.
moves as (
    select
        user_id,
        $event_date - event_date as age,
        spend_cents,
        net_spend_cents,
        active_days,
        purchase_days,
        purchases,
        visits,
        views,
        carts,
        coupons,
        item_days,
        discounted_purchases,
        coupon_purchases
    from scoped_user_day
    where event_date in ($event_date, $event_date - 7, $event_date - 14, $event_date - 30, $event_date - 60, $event_date - 90, $event_date - 365)
    union all by name
    select
        user_id,
        case when event_date = $event_date then 0 else $event_date - event_date + 1 end as age,
        -carried_active_days as active_days,
        -carried_purchase_days as purchase_days,
        -carried_visits as visits,
        -carried_item_days as item_days
    from scoped_user_state
    where event_date in ($event_date, $event_date - 6, $event_date - 13, $event_date - 29, $event_date - 59, $event_date - 89, $event_date - 364)
),

moved_by as (
    select
        user_id,
        sum(case age when 0 then spend_cents when 7 then -spend_cents end) as spend_cents_7d,
        sum(case age when 0 then spend_cents when 14 then -spend_cents end) as spend_cents_14d,
        sum(case age when 0 then spend_cents when 30 then -spend_cents end) as spend_cents_30d,
        sum(case age when 0 then spend_cents when 60 then -spend_cents end) as spend_cents_60d,
        sum(case age when 0 then spend_cents when 90 then -spend_cents end) as spend_cents_90d,
        sum(case age when 0 then spend_cents when 365 then -spend_cents end) as spend_cents_365d,
        sum(case age when 0 then net_spend_cents when 7 then -net_spend_cents end) as net_spend_cents_7d,
        sum(case age when 0 then net_spend_cents when 14 then -net_spend_cents end) as net_spend_cents_14d,
        sum(case age when 0 then net_spend_cents when 30 then -net_spend_cents end) as net_spend_cents_30d,
        sum(case age when 0 then net_spend_cents when 60 then -net_spend_cents end) as net_spend_cents_60d,
        sum(case age when 0 then net_spend_cents when 90 then -net_spend_cents end) as net_spend_cents_90d,
        sum(case age when 0 then net_spend_cents when 365 then -net_spend_cents end) as net_spend_cents_365d,
        sum(case age when 0 then active_days when 7 then -active_days end) as active_days_7d,
        sum(case age when 0 then active_days when 14 then -active_days end) as active_days_14d,
        sum(case age when 0 then active_days when 30 then -active_days end) as active_days_30d,
        sum(case age when 0 then active_days when 60 then -active_days end) as active_days_60d,
        sum(case age when 0 then active_days when 90 then -active_days end) as active_days_90d,
        sum(case age when 0 then active_days when 365 then -active_days end) as active_days_365d,
        sum(case age when 0 then purchase_days when 7 then -purchase_days end) as purchase_days_7d,
        sum(case age when 0 then purchase_days when 14 then -purchase_days end) as purchase_days_14d,
        sum(case age when 0 then purchase_days when 30 then -purchase_days end) as purchase_days_30d,
        sum(case age when 0 then purchase_days when 60 then -purchase_days end) as purchase_days_60d,
        sum(case age when 0 then purchase_days when 90 then -purchase_days end) as purchase_days_90d,
        sum(case age when 0 then purchase_days when 365 then -purchase_days end) as purchase_days_365d,
        sum(case age when 0 then purchases when 7 then -purchases end) as purchases_7d,
        sum(case age when 0 then purchases when 14 then -purchases end) as purchases_14d,
        sum(case age when 0 then purchases when 30 then -purchases end) as purchases_30d,
        sum(case age when 0 then purchases when 60 then -purchases end) as purchases_60d,
        sum(case age when 0 then purchases when 90 then -purchases end) as purchases_90d,
        sum(case age when 0 then purchases when 365 then -purchases end) as purchases_365d,
        sum(case age when 0 then visits when 7 then -visits end) as visits_7d,
        sum(case age when 0 then visits when 14 then -visits end) as visits_14d,
        sum(case age when 0 then visits when 30 then -visits end) as visits_30d,
        sum(case age when 0 then visits when 60 then -visits end) as visits_60d,
        sum(case age when 0 then visits when 90 then -visits end) as visits_90d,
        sum(case age when 0 then visits when 365 then -visits end) as visits_365d,
        sum(case age when 0 then views when 7 then -views end) as views_7d,
        sum(case age when 0 then views when 14 then -views end) as views_14d,
        sum(case age when 0 then views when 30 then -views end) as views_30d,
        sum(case age when 0 then views when 60 then -views end) as views_60d,
        sum(case age when 0 then views when 90 then -views end) as views_90d,
        sum(case age when 0 then views when 365 then -views end) as views_365d,
        sum(case age when 0 then carts when 7 then -carts end) as carts_7d,
        sum(case age when 0 then carts when 14 then -carts end) as carts_14d,
        sum(case age when 0 then carts when 30 then -carts end) as carts_30d,
        sum(case age when 0 then carts when 60 then -carts end) as carts_60d,
        sum(case age when 0 then carts when 90 then -carts end) as carts_90d,
        sum(case age when 0 then carts when 365 then -carts end) as carts_365d,
        sum(case age when 0 then coupons when 7 then -coupons end) as coupons_7d,
        sum(case age when 0 then coupons when 14 then -coupons end) as coupons_14d,
        sum(case age when 0 then coupons when 30 then -coupons end) as coupons_30d,
        sum(case age when 0 then coupons when 60 then -coupons end) as coupons_60d,
        sum(case age when 0 then coupons when 90 then -coupons end) as coupons_90d,
        sum(case age when 0 then coupons when 365 then -coupons end) as coupons_365d,
        sum(case age when 0 then item_days when 7 then -item_days end) as item_days_7d,
        sum(case age when 0 then item_days when 14 then -item_days end) as item_days_14d,
        sum(case age when 0 then item_days when 30 then -item_days end) as item_days_30d,
        sum(case age when 0 then item_days when 60 then -item_days end) as item_days_60d,
        sum(case age when 0 then item_days when 90 then -item_days end) as item_days_90d,
        sum(case age when 0 then item_days when 365 then -item_days end) as item_days_365d,
        sum(case age when 0 then discounted_purchases when 7 then -discounted_purchases end) as discounted_purchases_7d,
        sum(case age when 0 then discounted_purchases when 14 then -discounted_purchases end) as discounted_purchases_14d,
        sum(case age when 0 then discounted_purchases when 30 then -discounted_purchases end) as discounted_purchases_30d,
        sum(case age when 0 then discounted_purchases when 60 then -discounted_purchases end) as discounted_purchases_60d,
        sum(case age when 0 then discounted_purchases when 90 then -discounted_purchases end) as discounted_purchases_90d,
        sum(case age when 0 then discounted_purchases when 365 then -discounted_purchases end) as discounted_purchases_365d,
        sum(case age when 0 then coupon_purchases when 7 then -coupon_purchases end) as coupon_purchases_7d,
        sum(case age when 0 then coupon_purchases when 14 then -coupon_purchases end) as coupon_purchases_14d,
        sum(case age when 0 then coupon_purchases when 30 then -coupon_purchases end) as coupon_purchases_30d,
        sum(case age when 0 then coupon_purchases when 60 then -coupon_purchases end) as coupon_purchases_60d,
        sum(case age when 0 then coupon_purchases when 90 then -coupon_purchases end) as coupon_purchases_90d,
        sum(case age when 0 then coupon_purchases when 365 then -coupon_purchases end) as coupon_purchases_365d
    from moves
    group by user_id
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
        case when users.has_event then state.last_kept_date else before.last_purchase_date end as last_purchase_date,
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
        coalesce(state.spend_cents, before.spend_cents) as spend_cents,
        coalesce(state.net_spend_cents, before.net_spend_cents) as net_spend_cents,
        coalesce(state.active_days, before.active_days) as active_days,
        coalesce(state.purchase_days, before.purchase_days) as purchase_days,
        coalesce(state.purchases, before.purchases) as purchases,
        coalesce(state.visits, before.visits) as visits,
        coalesce(state.views, before.views) as views,
        coalesce(state.carts, before.carts) as carts,
        coalesce(state.coupons, before.coupons) as coupons,
        coalesce(state.searches, before.searches) as searches,
        coalesce(state.returns, before.returns) as returns,
        coalesce(state.reviews, before.reviews) as reviews,
        coalesce(state.exposures, before.exposures) as exposures,
        coalesce(state.item_days, before.item_days) as item_days,
        coalesce(state.quantity_milli, before.quantity_milli) as quantity_milli,
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
        coalesce(before.spend_cents_7d, 0) + coalesce(moved_by.spend_cents_7d, 0) as spend_cents_7d,
        coalesce(before.spend_cents_14d, 0) + coalesce(moved_by.spend_cents_14d, 0) as spend_cents_14d,
        coalesce(before.spend_cents_30d, 0) + coalesce(moved_by.spend_cents_30d, 0) as spend_cents_30d,
        coalesce(before.spend_cents_60d, 0) + coalesce(moved_by.spend_cents_60d, 0) as spend_cents_60d,
        coalesce(before.spend_cents_90d, 0) + coalesce(moved_by.spend_cents_90d, 0) as spend_cents_90d,
        coalesce(before.spend_cents_365d, 0) + coalesce(moved_by.spend_cents_365d, 0) as spend_cents_365d,
        coalesce(before.net_spend_cents_7d, 0) + coalesce(moved_by.net_spend_cents_7d, 0) as net_spend_cents_7d,
        coalesce(before.net_spend_cents_14d, 0) + coalesce(moved_by.net_spend_cents_14d, 0) as net_spend_cents_14d,
        coalesce(before.net_spend_cents_30d, 0) + coalesce(moved_by.net_spend_cents_30d, 0) as net_spend_cents_30d,
        coalesce(before.net_spend_cents_60d, 0) + coalesce(moved_by.net_spend_cents_60d, 0) as net_spend_cents_60d,
        coalesce(before.net_spend_cents_90d, 0) + coalesce(moved_by.net_spend_cents_90d, 0) as net_spend_cents_90d,
        coalesce(before.net_spend_cents_365d, 0) + coalesce(moved_by.net_spend_cents_365d, 0) as net_spend_cents_365d,
        coalesce(before.active_days_7d, 0) + coalesce(moved_by.active_days_7d, 0) as active_days_7d,
        coalesce(before.active_days_14d, 0) + coalesce(moved_by.active_days_14d, 0) as active_days_14d,
        coalesce(before.active_days_30d, 0) + coalesce(moved_by.active_days_30d, 0) as active_days_30d,
        coalesce(before.active_days_60d, 0) + coalesce(moved_by.active_days_60d, 0) as active_days_60d,
        coalesce(before.active_days_90d, 0) + coalesce(moved_by.active_days_90d, 0) as active_days_90d,
        coalesce(before.active_days_365d, 0) + coalesce(moved_by.active_days_365d, 0) as active_days_365d,
        coalesce(before.purchase_days_7d, 0) + coalesce(moved_by.purchase_days_7d, 0) as purchase_days_7d,
        coalesce(before.purchase_days_14d, 0) + coalesce(moved_by.purchase_days_14d, 0) as purchase_days_14d,
        coalesce(before.purchase_days_30d, 0) + coalesce(moved_by.purchase_days_30d, 0) as purchase_days_30d,
        coalesce(before.purchase_days_60d, 0) + coalesce(moved_by.purchase_days_60d, 0) as purchase_days_60d,
        coalesce(before.purchase_days_90d, 0) + coalesce(moved_by.purchase_days_90d, 0) as purchase_days_90d,
        coalesce(before.purchase_days_365d, 0) + coalesce(moved_by.purchase_days_365d, 0) as purchase_days_365d,
        coalesce(before.purchases_7d, 0) + coalesce(moved_by.purchases_7d, 0) as purchases_7d,
        coalesce(before.purchases_14d, 0) + coalesce(moved_by.purchases_14d, 0) as purchases_14d,
        coalesce(before.purchases_30d, 0) + coalesce(moved_by.purchases_30d, 0) as purchases_30d,
        coalesce(before.purchases_60d, 0) + coalesce(moved_by.purchases_60d, 0) as purchases_60d,
        coalesce(before.purchases_90d, 0) + coalesce(moved_by.purchases_90d, 0) as purchases_90d,
        coalesce(before.purchases_365d, 0) + coalesce(moved_by.purchases_365d, 0) as purchases_365d,
        coalesce(before.visits_7d, 0) + coalesce(moved_by.visits_7d, 0) as visits_7d,
        coalesce(before.visits_14d, 0) + coalesce(moved_by.visits_14d, 0) as visits_14d,
        coalesce(before.visits_30d, 0) + coalesce(moved_by.visits_30d, 0) as visits_30d,
        coalesce(before.visits_60d, 0) + coalesce(moved_by.visits_60d, 0) as visits_60d,
        coalesce(before.visits_90d, 0) + coalesce(moved_by.visits_90d, 0) as visits_90d,
        coalesce(before.visits_365d, 0) + coalesce(moved_by.visits_365d, 0) as visits_365d,
        coalesce(before.views_7d, 0) + coalesce(moved_by.views_7d, 0) as views_7d,
        coalesce(before.views_14d, 0) + coalesce(moved_by.views_14d, 0) as views_14d,
        coalesce(before.views_30d, 0) + coalesce(moved_by.views_30d, 0) as views_30d,
        coalesce(before.views_60d, 0) + coalesce(moved_by.views_60d, 0) as views_60d,
        coalesce(before.views_90d, 0) + coalesce(moved_by.views_90d, 0) as views_90d,
        coalesce(before.views_365d, 0) + coalesce(moved_by.views_365d, 0) as views_365d,
        coalesce(before.carts_7d, 0) + coalesce(moved_by.carts_7d, 0) as carts_7d,
        coalesce(before.carts_14d, 0) + coalesce(moved_by.carts_14d, 0) as carts_14d,
        coalesce(before.carts_30d, 0) + coalesce(moved_by.carts_30d, 0) as carts_30d,
        coalesce(before.carts_60d, 0) + coalesce(moved_by.carts_60d, 0) as carts_60d,
        coalesce(before.carts_90d, 0) + coalesce(moved_by.carts_90d, 0) as carts_90d,
        coalesce(before.carts_365d, 0) + coalesce(moved_by.carts_365d, 0) as carts_365d,
        coalesce(before.coupons_7d, 0) + coalesce(moved_by.coupons_7d, 0) as coupons_7d,
        coalesce(before.coupons_14d, 0) + coalesce(moved_by.coupons_14d, 0) as coupons_14d,
        coalesce(before.coupons_30d, 0) + coalesce(moved_by.coupons_30d, 0) as coupons_30d,
        coalesce(before.coupons_60d, 0) + coalesce(moved_by.coupons_60d, 0) as coupons_60d,
        coalesce(before.coupons_90d, 0) + coalesce(moved_by.coupons_90d, 0) as coupons_90d,
        coalesce(before.coupons_365d, 0) + coalesce(moved_by.coupons_365d, 0) as coupons_365d,
        coalesce(before.item_days_7d, 0) + coalesce(moved_by.item_days_7d, 0) as item_days_7d,
        coalesce(before.item_days_14d, 0) + coalesce(moved_by.item_days_14d, 0) as item_days_14d,
        coalesce(before.item_days_30d, 0) + coalesce(moved_by.item_days_30d, 0) as item_days_30d,
        coalesce(before.item_days_60d, 0) + coalesce(moved_by.item_days_60d, 0) as item_days_60d,
        coalesce(before.item_days_90d, 0) + coalesce(moved_by.item_days_90d, 0) as item_days_90d,
        coalesce(before.item_days_365d, 0) + coalesce(moved_by.item_days_365d, 0) as item_days_365d,
        coalesce(before.discounted_purchases_7d, 0) + coalesce(moved_by.discounted_purchases_7d, 0) as discounted_purchases_7d,
        coalesce(before.discounted_purchases_14d, 0) + coalesce(moved_by.discounted_purchases_14d, 0) as discounted_purchases_14d,
        coalesce(before.discounted_purchases_30d, 0) + coalesce(moved_by.discounted_purchases_30d, 0) as discounted_purchases_30d,
        coalesce(before.discounted_purchases_60d, 0) + coalesce(moved_by.discounted_purchases_60d, 0) as discounted_purchases_60d,
        coalesce(before.discounted_purchases_90d, 0) + coalesce(moved_by.discounted_purchases_90d, 0) as discounted_purchases_90d,
        coalesce(before.discounted_purchases_365d, 0) + coalesce(moved_by.discounted_purchases_365d, 0) as discounted_purchases_365d,
        coalesce(before.coupon_purchases_7d, 0) + coalesce(moved_by.coupon_purchases_7d, 0) as coupon_purchases_7d,
        coalesce(before.coupon_purchases_14d, 0) + coalesce(moved_by.coupon_purchases_14d, 0) as coupon_purchases_14d,
        coalesce(before.coupon_purchases_30d, 0) + coalesce(moved_by.coupon_purchases_30d, 0) as coupon_purchases_30d,
        coalesce(before.coupon_purchases_60d, 0) + coalesce(moved_by.coupon_purchases_60d, 0) as coupon_purchases_60d,
        coalesce(before.coupon_purchases_90d, 0) + coalesce(moved_by.coupon_purchases_90d, 0) as coupon_purchases_90d,
        coalesce(before.coupon_purchases_365d, 0) + coalesce(moved_by.coupon_purchases_365d, 0) as coupon_purchases_365d,
        case when interests.user_id is not null then interests.departments else before.departments end as departments,
        case when interests.user_id is not null then interests.categories else before.categories end as categories,
        case when interests.user_id is not null then interests.brands else before.brands end as brands,
        case when interests.user_id is not null then interests.price_bands else before.price_bands end as price_bands,
        coalesce(interests.category_count, before.category_count, 0) as category_count,
        coalesce(interests.unknown_share_milli, before.unknown_share_milli, 0) as unknown_share_milli
    from users
    left join before on users.user_id = before.user_id
    left join state on users.user_id = state.user_id
    left join moved_by on users.user_id = moved_by.user_id
    left join interests on users.user_id = interests.user_id
)

select
    moved.user_id,
    $event_date as event_date,
    $event_date + 1 as as_of,
    moved.first_date,
    clock.local_date - moved.first_date as tenure_days,
    moved.last_active_date,
    clock.local_date - moved.last_active_date as recency_days,
    moved.last_purchase_date,
    clock.local_date - moved.last_purchase_date as purchase_recency_days,
    moved.* exclude (user_id, first_date, last_active_date, last_purchase_date)
from moved
cross join clock
