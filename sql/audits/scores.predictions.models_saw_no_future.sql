-- A prediction comes from a model whose training saw nothing after the day's as-of.
-- Offenders: days scored by a later model.
select distinct
    predictions.event_date,
    predictions.model_version,
    registry.trained_through
from scores.predictions as predictions
left join models.registry as registry on predictions.model_version = registry.version and registry.status = 'champion'
where registry.trained_through is null or registry.trained_through > predictions.event_date + 1
