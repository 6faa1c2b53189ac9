-- Ranks run from 1 without a gap, an item stands once in a list, scores fall, every item has a reason, and a draw a chance.
-- Offenders: lists that break that.
select
    event_date,
    user_id,
    count(*) as row_count,
    count(distinct item_id) as item_count,
    min("rank") as first_rank,
    max("rank") as last_rank
from recommendations.top
group by event_date, user_id
having
    count(*) != count(distinct item_id)
    or count(*) != count(distinct "rank")
    or min("rank") != 1
    or max("rank") != count(*)
    or max("rank") > 20
    or count(*) filter (where coalesce(reason, '') = '') > 0
    or count(*) filter (where draw_chance <= 0 or draw_chance > 1) > 0
    or list(score order by "rank") != list_reverse_sort(list(score))
