-- What is popular at the end of the day $end: for whom little or nothing personal is known
-- Grain:    item, the hundred with most users of the last 28 days; where there are fewer, then those of the year before.
-- Inputs:   clean.events, of the last 365 days; withheld (items that the rules keep from everybody); $point_types, the event types that
--           show attention.
-- Promise:  reads events of the day or before. Whole numbers and a total order: the same on every run. Scores are so small that
--           one user in a thousand users' worth of popularity never outranks a habit of one's own. A rating below the mean of all
--           ratings is no liking.
with

ratings as (
    select avg(rating_milli) as mean_milli
    from clean.events
    where event_date > $end - 365 and event_date <= $end and event_type = 'review'
),

liked as (
    select
        events.event_date,
        events.user_id,
        events.item_id
    from clean.events
    cross join ratings
    anti join withheld on events.item_id = withheld.item_id
    where
        event_date > $end - 365 and event_date <= $end and item_id is not null and list_contains($point_types, event_type)
        and (event_type != 'review' or coalesce(rating_milli >= ratings.mean_milli, true))
),

lately as (
    select
        item_id,
        count(distinct user_id) as user_count
    from liked
    where event_date > $end - 28
    group by item_id
),

before as (
    select
        item_id,
        count(*) as event_count
    from liked
    where event_date <= $end - 28
    group by item_id
),

ranked as (
    select
        item_id,
        user_count::double / 1e9 as score,
        case
            when user_count = 1 then '1 user took to it in the last 28 days'
            else 'popular with everyone: ' || user_count || ' users in the last 28 days'
        end as reason
    from lately
    union all
    select
        before.item_id,
        before.event_count::double / 1e18 as score,
        'taken up ' || case when before.event_count = 1 then 'once' else before.event_count || ' times' end
        || ' in the year before, not in the last 28 days' as reason
    from before
    anti join lately on before.item_id = lately.item_id
)

select
    item_id,
    'popular' as list,
    score,
    reason
from ranked
order by score desc, item_id
limit 100
