-- Whoever a model tells anything of stands in one segment that has a number and a name.
-- Offenders: days and users that break that.
with

told as (
    select distinct
        event_date,
        user_id,
        model_version
    from scores.predictions
)

select
    coalesce(told.event_date, stands.event_date)::varchar as event_date,
    coalesce(told.user_id, stands.user_id) as user_id,
    count(stands.cluster) || ' segments, named ' || coalesce(string_agg(named.name, '; ' order by named.name), '') as problem
from told
full join scores.segments as stands
    on told.event_date = stands.event_date and told.user_id = stands.user_id and told.model_version = stands.model_version
left join models.segments as named on stands.model_version = named.model_version and stands.cluster = named.cluster
group by all
having count(told.user_id) != 1 or count(stands.cluster) != 1 or count(named.segment_id) != 1 or count(named.name) != 1
