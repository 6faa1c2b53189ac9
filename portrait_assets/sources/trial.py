"""One file tried: landed by one stream in a database that is thrown away, and what each expression made of its rows."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import duckdb

from portrait_assets.sources.compiling import Compiled
from portrait_assets.sources.expressions import literal, quoted
from portrait_assets.sources.landing import compile_staged, write
from portrait_assets.sources.ledger import Batch, Reading
from portrait_assets.sources.planning import Work
from portrait_assets.sources.readers import Shape, stage
from portrait_assets.sources.relation import Staged
from portrait_assets.sources.staged import ROW
from portrait_assets.sources.values import is_text
from portrait_assets.words_near import nearest

EXAMPLES = 3
UNITS = {"amount": " cents", "discount": " cents", "coupon": " cents", "quantity": " thousandths"}


@dataclass(frozen=True)
class ColumnReport:
    """One canonical column: its expression, (source values, canonical value) examples, rows without it, rows rejected by it."""

    column: str
    expression: str
    examples: tuple[tuple[str, str], ...]
    nulls: int
    rejected: int


@dataclass(frozen=True)
class Trial:
    """What a stream made of one file. `reasons` are (what like reasons share, an example, how many rows); `absent` are paths into JSON
    that no row has, each with advice; `tried` of the file's rows were read. `midnights` are events with an hour, which is 0:00; `days` UTC day ->
    its events."""

    path: Path
    shape: Shape
    tried: int
    batch: Batch
    columns: tuple[ColumnReport, ...]
    reasons: tuple[tuple[str, str, int], ...]
    used: frozenset[str]
    absent: dict[str, str]
    ambiguous_keys: int
    midnights: int
    days: Mapping[date, int]


def try_file(
    con: duckdb.DuckDBPyConnection, work: Work, path: Path, lookups: dict[str, Staged], rows: int, now: datetime
) -> Trial:
    """Land a file by a stream; of a long one the `rows` that readers.stage picks. What can't be read is a PortraitError."""
    shape = stage(con, work.source.tables[work.stream.table], path, "staged", rows)
    plan = compile_staged(con, work, path, lookups)
    identity = {"batch_id": f"{work.stream.stream} {path}", "declaration": "", "files": path.name, "sha256": "", "bytes": 0}
    batch = write(con, work, plan, Reading(identity, path, None, learnt_at=now, is_repeat=False), now, is_historical=True)
    named = {"batch": batch.batch_id}
    names = [name for name in plan.fields if name != "where" and not name.startswith("reject ")]
    [(tried,)] = con.execute("select count(*) from staged").fetchall()
    [(ambiguous, midnights)] = con.execute(
        "with landed as (from raw.events where batch_id = $batch) select (select count(*) from (select event_key from landed "
        "group by event_key, event_version having count(*) > 1)), "
        "(select count(*) from landed where has_time and local_time::time = time '00:00')",
        named,
    ).fetchall()
    return Trial(
        path=path,
        shape=shape,
        tried=tried,
        batch=batch,
        columns=tuple(_column(con, plan, name) for name in names),
        reasons=_reasons(con),
        used=frozenset(plan.used.get("", ()))
        | set(plan.base.parents.values())
        | set(re.findall(r"\w+", work.stream.each or "")),
        absent=_absent(con, plan),
        ambiguous_keys=ambiguous,
        midnights=midnights,
        days=dict(
            con.execute("select event_date, count(*) from raw.events where batch_id = $batch group by all", named).fetchall()
        ),
    )


def _column(con: duckdb.DuckDBPyConnection, plan: Compiled, name: str) -> ColumnReport:
    read = [column for lookup, column in plan.reads[name] if not lookup]
    starts = " or ".join(f"starts_with(part, {literal(subject + ' ')})" for subject in dict.fromkeys([name, *read]))
    [(nulls,)] = con.execute(f"select count(*) filter (where {quoted(name)} is null) from ({plan.judged})").fetchall()
    [(rejected,)] = con.execute(
        f"select count(*) from mapped where len(list_filter(string_split(reason, '; '), lambda part: {starts})) > 0"
    ).fetchall()
    expression = plan.declared.get(name, plan.fields[name]).strip()
    return ColumnReport(name, expression, _examples(con, plan, name, read), nulls, rejected)


def _examples(con: duckdb.DuckDBPyConnection, plan: Compiled, name: str, read: list[str]) -> tuple[tuple[str, str], ...]:
    """The first few different values out, each with the source values it came from."""
    shown = f"{quoted(name)} at time zone 'UTC'" if name in ("event_time", "ingested_at") else quoted(name)
    received = ", ".join(f"coalesce(left(({plan.base.received(column)})::varchar, 60), '')" for column in read) or "''"
    found = con.execute(
        f"select sources.received, judged.value from (select {ROW}, concat_ws(' · ', {received}) as received from {plan.base.relation}) "
        f"as sources inner join (select {ROW}, left(({shown})::varchar, 60) as value from ({plan.judged})) as judged "
        f"on sources.{ROW} = judged.{ROW} where judged.value is not null "
        f"qualify row_number() over (partition by judged.value order by judged.{ROW}) = 1 order by judged.{ROW} limit {EXAMPLES}"
    ).fetchall()
    return tuple((into, out + UNITS.get(name, "")) for into, out in found)


def _reasons(con: duckdb.DuckDBPyConnection) -> tuple[tuple[str, str, int], ...]:
    """Reasons that differ in nothing but the value, counted together: the first of them stands for all."""
    return tuple(
        con.execute(
            r"select regexp_replace(reason, '''[^'']*''|[0-9][0-9.: -]*', '…', 'g') as alike, arg_min(reason, row_number), "
            r"count(*) as times from mapped where reason is not null group by alike order by times desc, 2"
        ).fetchall()
    )


def _absent(con: duckdb.DuckDBPyConnection, plan: Compiled) -> dict[str, str]:
    """Paths into JSON that no row has, where some row has another: each with the nearest that there is."""
    found = {}
    for path, parent in plan.base.parents.items():
        value = plan.base.paths[path]
        if not is_text(plan.base.types[parent]):
            continue
        text = plan.base.received(parent)
        [(present, keys)] = con.execute(
            f"select count({value.sql}), list_distinct(flatten(list(json_keys({text})) filter (where try(json_type({text})) = 'OBJECT'))) "
            f"from {plan.base.relation}"
        ).fetchall()
        if keys and not present:
            found[path] = nearest(path.removeprefix(parent + "."), keys)
    return found
