-- raw.items
-- Grain:    one item as described by one batch (and learnt at one time).
-- Inputs:   mapped (the stream's rows in canonical columns), raw.items, raw.batches.
-- Promise:  several rows of an item make one: the last known value of each column, or the first where the stream keeps the first
--           ($keep), under the number of the last or first row. An item of which no column says anything but what held before it is not
--           news; where the first is kept, none is that has no column nobody knew. Unless the mapping says when it was learnt,
--           that is from the start for a historical load ($is_historical), else $learnt_at, and never before what statements
--           up to its own ($statement_seq) said.
with

said as (
    select
        *,
        case when $keep = 'first' then -row_number else row_number end as priority
    from mapped
    where reason is null
),

described as (
    select
        item_id,
        ingested_at,
        arg_max(department, priority) as department,
        arg_max(category, priority) as category,
        arg_max(item_type, priority) as item_type,
        arg_max(brand, priority) as brand,
        arg_max(maker, priority) as maker,
        arg_max(name, priority) as name,
        arg_max(size, priority) as size,
        arg_max(unit, priority) as unit,
        arg_max(row_number, priority) as row_number
    from said
    group by item_id, ingested_at
),

-- Streams that keep the same of several values compete; the others are told apart when they are read (clean/items.sql).
policies as (
    select
        stream,
        arg_max(keep, batch_seq) as keep
    from raw.batches
    where source = $source and stream != $stream and keep is not null
    group by stream
    union all
    select
        $stream as stream,
        $keep as keep
),

told as (
    select
        items.* exclude (source, batch_id),
        batches.statement_seq,
        batches.batch_seq
    from raw.items as items
    semi join described on items.item_id = described.item_id
    inner join raw.batches as batches on items.batch_id = batches.batch_id
    inner join policies on batches.stream = policies.stream
    where items.source = $source and policies.keep = $keep
),

last_told as (
    select
        item_id,
        max(ingested_at) as ingested_at
    from told
    where statement_seq <= $statement_seq
    group by item_id
),

tellings as (
    select
        described.* replace (
            coalesce(
                described.ingested_at,
                greatest(case when not $is_historical then $learnt_at end, last_told.ingested_at)
            ) as ingested_at
        ),
        $statement_seq as statement_seq,
        $batch_seq as batch_seq
    from described
    left join last_told on described.item_id = last_told.item_id
    union all by name
    select *
    from told
    -- A statement that is read anew is the same statement: where it is the first, its newest reading is kept.
    where $keep = 'latest' or statement_seq != $statement_seq
),

compared as (
    select
        *,
        last_value(department ignore nulls) over before_it as department_before,
        last_value(category ignore nulls) over before_it as category_before,
        last_value(item_type ignore nulls) over before_it as item_type_before,
        last_value(brand ignore nulls) over before_it as brand_before,
        last_value(maker ignore nulls) over before_it as maker_before,
        last_value(name ignore nulls) over before_it as name_before,
        last_value(size ignore nulls) over before_it as size_before,
        last_value(unit ignore nulls) over before_it as unit_before,
        last_value(batch_seq) over before_it is null as is_first
    from tellings
    window
        before_it as (
            partition by item_id
            order by
                coalesce(ingested_at, timestamp '-infinity'),
                case when $keep = 'first' then statement_seq else batch_seq end,
                row_number
            rows between unbounded preceding and 1 preceding
        )
),

-- The columns of each item that say something new.
news as (
    select
        *,
        list_filter(
            [
                {'said': department, 'before': department_before},
                {'said': category, 'before': category_before},
                {'said': item_type, 'before': item_type_before},
                {'said': brand, 'before': brand_before},
                {'said': maker, 'before': maker_before},
                {'said': name, 'before': name_before},
                {'said': size, 'before': size_before},
                {'said': unit, 'before': unit_before}
            ],
            lambda pair: pair.said is not null
            and (pair.before is null or ($keep = 'latest' and pair.said != pair.before))
        ) as changes
    from compared
    where batch_seq = $batch_seq
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
    ingested_at,
    $batch_id as batch_id,
    row_number
from news
where
    $kept_otherwise
    or len(changes) > 0
    or (is_first and item_id not in (select items.item_id from raw.items as items where items.source = $source))
order by row_number
