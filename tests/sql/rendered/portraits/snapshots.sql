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
        max(cuts) filter (where measure = 'spend_score') as spend_score_cuts,
        max(cuts) filter (where measure = 'ticket_score') as ticket_score_cuts,
        max(cuts) filter (where measure = 'basket_score') as basket_score_cuts,
        max(cuts) filter (where measure = 'units_score') as units_score_cuts,
        max(cuts) filter (where measure = 'review_score') as review_score_cuts,
        max(cuts) filter (where measure = 'rating_score') as rating_score_cuts,
        max(cuts) filter (where measure = 'research_score') as research_score_cuts,
        max(cuts) filter (where measure = 'conversion_score') as conversion_score_cuts,
        max(cuts) filter (where measure = 'discount_score') as discount_score_cuts,
        max(cuts) filter (where measure = 'return_score') as return_score_cuts,
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
        max({'probability': probability, 'class': class}) filter (where target = 'gender') as gender,
        max({'probability': probability, 'class': class}) filter (where target = 'age') as age,
        max({'probability': probability, 'class': class}) filter (where target = 'occupation') as occupation,
        max({'probability': probability, 'class': class}) filter (where target = 'region') as region,
        max({'probability': probability, 'class': class}) filter (where target = 'income') as income,
        max({'probability': probability, 'class': class}) filter (where target = 'household_size') as household_size,
        max({'probability': probability, 'class': class}) filter (where target = 'household_composition') as household_composition,
        max({'probability': probability, 'class': class}) filter (where target = 'marital_status') as marital_status,
        max({'probability': probability, 'class': class}) filter (where target = 'home_ownership') as home_ownership,
        max({'probability': probability, 'class': class}) filter (where target = 'kids') as kids
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
        users.gender as declared_gender,
        predictions.gender as guessed_gender,
        users.age as declared_age,
        predictions.age as guessed_age,
        users.occupation as declared_occupation,
        predictions.occupation as guessed_occupation,
        users.region as declared_region,
        predictions.region as guessed_region,
        users.income as declared_income,
        predictions.income as guessed_income,
        users.household_size as declared_household_size,
        predictions.household_size as guessed_household_size,
        users.household_composition as declared_household_composition,
        predictions.household_composition as guessed_household_composition,
        users.marital_status as declared_marital_status,
        predictions.marital_status as guessed_marital_status,
        users.home_ownership as declared_home_ownership,
        predictions.home_ownership as guessed_home_ownership,
        users.kids as declared_kids,
        predictions.kids as guessed_kids,
        6 - (1 + list_sum(list_transform(cuts.recency_cuts, lambda cut: (features.recency_days > cut)::int)))::bigint as recency_score,
        (1 + list_sum(list_transform(cuts.frequency_cuts, lambda cut: (features.active_days_365d > cut)::int)))::bigint as frequency_score,
        -- Who has nothing left of the value is in no fifth of it; nor is who has less than nothing of it within the year.
        case when features.net_spend_cents > 0 and features.net_spend_cents_365d >= 0
            then (1 + list_sum(list_transform(cuts.monetary_cuts, lambda cut: (features.net_spend_cents_365d > cut)::int)))::bigint
        end as monetary_score,
        -- What is classed, as cut_points.sql takes it, and null where nobody differs.
        case when (net_spend_cents > 0) and cuts.spend_score_cuts[1] < cuts.spend_score_cuts[4] then net_spend_cents end as spend_score_of,
        case when (net_spend_cents > 0 and purchase_days > 0) and cuts.ticket_score_cuts[1] < cuts.ticket_score_cuts[4] then net_spend_cents // purchase_days end as ticket_score_of,
        case when (purchase_days > 0) and cuts.basket_score_cuts[1] < cuts.basket_score_cuts[4] then purchases * 1000 // purchase_days end as basket_score_of,
        case when (quantity_milli > 0 and purchases >= 10) and cuts.units_score_cuts[1] < cuts.units_score_cuts[4] then quantity_milli // purchases end as units_score_of,
        case when (reviews > 0) and cuts.review_score_cuts[1] < cuts.review_score_cuts[4] then reviews end as review_score_of,
        case when (ratings >= 3) and cuts.rating_score_cuts[1] < cuts.rating_score_cuts[4] then rating_milli // ratings end as rating_score_of,
        case when (views >= 20 and purchases >= 5) and cuts.research_score_cuts[1] < cuts.research_score_cuts[4] then views * 1000 // purchases end as research_score_of,
        case when (active_days >= 10) and cuts.conversion_score_cuts[1] < cuts.conversion_score_cuts[4] then purchase_days * 1000 // active_days end as conversion_score_of,
        case when (discount_cents > 0 and purchases >= 10) and cuts.discount_score_cuts[1] < cuts.discount_score_cuts[4] then discounted_purchases * 1000 // purchases end as discount_score_of,
        case when (returns > 0 and purchases > 0) and cuts.return_score_cuts[1] < cuts.return_score_cuts[4] then returns * 1000 // purchases end as return_score_of,
        cuts.* exclude (month_start, recency_cuts, frequency_cuts, monetary_cuts),
        -- The user's own gaps: between days of the outcome, or between active days of who has none.
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
        gap_cuts[3] as source_gap_days,
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
            when tenure_days < coalesce($new_gaps * source_gap_days, $new_days) and not (purchases = 0 and returns > 0) then 'new'
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
    spend_cents,
    net_spend_cents,
    active_days,
    purchase_days,
    purchases,
    visits,
    views,
    carts,
    coupons,
    searches,
    returns,
    reviews,
    exposures,
    item_days,
    quantity_milli,
    refund_cents,
    discount_cents,
    coupon_cents,
    discounted_purchases,
    coupon_purchases,
    night_visits,
    morning_visits,
    afternoon_visits,
    evening_visits,
    weekend_visits,
    ratings,
    rating_milli,
    spend_cents_7d,
    spend_cents_14d,
    spend_cents_30d,
    spend_cents_60d,
    spend_cents_90d,
    spend_cents_365d,
    net_spend_cents_7d,
    net_spend_cents_14d,
    net_spend_cents_30d,
    net_spend_cents_60d,
    net_spend_cents_90d,
    net_spend_cents_365d,
    active_days_7d,
    active_days_14d,
    active_days_30d,
    active_days_60d,
    active_days_90d,
    active_days_365d,
    purchase_days_7d,
    purchase_days_14d,
    purchase_days_30d,
    purchase_days_60d,
    purchase_days_90d,
    purchase_days_365d,
    purchases_7d,
    purchases_14d,
    purchases_30d,
    purchases_60d,
    purchases_90d,
    purchases_365d,
    visits_7d,
    visits_14d,
    visits_30d,
    visits_60d,
    visits_90d,
    visits_365d,
    views_7d,
    views_14d,
    views_30d,
    views_60d,
    views_90d,
    views_365d,
    carts_7d,
    carts_14d,
    carts_30d,
    carts_60d,
    carts_90d,
    carts_365d,
    coupons_7d,
    coupons_14d,
    coupons_30d,
    coupons_60d,
    coupons_90d,
    coupons_365d,
    item_days_7d,
    item_days_14d,
    item_days_30d,
    item_days_60d,
    item_days_90d,
    item_days_365d,
    discounted_purchases_7d,
    discounted_purchases_14d,
    discounted_purchases_30d,
    discounted_purchases_60d,
    discounted_purchases_90d,
    discounted_purchases_365d,
    coupon_purchases_7d,
    coupon_purchases_14d,
    coupon_purchases_30d,
    coupon_purchases_60d,
    coupon_purchases_90d,
    coupon_purchases_365d,
    case when visits > 0 then (net_spend_cents) / (visits) end as spend_per_visit_cents,
    case when visits > 0 then (purchases) / (visits) end as purchases_per_visit,
    case when night_visits + morning_visits + afternoon_visits + evening_visits > 0 then (night_visits) / (night_visits + morning_visits + afternoon_visits + evening_visits) end as night_share,
    case when night_visits + morning_visits + afternoon_visits + evening_visits > 0 then (morning_visits) / (night_visits + morning_visits + afternoon_visits + evening_visits) end as morning_share,
    case when night_visits + morning_visits + afternoon_visits + evening_visits > 0 then (afternoon_visits) / (night_visits + morning_visits + afternoon_visits + evening_visits) end as afternoon_share,
    case when night_visits + morning_visits + afternoon_visits + evening_visits > 0 then (evening_visits) / (night_visits + morning_visits + afternoon_visits + evening_visits) end as evening_share,
    case when visits > 0 then (weekend_visits) / (visits) end as weekend_share,
    case when purchases > 0 then (discounted_purchases) / (purchases) end as discounted_share,
    case when purchases > 0 then (coupon_purchases) / (purchases) end as coupon_share,
    case when spend_cents + discount_cents + coupon_cents > 0 then (discount_cents + coupon_cents) / (spend_cents + discount_cents + coupon_cents) end as saved_share,
    case when purchases > 0 then (returns) / (purchases) end as return_share,
    case when ratings > 0 then (rating_milli / 1000) / (ratings) end as mean_rating,
    -- preference
    departments,
    categories,
    brands,
    price_bands,
    departments[1]."value"::varchar as top_department,
    categories[1]."value"::varchar as top_category,
    brands[1]."value"::varchar as top_brand,
    price_bands[1]."value"::utinyint as top_price_band,
    category_count,
    unknown_share_milli,
    -- social attributes
    case
        when declared_gender is not null then declared_gender
        when guessed_gender.probability >= $min_probability then guessed_gender.class
    end as gender,
    case
        when declared_gender is not null then 'declared'
        when guessed_gender.probability >= $min_probability then 'inferred'
    end as gender_origin,
    case
        when declared_gender is not null then 1.0
        when guessed_gender.probability >= $min_probability then guessed_gender.probability
    end as gender_probability,
    case
        when declared_age is not null then declared_age
        when guessed_age.probability >= $min_probability then guessed_age.class
    end as age,
    case
        when declared_age is not null then 'declared'
        when guessed_age.probability >= $min_probability then 'inferred'
    end as age_origin,
    case
        when declared_age is not null then 1.0
        when guessed_age.probability >= $min_probability then guessed_age.probability
    end as age_probability,
    case
        when declared_occupation is not null then declared_occupation
        when guessed_occupation.probability >= $min_probability then guessed_occupation.class
    end as occupation,
    case
        when declared_occupation is not null then 'declared'
        when guessed_occupation.probability >= $min_probability then 'inferred'
    end as occupation_origin,
    case
        when declared_occupation is not null then 1.0
        when guessed_occupation.probability >= $min_probability then guessed_occupation.probability
    end as occupation_probability,
    case
        when declared_region is not null then declared_region
        when guessed_region.probability >= $min_probability then guessed_region.class
    end as region,
    case
        when declared_region is not null then 'declared'
        when guessed_region.probability >= $min_probability then 'inferred'
    end as region_origin,
    case
        when declared_region is not null then 1.0
        when guessed_region.probability >= $min_probability then guessed_region.probability
    end as region_probability,
    case
        when declared_income is not null then declared_income
        when guessed_income.probability >= $min_probability then guessed_income.class
    end as income,
    case
        when declared_income is not null then 'declared'
        when guessed_income.probability >= $min_probability then 'inferred'
    end as income_origin,
    case
        when declared_income is not null then 1.0
        when guessed_income.probability >= $min_probability then guessed_income.probability
    end as income_probability,
    case
        when declared_household_size is not null then declared_household_size
        when guessed_household_size.probability >= $min_probability then guessed_household_size.class
    end as household_size,
    case
        when declared_household_size is not null then 'declared'
        when guessed_household_size.probability >= $min_probability then 'inferred'
    end as household_size_origin,
    case
        when declared_household_size is not null then 1.0
        when guessed_household_size.probability >= $min_probability then guessed_household_size.probability
    end as household_size_probability,
    case
        when declared_household_composition is not null then declared_household_composition
        when guessed_household_composition.probability >= $min_probability then guessed_household_composition.class
    end as household_composition,
    case
        when declared_household_composition is not null then 'declared'
        when guessed_household_composition.probability >= $min_probability then 'inferred'
    end as household_composition_origin,
    case
        when declared_household_composition is not null then 1.0
        when guessed_household_composition.probability >= $min_probability then guessed_household_composition.probability
    end as household_composition_probability,
    case
        when declared_marital_status is not null then declared_marital_status
        when guessed_marital_status.probability >= $min_probability then guessed_marital_status.class
    end as marital_status,
    case
        when declared_marital_status is not null then 'declared'
        when guessed_marital_status.probability >= $min_probability then 'inferred'
    end as marital_status_origin,
    case
        when declared_marital_status is not null then 1.0
        when guessed_marital_status.probability >= $min_probability then guessed_marital_status.probability
    end as marital_status_probability,
    case
        when declared_home_ownership is not null then declared_home_ownership
        when guessed_home_ownership.probability >= $min_probability then guessed_home_ownership.class
    end as home_ownership,
    case
        when declared_home_ownership is not null then 'declared'
        when guessed_home_ownership.probability >= $min_probability then 'inferred'
    end as home_ownership_origin,
    case
        when declared_home_ownership is not null then 1.0
        when guessed_home_ownership.probability >= $min_probability then guessed_home_ownership.probability
    end as home_ownership_probability,
    case
        when declared_kids is not null then declared_kids
        when guessed_kids.probability >= $min_probability then guessed_kids.class
    end as kids,
    case
        when declared_kids is not null then 'declared'
        when guessed_kids.probability >= $min_probability then 'inferred'
    end as kids_origin,
    case
        when declared_kids is not null then 1.0
        when guessed_kids.probability >= $min_probability then guessed_kids.probability
    end as kids_probability,
    -- value; a source without amounts has none
    recency_score,
    frequency_score,
    monetary_score,
    case
        when monetary_score = 5 then 'high'
        when monetary_score >= 3 then 'medium'
        when monetary_score >= 1 then 'low'
    end as value_tier,
    (1 + list_sum(list_transform(spend_score_cuts, lambda cut: (spend_score_of > cut)::int)))::bigint as spend_score,
    (1 + list_sum(list_transform(ticket_score_cuts, lambda cut: (ticket_score_of > cut)::int)))::bigint as ticket_score,
    (1 + list_sum(list_transform(basket_score_cuts, lambda cut: (basket_score_of > cut)::int)))::bigint as basket_score,
    (1 + list_sum(list_transform(units_score_cuts, lambda cut: (units_score_of > cut)::int)))::bigint as units_score,
    (1 + list_sum(list_transform(review_score_cuts, lambda cut: (review_score_of > cut)::int)))::bigint as review_score,
    (1 + list_sum(list_transform(rating_score_cuts, lambda cut: (rating_score_of > cut)::int)))::bigint as rating_score,
    (1 + list_sum(list_transform(research_score_cuts, lambda cut: (research_score_of > cut)::int)))::bigint as research_score,
    (1 + list_sum(list_transform(conversion_score_cuts, lambda cut: (conversion_score_of > cut)::int)))::bigint as conversion_score,
    (1 + list_sum(list_transform(discount_score_cuts, lambda cut: (discount_score_of > cut)::int)))::bigint as discount_score,
    (1 + list_sum(list_transform(return_score_cuts, lambda cut: (return_score_of > cut)::int)))::bigint as return_score,
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
    -- segment
    case
        when frequency_score is not null and lifecycle != 'prospect'
    and not (returns > 0 and (purchases = 0 or (spend_cents > 0 and net_spend_cents <= 0)))
            then case
                when lifecycle in ('new', 'active') and frequency_score >= 4
    and (monetary_score >= 4 or (spend_cents = 0 and refund_cents = 0)) then 'champions'
                when lifecycle in ('new', 'active') and frequency_score >= 4 then 'loyal'
                when lifecycle in ('new', 'active') and monetary_score >= 4 then 'big spenders'
                when lifecycle in ('new', 'active') and frequency_score = 3 then 'potential loyalists'
                when lifecycle in ('new', 'active') then 'occasional'
                when frequency_score >= 4 then 'cannot lose them'
                when frequency_score = 3 then 'at risk'
                when true then 'hibernating'
            end
    end as segment,
    model_version
from staged
