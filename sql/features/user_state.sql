-- features.user_state
-- Grain:    user x active UTC day.
-- Inputs:   scoped_user_day; scoped_user_state of the days before the window, from which its totals go on.
-- Promise:  running totals of whole numbers through the day, from the first day on: the same whatever window writes them.
with

window_days as (
    select *
    from scoped_user_day
    where event_date between $start and $end
),

window_users as (
    select distinct user_id
    from window_days
),

-- Where each user's totals stood before the window: one more day, with all that was before in it.
last_days as (
    select
        state.user_id,
        max(state.event_date) as event_date
    from scoped_user_state as state
    semi join window_users on state.user_id = window_users.user_id
    where state.event_date < $start
    group by state.user_id
),

stood as (
    select state.*
    from scoped_user_state as state
    semi join last_days on state.user_id = last_days.user_id and state.event_date = last_days.event_date
),

days as (
    select
        event_date,
        user_id,
        first_date,
        last_active_date,
        first_purchase_date,
        last_purchase_date,
        gap_days,
        gap_square_days,
        active_days,
        visits,
        views,
        searches,
        carts,
        purchases,
        purchase_days,
        returns,
        reviews,
        coupons,
        exposures,
        item_days,
        quantity_milli,
        spend_cents,
        refund_cents,
        discount_cents,
        coupon_cents,
        discounted_purchases,
        coupon_purchases,
        night_visits,
        morning_visits,
        afternoon_visits,
        evening_visits,
        weekend_visits,
        ratings,
        rating_milli,
        outliers
    from stood
    union all
    select
        event_date,
        user_id,
        event_date as first_date,
        case when active_days = 1 then event_date end as last_active_date,
        case when purchase_days = 1 then event_date end as first_purchase_date,
        case when purchase_days = 1 then event_date end as last_purchase_date,
        null as gap_days,
        0 as gap_square_days,
        active_days,
        visits,
        views,
        searches,
        carts,
        purchases,
        purchase_days,
        returns,
        reviews,
        coupons,
        exposures,
        item_days,
        quantity_milli,
        spend_cents,
        refund_cents,
        discount_cents,
        coupon_cents,
        discounted_purchases,
        coupon_purchases,
        night_visits,
        morning_visits,
        afternoon_visits,
        evening_visits,
        weekend_visits,
        ratings,
        rating_milli,
        outliers
    from window_days
),

-- Days are joined with those before them and summed, not windowed: each function of a window takes DuckDB half a millisecond
-- to begin, which the live service would pay at every turn. Long windows are written in parts, so pairs stay few.
purchase_gaps as (
    select
        days.user_id,
        days.event_date,
        days.event_date - max(earlier.last_purchase_date) as gap
    from days
    inner join days as earlier on days.user_id = earlier.user_id and days.event_date > earlier.event_date
    where days.event_date >= $start and days.last_purchase_date is not null
    group by days.user_id, days.event_date
),

counted as (
    select
        days.* exclude (gap_days, gap_square_days),
        case when days.event_date >= $start then purchase_gaps.gap else days.gap_days end as gap_days,
        days.gap_square_days + coalesce(purchase_gaps.gap * purchase_gaps.gap, 0) as gap_square_days
    from days
    left join purchase_gaps on days.user_id = purchase_gaps.user_id and days.event_date = purchase_gaps.event_date
)

select
    days.event_date,
    days.user_id,
    min(counted.first_date) as first_date,
    max(counted.last_active_date) as last_active_date,
    min(counted.first_purchase_date) as first_purchase_date,
    max(counted.last_purchase_date) as last_purchase_date,
    max_by(counted.gap_days, counted.event_date) filter (where counted.gap_days is not null) as gap_days,
    sum(counted.gap_square_days) as gap_square_days,
    sum(counted.active_days) as active_days,
    sum(counted.visits) as visits,
    sum(counted.views) as views,
    sum(counted.searches) as searches,
    sum(counted.carts) as carts,
    sum(counted.purchases) as purchases,
    sum(counted.purchase_days) as purchase_days,
    sum(counted.returns) as returns,
    sum(counted.reviews) as reviews,
    sum(counted.coupons) as coupons,
    sum(counted.exposures) as exposures,
    sum(counted.item_days) as item_days,
    sum(counted.quantity_milli) as quantity_milli,
    sum(counted.spend_cents) as spend_cents,
    sum(counted.refund_cents) as refund_cents,
    sum(counted.discount_cents) as discount_cents,
    sum(counted.coupon_cents) as coupon_cents,
    sum(counted.discounted_purchases) as discounted_purchases,
    sum(counted.coupon_purchases) as coupon_purchases,
    sum(counted.night_visits) as night_visits,
    sum(counted.morning_visits) as morning_visits,
    sum(counted.afternoon_visits) as afternoon_visits,
    sum(counted.evening_visits) as evening_visits,
    sum(counted.weekend_visits) as weekend_visits,
    sum(counted.ratings) as ratings,
    sum(counted.rating_milli) as rating_milli,
    sum(counted.outliers) as outliers
from days
inner join counted on days.user_id = counted.user_id and days.event_date >= counted.event_date
where days.event_date >= $start
group by days.event_date, days.user_id
