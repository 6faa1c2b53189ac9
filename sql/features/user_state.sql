-- features.user_state
-- Grain:    user x active UTC day.
-- Inputs:   scoped_user_day, of the window and the day before it; scoped_user_state of the days before the window, from which its
--           totals go on.
-- Promise:  running totals of whole numbers through the day, from the first day on: the same whatever window writes them. Dates are
--           the source's local dates. A local date meets two UTC days: what the day before counted already (a date, an item bought
--           on it, a visit that goes on) counts no second time, and `carried_…` says how much of that there was, so that a window that
--           begins on this day can count it.
with

window_days as (
    select *
    from scoped_user_day
    where event_date between $start and $end
),

window_users as (
    select distinct user_id
    from window_days
),

-- Where each user's totals stood before the window: one more day, with all that was before in it.
last_days as (
    select
        state.user_id,
        max(state.event_date) as event_date
    from scoped_user_state as state
    semi join window_users on state.user_id = window_users.user_id
    where state.event_date < $start
    group by state.user_id
),

stood as (
    select state.*
    from scoped_user_state as state
    semi join last_days on state.user_id = last_days.user_id and state.event_date = last_days.event_date
),

met as (
    select
        today.event_date,
        today.user_id,
        today.local_date = before.local_date as is_same_date,
{% for measure in dates %}
        least(today.{{ measure.name }}, before.{{ measure.name }}) as {{ measure.name }},
{% endfor %}
{% for measure in distinct %}
        len(list_intersect(today.{{ measure.name }}_values, before.{{ measure.name }}_values)) as {{ measure.name }},
{% endfor %}
        list_filter(today.begun_visits, lambda visit: list_contains(
            list_transform(before.begun_visits, lambda begun: begun.visit_id), visit.visit_id
        )) as gone_on
    from window_days as today
    inner join scoped_user_day as before
        on today.user_id = before.user_id and today.event_date - 1 = before.event_date
    where before.event_date between $start - 1 and $end
),

carried as (
    select
        event_date,
        user_id,
{% for measure in dates %}
        coalesce(max({{ measure.name }}) filter (where is_same_date), 0) as {{ measure.name }},
{% endfor %}
{% for measure in distinct %}
        coalesce(sum({{ measure.name }}) filter (where is_same_date), 0) as {{ measure.name }},
{% endfor %}
{% for measure in begun %}
        sum(len(list_filter(gone_on, lambda visit: {{ measure.begun('visit.') }}))) as {{ measure.name }}{{ '' if loop.last else ',' }}
{% endfor %}
    from met
    group by event_date, user_id
),

outcome_dates as (
    select
        user_id,
        local_date,
        min(event_date) as event_date
    from window_days
    where {{ outcome.days }} = 1
    group by user_id, local_date
),

known_dates as (
    select
        user_id,
        local_date
    from outcome_dates
    union all
    select
        user_id,
        last_{{ outcome.name }}_date as local_date
    from stood
    where last_{{ outcome.name }}_date is not null
),

-- Dates are joined with those before them, and days with those through them, not windowed: each function of a window takes DuckDB
-- half a millisecond to begin, which the live service would pay at every turn. Long windows are written in parts, so pairs stay few.
gaps as (
    select
        dates.user_id,
        dates.event_date,
        dates.local_date as gap_date,
        dates.local_date - max(earlier.local_date) as gap_days
    from outcome_dates as dates
    inner join known_dates as earlier on dates.user_id = earlier.user_id and dates.local_date > earlier.local_date
    group by dates.user_id, dates.event_date, dates.local_date
),

-- What each day adds; where the totals stood is one more of them.
steps as (
    select
        * exclude ({% for name in carried %}carried_{{ name }}{{ '' if loop.last else ', ' }}{% endfor %}),
        last_{{ outcome.name }}_date as gap_date
    from stood
    union all by name
    select
        * exclude (local_date, begun_visits{% for measure in distinct %}, {{ measure.name }}_values{% endfor %}),
        local_date as first_date,
        case when active_days = 1 then local_date end as last_active_date,
        case when {{ outcome.days }} = 1 then local_date end as first_{{ outcome.name }}_date,
        case when {{ outcome.days }} = 1 then local_date end as last_{{ outcome.name }}_date
    from window_days
    union all by name
    select
        event_date,
        user_id,
        gap_date,
        gap_days,
        gap_days * gap_days as gap_square_days
    from gaps
    union all by name
    select
        event_date,
        user_id,
{% for measure in counted_once %}
        -{{ measure.name }} as {{ measure.name }}{{ '' if loop.last else ',' }}
{% endfor %}
    from carried
),

totals as (
    select
        days.event_date,
        days.user_id,
        min(steps.first_date) as first_date,
        max(steps.last_active_date) as last_active_date,
        min(steps.first_{{ outcome.name }}_date) as first_{{ outcome.name }}_date,
        max(steps.last_{{ outcome.name }}_date) as last_{{ outcome.name }}_date,
        max_by(steps.gap_days, steps.gap_date) filter (where steps.gap_days is not null) as gap_days,
        coalesce(sum(steps.gap_square_days), 0) as gap_square_days,
{% for measure in last %}
        max(steps.{{ measure.name }}_at) as {{ measure.name }}_at,
{% endfor %}
{% for measure in measures %}
        {{ measure.total }} as {{ measure.name }}{{ '' if loop.last else ',' }}
{% endfor %}
    from (select distinct event_date, user_id from window_days) as days
    inner join steps on days.user_id = steps.user_id and days.event_date >= steps.event_date
    group by days.event_date, days.user_id
)

select
    totals.*,
{% for name in carried %}
    coalesce(carried.{{ name }}, 0) as carried_{{ name }}{{ '' if loop.last else ',' }}
{% endfor %}
from totals
left join carried on totals.event_date = carried.event_date and totals.user_id = carried.user_id
