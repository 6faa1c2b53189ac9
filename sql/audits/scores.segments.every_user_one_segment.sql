-- Whoever a model predicts anything of stands in one segment, and every segment has a number and a name.
-- Offenders: days and users that break that. A source in which nothing can be predicted has segments alone.
with

predicted as (
    select distinct
        event_date,
        user_id,
        model_version
    from scores.predictions
)

select
    coalesce(predicted.event_date, stands.event_date)::varchar as event_date,
    coalesce(predicted.user_id, stands.user_id) as user_id,
    count(stands.cluster) || ' segments, named ' || coalesce(string_agg(named.name, '; ' order by named.name), '') as problem
from predicted
full join scores.segments as stands
    on
        predicted.event_date = stands.event_date
        and predicted.user_id = stands.user_id
        and predicted.model_version = stands.model_version
left join models.segments as named on stands.model_version = named.model_version and stands.cluster = named.cluster
group by all
having count(stands.cluster) != 1 or count(named.segment_id) != 1 or count(named.name) != 1
