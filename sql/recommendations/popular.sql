-- What is popular at the end of the day $end: for whom little or nothing personal is known
-- Grain:    item, the hundred with most users.
-- Inputs:   clean.events, of the last 28 days; withheld (items that the rules keep from everybody); $point_types, the event types that
--           show attention.
-- Promise:  reads events of the day or before. Whole numbers of users and a total order: the same on every run. Scores are so small that
--           one user in a thousand users' worth of popularity never outranks a habit of one's own.
with

users as (
    select
        item_id,
        count(distinct user_id) as user_count
    from clean.events
    anti join withheld on events.item_id = withheld.item_id
    where event_date > $end - 28 and event_date <= $end and item_id is not null and list_contains($point_types, event_type)
    group by item_id
)

select
    item_id,
    'popular' as list,
    user_count::double / 1e9 as score,
    case
        when user_count = 1 then '1 user took to it in the last 28 days'
        else 'popular with everyone: ' || user_count || ' users in the last 28 days'
    end as reason
from users
order by user_count desc, item_id
limit 100
