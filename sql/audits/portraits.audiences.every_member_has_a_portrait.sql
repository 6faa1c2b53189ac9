-- Every member of an audience has a portrait of that day, where it is kept, and is in it once.
-- Offenders: members without one, and members told twice.
with

members as (
    select
        event_date,
        audience,
        user_id,
        count(*) as told
    from portraits.audiences
    group by event_date, audience, user_id
),

kept as (
    select event_date
    from meta.materializations
    where table_name = 'portraits.snapshots'
)

select
    members.event_date,
    members.audience,
    members.user_id,
    members.told
from members
left join kept on members.event_date = kept.event_date
left join portraits.snapshots as snapshots
    on members.event_date = snapshots.event_date and members.user_id = snapshots.user_id
where (snapshots.user_id is null and kept.event_date is not null) or members.told > 1
