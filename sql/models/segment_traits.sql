-- segment_traits
-- Grain:    user x trait x what is said: at most one a trait, but for interests.
-- Inputs:   snapshot_rows, the portraits of one day.
-- Promise:  words that may name a segment, from behaviour alone: no declared attribute, and nothing that a model says. What is
--           little or much is told beside everybody: the upper and the lower third, equals together.
with

ranked as (
    select
        user_id,
        percent_rank() over (order by active_days_90d) as visits,
        if(spend_per_visit_cents is null, null, percent_rank() over (order by spend_per_visit_cents nulls first)) as basket,
        if(discounted_share is null, null, percent_rank() over (order by discounted_share nulls first)) as discounts,
        if(coupon_share is null, null, percent_rank() over (order by coupon_share nulls first)) as coupons,
        if(weekend_share is null, null, percent_rank() over (order by weekend_share nulls first)) as week
    from snapshot_rows
),

said as (
    select user_id, 'lifecycle' as trait, lifecycle as word from snapshot_rows
    union all
    select user_id, 'value' as trait, value_tier || ' value' as word from snapshot_rows
    union all
    select user_id, 'visits' as trait, if(visits >= 2 / 3, 'frequent', if(visits <= 1 / 3, 'rare', null)) as word from ranked
    union all
    select user_id, 'basket' as trait, if(basket >= 2 / 3, 'large baskets', if(basket <= 1 / 3, 'small baskets', null)) as word
    from ranked
    union all
    select user_id, 'discounts' as trait, if(discounts >= 2 / 3, 'bargains', if(discounts <= 1 / 3, 'full price', null)) as word
    from ranked
    union all
    select user_id, 'coupons' as trait, if(coupons >= 2 / 3, 'coupons', null) as word from ranked
    union all
    select user_id, 'week' as trait, if(week >= 2 / 3, 'weekends', if(week <= 1 / 3, 'weekdays', null)) as word from ranked
    union all
    select user_id, 'interest' as trait, unnest({{ main.plural }}).value as word from snapshot_rows
)

select user_id, trait, word
from said
where word is not null
order by user_id, trait, word
