-- clean.items
-- Grain:    one item that was ever described.
-- Inputs:   raw.items, raw.batches, through batch $through.
-- Promise:  of each column the newest known value; where no stream that keeps the latest knows one, the first that one which keeps the
--           first said. What a stream keeps is what its newest batch declared. Unknown is null: it takes nothing away.
with

policies as (
    select
        source,
        stream,
        arg_max(keep, batch_seq) as keep
    from raw.batches
    where batch_seq <= $through and keep is not null
    group by source, stream
),

told as (
    select
        items.*,
        policies.keep,
        coalesce(items.ingested_at, timestamp '-infinity') as known_from,
        batches.statement_seq,
        batches.batch_seq
    from raw.items as items
    inner join raw.batches as batches on items.batch_id = batches.batch_id
    inner join policies on batches.source = policies.source and batches.stream = policies.stream
    where batches.batch_seq <= $through
),

-- What holds comes last: what is kept first, of statements before others, as it was read last; then what is kept latest.
ranked as (
    select
        *,
        row_number() over (
            order by
                keep = 'latest',
                case when keep = 'latest' then known_from end,
                case when keep = 'latest' then batch_seq end,
                case when keep = 'latest' then row_number end,
                known_from desc,
                statement_seq desc,
                batch_seq asc,
                row_number desc
        ) as place
    from told
)

select
    item_id,
    arg_max(department, place) as department,
    arg_max(category, place) as category,
    arg_max(item_type, place) as item_type,
    arg_max(brand, place) as brand,
    arg_max(maker, place) as maker,
    arg_max(name, place) as name,
    arg_max(size, place) as size,
    arg_max(unit, place) as unit
from ranked
group by item_id
order by item_id
