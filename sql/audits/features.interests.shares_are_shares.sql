-- Shares lie between 0 and 1,000 thousandths, strongest first.
-- Offenders: rows whose {{ main.plural }} break that.
select
    event_date,
    user_id,
    {{ main.plural }}
from features.interests
where
    list_sum(list_transform({{ main.plural }}, lambda entry: entry.share_milli)) > 1000
    or len(list_filter({{ main.plural }}, lambda entry: entry.share_milli < 0)) > 0
    or list_transform({{ main.plural }}, lambda entry: entry.share_milli)
    != list_reverse_sort(list_transform({{ main.plural }}, lambda entry: entry.share_milli))
