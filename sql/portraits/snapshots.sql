-- portraits.snapshots
-- Grain:    user x day.
-- Inputs:   as_of_features staged for the days wanted; features.cut_points, scores.predictions, clean.users.
-- Promise:  the whole portrait at the end of the day, from what was known by then. Declared stays declared; an attribute is
--           inferred only at $min_probability or more; what is not known is null. Classes are fifths of the source's own
--           distribution, and silence is measured by its gaps and the user's; both wait for the first cut points.
with

cuts as (
    select
        event_date as month_start,
        max(cuts) filter (where measure = 'recency_days') as recency_cuts,
        max(cuts) filter (where measure = 'active_days_365d') as frequency_cuts,
        max(cuts) filter (where measure = 'net_spend_cents_365d') as monetary_cuts,
        max(cuts) filter (where measure = 'gap_days') as gap_cuts,
        max(cuts) filter (where measure = 'net_spend_cents') as spend_cuts,
        max(cuts) filter (where measure = 'ticket_cents') as ticket_cuts,
        max(cuts) filter (where measure = 'basket_milli') as basket_cuts,
        max(cuts) filter (where measure = 'units_milli') as units_cuts,
        max(cuts) filter (where measure = 'reviews') as review_cuts,
        max(cuts) filter (where measure = 'rating_milli') as rating_cuts,
        max(cuts) filter (where measure = 'views_milli') as research_cuts,
        max(cuts) filter (where measure = 'converted_milli') as conversion_cuts,
        max(cuts) filter (where measure = 'discounted_milli') as discount_cuts,
        max(cuts) filter (where measure = 'returned_milli') as return_cuts,
        case
            when count(*) filter (where measure = 'purchases') > 0 then 'purchase'
            when count(*) filter (where measure = 'reviews') > 0 then 'review'
            when count(*) filter (where measure = 'carts') > 0 then 'cart'
            when count(*) filter (where measure = 'views') > 0 then 'view'
            when count(*) filter (where measure = 'searches') > 0 then 'search'
        end as main_act
    from features.cut_points
    group by event_date
),

predictions as (
    select
        event_date,
        user_id,
        max(model_version) as model_version,
        max(probability) filter (where target = 'churn') as churn,
        (max("value") filter (where target = 'churn_horizon_days'))::bigint as churn_horizon_days,
        max(probability) filter (where target = 'churn_14d') as churn_14d,
        max(probability) filter (where target = 'churn_28d') as churn_28d,
        max(probability) filter (where target = 'churn_90d') as churn_90d,
        max(probability) filter (where target = 'alive_probability') as alive_probability,
        max("value") filter (where target = 'next_purchase_days') as next_purchase_days,
        max("value") filter (where target = 'expected_spend_cents_14d') as expected_spend_cents_14d,
        max("value") filter (where target = 'expected_spend_cents_90d') as expected_spend_cents_90d,
        max("value") filter (where target = 'expected_purchases_90d') as expected_purchases_90d,
        max("value") filter (where target = 'lifetime_value_cents_365d') as lifetime_value_cents_365d,
{% for name in attributes %}
        max({'probability': probability, 'class': class}) filter (where target = '{{ name }}') as {{ name }}{{ '' if loop.last else ',' }}
{% endfor %}
    from scores.predictions
    where event_date in (select event_date from wanted_days)
    group by event_date, user_id
),

scored as (
    select
        features.*,
        predictions.model_version,
        predictions.churn,
        predictions.churn_horizon_days,
        predictions.churn_14d,
        predictions.churn_28d,
        predictions.churn_90d,
        predictions.alive_probability,
        predictions.next_purchase_days,
        predictions.expected_spend_cents_14d,
        predictions.expected_spend_cents_90d,
        predictions.expected_purchases_90d,
        predictions.lifetime_value_cents_365d,
{% for name in attributes %}
        users.{{ name }} as declared_{{ name }},
        predictions.{{ name }} as guessed_{{ name }},
{% endfor %}
        6 - (1 + list_sum(list_transform(cuts.recency_cuts, lambda cut: (features.recency_days > cut)::int)))::bigint as recency_score,
        (1 + list_sum(list_transform(cuts.frequency_cuts, lambda cut: (features.active_days_365d > cut)::int)))::bigint as frequency_score,
        -- Who has nothing left of all that was paid is in no fifth; nor is who was paid back more than was paid within the year.
        case when features.net_spend_cents > 0 and features.net_spend_cents_365d >= 0
            then (1 + list_sum(list_transform(cuts.monetary_cuts, lambda cut: (features.net_spend_cents_365d > cut)::int)))::bigint
        end as monetary_score,
        -- What is classed, as cut_points.sql takes it, and null where nobody differs.
        case when features.net_spend_cents > 0 and cuts.spend_cuts[1] < cuts.spend_cuts[4]
            then features.net_spend_cents end as spend_classed,
        case when features.net_spend_cents > 0 and features.purchase_days > 0 and cuts.ticket_cuts[1] < cuts.ticket_cuts[4]
            then features.net_spend_cents // features.purchase_days end as ticket_classed,
        case when features.purchase_days > 0 and cuts.basket_cuts[1] < cuts.basket_cuts[4]
            then features.purchases * 1000 // features.purchase_days end as basket_classed,
        case when features.quantity_milli > 0 and features.purchases >= 10 and cuts.units_cuts[1] < cuts.units_cuts[4]
            then features.quantity_milli // features.purchases end as units_classed,
        case when features.reviews > 0 and cuts.review_cuts[1] < cuts.review_cuts[4] then features.reviews end as reviews_classed,
        case when features.ratings >= 3 and cuts.rating_cuts[1] < cuts.rating_cuts[4]
            then features.rating_milli // features.ratings end as rating_classed,
        case when features.views >= 20 and features.purchases >= 5 and cuts.research_cuts[1] < cuts.research_cuts[4]
            then features.views * 1000 // features.purchases end as research_classed,
        case when features.active_days >= 10 and cuts.conversion_cuts[1] < cuts.conversion_cuts[4]
            then features.purchase_days * 1000 // features.active_days end as conversion_classed,
        case
            when features.discount_cents > 0 and features.purchases >= 10 and cuts.discount_cuts[1] < cuts.discount_cuts[4]
                then features.discounted_purchases * 1000 // features.purchases
        end as discount_classed,
        case when features.returns > 0 and features.purchases > 0 and cuts.return_cuts[1] < cuts.return_cuts[4]
            then features.returns * 1000 // features.purchases end as return_classed,
        cuts.* exclude (month_start, recency_cuts, frequency_cuts, monetary_cuts),
        -- The user's own gaps: between purchase days, or between active days of who bought nothing.
        greatest(case when features.purchases > 0 then features.purchase_days else features.active_days end - 1, 0) as gap_count,
        case
            when features.purchases > 0 then features.mean_gap_days
            when features.active_days > 1 then (features.last_active_date - features.first_date) / (features.active_days - 1)
        end as gap_days
    from as_of_features as features
    left join cuts on date_trunc('month', features.event_date)::date = cuts.month_start
    left join predictions on features.user_id = predictions.user_id and features.event_date = predictions.event_date
    left join clean.users as users on features.user_id = users.user_id
),

paced as (
    select
        *,
        case when gap_count >= $least_gaps then gap_days end as usual_gap_days,
        case
            when gap_cuts[3] is not null
                then greatest(gap_cuts[3], (gap_cuts[3] * $least_gaps + coalesce(gap_days, 0) * gap_count) / ($least_gaps + gap_count))
            when gap_count >= $least_gaps then greatest(gap_days, 1)
        end as pace_days
    from scored
),

staged as (
    select
        *,
        case
            when recency_days is null then 'prospect'
            when recency_days > $dormant_gaps * pace_days then 'dormant'
            when recency_days > $lapsed_gaps * pace_days then 'lapsed'
            when recency_days > $lapsing_gaps * pace_days then 'lapsing'
            -- Who returned something and has no purchase on record bought before the first day of the data.
            when tenure_days < coalesce($new_gaps * gap_cuts[3], $new_days) and not (purchases = 0 and returns > 0) then 'new'
            when pace_days is not null then 'active'
        end as lifecycle
    from paced
)

select
    -- behaviour
    event_date,
    user_id,
    as_of,
    first_date,
    tenure_days,
    last_active_date,
    recency_days,
    last_purchase_date,
    purchase_recency_days,
    mean_gap_days,
    std_gap_days,
    last_gap_days,
    usual_gap_days,
{% for name in ever %}
    {{ name }},
{% endfor %}
{% for name in windowed %}
{% for days in windows %}
    {{ name }}_{{ days }}d,
{% endfor %}
{% endfor %}
{% for ratio in ratios %}
    case when {{ ratio.per }} > 0 then ({{ ratio.of }}) / ({{ ratio.per }}) end as {{ ratio.name }},
{% endfor %}
    -- preference
    departments,
    categories,
    brands,
    price_bands,
    departments[1]."value" as top_department,
    categories[1]."value" as top_category,
    brands[1]."value" as top_brand,
    price_bands[1]."value"::utinyint as top_price_band,
    category_count,
    unknown_share_milli,
    -- social attributes
{% for name in attributes %}
    case
        when declared_{{ name }} is not null then declared_{{ name }}
        when guessed_{{ name }}.probability >= $min_probability then guessed_{{ name }}.class
    end as {{ name }},
    case
        when declared_{{ name }} is not null then 'declared'
        when guessed_{{ name }}.probability >= $min_probability then 'inferred'
    end as {{ name }}_origin,
    case
        when declared_{{ name }} is not null then 1.0
        when guessed_{{ name }}.probability >= $min_probability then guessed_{{ name }}.probability
    end as {{ name }}_probability,
{% endfor %}
    -- value; a source without amounts has none
    recency_score,
    frequency_score,
    monetary_score,
    case
        when monetary_score = 5 then 'high'
        when monetary_score >= 3 then 'medium'
        when monetary_score >= 1 then 'low'
    end as value_tier,
    (1 + list_sum(list_transform(spend_cuts, lambda cut: (spend_classed > cut)::int)))::bigint as spend_score,
    (1 + list_sum(list_transform(ticket_cuts, lambda cut: (ticket_classed > cut)::int)))::bigint as ticket_score,
    (1 + list_sum(list_transform(basket_cuts, lambda cut: (basket_classed > cut)::int)))::bigint as basket_score,
    (1 + list_sum(list_transform(units_cuts, lambda cut: (units_classed > cut)::int)))::bigint as units_score,
    (1 + list_sum(list_transform(review_cuts, lambda cut: (reviews_classed > cut)::int)))::bigint as review_score,
    (1 + list_sum(list_transform(rating_cuts, lambda cut: (rating_classed > cut)::int)))::bigint as rating_score,
    (1 + list_sum(list_transform(research_cuts, lambda cut: (research_classed > cut)::int)))::bigint as research_score,
    (1 + list_sum(list_transform(conversion_cuts, lambda cut: (conversion_classed > cut)::int)))::bigint as conversion_score,
    (1 + list_sum(list_transform(discount_cuts, lambda cut: (discount_classed > cut)::int)))::bigint as discount_score,
    (1 + list_sum(list_transform(return_cuts, lambda cut: (return_classed > cut)::int)))::bigint as return_score,
    main_act,
    pace_days,
    lifecycle,
    -- risk, and what is to come
    churn,
    churn_horizon_days,
    churn_14d,
    churn_28d,
    churn_90d,
    alive_probability,
    next_purchase_days,
    expected_spend_cents_14d,
    expected_spend_cents_90d,
    expected_purchases_90d,
    lifetime_value_cents_365d,
    -- segment: recency, frequency, monetary (Hughes 1994), named for what one would do about them. Recency is the lifecycle
    -- stage, measured by the user's own rhythm, not a fifth of days: fifths a day wide would move everybody every day.
    -- Who has nothing left of what was bought is in none.
    case
        when frequency_score is null or lifecycle is null or lifecycle = 'prospect' then null
        when returns > 0 and (purchases = 0 or (spend_cents > 0 and net_spend_cents <= 0)) then null
        when lifecycle in ('new', 'active') and frequency_score >= 4
            and (monetary_score >= 4 or (spend_cents = 0 and refund_cents = 0)) then 'champions'
        when lifecycle in ('new', 'active') and frequency_score >= 4 then 'loyal'
        when lifecycle in ('new', 'active') and monetary_score >= 4 then 'big spenders'
        when lifecycle in ('new', 'active') and frequency_score = 3 then 'potential loyalists'
        when lifecycle in ('new', 'active') then 'occasional'
        when frequency_score >= 4 then 'cannot lose them'
        when frequency_score = 3 then 'at risk'
        else 'hibernating'
    end as segment,
    model_version
from staged
