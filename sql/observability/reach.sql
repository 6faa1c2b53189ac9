-- How far each layer has come.
-- Grain:    one layer, by the way the data goes.
-- Inputs:   raw.batches, meta.materializations.
-- Promise:  newest is the last day that every daily table of the layer has; lag is counted in days from the newest day an event was
--           landed of. Tables that are kept for published days only stand for no layer.
with

landed as (
    select max(last_date) as newest from raw.batches
),

tables as (
    select
        table_name,
        split_part(table_name, '.', 1) as layer,
        max(event_date) as newest
    from meta.materializations
    where table_name in (select unnest($tables::varchar[]))
    group by table_name
),

layers as (
    select
        'raw' as layer,
        newest
    from landed
    union all
    select
        layer,
        min(newest) as newest
    from tables
    group by layer
)

select
    layers.layer,
    layers.newest,
    greatest(date_diff('day', layers.newest, landed.newest), 0) as lag_days
from layers
cross join landed
where layers.newest is not null
order by list_position(['raw', 'clean', 'features', 'scores', 'portraits'], layers.layer)
