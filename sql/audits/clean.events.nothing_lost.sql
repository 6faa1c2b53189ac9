-- On the days that are clean, every key whose newest version lives is there, and no other; and every day with events is one of the
-- home's, $first to $last.
-- Offenders: days whose clean count differs from the count of living keys, and days outside the home's.
-- A day that a later batch touches is due, not wrong: another process may have landed it just now.
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

current_days as (
    select written.event_date
    from meta.materializations as written
    anti join (select * from raw.batches where rows_accepted > 0) as later
        on
            written.through_seq < later.batch_seq
            and written.event_date between later.first_date and later.last_date
    where written.table_name = 'clean.events'
    union distinct
    select event_date
    from living
    where event_date not between $first and $last
)

select
    current_days.event_date,
    coalesce(living.row_count, 0) as living_keys,
    coalesce(cleaned.row_count, 0) as clean_rows
from current_days
left join living on current_days.event_date = living.event_date
left join cleaned on current_days.event_date = cleaned.event_date
where coalesce(living.row_count, 0) != coalesce(cleaned.row_count, 0)
