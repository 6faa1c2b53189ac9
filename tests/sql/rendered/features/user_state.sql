-- features.user_state
-- Grain:    user x active UTC day.
-- Inputs:   scoped_user_day, of the window and the day before it; scoped_user_state of the days before the window, from which its
--           totals go on.
-- Promise:  running totals of whole numbers through the day, from the first day on: the same whatever window writes them. Dates are
--           the source's local dates. A local date meets two UTC days: what the day before counted already (a date, an item bought
--           on it, a visit that goes on) counts no second time, and `carried_…` says how much of that there was, so that a window that
--           begins on this day can count it.
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

met as (
    select
        today.event_date,
        today.user_id,
        today.local_date = before.local_date as is_same_date,
        least(today.active_days, before.active_days) as active_days,
        least(today.purchase_days, before.purchase_days) as purchase_days,
        len(list_intersect(today.item_days_values, before.item_days_values)) as item_days,
        list_filter(today.begun_visits, lambda visit: list_contains(
            list_transform(before.begun_visits, lambda begun: begun.visit_id), visit.visit_id
        )) as gone_on
    from window_days as today
    inner join scoped_user_day as before
        on today.user_id = before.user_id and today.event_date - 1 = before.event_date
    where before.event_date between $start - 1 and $end
),

carried as (
    select
        event_date,
        user_id,
        coalesce(max(active_days) filter (where is_same_date), 0) as active_days,
        coalesce(max(purchase_days) filter (where is_same_date), 0) as purchase_days,
        coalesce(sum(item_days) filter (where is_same_date), 0) as item_days,
        sum(len(list_filter(gone_on, lambda visit: true))) as visits,
        sum(len(list_filter(gone_on, lambda visit: visit.local_hour between 0 and 5))) as night_visits,
        sum(len(list_filter(gone_on, lambda visit: visit.local_hour between 6 and 11))) as morning_visits,
        sum(len(list_filter(gone_on, lambda visit: visit.local_hour between 12 and 17))) as afternoon_visits,
        sum(len(list_filter(gone_on, lambda visit: visit.local_hour between 18 and 23))) as evening_visits,
        sum(len(list_filter(gone_on, lambda visit: visit.local_weekday in (6, 7)))) as weekend_visits
    from met
    group by event_date, user_id
),

outcome_dates as (
    select
        user_id,
        local_date,
        min(event_date) as event_date
    from window_days
    where purchase_days = 1
    group by user_id, local_date
),

known_dates as (
    select
        user_id,
        local_date
    from outcome_dates
    union all
    select
        user_id,
        last_purchase_date as local_date
    from stood
    where last_purchase_date is not null
),

-- Dates are joined with those before them, and days with those through them, not windowed: each function of a window takes DuckDB
-- half a millisecond to begin, which the live service would pay at every turn. Long windows are written in parts, so pairs stay few.
gaps as (
    select
        dates.user_id,
        dates.event_date,
        dates.local_date as gap_date,
        dates.local_date - max(earlier.local_date) as gap_days
    from outcome_dates as dates
    inner join known_dates as earlier on dates.user_id = earlier.user_id and dates.local_date > earlier.local_date
    group by dates.user_id, dates.event_date, dates.local_date
),

-- What each day adds; where the totals stood is one more of them.
steps as (
    select
        * exclude (carried_active_days, carried_purchase_days, carried_visits, carried_item_days),
        last_purchase_date as gap_date
    from stood
    union all by name
    select
        * exclude (local_date, begun_visits, item_days_values),
        local_date as first_date,
        case when active_days = 1 then local_date end as last_active_date,
        case when purchase_days = 1 then local_date end as first_purchase_date,
        case when purchase_days = 1 then local_date end as last_purchase_date
    from window_days
    union all by name
    select
        event_date,
        user_id,
        gap_date,
        gap_days,
        gap_days * gap_days as gap_square_days
    from gaps
    union all by name
    select
        event_date,
        user_id,
        -active_days as active_days,
        -purchase_days as purchase_days,
        -visits as visits,
        -item_days as item_days,
        -night_visits as night_visits,
        -morning_visits as morning_visits,
        -afternoon_visits as afternoon_visits,
        -evening_visits as evening_visits,
        -weekend_visits as weekend_visits
    from carried
),

totals as (
    select
        days.event_date,
        days.user_id,
        min(steps.first_date) as first_date,
        max(steps.last_active_date) as last_active_date,
        min(steps.first_purchase_date) as first_purchase_date,
        max(steps.last_purchase_date) as last_purchase_date,
        max_by(steps.gap_days, steps.gap_date) filter (where steps.gap_days is not null) as gap_days,
        coalesce(sum(steps.gap_square_days), 0) as gap_square_days,
        sum(steps.spend_cents) as spend_cents,
        sum(steps.net_spend_cents) as net_spend_cents,
        sum(steps.active_days) as active_days,
        sum(steps.purchase_days) as purchase_days,
        sum(steps.purchases) as purchases,
        sum(steps.visits) as visits,
        sum(steps.views) as views,
        sum(steps.carts) as carts,
        sum(steps.coupons) as coupons,
        sum(steps.searches) as searches,
        sum(steps.returns) as returns,
        sum(steps.reviews) as reviews,
        sum(steps.exposures) as exposures,
        sum(steps.item_days) as item_days,
        sum(steps.quantity_milli) as quantity_milli,
        sum(steps.refund_cents) as refund_cents,
        sum(steps.discount_cents) as discount_cents,
        sum(steps.coupon_cents) as coupon_cents,
        sum(steps.discounted_purchases) as discounted_purchases,
        sum(steps.coupon_purchases) as coupon_purchases,
        sum(steps.night_visits) as night_visits,
        sum(steps.morning_visits) as morning_visits,
        sum(steps.afternoon_visits) as afternoon_visits,
        sum(steps.evening_visits) as evening_visits,
        sum(steps.weekend_visits) as weekend_visits,
        sum(steps.ratings) as ratings,
        sum(steps.rating_milli) as rating_milli,
        sum(steps.outliers) as outliers
    from (select distinct event_date, user_id from window_days) as days
    inner join steps on days.user_id = steps.user_id and days.event_date >= steps.event_date
    group by days.event_date, days.user_id
)

select
    totals.*,
    coalesce(carried.active_days, 0) as carried_active_days,
    coalesce(carried.purchase_days, 0) as carried_purchase_days,
    coalesce(carried.visits, 0) as carried_visits,
    coalesce(carried.item_days, 0) as carried_item_days
from totals
left join carried on totals.event_date = carried.event_date and totals.user_id = carried.user_id
