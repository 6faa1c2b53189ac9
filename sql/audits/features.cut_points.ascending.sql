-- Cuts ascend.
-- Offenders: months whose cuts do not.
select
    event_date,
    measure,
    cuts
from features.cut_points
where cuts != list_sort(cuts)
