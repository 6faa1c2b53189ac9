-- features.user_day_interest
-- Grain:    user x UTC day x value of each facet that attention is counted by.
-- Inputs:   scoped_events; $point_types and $point_values give the attention points of an event type.
-- Promise:  whole-number partials: any range of days is the sum of its days. Event types without points leave no row.
with

events as (
    select
        event_date,
        user_id,
{% for facet in facets %}
        {{ facet.name }},
{% endfor %}
        event_type,
        amount_cents,
        map($point_types, $point_values)[event_type] as points
    from scoped_events
    where event_date between $start and $end and item_id is not null
)

select
    event_date,
    user_id,
{% for facet in facets %}
    {{ facet.name }},
{% endfor %}
    sum(points)::bigint as points,
    count(*) filter (where event_type = 'purchase') as purchases,
    coalesce(sum(amount_cents) filter (where event_type = 'purchase'), 0)::bigint as spend_cents
from events
where points is not null
group by
    event_date,
    user_id,
{% for facet in facets %}
    {{ facet.name }}{{ '' if loop.last else ',' }}
{% endfor %}
