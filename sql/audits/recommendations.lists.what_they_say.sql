-- Each list ranks from 1 without a gap, holds an item once, and keeps what was bought before apart from what the user never bought, saw, rated
-- or returned.
-- Offenders: lists that break that.
select
    lists.event_date,
    lists.user_id,
    lists.list,
    count(*) as row_count,
    count(distinct lists.item_id) as item_count,
    max(lists."rank") as last_rank,
    count(*) filter (where bought.item_id is not null) as seen_count
from recommendations.lists as lists
left join (
    select
        user_id,
        item_id,
        min(event_date) as first_date
    from clean.events
    where event_type in ('purchase', 'view', 'cart', 'search', 'review', 'return') and item_id is not null
    group by user_id, item_id
) as bought
    on lists.user_id = bought.user_id and lists.item_id = bought.item_id and lists.event_date >= bought.first_date
group by lists.event_date, lists.user_id, lists.list
having
    count(*) != count(distinct lists.item_id)
    or min(lists."rank") != 1
    or max(lists."rank") != count(*)
    or count(*) != count(distinct lists."rank")
    or max(lists."rank") > 20
    or lists.list not in ('again', 'discover')
    or (lists.list = 'discover' and count(*) filter (where bought.item_id is not null) > 0)
