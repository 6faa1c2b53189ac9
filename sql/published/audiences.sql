-- audiences.parquet
-- Grain:    saved audience x member on the day $day.
-- Inputs:   portraits.audiences.
-- Promise:  `since` is the first day of the unbroken stretch of kept days up to $day on which the user is a member.
with

stays as (
    select
        audience,
        user_id,
        event_date,
        event_date - row_number() over (partition by audience, user_id order by event_date)::int as stay
    from portraits.audiences
    where event_date <= $day
)

select
    audience,
    user_id,
    min(event_date) as since
from stays
group by audience, user_id, stay
having max(event_date) = $day
order by audience, user_id
