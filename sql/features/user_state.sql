-- features.user_state
-- Grain:    user x active UTC day.
-- Inputs:   scoped_user_day.
-- Promise:  running totals of whole numbers through the day, from the first day on: the same whatever window writes them.
with

window_users as (
    select distinct user_id
    from scoped_user_day
    where event_date between $start and $end
),

days as (
    select scoped_user_day.*
    from scoped_user_day
    semi join window_users on scoped_user_day.user_id = window_users.user_id
    where event_date <= $end
),

gaps as (
    select
        *,
        case
            when purchase_days = 1
                then event_date - max(case when purchase_days = 1 then event_date end) over earlier
        end as gap
    from days
    window earlier as (partition by user_id order by event_date rows between unbounded preceding and 1 preceding)
),

running as (
    select
        event_date,
        user_id,
        min(event_date) over so_far as first_date,
        max(case when active_days = 1 then event_date end) over so_far as last_active_date,
        min(case when purchase_days = 1 then event_date end) over so_far as first_purchase_date,
        max(case when purchase_days = 1 then event_date end) over so_far as last_purchase_date,
        last_value(gap ignore nulls) over so_far as gap_days,
        coalesce(sum(gap * gap) over so_far, 0) as gap_square_days,
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
order by event_date, user_id
