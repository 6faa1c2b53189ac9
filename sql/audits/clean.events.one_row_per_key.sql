-- A key is one event.
-- Offenders: keys with more than one clean row.
select
    source,
    event_key,
    count(*) as row_count
from clean.events
group by source, event_key
having count(*) > 1
