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
        max(cuts) filter (where measure = '{{ value }}_365d') as monetary_cuts,
        max(cuts) filter (where measure = 'gap_days') as gap_cuts,
{% for fifth in fifths %}
        max(cuts) filter (where measure = '{{ fifth.name }}') as {{ fifth.name }}_cuts,
{% endfor %}
        case
{% for act in acts %}
            when count(*) filter (where measure = '{{ act.count }}') > 0 then '{{ act.name }}'
{% endfor %}
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
{% for name in inferred %}
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
{% for name in inferred %}
        users.{{ name }} as declared_{{ name }},
        predictions.{{ name }} as guessed_{{ name }},
{% endfor %}
{% for name in never_inferred %}
        users.{{ name }} as declared_{{ name }},
{% endfor %}
        6 - (1 + list_sum(list_transform(cuts.recency_cuts, lambda cut: (features.recency_days > cut)::int)))::bigint as recency_score,
        (1 + list_sum(list_transform(cuts.frequency_cuts, lambda cut: (features.active_days_365d > cut)::int)))::bigint as frequency_score,
        -- Who has nothing left of the value is in no fifth of it; nor is who has less than nothing of it within the year.
        case when features.{{ value }} > 0 and features.{{ value }}_365d >= 0
            then (1 + list_sum(list_transform(cuts.monetary_cuts, lambda cut: (features.{{ value }}_365d > cut)::int)))::bigint
        end as monetary_score,
        -- What is classed, as cut_points.sql takes it, and null where nobody differs.
{% for fifth in fifths %}
        case when ({{ fifth.among }}) and cuts.{{ fifth.name }}_cuts[1] < cuts.{{ fifth.name }}_cuts[4] then {{ fifth.of }} end as {{ fifth.name }}_of,
{% endfor %}
        cuts.* exclude (month_start, recency_cuts, frequency_cuts, monetary_cuts),
        -- The user's own gaps: between days of the outcome, or between active days of who has none.
        greatest(case when features.{{ outcome.count }} > 0 then features.{{ outcome.days }} else features.active_days end - 1, 0) as gap_count,
        case
            when features.{{ outcome.count }} > 0 then features.mean_gap_days
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
{% for stage in lifecycle %}
            when {{ stage.when }} then '{{ stage.name }}'
{% endfor %}
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
    last_{{ outcome.name }}_date,
    {{ outcome.name }}_recency_days,
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
{% for facet in facets %}
    {{ facet.plural }},
{% endfor %}
{% for facet in facets %}
    {{ facet.plural }}[1]."value"::{{ facet.type }} as top_{{ facet.name }},
{% endfor %}
    {{ main.name }}_count,
    unknown_share_milli,
    -- social attributes
{% for name in inferred %}
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
{% for name in never_inferred %}
    declared_{{ name }} as {{ name }},
    case when declared_{{ name }} is not null then 'declared' end as {{ name }}_origin,
    case when declared_{{ name }} is not null then 1.0 end as {{ name }}_probability,
{% endfor %}
    -- value; a source without amounts has none
    recency_score,
    frequency_score,
    monetary_score,
    case
{% for tier in tiers %}
        when {{ tier.when }} then '{{ tier.name }}'
{% endfor %}
    end as value_tier,
{% for fifth in fifths %}
    (1 + list_sum(list_transform({{ fifth.name }}_cuts, lambda cut: ({{ fifth.name }}_of > cut)::int)))::bigint as {{ fifth.name }},
{% endfor %}
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
        when {{ segmented.among }}
            then case
{% for segment in segments %}
                when {{ segment.when }} then '{{ segment.name }}'
{% endfor %}
            end
    end as segment,
    model_version
from staged
