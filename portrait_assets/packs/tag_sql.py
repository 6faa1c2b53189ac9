"""SQL made from a tag catalogue: the values of a row, the changes from day to day, the tags of a published day.

The texts hold expressions, ids and versions that the catalogue's reader has judged; days come as the named parameters
`$start` and `$end`. The same catalogue gives the same text, so a hash of the text says when its result is stale.
"""

from collections.abc import Iterable

from portrait_assets.packs.catalogue import EXPORT_KINDS, Tag

MOST_OF_AN_ESTIMATE = 0.999  # what was estimated is never certain; facts, and rules over facts, may be
EVIDENCE_DECIMALS = 4


def tag_values(tags: Iterable[Tag]) -> str:
    """Grain: user x day of the relation `snapshot_rows`. One text column a tag, null where the tag is absent."""
    columns = ",\n    ".join(f'{_closed(tag.value)}::varchar as "{tag.id}"' for tag in tags)
    return f"select\n    event_date,\n    user_id,\n    {columns}\nfrom snapshot_rows"


def tag_changes(tags: Iterable[Tag]) -> str:
    """Grain: one change of one tag, on the days $start to $end: rows for portraits.changes.

    Inputs: a temporary table `tag_values` (see above) with the days $start - 1 to $end, every user on every day since
    the first; clean.events. On a user's first day the tag was absent before. A change on a day with events of the user is
    caused by them, and carries the newest batch that told of them; by a correction, if one of them was told more than once.
    """
    tags = list(tags)
    pairs = ",\n        ".join(f'before."{tag.id}" as "from_{tag.id}", after."{tag.id}" as "to_{tag.id}"' for tag in tags)
    differs = "\n            or ".join(f'before."{tag.id}" is distinct from after."{tag.id}"' for tag in tags)
    changes = "\nunion all\n".join(_changes_of(tag) for tag in tags)
    return f"""with

told as (
    select
        user_id,
        event_date,
        max(batch_seq) as batch_seq,
        bool_or(is_corrected) as is_corrected
    from clean.events
    where event_date between $start and $end
    group by user_id, event_date
),

moved as materialized (
    select
        after.event_date,
        after.user_id,
        told.batch_seq,
        told.is_corrected,
        {pairs}
    from tag_values as after
    left join tag_values as before on after.user_id = before.user_id and after.event_date = before.event_date + 1
    left join told on after.user_id = told.user_id and after.event_date = told.event_date
    where
        after.event_date between $start and $end
        and (
            {differs}
        )
),

changes as (
{changes}
)

select
    event_date,
    user_id,
    tag_id,
    from_value,
    to_value,
    cause,
    batch_seq,
    catalogue_version
from changes
order by event_date, user_id, tag_id"""


def _changes_of(tag: Tag) -> str:
    if tag.is_modelled:
        otherwise = "'model'"
    elif tag.uses_cut_points:
        otherwise = "case when day(event_date) = 1 then 'calendar' else 'clock' end"
    else:
        otherwise = "'clock'"
    return f"""    select
        event_date,
        user_id,
        '{tag.id}' as tag_id,
        "from_{tag.id}" as from_value,
        "to_{tag.id}" as to_value,
        case when is_corrected then 'correction' when batch_seq is not null then 'event' else {otherwise} end as cause,
        batch_seq,
        {tag.version}::bigint as catalogue_version
    from moved
    where "from_{tag.id}" is distinct from "to_{tag.id}\""""


def tag_export(tags: Iterable[Tag]) -> str:
    """Grain: user x tag of one published day: the rows of tags.parquet.

    Inputs: `snapshot_rows` with the rows of one day; portraits.tags. A tag whose value the history does not hold comes
    with `valid_from` null: history and snapshot disagree, which is for a check to say. All tags of a row are made in one
    projection: a scan for each tag costs more than the tag.
    """
    present = ",\n        ".join(_present(tag) for tag in tags)
    return f"""with

present as (
    select
        event_date,
        user_id,
        unnest([
        {present}
        ]) as tag
    from snapshot_rows
),

intervals as (
    select
        user_id,
        tag_id,
        "value",
        valid_from,
        valid_to
    from portraits.tags
)

select
    present.user_id,
    present.tag.tag_id,
    present.tag."value",
    round(greatest(0.0, least(present.tag.most, present.tag.confidence)), 4) as confidence,
    present.tag.kind,
    present.tag.evidence,
    intervals.valid_from,
    present.tag.is_stale
from present
left join intervals
    on
        present.user_id = intervals.user_id
        and present.tag.tag_id = intervals.tag_id
        and present.tag."value" = intervals."value"
        and present.event_date >= intervals.valid_from
        and (intervals.valid_to is null or present.event_date < intervals.valid_to)
where present.tag is not null
order by present.user_id, present.tag.tag_id"""


def _present(tag: Tag) -> str:
    kind = (
        f"case when {_closed(tag.origin)} = 'declared' then 'fact' else 'model' end"
        if tag.origin
        else f"'{EXPORT_KINDS[tag.kind]}'"
    )
    most = MOST_OF_AN_ESTIMATE if EXPORT_KINDS[tag.kind] in ("statistical", "model") else 1.0
    evidence = ", ".join(
        f"'{name}': {_short(_closed(sql)) if name in tag.fractions else _closed(sql)}"
        for name, sql in sorted(tag.evidence.items())
    )
    fields = {
        "tag_id": f"'{tag.id}'",
        "value": f"{_closed(tag.value)}::varchar",
        "confidence": f"{_closed(tag.confidence)}::double",
        "most": f"{most}::double",
        "kind": kind,
        "evidence": f"to_json({{{evidence}}})::varchar",
        "is_stale": stale(tag),
    }
    listed = ", ".join(f"'{name}': {sql}" for name, sql in fields.items())
    return f"case when {_closed(tag.value)} is not null then {{{listed}}} end"


def stale(tag: Tag) -> str:
    """Whether the tag of a snapshot row is older than it is to be believed."""
    return f"coalesce(recency_days > {tag.ttl_days}, false)" if tag.ttl_days else "false"


def _short(sql: str) -> str:
    """A fraction to four decimals, or as it is where that would make it whole: a chance of 0.00003 is not none."""
    short = f"round({sql}::double, {EVIDENCE_DECIMALS})"
    return f"case when {short} = trunc({short}) then {sql}::double else {short} end"


def _closed(sql: str) -> str:
    """`sql` in parentheses, which a comment at its end does not swallow."""
    return f"({sql}\n)" if "--" in sql else f"({sql})"
