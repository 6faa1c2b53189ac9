-- Probabilities are probabilities; the classes of an attribute sum to one.
-- Offenders: users and targets that break that.
select
    event_date,
    user_id,
    target,
    min(probability) as least,
    max(probability) as most,
    sum(probability) as total
from scores.predictions
group by event_date, user_id, target
having
    min(probability) < 0
    or max(probability) > 1
    or count(*) filter (where probability is null or isnan(probability)) > 0
    or (target != 'churn_14d' and abs(sum(probability) - 1) > 1e-6)
