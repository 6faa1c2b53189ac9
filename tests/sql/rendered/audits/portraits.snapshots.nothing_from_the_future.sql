-- A snapshot knows nothing at or after its as-of. Its dates are local: in a zone that is ahead of UTC the as-of's own date has begun.
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
    or tenure_days < 0
    or recency_days < 0
    or purchase_recency_days < 0
    or first_date > as_of
    or last_active_date - first_date != tenure_days - recency_days
    or last_purchase_date - first_date != tenure_days - purchase_recency_days
