-- observability.drift
-- Grain:    one key feature of the portrait, on the published day $end, compared with the earlier day $before.
-- Inputs:   portraits.snapshots of both days.
-- Promise:  the population stability index: sum over bins of (now - before) * ln(now / before), of shares of users (Siddiqi, Credit
--           Risk Scorecards, 2006; the two-way Kullback-Leibler divergence of the binned values). Bins are the tenths of the earlier
--           day, frozen there, and one of its own for unknown; half a user is added to each, so that none is empty. Also the bin
--           that moved most. A feature that nobody had on the earlier day, or whose window reached back before the first event
--           then, has no row; without that day there is none at all.
with

snapshots as (
    select
        event_date,
        first_date,
        recency_days,
        active_days_30d,
        active_days_90d,
        spend_cents_30d,
        spend_cents_90d,
        categories,
        churn_14d
    from portraits.snapshots
    where event_date in ($end::date, $before::date)
),

measured as (
    select
        event_date = $end::date as is_now,
        unnest(
            [
                {'feature': 'recency_days', 'window_days': 0, 'value': recency_days::double},
                {'feature': 'active_days_30d', 'window_days': 30, 'value': active_days_30d::double},
                {'feature': 'active_days_90d', 'window_days': 90, 'value': active_days_90d::double},
                {'feature': 'spend_cents_30d', 'window_days': 30, 'value': spend_cents_30d::double},
                {'feature': 'spend_cents_90d', 'window_days': 90, 'value': spend_cents_90d::double},
                {'feature': 'top_category_share_milli', 'window_days': 0, 'value': categories[1].share_milli::double},
                {'feature': 'churn_14d', 'window_days': 0, 'value': churn_14d}
            ],
            recursive := true
        )
    from snapshots
),

history as (
    select $before::date + 1 - min(first_date) as days from snapshots
),

bins as (
    select
        feature,
        list_sort(list_distinct(quantile_disc(value, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]))) as edges
    from measured
    where
        not is_now
        and value is not null
        and window_days <= (select days from history)
    group by feature
),

binned as (
    select
        measured.feature,
        bins.edges,
        measured.is_now,
        case when measured.value is null then -1 else len(list_filter(bins.edges, lambda edge: edge < measured.value)) end as bin
    from measured
    inner join bins on measured.feature = bins.feature
),

counted as (
    select
        feature,
        bin,
        any_value(edges) as edges,
        count(*) filter (where is_now) as users,
        count(*) filter (where not is_now) as users_before
    from binned
    group by feature, bin
),

shares as (
    select
        feature,
        bin,
        edges,
        users,
        users_before,
        (users + 0.5) / sum(users + 0.5) over (partition by feature) as share,
        (users_before + 0.5) / sum(users_before + 0.5) over (partition by feature) as share_before
    from counted
),

parts as (
    select
        feature,
        users,
        users_before,
        share,
        share_before,
        bin as place,
        (share - share_before) * ln(share / share_before) as part,
        case
            when bin = -1 then 'unknown'
            when bin = 0 then 'up to ' || format('{:.6g}', edges[1])
            when bin = len(edges) then 'over ' || format('{:.6g}', edges[-1])
            else 'over ' || format('{:.6g}', edges[bin]) || ' to ' || format('{:.6g}', edges[bin + 1])
        end as bin
    from shares
)

select
    $end::date as event_date,
    $before::date as compared_with,
    feature,
    sum(part order by place) as psi,
    sum(users)::bigint as users,
    sum(users_before)::bigint as users_before,
    -- of bins that moved as much, the last
    arg_max(bin, {'part': part, 'place': place}) as moved_bin,
    arg_max(share_before, {'part': part, 'place': place}) as moved_from,
    arg_max(share, {'part': part, 'place': place}) as moved_to
from parts
group by feature
having sum(users) > 0
order by feature
