-- Every user seen has a vector, all of one length, every number finite.
-- Offenders: days and users that break that.
with

lengths as (
    select
        event_date,
        min(len(embedding)) as shortest,
        max(len(embedding)) as longest,
        count(distinct user_id) as user_count
    from scores.vectors
    group by event_date
),

seen as (
    select
        lengths.event_date,
        count(distinct state.user_id) as user_count
    from lengths
    left join features.user_state as state on state.event_date <= lengths.event_date
    group by lengths.event_date
)

select
    lengths.event_date::varchar as event_date,
    'lengths ' || lengths.shortest || ' to ' || lengths.longest || ', ' || lengths.user_count || ' of ' || seen.user_count || ' users' as problem
from lengths
inner join seen on lengths.event_date = seen.event_date
where lengths.shortest != lengths.longest or lengths.user_count != seen.user_count
union all
select
    event_date::varchar,
    'user ' || user_id || ' has a number that is not finite' as problem
from scores.vectors
where len(list_filter(embedding, lambda number: not isfinite(number))) > 0
