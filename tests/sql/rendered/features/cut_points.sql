-- features.cut_points
-- Grain:    calendar month x measure.
-- Inputs:   features.user_day, features.user_state; $time_zone, the source's; $least_users that classes are cut from; $least_returning,
--           the share of customers who came back from which a source has a rhythm.
-- Promise:  quintiles frozen by the calendar: a month's cuts come from the state $cut_lead_days before its first day, so that
--           neither a new day nor an event that is a fortnight late moves everybody's class. Users active in the 365 days
--           before count; whole numbers only. A measure that the source does not have is no row. Who has less than nothing of the
--           value within the year is in no fifth of it.
with

months as (
    select
        unnest($month_starts::date[]) as month_start,
        month_start - $cut_lead_days as lead_date,
        timezone($time_zone, timezone('UTC', (lead_date + 1)::timestamp - interval 1 microsecond))::date as local_date
),

-- Days that the UTC day before counted already: of the window's first day they count.
carried as (
    select
        months.month_start,
        state.user_id,
        sum(state.carried_active_days) as active_days
    from months
    inner join features.user_state as state
        on state.event_date <= months.lead_date and state.event_date > months.lead_date - 364
    where state.carried_active_days > 0
    group by months.month_start, state.user_id
),

years as (
    select
        months.month_start,
        months.local_date,
        days.user_id,
        months.local_date - max(days.local_date) filter (where days.active_days = 1) as recency_days,
        sum(days.active_days) as active_days,
        sum(days.net_spend_cents)::bigint as net_spend_cents_365d
    from months
    inner join features.user_day as days
        on days.event_date <= months.lead_date and days.event_date > months.lead_date - 365
    group by months.month_start, months.local_date, days.user_id
    having sum(days.active_days) > 0
),

-- All that was before, too: whoever was active in the year has totals of a day in it.
totals as (
    select
        months.month_start,
        state.user_id,
        max_by(state, state.event_date) as ever
    from months
    inner join features.user_state as state
        on state.event_date <= months.lead_date and state.event_date > months.lead_date - 365
    group by months.month_start, state.user_id
),

states as (
    select
        years.* exclude (user_id, active_days),
        (years.active_days - coalesce(carried.active_days, 0))::bigint as active_days_365d,
        totals.ever,
        bool_or(totals.ever.purchases > 0) over (partition by years.month_start) as has_outcome
    from years
    inner join totals on years.month_start = totals.month_start and years.user_id = totals.user_id
    left join carried on years.month_start = carried.month_start and years.user_id = carried.user_id
),

-- Days of the outcome where the source has some, else of activity: how many there were, and since when.
rhythms as (
    select
        * exclude (ever),
        ever.*,
        case when has_outcome then ever.purchase_days else ever.active_days end as days,
        case when has_outcome then ever.first_purchase_date else ever.first_date end as since_date,
        (count(*) filter (where days > 1) over month_users)::double
        >= $least_returning * count(*) filter (where days > 0) over month_users as has_rhythm
    from states
    window month_users as (partition by month_start)
),

measures as (
    select
        month_start as event_date,
        unnest([
            {'measure': 'recency_days', 'least': 1, 'amount': recency_days},
            {'measure': 'active_days_365d', 'least': 1, 'amount': active_days_365d},
            {
                'measure': 'net_spend_cents_365d',
                'least': 1,
                'amount': case when net_spend_cents_365d >= 0 then net_spend_cents_365d end
            },
            -- What the source has.
            {'measure': 'purchases', 'least': 1, 'amount': nullif(purchases, 0)},
            {'measure': 'reviews', 'least': 1, 'amount': nullif(reviews, 0)},
            {'measure': 'carts', 'least': 1, 'amount': nullif(carts, 0)},
            {'measure': 'views', 'least': 1, 'amount': nullif(views, 0)},
            {'measure': 'searches', 'least': 1, 'amount': nullif(searches, 0)},
            -- Days from one such day to the next, of those who came back; the wait that goes on is part of it.
            {
                'measure': 'gap_days',
                'least': $least_users,
                'amount': case when has_rhythm and days > 1 then (local_date - since_date + 1) // (days - 1) end
            },
            {'measure': 'spend_score', 'least': $least_users, 'amount': case when net_spend_cents > 0 then net_spend_cents end},
            {'measure': 'ticket_score', 'least': $least_users, 'amount': case when net_spend_cents > 0 and purchase_days > 0 then net_spend_cents // purchase_days end},
            {'measure': 'basket_score', 'least': $least_users, 'amount': case when purchase_days > 0 then purchases * 1000 // purchase_days end},
            {'measure': 'units_score', 'least': $least_users, 'amount': case when quantity_milli > 0 and purchases >= 10 then quantity_milli // purchases end},
            {'measure': 'review_score', 'least': $least_users, 'amount': case when reviews > 0 then reviews end},
            {'measure': 'rating_score', 'least': $least_users, 'amount': case when ratings >= 3 then rating_milli // ratings end},
            {'measure': 'research_score', 'least': $least_users, 'amount': case when views >= 20 and purchases >= 5 then views * 1000 // purchases end},
            {'measure': 'conversion_score', 'least': $least_users, 'amount': case when active_days >= 10 then purchase_days * 1000 // active_days end},
            {'measure': 'discount_score', 'least': $least_users, 'amount': case when discount_cents > 0 and purchases >= 10 then discounted_purchases * 1000 // purchases end},
            {'measure': 'return_score', 'least': $least_users, 'amount': case when returns > 0 and purchases > 0 then returns * 1000 // purchases end}
        ], recursive := true)
    from rhythms
)

select
    event_date,
    measure,
    quantile_disc(amount, [0.2, 0.4, 0.6, 0.8])::bigint[] as cuts,
    count(*) as user_count
from measures
where amount is not null
group by event_date, measure, least
having count(*) >= least
order by event_date, measure
