-- observability.tag_quality, the part that is counted
-- Grain:    tag that anybody has on the published day $end.
-- Inputs:   day_tags: the tags of that day as tags.parquet has them; portraits.snapshots; portraits.changes of the $weeks before.
-- Promise:  what each tag covers, how sure and how old it is, how often it moves. A flip is a value taken by another or lost.
with

everybody as (
    select count(*) as users
    from portraits.snapshots
    where event_date = $end
),

held as (
    select
        tag_id,
        count(*) as users,
        avg(is_stale::int) as stale_share,
        avg(confidence) as mean_confidence,
        median($end::date - valid_from) as median_age_days
    from day_tags
    group by tag_id
),

flips as (
    select
        tag_id,
        count(*) as flips
    from portraits.changes
    where event_date between $end::date - (7 * $weeks)::integer + 1 and $end and from_value is not null
    group by tag_id
)

select
    held.tag_id,
    held.users,
    held.users / everybody.users as coverage,
    held.stale_share,
    held.mean_confidence,
    held.median_age_days,
    coalesce(flips.flips, 0) / held.users / $weeks as flips_per_week
from held
cross join everybody
left join flips on held.tag_id = flips.tag_id
order by held.tag_id
