-- raw.batches
-- Grain:    one landed batch: one file of one stream.
-- Inputs:   received (the rows of the file), mapped (those of the stream), accepted (those of them that told something new),
--           raw.events.
-- Promise:  rows_in = rows_accepted + rows_duplicate + rows_rejected; a row is a duplicate if it was read, was fine, and
--           told nothing new. Rows outside the stream's `where`, and those without an id that another stream of the table
--           rejects, are skipped: counted, but not read. first_date to last_date are the
--           days the batch can change: a correction that moves an event to another day also changes the day it leaves.
with

corrected as (
    select event_key
    from accepted
    where not is_first
),

replaced as (
    select events.event_date
    from raw.events as events
    semi join corrected on events.event_key = corrected.event_key
    where events.source = $source
),

changed_days as (
    select event_date
    from accepted
    union all
    select event_date
    from replaced
),

counts as (
    select
        (select count(*) from received) as rows_received,
        (select count(*) from mapped) as rows_in,
        (select count(*) from mapped where reason is not null) as rows_rejected,
        (select count(*) from accepted) as rows_accepted,
        (select min(event_date) from changed_days) as first_date,
        (select max(event_date) from changed_days) as last_date
)

select
    $batch_id as batch_id,
    $batch_seq as batch_seq,
    $source as source,
    $stream as stream,
    $declaration as declaration,
    $files as files,
    $sha256 as sha256,
    $bytes as bytes,
    $statement_seq as statement_seq,
    $keep as keep,
    rows_in,
    rows_accepted,
    rows_in - rows_accepted - rows_rejected as rows_duplicate,
    rows_rejected,
    rows_received - rows_in as rows_skipped,
    first_date,
    last_date,
    $now as landed_at
from counts
