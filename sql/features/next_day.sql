-- features at the as-of, from those of the day before (the same rows as as_of.sql derives from scratch)
-- Grain:    user x the day $event_date.
-- Inputs:   scoped_snapshots of the day before, which must be up to date; features.user_day of the day and of those that leave
--           a window on it; features.user_state of the day and of those that open a window; features.interests of the day; all of
--           everybody; $time_zone is the source's.
-- Promise:  a window of w days is yesterday's, and today's partials, less those of the day w days ago. Nobody's past is read.
with

clock as (
    select timezone($time_zone, timezone('UTC', ($event_date + 1)::timestamp - interval 1 microsecond))::date as local_date
),

before as (
    select *
    from scoped_snapshots
    where event_date = $event_date - 1
),

state as (
    select
        *,
        case when {{ outcome.kept }} then last_{{ outcome.name }}_date end as last_kept_date
    from scoped_user_state
    where event_date = $event_date
),

interests as (
    select *
    from scoped_interests
    where event_date = $event_date
),

-- What comes into windows on the day (age 0) and what leaves one of w days (age w). A date, an item or a visit that the day before
-- counted already comes in no second time; where the day before has left, it stays.
moves as (
    select
        user_id,
        $event_date - event_date as age,
{% for name in windowed %}
        {{ name }}{{ '' if loop.last else ',' }}
{% endfor %}
    from scoped_user_day
    where event_date in ($event_date{% for days in windows %}, $event_date - {{ days }}{% endfor %})
    union all by name
    select
        user_id,
        case when event_date = $event_date then 0 else $event_date - event_date + 1 end as age,
{% for name in carried %}
        -carried_{{ name }} as {{ name }}{{ '' if loop.last else ',' }}
{% endfor %}
    from scoped_user_state
    where event_date in ($event_date{% for days in windows %}, $event_date - {{ days - 1 }}{% endfor %})
),

moved_by as (
    select
        user_id,
{% for name in windowed %}
{% set is_last = loop.last %}
{% for days in windows %}
        sum(case age when 0 then {{ name }} when {{ days }} then -{{ name }} end) as {{ name }}_{{ days }}d{{ '' if is_last and loop.last else ',' }}
{% endfor %}
{% endfor %}
    from moves
    group by user_id
),

users as (
    select
        coalesce(before.user_id, state.user_id) as user_id,
        state.user_id is not null as has_event
    from before
    full join state on before.user_id = state.user_id
),

moved as (
    select
        users.user_id,
        coalesce(state.first_date, before.first_date) as first_date,
        case when users.has_event then state.last_active_date else before.last_active_date end as last_active_date,
        case when users.has_event then state.last_kept_date else before.last_{{ outcome.name }}_date end as last_{{ outcome.name }}_date,
        -- Interpurchase times, as in as_of.sql.
        case
            when not users.has_event then before.mean_gap_days
            when state.{{ outcome.days }} >= 2
                then (state.last_{{ outcome.name }}_date - state.first_{{ outcome.name }}_date) / (state.{{ outcome.days }} - 1)
        end as mean_gap_days,
        case
            when not users.has_event then before.std_gap_days
            when state.{{ outcome.days }} >= 3 then sqrt(greatest(
                state.gap_square_days / (state.{{ outcome.days }} - 1)
                - pow((state.last_{{ outcome.name }}_date - state.first_{{ outcome.name }}_date) / (state.{{ outcome.days }} - 1), 2), 0
            ))
        end as std_gap_days,
        case when users.has_event then state.gap_days else before.last_gap_days end as last_gap_days,
{% for name in ever %}
        coalesce(state.{{ name }}, before.{{ name }}) as {{ name }},
{% endfor %}
{% for name in windowed %}
{% for days in windows %}
        coalesce(before.{{ name }}_{{ days }}d, 0) + coalesce(moved_by.{{ name }}_{{ days }}d, 0) as {{ name }}_{{ days }}d,
{% endfor %}
{% endfor %}
{% for facet in facets %}
        case when interests.user_id is not null then interests.{{ facet.plural }} else before.{{ facet.plural }} end as {{ facet.plural }},
{% endfor %}
        coalesce(interests.{{ main.name }}_count, before.{{ main.name }}_count, 0) as {{ main.name }}_count,
        coalesce(interests.unknown_share_milli, before.unknown_share_milli, 0) as unknown_share_milli
    from users
    left join before on users.user_id = before.user_id
    left join state on users.user_id = state.user_id
    left join moved_by on users.user_id = moved_by.user_id
    left join interests on users.user_id = interests.user_id
)

select
    moved.user_id,
    $event_date as event_date,
    $event_date + 1 as as_of,
    moved.first_date,
    clock.local_date - moved.first_date as tenure_days,
    moved.last_active_date,
    clock.local_date - moved.last_active_date as recency_days,
    moved.last_{{ outcome.name }}_date,
    clock.local_date - moved.last_{{ outcome.name }}_date as {{ outcome.name }}_recency_days,
    moved.* exclude (user_id, first_date, last_active_date, last_{{ outcome.name }}_date)
from moved
cross join clock
