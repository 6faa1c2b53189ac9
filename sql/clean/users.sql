-- clean.users
-- Grain:    one user with at least one declared attribute.
-- Inputs:   raw.attributes, raw.batches, clean.identities.
-- Promise:  the newest declared value of each attribute; unknown stays null. Undated, so known from the start.
with

told as (
    select
        identities.user_id,
        attributes.attribute,
        attributes.value,
        batches.batch_seq,
        attributes.row_number
    from raw.attributes as attributes
    inner join raw.batches as batches on attributes.batch_id = batches.batch_id
    inner join clean.identities as identities
        on attributes.source = identities.source and attributes.user_id = identities.source_user_id
),

newest as (
    select
        user_id,
        attribute,
        value
    from told
    qualify row_number() over (partition by user_id, attribute order by batch_seq desc, row_number desc) = 1
)

select
    user_id,
    max(value) filter (where attribute = 'gender') as gender,
    max(value) filter (where attribute = 'age') as age,
    max(value) filter (where attribute = 'occupation') as occupation,
    max(value) filter (where attribute = 'region') as region,
    max(value) filter (where attribute = 'income') as income,
    max(value) filter (where attribute = 'household_size') as household_size,
    max(value) filter (where attribute = 'household_composition') as household_composition,
    max(value) filter (where attribute = 'marital_status') as marital_status,
    max(value) filter (where attribute = 'home_ownership') as home_ownership,
    max(value) filter (where attribute = 'kids') as kids
from newest
group by user_id
order by user_id
