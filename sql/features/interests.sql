-- features.interests
-- Grain:    user x day of the kept history: on its first day ($history_start) everybody who gave attention by then, on later days
--           whoever was active. Days before it need no rows: what is asked of them is derived from the days, by this file.
-- Inputs:   scoped_interest_days; $half_life_days of the forward decay, counted from landmarks $decay_era_days apart, $decay_epoch
--           one of them.
-- Promise:  shares of decayed attention, which only events change: under one common decay an order does not move with the
--           clock. Sums are whole numbers (forward decay in fixed point: Cormode et al., ICDE 2009), ties go by name. A row counts
--           from the landmark before the user's last day, so that a number holds any history, and what no event changes stays.
with

window_days as (
    select
        user_id,
        event_date,
{% for facet in facets %}
        {{ facet.name }}{{ facet.as_text }},
{% endfor %}
        points
    from scoped_interest_days
    where event_date between greatest($start, $history_start) and $end
),

active as (
    select distinct
        user_id,
        event_date,
        $decay_epoch + floor((event_date - $decay_epoch) / $decay_era_days)::integer * $decay_era_days as landmark
    from window_days
    union distinct
    select
        user_id,
        $history_start as event_date,
        $decay_epoch + floor((max(event_date) - $decay_epoch) / $decay_era_days)::integer * $decay_era_days as landmark
    from scoped_interest_days
    where event_date <= $history_start and $history_start between $start and $end
    group by user_id
),

eras as (
    select distinct
        user_id,
        landmark
    from active
),

past_masses as (
    select
        days.user_id,
        eras.landmark,
{% for facet in facets %}
        days.{{ facet.name }}{{ facet.as_text }},
{% endfor %}
        days.points::hugeint * round(1048576 * pow(2.0, (days.event_date - eras.landmark) / $half_life_days))::hugeint as mass
    from scoped_interest_days as days
    inner join eras on days.user_id = eras.user_id
    where days.event_date < greatest($start, $history_start)
),

window_masses as (
    select
        days.user_id,
        eras.landmark,
        days.event_date,
{% for facet in facets %}
        days.{{ facet.name }},
{% endfor %}
        days.points::hugeint * round(1048576 * pow(2.0, (days.event_date - eras.landmark) / $half_life_days))::hugeint as mass
    from window_days as days
    inner join eras on days.user_id = eras.user_id and days.event_date < eras.landmark + $decay_era_days
),

-- Where attention stood before the window, and what each of its days adds.
facets as (
    select
        user_id,
        landmark,
        greatest($start, $history_start) - 1 as event_date,
        case grouping_id({% for facet in facets %}{{ facet.name }}{{ '' if loop.last else ', ' }}{% endfor %})
{% for facet in facets %}
            when {{ facet.mask }} then '{{ facet.name }}'
{% endfor %}
        end as facet,
        coalesce({% for facet in facets %}{{ facet.name }}{{ '' if loop.last else ', ' }}{% endfor %}) as "value",
        sum(mass) as mass
    from past_masses
    group by grouping sets (
{% for facet in facets %}
        (user_id, landmark, {{ facet.name }}){{ '' if loop.last else ',' }}
{% endfor %}
    )
    union all
    select
        user_id,
        landmark,
        event_date,
        facet,
        "value",
        sum(mass) as mass
    from (
        select user_id, landmark, event_date, mass, unnest([
{% for facet in facets %}
            {'facet': '{{ facet.name }}', 'value': {{ facet.name }}}{{ '' if loop.last else ',' }}
{% endfor %}
        ], recursive := true)
        from window_masses
    )
    group by user_id, landmark, event_date, facet, "value"
),

running as (
    select
        user_id,
        landmark,
        facet,
        "value",
        event_date as from_date,
        lead(event_date, 1, date '9999-12-31') over value_days as to_date,
        sum(mass) over value_days as mass
    from facets
    window value_days as (partition by user_id, landmark, facet, "value" order by event_date)
),

at_day as (
    select
        active.user_id,
        active.event_date,
        running.facet,
        running."value",
        running.mass
    from active
    inner join running
        on
            active.user_id = running.user_id
            and active.landmark = running.landmark
            and active.event_date >= running.from_date
            and active.event_date < running.to_date
),

-- The smallest of (less mass, then name) are the strongest, in order: no sort of all that is weaker.
tops as (
    select
        user_id,
        event_date,
        facet,
        sum(mass) as total,
        count("value") as value_count,
        sum(mass) filter (where "value" is null) as unknown_mass,
        min({'below': -mass, 'value': "value"}, 5) filter (where "value" is not null) as strongest
    from at_day
    group by user_id, event_date, facet
),

shares as (
    select
        user_id,
        event_date,
        facet,
        value_count,
        case when total > 0 then greatest(unknown_mass, 0) * 1000 // total else 0 end as unknown_share_milli,
        list_transform(strongest, lambda entry: {
            'value': entry."value",
            'share_milli': (case when total > 0 then greatest(-entry.below, 0) * 1000 // total else 0 end)::bigint
        }) as listed
    from tops
)

select
    event_date,
    user_id,
{% for facet in facets %}
    coalesce(any_value(listed) filter (where facet = '{{ facet.name }}'), []) as {{ facet.plural }},
{% endfor %}
    coalesce(max(value_count) filter (where facet = '{{ main.name }}'), 0) as {{ main.name }}_count,
    coalesce(max(unknown_share_milli) filter (where facet = '{{ main.name }}'), 0)::bigint as unknown_share_milli
from shares
group by event_date, user_id
