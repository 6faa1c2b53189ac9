-- raw.attributes
-- Grain:    one declared attribute of one user as told by one batch.
-- Inputs:   mapped (the stream's rows, attributes as a list), raw.attributes, raw.batches.
-- Promise:  known values only, of several rows the last; one that the newest batch before told is not told again.
with

told as (
    select
        user_id,
        row_number,
        unnest(attributes) as pair
    from mapped
    where reason is null
),

last_told as (
    select
        user_id,
        pair.attribute as attribute,
        arg_max(pair.value, row_number) as value,
        max(row_number) as row_number
    from told
    group by user_id, pair.attribute
),

newest as (
    select attributes.*
    from raw.attributes as attributes
    semi join last_told on attributes.user_id = last_told.user_id
    inner join raw.batches as batches on attributes.batch_id = batches.batch_id
    where attributes.source = $source
    qualify
        row_number() over (
            partition by attributes.user_id, attributes.attribute
            order by batches.batch_seq desc, attributes.row_number desc
        ) = 1
),

known as (
    select
        last_told.user_id,
        last_told.attribute
    from last_told
    inner join newest
        on
            last_told.user_id = newest.user_id
            and last_told.attribute = newest.attribute
            and last_told.value = newest.value
)

select
    $source as source,
    last_told.user_id,
    last_told.attribute,
    last_told.value,
    $batch_id as batch_id,
    last_told.row_number
from last_told
anti join known on last_told.user_id = known.user_id and last_told.attribute = known.attribute
order by last_told.row_number, last_told.attribute
