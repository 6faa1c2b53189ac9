-- clean.users
-- Grain:    one user that the source declares.
-- Inputs:   raw.attributes, raw.batches, through batch $through; clean.identities.
-- Promise:  of each attribute the newest known value; where no stream that keeps the latest knows one, the first that one which keeps
--           the first said. What a stream keeps is what its newest batch declared. Unknown stays null.
with

policies as (
    select
        source,
        stream,
        arg_max(keep, batch_seq) as keep
    from raw.batches
    where batch_seq <= $through and keep is not null
    group by source, stream
),

told as (
    select
        identities.user_id,
        attributes.attribute,
        attributes.value,
        policies.keep,
        coalesce(attributes.ingested_at, timestamp '-infinity') as known_from,
        batches.statement_seq,
        batches.batch_seq,
        attributes.row_number
    from raw.attributes as attributes
    inner join raw.batches as batches on attributes.batch_id = batches.batch_id
    inner join policies on batches.source = policies.source and batches.stream = policies.stream
    inner join clean.identities as identities
        on attributes.source = identities.source and attributes.user_id = identities.source_user_id
    where batches.batch_seq <= $through
),

-- What holds comes last: what is kept first, of statements before others, as it was read last; then what is kept latest.
ranked as (
    select
        *,
        row_number() over (
            order by
                keep = 'latest',
                case when keep = 'latest' then known_from end,
                case when keep = 'latest' then batch_seq end,
                case when keep = 'latest' then row_number end,
                known_from desc,
                statement_seq desc,
                batch_seq asc,
                row_number desc
        ) as place
    from told
),

held as (
    select
        user_id,
        attribute,
        arg_max(value, place) as value
    from ranked
    group by user_id, attribute
)

select
    user_id,
{% for name in attributes %}
    max(value) filter (where attribute = '{{ name }}') as {{ name }}{{ '' if loop.last else ',' }}
{% endfor %}
from held
group by user_id
order by user_id
