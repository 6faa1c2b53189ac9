-- segment_sizes.parquet
-- Grain:    segment of the model in force on the day $day, without users too.
-- Inputs:   scores.segments, models.segments.
-- Promise:  users add up to those of segments.parquet.
with

users as (
    select
        model_version,
        cluster,
        count(*) as users
    from scores.segments
    where event_date = $day
    group by model_version, cluster
)

select
    named.segment_id,
    named.name as segment,
    named.traits,
    coalesce(users.users, 0) as users,
    coalesce(users.users, 0) / sum(users.users) over () as share
from models.segments as named
left join users on named.model_version = users.model_version and named.cluster = users.cluster
where named.model_version in (select model_version from users)
order by named.segment_id
