-- raw.events
-- Grain:    one accepted event as received, appended in day order, the file's own where that is one, so that zone maps prune.
-- Inputs:   mapped (see keyed.sql), suspects (those of its rows whose key is told elsewhere too, see suspects.sql).
-- Promise:  nothing that holds already. Unless the source says when it learnt an event, that is when it happened
--           for a historical load ($is_historical), and $learnt_at for live data; a correction, not before what it corrects.
select
    $source as source,
    coalesce(suspects.event_key, mapped.event_key) as event_key,
    mapped.event_version,
    mapped.is_deletion,
    mapped.event_time,
    mapped.local_time,
    mapped.has_time,
    mapped.user_id,
    mapped.event_type,
    mapped.item_id,
    mapped.session_id,
    mapped.quantity_milli,
    mapped.amount_cents,
    mapped.discount_cents,
    mapped.coupon_cents,
    mapped.rating,
    mapped.text,
    mapped.place_id,
    mapped.campaign_id,
    mapped.event_time::date as event_date,
    coalesce(
        suspects.ingested_at,
        mapped.ingested_at,
        case when $is_historical then mapped.event_time else $learnt_at end
    ) as ingested_at,
    $batch_id as batch_id,
    $batch_seq as batch_seq,
    mapped.row_number,
    coalesce(suspects.is_first, true) as is_first,
    coalesce(suspects.key_hash, mapped.key_hash) as key_hash
from mapped
left join suspects on mapped.row_number = suspects.row_number
where mapped.reason is null and coalesce(suspects.is_news, true)
