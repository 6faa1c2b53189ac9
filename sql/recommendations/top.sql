-- recommendations.top, as far as no model ranks: before the first one, and for users who bought nothing
-- Grain:    user x rank (1 to 20), for the one day $end.
-- Inputs:   clean.events, features.user_state; popular (as popular.sql has it), withheld (items that the rules keep from everybody) and cooling (item, rule, days: kept from
--           who bought one of the rule's items within so many days); $point_types and $point_values give the attention points of an event type.
-- Promise:  reads events of the day or before. What the user keeps coming back to, by attention decayed at three half-lives
--           (14, 60 and 240 days: habit of the fortnight, of the season, of the year); then what is popular, said to be so.
--           Whole-number scores and a total order: the same on every run.
with

events as (
    select
        user_id,
        item_id,
        event_type,
        visit_id,
        event_date,
        map($point_types, $point_values)[event_type] as points
    from clean.events
    anti join withheld on events.item_id = withheld.item_id
    where event_date <= $end and item_id is not null and map($point_types, $point_values)[event_type] is not null
),

visits as (
    select
        user_id,
        item_id,
        event_type,
        visit_id,
        max(event_date) as event_date,
        max(points) as points
    from events
    group by user_id, item_id, event_type, visit_id
),

habits as (
    select
        user_id,
        item_id,
        sum(points * round(1048576 * (
            pow(2.0, (event_date - $end) / 14.0)
            + pow(2.0, (event_date - $end) / 60.0)
            + pow(2.0, (event_date - $end) / 240.0) / 2
        ))::bigint)::bigint as mass,
        count(*) filter (where event_type = 'purchase') as purchase_count,
        count(*) as visit_count,
        max(event_date) as last_date
    from visits
    group by user_id, item_id
),

cooled as (
    select distinct
        events.user_id,
        cooling.rule
    from events
    inner join cooling on events.item_id = cooling.item_id
    where events.event_type = 'purchase' and events.event_date > $end - cooling.days::integer
),

cooling_items as (
    select distinct
        cooled.user_id,
        cooling.item_id
    from cooled
    inner join cooling on cooled.rule = cooling.rule
),

users as (
    select distinct user_id
    from features.user_state
    where event_date <= $end
),

candidates as (
    select
        user_id,
        item_id,
        'again' as list,
        mass::double / 1048576 as score,
        case
            when purchase_count > 0
                then 'bought on ' || purchase_count || case when purchase_count = 1 then ' visit' else ' visits' end
            else 'looked at on ' || visit_count || case when visit_count = 1 then ' visit' else ' visits' end
        end
        || case $end - last_date when 0 then ', last today' when 1 then ', last 1 day ago' else ', last ' || ($end - last_date) || ' days ago' end as reason,
        last_date
    from habits
    union all
    select
        users.user_id,
        popular.item_id,
        popular.list,
        popular.score,
        popular.reason,
        null as last_date
    from users
    cross join popular
    anti join habits on users.user_id = habits.user_id and popular.item_id = habits.item_id
),

ranked as (
    select
        *,
        row_number() over (partition by user_id order by score desc, last_date desc nulls last, item_id) as "rank"
    from candidates
    anti join cooling_items on candidates.user_id = cooling_items.user_id and candidates.item_id = cooling_items.item_id
)

select
    $end as event_date,
    user_id,
    list,
    "rank",
    item_id,
    score,
    null::double as probability,
    reason
from ranked
where "rank" <= 20
order by user_id, "rank"
