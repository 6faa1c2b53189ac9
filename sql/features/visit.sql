-- features.visit
-- Grain:    user x visit x UTC day.
-- Inputs:   scoped_events.
-- Promise:  each event of the window once, in a total order. A visit over midnight is one row a day, so a day stands alone.
with

events as (
    select
        event_date,
        user_id,
        visit_id,
        event_time,
        source,
        event_key,
        event_type,
        local_hour,
        local_weekday,
        item_id,
        department,
        category,
        amount_cents,
        discount_cents,
        coupon_cents
    from scoped_events
    where event_date between $start and $end and event_type != 'exposure'
)

select
    event_date,
    user_id,
    visit_id,
    min(event_time) as visit_time,
    arg_min(local_hour, (event_time, source, event_key)) as local_hour,
    arg_min(local_weekday, (event_time, source, event_key)) as local_weekday,
    count(*) as line_count,
    coalesce(sum(amount_cents) filter (where event_type = 'purchase'), 0)::bigint as spend_cents,
    coalesce(sum(discount_cents) filter (where event_type = 'purchase'), 0)::bigint as discount_cents,
    coalesce(sum(coupon_cents) filter (where event_type = 'purchase'), 0)::bigint as coupon_cents,
    list(event_type order by event_time, source, event_key) as event_types,
    list(item_id order by event_time, source, event_key) as item_ids,
    list(department order by event_time, source, event_key) as departments,
    list(category order by event_time, source, event_key) as categories
from events
group by event_date, user_id, visit_id
order by event_date, user_id, visit_time, visit_id
