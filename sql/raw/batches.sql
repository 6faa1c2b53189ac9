-- raw.batches
-- Grain:    one landed batch: one file of one stream.
-- Inputs:   received (the rows of the file), mapped (those of the stream), accepted (those of them that told something new),
--           raw.events.
-- Promise:  rows_in = rows_accepted + rows_duplicate + rows_rejected; a row is a duplicate if it was read, was fine, and
--           told nothing new. Rows outside the stream's `where` are skipped: counted, but not read. first_date is the first
--           day the batch can change: a correction that moves an event to a later day also changes the day it leaves.
with

-- Only a declared key ($is_keyed) is shared by events that differ.
replaced as (
    select events.event_date
    from raw.events as events
    semi join accepted on events.event_key = accepted.event_key
    where $is_keyed and events.source = $source and events.batch_id != $batch_id
),

counts as (
    select
        (select count(*) from received) as rows_received,
        (select count(*) from mapped) as rows_in,
        (select count(*) from mapped where reason is not null) as rows_rejected,
        (select count(*) from accepted) as rows_accepted,
        (select min(event_date) from (select event_date from accepted union all select event_date from replaced)) as first_date,
        (select max(event_date) from accepted) as last_date
)

select
    $batch_id as batch_id,
    (select coalesce(max(batch_seq), 0) + 1 from raw.batches) as batch_seq,
    $source as source,
    $stream as stream,
    $declaration as declaration,
    $files as files,
    $sha256 as sha256,
    $bytes as bytes,
    rows_in,
    rows_accepted,
    rows_in - rows_accepted - rows_rejected as rows_duplicate,
    rows_rejected,
    rows_received - rows_in as rows_skipped,
    first_date,
    last_date,
    $now as landed_at
from counts
