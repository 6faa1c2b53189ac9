-- audience_moves.parquet
-- Grain:    day up to $day x saved audience x user who entered or left it that day.
-- Inputs:   portraits.audiences, meta.materializations.
-- Promise:  members of a day are those of the day before, and who entered, without who left. Days without a kept day before have no moves.
with

kept as (
    select event_date
    from meta.materializations
    where table_name = 'portraits.audiences' and event_date <= $day
),

compared as (
    select today.event_date
    from kept as today
    inner join kept as before on today.event_date = before.event_date + 1
),

entered as (
    select
        today.event_date,
        today.audience,
        today.user_id,
        'entered' as move
    from portraits.audiences as today
    anti join portraits.audiences as before
        on
            today.audience = before.audience
            and today.user_id = before.user_id
            and today.event_date = before.event_date + 1
),

departed as (
    select
        before.event_date + 1 as event_date,
        before.audience,
        before.user_id,
        'left' as move
    from portraits.audiences as before
    anti join portraits.audiences as today
        on
            today.audience = before.audience
            and today.user_id = before.user_id
            and today.event_date = before.event_date + 1
),

moves as (
    select * from entered
    union all by name
    select * from departed
)

select
    moves.event_date,
    moves.audience,
    moves.user_id,
    moves.move
from moves
semi join compared on moves.event_date = compared.event_date
order by moves.event_date, moves.audience, moves.user_id
