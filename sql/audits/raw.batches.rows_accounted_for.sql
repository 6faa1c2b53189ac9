-- Every row read is accounted for: rows in = accepted + duplicate + rejected, in the ledger and in the tables it speaks of.
-- Offenders: batches whose numbers do not add up.
with

stored as (
    select batch_id, count(*) as row_count from raw.events group by batch_id
    union all
    select batch_id, count(distinct row_number) as row_count from raw.items group by batch_id
    union all
    select batch_id, count(distinct row_number) as row_count from raw.attributes group by batch_id
),

accepted as (
    select
        batch_id,
        sum(row_count) as row_count
    from stored
    group by batch_id
),

rejected as (
    select
        batch_id,
        count(*) as row_count
    from raw.quarantine
    group by batch_id
)

select
    batches.batch_id,
    batches.stream,
    batches.rows_in,
    batches.rows_accepted,
    batches.rows_duplicate,
    batches.rows_rejected,
    coalesce(accepted.row_count, 0) as stored_rows,
    coalesce(rejected.row_count, 0) as quarantined_rows
from raw.batches as batches
left join accepted on batches.batch_id = accepted.batch_id
left join rejected on batches.batch_id = rejected.batch_id
where
    batches.rows_in != batches.rows_accepted + batches.rows_duplicate + batches.rows_rejected
    or batches.rows_accepted != coalesce(accepted.row_count, 0)
    or batches.rows_rejected != coalesce(rejected.row_count, 0)
