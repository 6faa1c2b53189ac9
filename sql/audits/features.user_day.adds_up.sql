-- Partials add up to the events they come from.
-- Offenders: days whose purchases, spend or activity differ between clean.events and features.user_day.
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
        count(*) filter (where event_type = 'purchase') as purchases,
        coalesce(sum(amount_cents) filter (where event_type = 'purchase'), 0) as spend_cents,
        count(distinct row(user_id, local_date)) filter (where event_type != 'exposure') as active_days
    from clean.events
    group by event_date
),

days as (
    select
        event_date,
        sum(purchases) as purchases,
        sum(spend_cents) as spend_cents,
        sum(active_days) as active_days
    from features.user_day
    group by event_date
)

select
    events.event_date,
    events.purchases,
    days.purchases as partial_purchases,
    events.spend_cents,
    days.spend_cents as partial_spend_cents
from events
full join days on events.event_date = days.event_date
semi join current_days on coalesce(events.event_date, days.event_date) = current_days.event_date
where
    events.purchases is distinct from days.purchases
    or events.spend_cents is distinct from days.spend_cents
    or events.active_days is distinct from days.active_days
