-- A prediction is a probability or an amount; the classes of an attribute sum to one.
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
    or min("value") < 0
    or count(*) filter (where (probability is null) = ("value" is null) or isnan(coalesce(probability, "value"))) > 0
    or (max(class) is not null and abs(sum(probability) - 1) > 1e-6)
