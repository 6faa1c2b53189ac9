-- Probabilities of next purchases are probabilities.
-- Offenders: users and targets that break that.
select
    event_date,
    user_id,
    target,
    class,
    probability
from scores.next_purchases
where probability is null or isnan(probability) or probability < 0 or probability > 1 or class is null
