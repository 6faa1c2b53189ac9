-- raw.events, first step: the rows of a batch whose key is told elsewhere too.
-- Grain:    one row of the batch that is not rejected and shares the hash of its key with another row, or with raw.events; nearly
--           none do, so nearly all rows are never compared.
-- Inputs:   mapped (see keyed.sql), raw.events, raw.batches.
-- Promise:  its key; when it was learnt; whether it is news (is_news); and whether anything was ever told of the key (is_first). News
--           is what was never told of the key, and, where after all that something else holds than what the batch says last of
--           the key, also that last row: what was said last holds, also when it was said before. A declared key ($is_keyed) is
--           looked for in all of raw.events; without one the canonical row is the key, and where equal rows are distinct events
--           ($is_distinct) their ordinal counts too: then only the days of the batch ($first_date to $last_date) can hold it.
--           A row whose mapping does not say when it was learnt was not learnt before what it follows: what was told of its key, in
--           its version, in this batch and in statements up to its own ($statement_seq).
with

shared as (
    select key_hash
    from mapped
    where reason is null
    group by key_hash
    having count(*) > 1
),

-- The first of several equal rows keeps the bare key, so that both meanings of duplicates agree on it.
ordinals as (
    select
        mapped.row_number,
        row_number() over (partition by event_key, event_version, is_deletion order by row_number) as ordinal
    from mapped
    semi join shared on mapped.key_hash = shared.key_hash
    where mapped.reason is null and $is_distinct
),

renamed as (
    select
        mapped.row_number,
        mapped.event_key || '#' || ordinals.ordinal as event_key
    from mapped
    inner join ordinals on mapped.row_number = ordinals.row_number
    where ordinals.ordinal > 1
),

looked_for as (
    select key_hash
    from mapped
    where reason is null
    union all
    select hash(event_key) as key_hash
    from renamed
),

told_hashes as (
    select distinct events.key_hash
    from raw.events as events
    semi join looked_for on events.key_hash = looked_for.key_hash
    where events.source = $source and ($is_keyed or events.event_date between $first_date and $last_date)
),

suspect_hashes as (
    select key_hash
    from shared
    union distinct
    select key_hash
    from told_hashes
),

suspects as (
    select
        mapped.* exclude (reason, event_key, key_hash, ingested_at),
        coalesce(renamed.event_key, mapped.event_key) as event_key,
        hash(coalesce(renamed.event_key, mapped.event_key)) as key_hash,
        coalesce(mapped.ingested_at, case when $is_historical then mapped.event_time else $learnt_at end) as ingested_at,
        mapped.ingested_at is null as is_undated
    from mapped
    semi join suspect_hashes on mapped.key_hash = suspect_hashes.key_hash
    left join renamed on mapped.row_number = renamed.row_number
    where mapped.reason is null
),

told as (
    select
        events.*,
        batches.statement_seq
    from raw.events as events
    semi join suspects on events.key_hash = suspects.key_hash
    inner join raw.batches as batches on events.batch_seq = batches.batch_seq
    where events.source = $source and ($is_keyed or events.event_date between $first_date and $last_date)
),

-- Everything that was ever told of these keys, what the batch says last.
tellings as (
    select
        event_key,
        event_version,
        ingested_at,
        false as is_undated,
        statement_seq,
        batch_seq,
        row_number,
        hash(
            event_version, is_deletion, event_time, local_time, has_time, user_id, event_type, item_id, session_id,
            quantity_milli, amount_cents, discount_cents, coupon_cents, rating, text, place_id, campaign_id
        ) as content
    from told
    union all by name
    select
        event_key,
        event_version,
        ingested_at,
        is_undated,
        $statement_seq as statement_seq,
        $batch_seq as batch_seq,
        row_number,
        hash(
            event_version, is_deletion, event_time, local_time, has_time, user_id, event_type, item_id, session_id,
            quantity_milli, amount_cents, discount_cents, coupon_cents, rating, text, place_id, campaign_id
        ) as content
    from suspects
),

dated as (
    select
        * replace (case
            when is_undated
                then max(case when statement_seq <= $statement_seq then ingested_at end) over (
                    partition by event_key, event_version order by batch_seq, row_number
                )
            else ingested_at
        end as ingested_at),
        row_number() over (partition by event_key, content order by batch_seq, row_number) = 1 as is_first_telling,
        row_number() over (partition by event_key order by batch_seq, row_number) = 1 as is_first
    from tellings
),

-- In the order that decides which telling of a key holds (see clean/events.sql).
placed as (
    select
        *,
        {
            'version': event_version, 'ingested_at': ingested_at, 'batch_seq': batch_seq, 'row_number': row_number
        } as place
    from dated
),

held as (
    select
        event_key,
        max(place) filter (where batch_seq != $batch_seq or is_first_telling) as held_place,
        arg_max(content, place) filter (where batch_seq != $batch_seq or is_first_telling) as held_content,
        max(place) filter (where batch_seq = $batch_seq) as said_place,
        arg_max(content, place) filter (where batch_seq = $batch_seq) as said_content
    from placed
    group by event_key
)

select
    placed.row_number,
    placed.event_key,
    hash(placed.event_key) as key_hash,
    placed.ingested_at,
    placed.is_first_telling
    or (placed.place = held.said_place and held.said_place > held.held_place and held.said_content != held.held_content) as is_news,
    placed.is_first
from placed
inner join held on placed.event_key = held.event_key
where placed.batch_seq = $batch_seq
