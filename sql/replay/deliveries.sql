-- What a replay delivers, and when.
-- Grain:    one event as raw holds it.
-- Inputs:   raw.events, raw.batches, of a warehouse where the source's own files have landed whole.
-- Promise:  every event that the source learnt on the days from $first through $last, once, on one of these days. A share of
--           $late_share, drawn by a hash of key and $seed, comes 1 to $late_days days late, at the latest on $last. All versions
--           of a key are as late as each other and keep their order (sequence), so the same one wins as if nothing were late.
with

told as (
    select
        events.* exclude (row_number),
        greatest(events.event_date, events.ingested_at::date) as told_date,
        row_number() over (
            order by events.event_version, events.ingested_at, batches.batch_seq, events.row_number
        ) as sequence
    from raw.events as events
    inner join raw.batches as batches on events.batch_id = batches.batch_id
),

drawn as (
    select
        told.*,
        case
            when md5_number_lower($seed || ' ' || event_key) % 1000000 < $late_share * 1000000
                then 1 + md5_number_upper($seed || ' ' || event_key) % $late_days
            else 0
        end::integer as delay_days
    from told
    where told_date between $first and $last
)

select
    least(told_date + delay_days, $last) as delivery_date,
    sequence,
    delay_days > 0 as is_late,
    event_key,
    event_version,
    is_deletion,
    event_time,
    has_time,
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
    case
        when delay_days > 0
            then least(ingested_at + to_days(delay_days), $last::timestamp + interval 1 day - interval 1 microsecond)
        else ingested_at
    end as ingested_at
from drawn
