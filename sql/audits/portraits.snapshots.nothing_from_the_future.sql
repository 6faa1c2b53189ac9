-- A snapshot knows nothing at or after its as-of.
-- Offenders: portraits that do.
select
    event_date,
    user_id,
    as_of,
    first_date,
    last_active_date,
    last_purchase_date
from portraits.snapshots
where
    as_of != event_date + 1
    or first_date >= as_of
    or last_active_date >= as_of
    or last_purchase_date >= as_of
    or tenure_days < 0
    or recency_days < 0
