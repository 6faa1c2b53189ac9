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
        written.event_date,
        count(distinct state.user_id) as user_count
    from meta.materializations as written
    left join features.user_state as state on written.event_date >= state.event_date
    where written.table_name = 'scores.vectors'
    group by written.event_date
)

select
    seen.event_date::varchar as event_date,
    'lengths ' || coalesce(lengths.shortest, 0) || ' to ' || coalesce(lengths.longest, 0) || ', '
    || coalesce(lengths.user_count, 0) || ' of ' || seen.user_count || ' users' as problem
from seen
left join lengths on seen.event_date = lengths.event_date
where lengths.shortest is distinct from lengths.longest or seen.user_count != coalesce(lengths.user_count, 0)
union all
select
    event_date::varchar,
    'user ' || user_id || ' has a number that is not finite' as problem
from scores.vectors
where len(list_filter(embedding, lambda number: not isfinite(number))) > 0
