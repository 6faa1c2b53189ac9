-- features at the as-of (not stored: what moves with the clock is derived when asked for)
-- Grain:    user x day of `wanted_days(event_date)`; the state at the end of that day.
-- Inputs:   scoped_user_state, known_interests, wanted_days; $time_zone is the source's.
-- Promise:  reads rows of the day or before, never after; a window of w days is the running total less the one w days ago, and what
--           the first of these days found counted already. Windows are of UTC days; ages are of local dates, that of the last
--           microsecond before the as-of less that of the event.
with

clock as (
    select
        event_date,
        timezone($time_zone, timezone('UTC', (event_date + 1)::timestamp - interval 1 microsecond))::date as local_date
    from wanted_days
),

first_seen as (
    select
        user_id,
        min(event_date) as first_day
    from scoped_user_state
    group by user_id
),

grid as (
    select
        first_seen.user_id,
        clock.event_date,
        clock.local_date
    from clock
    inner join first_seen on first_seen.first_day <= clock.event_date
),

now as (
    select
        grid.user_id,
        grid.event_date,
        grid.local_date,
        case when spend_cents = 0 or net_spend_cents > 0 then state.last_purchase_date end as last_kept_date,
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
        {
            'spend_cents': state.spend_cents,
            'net_spend_cents': state.net_spend_cents,
            'active_days': state.active_days - coalesce(opening.carried_active_days, 0),
            'purchase_days': state.purchase_days - coalesce(opening.carried_purchase_days, 0),
            'purchases': state.purchases,
            'visits': state.visits - coalesce(opening.carried_visits, 0),
            'views': state.views,
            'carts': state.carts,
            'coupons': state.coupons,
            'item_days': state.item_days - coalesce(opening.carried_item_days, 0),
            'discounted_purchases': state.discounted_purchases,
            'coupon_purchases': state.coupon_purchases
        } as totals
    from looks
    asof inner join scoped_user_state as state
        on looks.user_id = state.user_id and looks.look_date >= state.event_date
    left join scoped_user_state as opening
        on looks.user_id = opening.user_id and looks.look_date + 1 = opening.event_date
),

before as (
    select
        user_id,
        event_date,
        any_value(totals) filter (where days = 7) as totals_7,
        any_value(totals) filter (where days = 14) as totals_14,
        any_value(totals) filter (where days = 30) as totals_30,
        any_value(totals) filter (where days = 60) as totals_60,
        any_value(totals) filter (where days = 90) as totals_90,
        any_value(totals) filter (where days = 365) as totals_365
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
    now.local_date - now.first_date as tenure_days,
    now.last_active_date,
    now.local_date - now.last_active_date as recency_days,
    now.last_kept_date as last_purchase_date,
    now.local_date - now.last_kept_date as purchase_recency_days,
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
    now.spend_cents,
    now.net_spend_cents,
    now.active_days,
    now.purchase_days,
    now.purchases,
    now.visits,
    now.views,
    now.carts,
    now.coupons,
    now.searches,
    now.returns,
    now.reviews,
    now.exposures,
    now.item_days,
    now.quantity_milli,
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
    now.spend_cents - coalesce(before.totals_7.spend_cents, 0) as spend_cents_7d,
    now.spend_cents - coalesce(before.totals_14.spend_cents, 0) as spend_cents_14d,
    now.spend_cents - coalesce(before.totals_30.spend_cents, 0) as spend_cents_30d,
    now.spend_cents - coalesce(before.totals_60.spend_cents, 0) as spend_cents_60d,
    now.spend_cents - coalesce(before.totals_90.spend_cents, 0) as spend_cents_90d,
    now.spend_cents - coalesce(before.totals_365.spend_cents, 0) as spend_cents_365d,
    now.net_spend_cents - coalesce(before.totals_7.net_spend_cents, 0) as net_spend_cents_7d,
    now.net_spend_cents - coalesce(before.totals_14.net_spend_cents, 0) as net_spend_cents_14d,
    now.net_spend_cents - coalesce(before.totals_30.net_spend_cents, 0) as net_spend_cents_30d,
    now.net_spend_cents - coalesce(before.totals_60.net_spend_cents, 0) as net_spend_cents_60d,
    now.net_spend_cents - coalesce(before.totals_90.net_spend_cents, 0) as net_spend_cents_90d,
    now.net_spend_cents - coalesce(before.totals_365.net_spend_cents, 0) as net_spend_cents_365d,
    now.active_days - coalesce(before.totals_7.active_days, 0) as active_days_7d,
    now.active_days - coalesce(before.totals_14.active_days, 0) as active_days_14d,
    now.active_days - coalesce(before.totals_30.active_days, 0) as active_days_30d,
    now.active_days - coalesce(before.totals_60.active_days, 0) as active_days_60d,
    now.active_days - coalesce(before.totals_90.active_days, 0) as active_days_90d,
    now.active_days - coalesce(before.totals_365.active_days, 0) as active_days_365d,
    now.purchase_days - coalesce(before.totals_7.purchase_days, 0) as purchase_days_7d,
    now.purchase_days - coalesce(before.totals_14.purchase_days, 0) as purchase_days_14d,
    now.purchase_days - coalesce(before.totals_30.purchase_days, 0) as purchase_days_30d,
    now.purchase_days - coalesce(before.totals_60.purchase_days, 0) as purchase_days_60d,
    now.purchase_days - coalesce(before.totals_90.purchase_days, 0) as purchase_days_90d,
    now.purchase_days - coalesce(before.totals_365.purchase_days, 0) as purchase_days_365d,
    now.purchases - coalesce(before.totals_7.purchases, 0) as purchases_7d,
    now.purchases - coalesce(before.totals_14.purchases, 0) as purchases_14d,
    now.purchases - coalesce(before.totals_30.purchases, 0) as purchases_30d,
    now.purchases - coalesce(before.totals_60.purchases, 0) as purchases_60d,
    now.purchases - coalesce(before.totals_90.purchases, 0) as purchases_90d,
    now.purchases - coalesce(before.totals_365.purchases, 0) as purchases_365d,
    now.visits - coalesce(before.totals_7.visits, 0) as visits_7d,
    now.visits - coalesce(before.totals_14.visits, 0) as visits_14d,
    now.visits - coalesce(before.totals_30.visits, 0) as visits_30d,
    now.visits - coalesce(before.totals_60.visits, 0) as visits_60d,
    now.visits - coalesce(before.totals_90.visits, 0) as visits_90d,
    now.visits - coalesce(before.totals_365.visits, 0) as visits_365d,
    now.views - coalesce(before.totals_7.views, 0) as views_7d,
    now.views - coalesce(before.totals_14.views, 0) as views_14d,
    now.views - coalesce(before.totals_30.views, 0) as views_30d,
    now.views - coalesce(before.totals_60.views, 0) as views_60d,
    now.views - coalesce(before.totals_90.views, 0) as views_90d,
    now.views - coalesce(before.totals_365.views, 0) as views_365d,
    now.carts - coalesce(before.totals_7.carts, 0) as carts_7d,
    now.carts - coalesce(before.totals_14.carts, 0) as carts_14d,
    now.carts - coalesce(before.totals_30.carts, 0) as carts_30d,
    now.carts - coalesce(before.totals_60.carts, 0) as carts_60d,
    now.carts - coalesce(before.totals_90.carts, 0) as carts_90d,
    now.carts - coalesce(before.totals_365.carts, 0) as carts_365d,
    now.coupons - coalesce(before.totals_7.coupons, 0) as coupons_7d,
    now.coupons - coalesce(before.totals_14.coupons, 0) as coupons_14d,
    now.coupons - coalesce(before.totals_30.coupons, 0) as coupons_30d,
    now.coupons - coalesce(before.totals_60.coupons, 0) as coupons_60d,
    now.coupons - coalesce(before.totals_90.coupons, 0) as coupons_90d,
    now.coupons - coalesce(before.totals_365.coupons, 0) as coupons_365d,
    now.item_days - coalesce(before.totals_7.item_days, 0) as item_days_7d,
    now.item_days - coalesce(before.totals_14.item_days, 0) as item_days_14d,
    now.item_days - coalesce(before.totals_30.item_days, 0) as item_days_30d,
    now.item_days - coalesce(before.totals_60.item_days, 0) as item_days_60d,
    now.item_days - coalesce(before.totals_90.item_days, 0) as item_days_90d,
    now.item_days - coalesce(before.totals_365.item_days, 0) as item_days_365d,
    now.discounted_purchases - coalesce(before.totals_7.discounted_purchases, 0) as discounted_purchases_7d,
    now.discounted_purchases - coalesce(before.totals_14.discounted_purchases, 0) as discounted_purchases_14d,
    now.discounted_purchases - coalesce(before.totals_30.discounted_purchases, 0) as discounted_purchases_30d,
    now.discounted_purchases - coalesce(before.totals_60.discounted_purchases, 0) as discounted_purchases_60d,
    now.discounted_purchases - coalesce(before.totals_90.discounted_purchases, 0) as discounted_purchases_90d,
    now.discounted_purchases - coalesce(before.totals_365.discounted_purchases, 0) as discounted_purchases_365d,
    now.coupon_purchases - coalesce(before.totals_7.coupon_purchases, 0) as coupon_purchases_7d,
    now.coupon_purchases - coalesce(before.totals_14.coupon_purchases, 0) as coupon_purchases_14d,
    now.coupon_purchases - coalesce(before.totals_30.coupon_purchases, 0) as coupon_purchases_30d,
    now.coupon_purchases - coalesce(before.totals_60.coupon_purchases, 0) as coupon_purchases_60d,
    now.coupon_purchases - coalesce(before.totals_90.coupon_purchases, 0) as coupon_purchases_90d,
    now.coupon_purchases - coalesce(before.totals_365.coupon_purchases, 0) as coupon_purchases_365d,
    interests.departments,
    interests.categories,
    interests.brands,
    interests.price_bands,
    coalesce(interests.category_count, 0) as category_count,
    coalesce(interests.unknown_share_milli, 0) as unknown_share_milli
from now
left join before on now.user_id = before.user_id and now.event_date = before.event_date
inner join interests on now.user_id = interests.user_id and now.event_date = interests.event_date
