-- raw.events, first step: the rows of a batch that may become events.
-- Grain:    one row of the batch that is not rejected.
-- Inputs:   mapped (the stream's rows in canonical columns), raw.events.
-- Promise:  a key each; whether the same was told before (is_known, is_repeat), by raw.events or by an earlier row of the batch;
--           and whether anything was ever told of the key (is_first). A declared key ($is_keyed) stands, and is looked for in
--           all of raw.events; without one the canonical row is the key, and where equal rows are distinct events
--           ($is_distinct) their ordinal counts too: then only the days of the batch ($first_date to $last_date) can hold it.
with

identified as (
    select
        row_number,
        coalesce(
            declared_key,
            md5(
                to_json(
                    [
                        event_time::varchar, user_id, event_type, item_id, session_id, quantity_milli::varchar,
                        amount_cents::varchar, discount_cents::varchar, coupon_cents::varchar, rating::varchar,
                        text, place_id, campaign_id
                    ]
                )::varchar
            )
        ) as row_key,
        event_version,
        is_deletion,
        event_time,
        local_time,
        user_id,
        event_type,
        item_id,
        session_id,
        quantity_milli,
        amount_cents,
        discount_cents,
        coupon_cents,
        rating,
        text,
        place_id,
        campaign_id,
        event_time::date as event_date,
        ingested_at
    from mapped
    where reason is null
),

-- The first of several equal rows keeps the bare key, so that both meanings of duplicates agree on it.
ordinals as (
    select
        row_number,
        row_number() over (partition by row_key, event_version, is_deletion order by row_number) as ordinal
    from identified
    where $is_distinct
),

named as (
    select
        identified.* exclude (row_key),
        identified.row_key || case when ordinals.ordinal > 1 then '#' || ordinals.ordinal else '' end as event_key
    from identified
    left join ordinals on identified.row_number = ordinals.row_number
),

keyed as (
    select
        *,
        hash((
            event_key, event_version, is_deletion, event_time, local_time, user_id, event_type, item_id, session_id,
            quantity_milli, amount_cents, discount_cents, coupon_cents, rating, text, place_id, campaign_id
        )) as row_hash
    from named
),

stored as (
    select
        event_key,
        event_version,
        is_deletion,
        event_time,
        local_time,
        user_id,
        event_type,
        item_id,
        session_id,
        quantity_milli,
        amount_cents,
        discount_cents,
        coupon_cents,
        rating,
        text,
        place_id,
        campaign_id
    from raw.events
    where
        source = $source
        and event_date between $first_date and $last_date
),

known as (
    select distinct keyed.row_number
    from stored
    inner join keyed
        on
            stored.event_key = keyed.event_key
            and stored.event_version = keyed.event_version
            and stored.is_deletion = keyed.is_deletion
            and stored.event_time = keyed.event_time
            and stored.local_time = keyed.local_time
            and stored.user_id = keyed.user_id
            and stored.event_type = keyed.event_type
            and stored.item_id is not distinct from keyed.item_id
            and stored.session_id is not distinct from keyed.session_id
            and stored.quantity_milli is not distinct from keyed.quantity_milli
            and stored.amount_cents is not distinct from keyed.amount_cents
            and stored.discount_cents is not distinct from keyed.discount_cents
            and stored.coupon_cents is not distinct from keyed.coupon_cents
            and stored.rating is not distinct from keyed.rating
            and stored.text is not distinct from keyed.text
            and stored.place_id is not distinct from keyed.place_id
            and stored.campaign_id is not distinct from keyed.campaign_id
),

-- Equal rows share a hash, so only rows that share one are compared.
alike as (
    select row_hash
    from keyed
    group by row_hash
    having count(*) > 1
),

repeats as (
    select row_number
    from keyed
    semi join alike on keyed.row_hash = alike.row_hash
    qualify
        row_number() over (
            partition by
                event_key, event_version, is_deletion, event_time, local_time, user_id, event_type, item_id, session_id,
                quantity_milli, amount_cents, discount_cents, coupon_cents, rating, text, place_id, campaign_id
            order by keyed.row_number
        ) > 1
),

told_keys as (
    select distinct events.event_key
    from raw.events as events
    semi join keyed on events.event_key = keyed.event_key
    where events.source = $source and ($is_keyed or events.event_date between $first_date and $last_date)
),

-- Keys that come more than once in the batch, with the first row of each.
openers as (
    select
        event_key,
        min(row_number) as row_number
    from keyed
    group by event_key
    having count(*) > 1
)

select
    keyed.* exclude (row_hash),
    known.row_number is not null as is_known,
    repeats.row_number is not null as is_repeat,
    told_keys.event_key is null and coalesce(keyed.row_number = openers.row_number, true) as is_first
from keyed
left join openers on keyed.event_key = openers.event_key
left join known on keyed.row_number = known.row_number
left join repeats on keyed.row_number = repeats.row_number
left join told_keys on keyed.event_key = told_keys.event_key
