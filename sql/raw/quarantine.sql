-- raw.quarantine
-- Grain:    one rejected row of a batch.
-- Inputs:   mapped (the stream's rows in canonical columns), received (each row as it was read, JSON).
-- Promise:  every rejected row, why, and all that it said.
select
    $source as source,
    $stream as stream,
    $batch_id as batch_id,
    mapped.row_number,
    mapped.reason,
    received.payload
from mapped
inner join received on mapped.row_number = received.row_number
where mapped.reason is not null
order by mapped.row_number
