-- features at the as-of (not stored: what moves with the clock is derived when asked for)
-- Grain:    user x day of `wanted_days(event_date)`; the state at the end of that day.
-- Inputs:   scoped_user_state, known_interests, wanted_days; $time_zone is the source's.
-- Promise:  reads rows of the day or before, never after; a window of w days is the running total less the one w days ago, and what
--           the first of these days found counted already. Windows are of UTC days; ages are of local dates, that of the last
--           microsecond before the as-of less that of the event.
with

clock as (
    select
        event_date,
        timezone($time_zone, timezone('UTC', (event_date + 1)::timestamp - interval 1 microsecond))::date as local_date
    from wanted_days
),

first_seen as (
    select
        user_id,
        min(event_date) as first_day
    from scoped_user_state
    group by user_id
),

grid as (
    select
        first_seen.user_id,
        clock.event_date,
        clock.local_date
    from clock
    inner join first_seen on first_seen.first_day <= clock.event_date
),

now as (
    select
        grid.user_id,
        grid.event_date,
        grid.local_date,
        case when {{ outcome.kept }} then state.last_{{ outcome.name }}_date end as last_kept_date,
        state.* exclude (user_id, event_date)
    from grid
    asof inner join scoped_user_state as state
        on grid.user_id = state.user_id and grid.event_date >= state.event_date
),

-- Where each user's totals stood when each window began: one look into the past for all windows.
looks as (
    select
        grid.user_id,
        grid.event_date,
        windows.days,
        grid.event_date - windows.days as look_date
    from grid
    cross join (select unnest([{{ windows | join(', ') }}]) as days) as windows
),

stood as (
    select
        looks.user_id,
        looks.event_date,
        looks.days,
        {
{% for name in windowed %}
            '{{ name }}': state.{{ name }}{% if name in carried %} - coalesce(opening.carried_{{ name }}, 0){% endif %}{{ '' if loop.last else ',' }}
{% endfor %}
        } as totals
    from looks
    asof inner join scoped_user_state as state
        on looks.user_id = state.user_id and looks.look_date >= state.event_date
    left join scoped_user_state as opening
        on looks.user_id = opening.user_id and looks.look_date + 1 = opening.event_date
),

before as (
    select
        user_id,
        event_date,
{% for days in windows %}
        any_value(totals) filter (where days = {{ days }}) as totals_{{ days }}{{ '' if loop.last else ',' }}
{% endfor %}
    from stood
    group by user_id, event_date
),

interests as (
    select
        grid.user_id,
        grid.event_date,
        interests.* exclude (user_id, event_date)
    from grid
    asof left join known_interests as interests
        on grid.user_id = interests.user_id and grid.event_date >= interests.event_date
)

select
    now.user_id,
    now.event_date,
    now.event_date + 1 as as_of,
    now.first_date,
    now.local_date - now.first_date as tenure_days,
    now.last_active_date,
    now.local_date - now.last_active_date as recency_days,
    now.last_kept_date as last_{{ outcome.name }}_date,
    now.local_date - now.last_kept_date as {{ outcome.name }}_recency_days,
    -- Interpurchase times: gaps telescope, so the mean needs only the two ends; the spread needs the running sum of squares.
    case
        when now.{{ outcome.days }} >= 2
            then (now.last_{{ outcome.name }}_date - now.first_{{ outcome.name }}_date) / (now.{{ outcome.days }} - 1)
    end as mean_gap_days,
    case
        when now.{{ outcome.days }} >= 3 then sqrt(greatest(
            now.gap_square_days / (now.{{ outcome.days }} - 1)
            - pow((now.last_{{ outcome.name }}_date - now.first_{{ outcome.name }}_date) / (now.{{ outcome.days }} - 1), 2), 0
        ))
    end as std_gap_days,
    now.gap_days as last_gap_days,
{% for name in ever %}
    now.{{ name }},
{% endfor %}
{% for name in windowed %}
{% for days in windows %}
    now.{{ name }} - coalesce(before.totals_{{ days }}.{{ name }}, 0) as {{ name }}_{{ days }}d,
{% endfor %}
{% endfor %}
{% for facet in facets %}
    interests.{{ facet.plural }},
{% endfor %}
    coalesce(interests.{{ main.name }}_count, 0) as {{ main.name }}_count,
    coalesce(interests.unknown_share_milli, 0) as unknown_share_milli
from now
left join before on now.user_id = before.user_id and now.event_date = before.event_date
inner join interests on now.user_id = interests.user_id and now.event_date = interests.event_date
