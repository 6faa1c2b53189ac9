-- The partition is the UTC day of the event, and an event belongs to somebody.
-- Offenders: events filed under another day, or without a user or a time.
select
    source,
    event_key,
    event_time,
    event_date,
    user_id
from raw.events
where event_date is distinct from event_time::date or user_id is null or event_key is null
