-- raw.attributes
-- Grain:    one declared attribute of one user as said by one batch; one without an attribute where nothing but the user is known.
-- Inputs:   mapped (the stream's rows, attributes as a list), raw.attributes, raw.batches.
-- Promise:  known values only. Of several rows of a batch (learnt at one time) the last counts, or the first where the stream keeps
--           the first ($keep). One that says what held before it is not news; where the first is kept, none is but the first. Unless the
--           mapping says when it was learnt, that is from the start for a historical load ($is_historical), else $learnt_at, and
--           never before what statements up to its own ($statement_seq) said.
with

said as (
    select
        user_id,
        row_number,
        case when $keep = 'first' then -row_number else row_number end as priority,
        ingested_at,
        unnest(case when len(attributes) > 0 then attributes else [null] end) as pair
    from mapped
    where reason is null
),

described as (
    select
        user_id,
        pair.attribute as attribute,
        ingested_at,
        arg_max(pair.value, priority) as value,
        arg_max(row_number, priority) as row_number
    from said
    group by user_id, pair.attribute, ingested_at
),

known_users as (
    select user_id
    from raw.attributes
    where source = $source
    union distinct
    select user_id
    from described
    where attribute is not null
),

-- Streams that keep the same of several values compete; the others are told apart when they are read (clean/users.sql).
policies as (
    select
        stream,
        arg_max(keep, batch_seq) as keep
    from raw.batches
    where source = $source and stream != $stream and keep is not null
    group by stream
    union all
    select
        $stream as stream,
        $keep as keep
),

told as (
    select
        attributes.user_id,
        attributes.attribute,
        attributes.value,
        attributes.ingested_at,
        batches.statement_seq,
        batches.batch_seq,
        attributes.row_number
    from raw.attributes as attributes
    semi join described on attributes.user_id = described.user_id
    inner join raw.batches as batches on attributes.batch_id = batches.batch_id
    inner join policies on batches.stream = policies.stream
    where attributes.source = $source and policies.keep = $keep
),

last_told as (
    select
        user_id,
        attribute,
        max(ingested_at) as ingested_at
    from told
    where statement_seq <= $statement_seq
    group by user_id, attribute
),

tellings as (
    select
        described.user_id,
        described.attribute,
        described.value,
        coalesce(
            described.ingested_at,
            greatest(case when not $is_historical then $learnt_at end, last_told.ingested_at)
        ) as ingested_at,
        $statement_seq as statement_seq,
        $batch_seq as batch_seq,
        described.row_number
    from described
    left join last_told on described.user_id = last_told.user_id and described.attribute = last_told.attribute
    union all
    select
        user_id,
        attribute,
        value,
        ingested_at,
        statement_seq,
        batch_seq,
        row_number
    from told
    -- A statement that is read anew is the same statement: where it is the first, its newest reading is kept.
    where $keep = 'latest' or statement_seq != $statement_seq
),

compared as (
    select
        *,
        lag(value) over tellings_of_one as value_before,
        lag(batch_seq) over tellings_of_one is not null as is_preceded
    from tellings
    window
        tellings_of_one as (
            partition by user_id, attribute
            order by
                coalesce(ingested_at, timestamp '-infinity'),
                case when $keep = 'first' then statement_seq else batch_seq end,
                row_number
        )
)

select
    $source as source,
    user_id,
    attribute,
    value,
    ingested_at,
    $batch_id as batch_id,
    row_number
from compared
where
    batch_seq = $batch_seq
    and case
        when $kept_otherwise then true
        when attribute is null then user_id not in (select known_users.user_id from known_users)
        when $keep = 'first' then not is_preceded
        else value is distinct from value_before
    end
order by row_number, attribute
