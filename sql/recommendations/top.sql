-- recommendations.top, as far as no model ranks: before the first one, and for users who bought nothing
-- Grain:    user x item, for the one day $end: "rank" 1 to 20 is the blended list, list_rank 1 to 20 that of `list` on its own.
-- Inputs:   clean.events, features.user_state; popular and gone (as popular.sql and gone.sql have them), withheld (items that the rules keep from everybody) and cooling (item, rule, days: kept from
--           who bought one of the rule's items within so many days); $point_types and $point_values give the attention points of an event type;
--           $discover_places of the blended list are for what the user never saw.
-- Promise:  reads events of the day or before. What the user keeps coming back to, by attention decayed at three half-lives
--           (14, 60 and 240 days: habit of the fortnight, of the season, of the year); then what is popular, said to be so. What was
--           rated is no habit: a rating asks for nothing again; nor is what went back. What the user bought, saw, rated or returned is not offered as new.
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
    where
        event_date <= $end and item_id is not null and event_type != 'review'
        and map($point_types, $point_values)[event_type] is not null
),

seen as (
    select distinct
        user_id,
        item_id
    from clean.events
    where event_date <= $end and item_id is not null and not list_contains($sent_types, event_type)
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
    anti join gone on habits.user_id = gone.user_id and habits.item_id = gone.item_id
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
    anti join seen on users.user_id = seen.user_id and popular.item_id = seen.item_id
),

listed as (
    select
        *,
        row_number() over (partition by user_id, list order by score desc, last_date desc nulls last, item_id) as list_rank
    from candidates
    anti join cooling_items on candidates.user_id = cooling_items.user_id and candidates.item_id = cooling_items.item_id
),

-- Twenty: what is popular takes the places kept for it before habits take what is left.
chosen as (
    select
        *,
        row_number() over (
            partition by user_id
            order by
                case
                    when list = 'again' and list_rank <= 20 - $discover_places then 1
                    when list = 'popular' and list_rank <= $discover_places then 2
                    when list = 'again' then 3
                    else 4
                end,
                list_rank
        ) as place
    from listed
),

ranked as (
    select
        *,
        case when place <= 20
            then row_number() over (
                partition by user_id, place <= 20
                order by score desc, last_date desc nulls last, item_id
            )
        end as "rank"
    from chosen
)

select
    $end as event_date,
    user_id,
    list,
    "rank",
    list_rank,
    item_id,
    score,
    null::double as probability,
    reason
from ranked
where "rank" is not null or list_rank <= 20
order by user_id, "rank" nulls last, list, list_rank
