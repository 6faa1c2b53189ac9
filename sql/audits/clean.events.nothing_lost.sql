-- On the days that are clean, every key whose newest version lives is there, and no other.
-- Offenders: days whose clean count differs from the count of living keys.
with

newest as (
    select
        events.event_date,
        events.is_deletion
    from raw.events as events
    inner join raw.batches as batches on events.batch_id = batches.batch_id
    qualify row_number() over (
        partition by events.source, events.event_key
        order by
            events.event_version desc, events.ingested_at desc, batches.batch_seq desc, events.row_number desc
    ) = 1
),

living as (
    select
        event_date,
        count(*) as row_count
    from newest
    where not is_deletion
    group by event_date
),

cleaned as (
    select
        event_date,
        count(*) as row_count
    from clean.events
    group by event_date
),

written as (
    select event_date
    from meta.materializations
    where table_name = 'clean.events'
)

select
    written.event_date,
    coalesce(living.row_count, 0) as living_keys,
    coalesce(cleaned.row_count, 0) as clean_rows
from written
left join living on written.event_date = living.event_date
left join cleaned on written.event_date = cleaned.event_date
where coalesce(living.row_count, 0) != coalesce(cleaned.row_count, 0)
