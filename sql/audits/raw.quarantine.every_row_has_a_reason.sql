-- A rejected row says why.
-- Offenders: quarantined rows without a reason or without the row as received.
select
    source,
    stream,
    batch_id,
    row_number
from raw.quarantine
where coalesce(trim(reason), '') = '' or payload is null
