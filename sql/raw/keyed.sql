-- mapped, of a stream of events: what it may tell, each row with its key.
-- Grain:    one row of the batch, rejected ones too.
-- Inputs:   stream_rows (the stream's rows in canonical columns).
-- Promise:  a declared key stands; without one the canonical row is the key, its stream ($stream) included: equal rows of two
--           streams are two events. `key_hash` finds keys without reading them: equal keys have equal hashes, and rows that share
--           one are compared.
with

named as (
    select
        * exclude (declared_key),
        coalesce(
            declared_key,
            md5(
                to_json(
                    [
                        $stream, event_time::varchar, user_id, event_type, item_id, session_id, quantity_milli::varchar,
                        amount_cents::varchar, discount_cents::varchar, coupon_cents::varchar, rating::varchar,
                        text, place_id, campaign_id
                    ]
                )::varchar
            )
        ) as event_key
    from stream_rows
)

select
    *,
    hash(event_key) as key_hash
from named
