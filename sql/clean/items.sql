-- clean.items
-- Grain:    one item, as its newest batch describes it.
-- Inputs:   raw.items, raw.batches.
-- Promise:  every item ever described, once; blank text is unknown, and unknown is null.
with

told as (
    select
        items.*,
        batches.batch_seq
    from raw.items as items
    inner join raw.batches as batches on items.batch_id = batches.batch_id
),

newest as (
    select *
    from told
    qualify row_number() over (partition by item_id order by batch_seq desc, row_number desc) = 1
)

select
    item_id,
    nullif(trim(department), '') as department,
    nullif(trim(category), '') as category,
    nullif(trim(item_type), '') as item_type,
    nullif(trim(brand), '') as brand,
    nullif(trim(maker), '') as maker,
    nullif(trim(name), '') as name,
    nullif(trim(size), '') as size,
    nullif(trim(unit), '') as unit
from newest
order by item_id
