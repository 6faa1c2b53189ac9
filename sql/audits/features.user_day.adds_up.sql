-- Partials add up to the events they come from.
-- Offenders: days whose counts, sums or activity differ between clean.events and features.user_day.
-- A day that a later batch touches is due, not wrong: another process may have landed it just now.
with

current_days as (
    select written.event_date
    from meta.materializations as written
    anti join (select * from raw.batches where rows_accepted > 0) as later
        on
            written.through_seq < later.batch_seq
            and written.event_date between later.first_date and later.last_date
    where written.table_name = 'features.user_day'
),

events as (
    select
        event_date,
{% for measure in added %}
        {{ measure.partial }} as {{ measure.name }},
{% endfor %}
        count(distinct row(user_id, local_date)) filter (where {{ active.where }}) as active_days
    from clean.events
    group by event_date
),

days as (
    select
        event_date,
{% for measure in added %}
        sum({{ measure.name }}) as {{ measure.name }},
{% endfor %}
        sum(active_days) as active_days
    from features.user_day
    group by event_date
)

select
    coalesce(events.event_date, days.event_date) as event_date,
{% for measure in added %}
    events.{{ measure.name }},
    days.{{ measure.name }} as partial_{{ measure.name }},
{% endfor %}
    events.active_days,
    days.active_days as partial_active_days
from events
full join days on events.event_date = days.event_date
semi join current_days on coalesce(events.event_date, days.event_date) = current_days.event_date
where
    events.active_days is distinct from days.active_days
{% for measure in added %}
    or events.{{ measure.name }} is distinct from days.{{ measure.name }}
{% endfor %}
