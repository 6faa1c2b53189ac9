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
stood as (
    select state.*
    from scoped_user_state as state
    semi join window_users on state.user_id = window_users.user_id
    where state.event_date < $start
    qualify row_number() over (partition by state.user_id order by state.event_date desc) = 1
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

gaps as (
    select
        * exclude (gap_days),
        case
            when event_date >= $start and last_purchase_date is not null
                then event_date - max(last_purchase_date) over earlier
            else gap_days
        end as gap
    from days
    window earlier as (partition by user_id order by event_date rows between unbounded preceding and 1 preceding)
),

running as (
    select
        event_date,
        user_id,
        min(first_date) over so_far as first_date,
        max(last_active_date) over so_far as last_active_date,
        min(first_purchase_date) over so_far as first_purchase_date,
        max(last_purchase_date) over so_far as last_purchase_date,
        last_value(gap ignore nulls) over so_far as gap_days,
        sum(gap_square_days + case when event_date >= $start then coalesce(gap * gap, 0) else 0 end) over so_far as gap_square_days,
        sum(active_days) over so_far as active_days,
        sum(visits) over so_far as visits,
        sum(views) over so_far as views,
        sum(searches) over so_far as searches,
        sum(carts) over so_far as carts,
        sum(purchases) over so_far as purchases,
        sum(purchase_days) over so_far as purchase_days,
        sum(returns) over so_far as returns,
        sum(reviews) over so_far as reviews,
        sum(coupons) over so_far as coupons,
        sum(exposures) over so_far as exposures,
        sum(item_days) over so_far as item_days,
        sum(quantity_milli) over so_far as quantity_milli,
        sum(spend_cents) over so_far as spend_cents,
        sum(refund_cents) over so_far as refund_cents,
        sum(discount_cents) over so_far as discount_cents,
        sum(coupon_cents) over so_far as coupon_cents,
        sum(discounted_purchases) over so_far as discounted_purchases,
        sum(coupon_purchases) over so_far as coupon_purchases,
        sum(night_visits) over so_far as night_visits,
        sum(morning_visits) over so_far as morning_visits,
        sum(afternoon_visits) over so_far as afternoon_visits,
        sum(evening_visits) over so_far as evening_visits,
        sum(weekend_visits) over so_far as weekend_visits,
        sum(ratings) over so_far as ratings,
        sum(rating_milli) over so_far as rating_milli,
        sum(outliers) over so_far as outliers
    from gaps
    window so_far as (partition by user_id order by event_date)
)

select *
from running
where event_date >= $start
