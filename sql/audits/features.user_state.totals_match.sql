-- Running totals end where the sum of the days ends; visits, less those that went on from the day before.
-- Offenders: users whose last state differs from the sum of their days.
-- Where a later batch makes days of it due, totals are not compared: another process may have landed it just now.
with

current_days as (
    select written.event_date
    from meta.materializations as written
    anti join (select * from raw.batches where rows_accepted > 0) as later
        on
            written.through_seq < later.batch_seq
            and written.event_date >= later.first_date
    where written.table_name = 'features.user_state'
),

due as (
    select count(*) as day_count
    from meta.materializations as written
    anti join current_days on written.event_date = current_days.event_date
    where written.table_name = 'features.user_state'
),

last_state as (
    select *
    from features.user_state
    qualify row_number() over (partition by user_id order by event_date desc) = 1
),

carried as (
    select
        user_id,
        sum(carried_visits) as visits
    from features.user_state
    group by user_id
),

sums as (
    select
        user_id,
{% for measure in added %}
        sum({{ measure.name }}) as {{ measure.name }},
{% endfor %}
        sum(visits) as visits,
        max(event_date) as event_date
    from features.user_day
    where event_date <= (select max(event_date) from meta.materializations where table_name = 'features.user_state')
    group by user_id
)

select
    sums.user_id,
    sums.event_date,
{% for measure in added %}
    sums.{{ measure.name }},
    last_state.{{ measure.name }} as state_{{ measure.name }},
{% endfor %}
    sums.visits - carried.visits as visits,
    last_state.visits as state_visits
from sums
left join last_state on sums.user_id = last_state.user_id
left join carried on sums.user_id = carried.user_id
inner join due on due.day_count = 0
where
    sums.event_date is distinct from last_state.event_date
{% for measure in added %}
    or sums.{{ measure.name }} is distinct from last_state.{{ measure.name }}
{% endfor %}
    or sums.visits - carried.visits is distinct from last_state.visits
