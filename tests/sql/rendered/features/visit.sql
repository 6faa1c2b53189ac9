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
    where event_date between $start and $end and not list_contains($sent_types, event_type)
),

visits as (
    select
        event_date,
        user_id,
        visit_id,
        coalesce(sum(amount_cents) filter (where event_type = 'purchase'), 0)::bigint as spend_cents,
        coalesce(sum(amount_cents) filter (where event_type = 'return'), 0)::bigint as refund_cents,
        coalesce(sum(discount_cents) filter (where event_type = 'purchase'), 0)::bigint as discount_cents,
        coalesce(sum(coupon_cents) filter (where event_type = 'purchase'), 0)::bigint as coupon_cents,
        list({
            'event_time': event_time,
            'source': source,
            'event_key': event_key,
            'local_hour': local_hour,
            'local_weekday': local_weekday,
            'event_type': event_type,
            'item_id': item_id,
            'department': department,
            'category': category
        }) as unordered
    from events
    group by event_date, user_id, visit_id
),

-- Structs are ordered field by field, so events are by time, source and key: one sort for all the lists.
ordered as (
    select
        * exclude (unordered),
        list_sort(unordered) as lines
    from visits
)

select
    event_date,
    user_id,
    visit_id,
    lines[1].event_time as visit_time,
    list_filter(lines, lambda line: line.local_hour is not null)[1].local_hour as local_hour,
    lines[1].local_weekday as local_weekday,
    len(lines) as line_count,
    spend_cents,
    refund_cents,
    discount_cents,
    coupon_cents,
    list_transform(lines, lambda line: line.event_type) as event_types,
    list_transform(lines, lambda line: line.department) as departments,
    list_transform(lines, lambda line: line.category) as categories,
    list_transform(lines, lambda line: line.item_id) as item_ids
from ordered
