-- clean.identities
-- Grain:    one source id over one validity interval.
-- Inputs:   raw.events, raw.attributes.
-- Promise:  one to one: each source id is a person of its own, always. Merges and splits will change this file alone.
with

seen as (
    select
        source,
        user_id
    from raw.events
    union distinct
    select
        source,
        user_id
    from raw.attributes
)

select
    source,
    user_id as source_user_id,
    user_id,
    null::date as valid_from,
    null::date as valid_to
from seen
order by source, user_id
