-- segments.parquet
-- Grain:    user of the day $day, of whom more than exposures is known. No rows before the first model.
-- Inputs:   scores.segments, models.segments.
-- Promise:  one segment a user; a segment keeps its number from model to model.
select
    stands.user_id,
    named.segment_id,
    named.name as segment
from scores.segments as stands
inner join models.segments as named on stands.model_version = named.model_version and stands.cluster = named.cluster
where stands.event_date = $day
order by stands.user_id
