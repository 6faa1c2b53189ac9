-- features.user_day
-- Grain:    user x UTC day x local date (a UTC day holds parts of two local dates, in the source's zone).
-- Inputs:   scoped_events; $visit_types are the event types that make a visit.
-- Promise:  whole-number partials of the day alone: sums add up over any range of days. What is counted distinct (days, visits, items)
--           is so within the UTC day, and carries what it counted: user_state takes off what the day before counted already.
--           Exposures alone make no activity; what is no shopping (a review, a return) makes no visit, and a date without an
--           hour begins in no part of the day.
with

events as not materialized (
    select *
    from scoped_events
    where event_date between $start and $end
),

-- The instant a visit begins, packed with its weekday; and the first of it that has an hour, packed with that.
beginnings as (
    select
        event_date,
        user_id,
        visit_id,
        min(local_date) as local_date,
        (min(epoch_us(event_time) * 7 + local_weekday - 1) % 7 + 1)::utinyint as local_weekday,
        (min(epoch_us(event_time) * 24 + local_hour) % 24)::utinyint as local_hour
    from events
    where list_contains($visit_types, event_type)
    group by event_date, user_id, visit_id
),

visits as (
    select
        event_date,
        user_id,
        local_date,
{% for measure in begun %}
        count(*) filter (where {{ measure.begun() }}) as {{ measure.name }},
{% endfor %}
        list({'visit_id': visit_id, 'local_hour': local_hour, 'local_weekday': local_weekday} order by visit_id) as begun
    from beginnings
    group by event_date, user_id, local_date
),

{% for measure in distinct %}
counted_{{ measure.name }} as (
    select
        event_date,
        user_id,
        local_date,
        list(distinct {{ measure.of }} order by {{ measure.of }}) as counted
    from events
    where ({{ measure.where or 'true' }}) and ({{ measure.of }}) is not null
    group by event_date, user_id, local_date
),

{% endfor %}
days as (
    select
        event_date,
        user_id,
        local_date,
{% for measure in made_of_events %}
        {{ measure.partial }} as {{ measure.name }}{{ '' if loop.last and not last else ',' }}
{% endfor %}
{% for measure in last %}
        max(event_time) filter (where ({{ measure.where or 'true' }}) and ({{ measure.of }}) is not null) as {{ measure.name }}_at{{ '' if loop.last else ',' }}
{% endfor %}
    from events
    group by event_date, user_id, local_date
)

select
    days.*,
{% for measure in begun %}
    coalesce(visits.{{ measure.name }}, 0) as {{ measure.name }},
{% endfor %}
{% for measure in distinct %}
    coalesce(len(counted_{{ measure.name }}.counted), 0) as {{ measure.name }},
    coalesce(counted_{{ measure.name }}.counted, []) as {{ measure.name }}_values,
{% endfor %}
    coalesce(visits.begun, []) as begun_visits
from days
left join visits
    on days.event_date = visits.event_date and days.user_id = visits.user_id and days.local_date = visits.local_date
{% for measure in distinct %}
left join counted_{{ measure.name }}
    on days.event_date = counted_{{ measure.name }}.event_date and days.user_id = counted_{{ measure.name }}.user_id
        and days.local_date = counted_{{ measure.name }}.local_date
{% endfor %}
