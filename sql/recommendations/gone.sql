-- What went back: not to be offered again
-- Grain:    user x item.
-- Inputs:   clean.events.
-- Promise:  reads events of the day $end or before. As many units were returned as were bought, one where no quantity is known, and nothing
--           of the item was bought since the last return.
with

returned as (
    select distinct
        user_id,
        item_id
    from clean.events
    where event_date <= $end and event_type = 'return' and item_id is not null
)

select
    events.user_id,
    events.item_id
from clean.events as events
semi join returned on events.user_id = returned.user_id and events.item_id = returned.item_id
where events.event_date <= $end and events.event_type in ('purchase', 'return')
group by events.user_id, events.item_id
having
    max(events.event_time) filter (where events.event_type = 'purchase')
    <= max(events.event_time) filter (where events.event_type = 'return')
    and sum(
        case events.event_type when 'purchase' then 1 else -1 end
        * case when events.quantity_milli > 0 then events.quantity_milli else 1000 end
    ) <= 0
