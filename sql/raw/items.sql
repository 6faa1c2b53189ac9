-- raw.items
-- Grain:    one item as described by one batch.
-- Inputs:   mapped (the stream's rows in canonical columns), raw.items, raw.batches.
-- Promise:  several rows of an item make one: the last known value of each column, under the number of the last row.
--           An item described as the newest batch before described it is not told again.
with

described as (
    select
        item_id,
        arg_max(department, row_number) as department,
        arg_max(category, row_number) as category,
        arg_max(item_type, row_number) as item_type,
        arg_max(brand, row_number) as brand,
        arg_max(maker, row_number) as maker,
        arg_max(name, row_number) as name,
        arg_max(size, row_number) as size,
        arg_max(unit, row_number) as unit,
        max(row_number) as row_number
    from mapped
    where reason is null
    group by item_id
),

newest as (
    select items.*
    from raw.items as items
    semi join described on items.item_id = described.item_id
    inner join raw.batches as batches on items.batch_id = batches.batch_id
    where items.source = $source
    qualify row_number() over (partition by items.item_id order by batches.batch_seq desc, items.row_number desc) = 1
),

known as (
    select described.item_id
    from described
    inner join newest
        on
            described.item_id = newest.item_id
            and described.department is not distinct from newest.department
            and described.category is not distinct from newest.category
            and described.item_type is not distinct from newest.item_type
            and described.brand is not distinct from newest.brand
            and described.maker is not distinct from newest.maker
            and described.name is not distinct from newest.name
            and described.size is not distinct from newest.size
            and described.unit is not distinct from newest.unit
)

select
    $source as source,
    item_id,
    department,
    category,
    item_type,
    brand,
    maker,
    name,
    size,
    unit,
    $batch_id as batch_id,
    row_number
from described
anti join known on described.item_id = known.item_id
order by row_number
