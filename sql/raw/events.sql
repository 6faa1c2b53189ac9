-- raw.events
-- Grain:    one accepted event as received, appended in day order so that zone maps prune.
-- Inputs:   candidates (see candidates.sql).
-- Promise:  nothing that was told before. Unless the source says when it learnt an event, that is when it happened
--           for a historical load ($is_historical), and $now for live data.
select
    $source as source,
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
    campaign_id,
    event_date,
    coalesce(ingested_at, case when $is_historical then event_time else $now end) as ingested_at,
    $batch_id as batch_id,
    $batch_seq as batch_seq,
    row_number,
    is_first
from candidates
where not is_known and not is_repeat
order by event_date, row_number
