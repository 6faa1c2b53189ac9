-- raw.events, first step: the rows of a batch whose key is told elsewhere too.
-- Grain:    one row of the batch that is not rejected and shares the hash of its key with another row, or with raw.events; nearly
--           none do, so nearly all rows are never compared.
-- Inputs:   mapped (see keyed.sql), raw.events.
-- Promise:  its key; whether the same was told before (is_known, is_repeat), by raw.events or by an earlier row of the batch;
--           and whether anything was ever told of the key (is_first). A declared key ($is_keyed) is looked for in
--           all of raw.events; without one the canonical row is the key, and where equal rows are distinct events
--           ($is_distinct) their ordinal counts too: then only the days of the batch ($first_date to $last_date) can hold it.
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
        hash(coalesce(renamed.event_key, mapped.event_key)) as key_hash
    from mapped
    semi join suspect_hashes on mapped.key_hash = suspect_hashes.key_hash
    left join renamed on mapped.row_number = renamed.row_number
    where mapped.reason is null
),

told as (
    select events.*
    from raw.events as events
    semi join suspects on events.key_hash = suspects.key_hash
    where events.source = $source and ($is_keyed or events.event_date between $first_date and $last_date)
),

known as (
    select distinct suspects.row_number
    from told
    inner join suspects
        on
            told.event_key = suspects.event_key
            and told.event_version = suspects.event_version
            and told.is_deletion = suspects.is_deletion
            and told.event_time = suspects.event_time
            and told.local_time = suspects.local_time
            and told.has_time = suspects.has_time
            and told.user_id = suspects.user_id
            and told.event_type = suspects.event_type
            and told.item_id is not distinct from suspects.item_id
            and told.session_id is not distinct from suspects.session_id
            and told.quantity_milli is not distinct from suspects.quantity_milli
            and told.amount_cents is not distinct from suspects.amount_cents
            and told.discount_cents is not distinct from suspects.discount_cents
            and told.coupon_cents is not distinct from suspects.coupon_cents
            and told.rating is not distinct from suspects.rating
            and told.text is not distinct from suspects.text
            and told.place_id is not distinct from suspects.place_id
            and told.campaign_id is not distinct from suspects.campaign_id
),

told_keys as (
    select distinct event_key
    from told
),

numbered as (
    select
        row_number,
        event_key,
        key_hash,
        row_number() over (
            partition by
                event_key, event_version, is_deletion, event_time, local_time, has_time, user_id, event_type, item_id, session_id,
                quantity_milli, amount_cents, discount_cents, coupon_cents, rating, text, place_id, campaign_id
            order by row_number
        ) as telling,
        min(row_number) over (partition by event_key) as first_row
    from suspects
)

select
    numbered.row_number,
    numbered.event_key,
    numbered.key_hash,
    known.row_number is not null as is_known,
    numbered.telling > 1 as is_repeat,
    told_keys.event_key is null and numbered.row_number = numbered.first_row as is_first
from numbered
left join known on numbered.row_number = known.row_number
left join told_keys on numbered.event_key = told_keys.event_key
