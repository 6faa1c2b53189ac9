-- clean.events
-- Grain:    one distinct event: the newest version of its key; a key whose newest version is a deletion has none.
-- Inputs:   raw.events, due_events (those of its rows that are to be brought up to date), clean.items, clean.identities.
-- Promise:  in the order of raw.events, which is that of days; every due row of the window [$start, $end] and no other; unknown items stay, outliers are flagged, nothing is invented.
with

-- Keys told of more than once: nearly none, so nearly all events need no comparison.
contested_keys as (
    select distinct
        source,
        event_key
    from raw.events
    where not is_first
),

due_contested_keys as (
    select distinct
        due_events.source,
        due_events.event_key
    from due_events
    semi join contested_keys
        on due_events.source = contested_keys.source and due_events.event_key = contested_keys.event_key
),

-- A correction can move an event to another day, so all versions of a key compete, whatever their day.
newest as (
    select events.*
    from raw.events as events
    semi join due_contested_keys
        on events.source = due_contested_keys.source and events.event_key = due_contested_keys.event_key
    qualify row_number() over (
        partition by events.source, events.event_key
        order by
            events.event_version desc,
            events.ingested_at desc,
            events.batch_seq desc,
            events.row_number desc
    ) = 1
),

current_events as (
    select
        *,
        true as is_corrected
    from newest
    union all by name
    select
        due_events.*,
        false as is_corrected
    from due_events
    anti join contested_keys
        on due_events.source = contested_keys.source and due_events.event_key = contested_keys.event_key
),

kept as (
    select
        *,
        case when amount_cents is not null and quantity_milli > 0
            then (amount_cents + coalesce(discount_cents, 0) + coalesce(coupon_cents, 0)) * 1000 // quantity_milli end as laddered
    from current_events
    where not is_deletion and event_date between $start and $end
),

items as (
    select
        item_id,
        department,
        category,
        brand
    from clean.items
),

identities as (
    select
        source,
        source_user_id,
        user_id,
        coalesce(valid_from, date '0001-01-01') as valid_from,
        coalesce(valid_to, date '9999-12-31') as valid_to
    from clean.identities
)

select
    kept.event_date,
    kept.event_time,
    kept.local_time::date as local_date,
    case when kept.has_time then hour(kept.local_time) end::utinyint as local_hour,
    isodow(kept.local_time)::utinyint as local_weekday,
    identities.user_id,
    kept.event_type,
    kept.item_id,
    case when kept.item_id is not null then items.item_id is not null end as is_known_item,
    items.department,
    items.category,
    items.brand,
    case
        when kept.laddered is null then null
        when kept.laddered < 100 then 0
        when kept.laddered < 200 then 1
        when kept.laddered < 500 then 2
        when kept.laddered < 1000 then 3
        when kept.laddered < 2000 then 4
        when kept.laddered < 5000 then 5
        when kept.laddered < 10000 then 6
        when kept.laddered < 20000 then 7
        when kept.laddered < 50000 then 8
        when kept.laddered < 100000 then 9
        when kept.laddered < 200000 then 10
        when kept.laddered < 500000 then 11
        else 12
    end::utinyint as price_band,
    coalesce(kept.session_id, strftime(kept.local_time, '%Y-%m-%d')) as visit_id,
    kept.quantity_milli,
    kept.amount_cents,
    kept.discount_cents,
    kept.coupon_cents,
    coalesce(kept.quantity_milli > $outlier_quantity_milli or kept.amount_cents > $outlier_amount_cents, false) as is_outlier,
    round(kept.rating * 1000)::bigint as rating_milli,
    kept.place_id,
    kept.campaign_id,
    kept.source,
    kept.event_key,
    kept.ingested_at,
    kept.batch_seq,
    kept.is_corrected
from kept
inner join identities
    on
        kept.source = identities.source
        and kept.user_id = identities.source_user_id
        and kept.event_date >= identities.valid_from
        and kept.event_date < identities.valid_to
left join items on kept.item_id = items.item_id
