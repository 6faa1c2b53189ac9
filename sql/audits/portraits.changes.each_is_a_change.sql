-- A change changes something, and follows on from the one before.
-- Offenders: changes that do not.
select
    user_id,
    tag_id,
    event_date,
    from_value,
    to_value,
    lag(to_value) over (partition by user_id, tag_id order by event_date) as value_before
from portraits.changes
qualify from_value is not distinct from to_value or from_value is distinct from value_before
