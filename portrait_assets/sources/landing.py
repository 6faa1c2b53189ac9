"""Landing: files of a source into raw.events, raw.items, raw.attributes, raw.quarantine and the ledger raw.batches.

A batch is one file of one stream, in one transaction. The same bytes read by the same declaration land once.
"""

import logging
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from portrait_assets.columns import (
    RAW_ATTRIBUTES,
    RAW_BATCHES,
    RAW_EVENTS,
    RAW_FAILURES,
    RAW_FILES,
    RAW_ITEMS,
    RAW_QUARANTINE,
)
from portrait_assets.errors import PortraitError
from portrait_assets.sources.compiling import Compiled, clock_of, compiled, row_wise
from portrait_assets.sources.elements import explode
from portrait_assets.sources.expressions import first_line, quoted
from portrait_assets.sources.files import refuse_changed, states_of
from portrait_assets.sources.ledger import Batch, Reading, batch_of, reading_of, remember
from portrait_assets.sources.mapping import EventStream, Source
from portrait_assets.sources.planning import Refused, Work, set_aside, work_of
from portrait_assets.sources.readers import stage
from portrait_assets.sources.relation import Staged
from portrait_assets.sources.staged import LINE, OWN, ROW

SQL = Path(__file__).parents[2] / "sql" / "raw"
RAW_TABLES = (RAW_EVENTS, RAW_ITEMS, RAW_ATTRIBUTES, RAW_QUARANTINE, RAW_BATCHES, RAW_FILES, RAW_FAILURES)
NO_STREAM = "none"
FORGET_FAILURE = "delete from raw.failures where source = $source and files = $files and (stream = $stream"

log = logging.getLogger(__name__)
logger = logging.getLogger("portrait")


def land(
    con: duckdb.DuckDBPyConnection,
    source: Source,
    now: datetime,
    files: Sequence[str | Path] | None = None,
    refused: Refused | None = None,
    again: bool = False,
) -> list[Batch]:
    """Land what is new of a source: all its files, or the given ones read by its mapping. One batch a file and stream.

    `now` bounds the future (a naive time is UTC), and without a mapped `ingested_at` it is when given files were learnt. `again`
    says that the given files say what they say now, also those that were landed before (see ledger.reading_of).
    The first file that can not be landed is a PortraitError; with `refused` it is entered there, and the others land.
    """
    now = now.astimezone(UTC).replace(tzinfo=None) if now.tzinfo else now
    create_raw_tables(con)
    landed = []
    works = work_of(con, source, files, refused)
    for path, error in (refused or {}).items():
        _remember_failure(con, {"source": source.name, "stream": NO_STREAM, "files": path.name}, str(error), now)
    count, total = 0, sum(len(work.paths) for work in works)
    for number, work in enumerate(works, start=1):
        with set_aside(refused, *work.paths):
            looked_up = [path for paths in work.lookups.values() for path in paths]
            seen = states_of(looked_up)
            lookups = stage_lookups(con, work)
            for place, path in enumerate(work.paths, start=1):
                count += 1
                with set_aside(refused, path), _failures_named(con, work, path, now, goes_on=refused is not None):
                    states = {**seen, **states_of([path])}
                    rest = [(work, other) for other in work.paths[place:]]
                    rest += [(later, other) for later in works[number:] for other in later.paths]
                    found = reading_of(con, work, path, now, again, rest)
                    if isinstance(found, Reading):
                        logger.info("landing %s, file %d of %d", path.name, count, total)
                        plan = stage_and_compile(con, work, path, lookups)
                        refuse_changed(states)
                        found = write(con, work, plan, found, now, is_historical=files is None)
                    else:
                        remember(con, work, path, found.batch_id)
                    landed.append(found)
    return landed


@contextmanager
def _failures_named(con: duckdb.DuckDBPyConnection, work: Work, path: Path, now: datetime, goes_on: bool) -> Iterator[None]:
    """Whatever stops the landing of a file is a PortraitError that names it, and is remembered until the file lands."""
    file = {"source": work.source.name, "stream": work.stream.stream, "files": path.name}
    try:
        yield
    except (PortraitError, duckdb.Error, OSError, EOFError) as error:
        reason = first_line(error) if isinstance(error, duckdb.Error) else str(error)
        reason = reason.removeprefix(f"{path.name}: ")
        _remember_failure(con, file, reason, now)
        advice = (
            "" if goes_on else ". What landed before it stays; mend the file or take it away, then land again: it goes on here"
        )
        raise PortraitError(f"{path.name} was not landed, nothing of it: {reason}{advice}") from None
    con.execute(f"{FORGET_FAILURE} or stream = '{NO_STREAM}')", file)


def _remember_failure(con: duckdb.DuckDBPyConnection, file: dict[str, str], reason: str, now: datetime) -> None:
    with suppress(duckdb.Error):  # where the disk is full, not even this can be written
        con.execute(f"{FORGET_FAILURE})", file)
        con.execute(
            "insert into raw.failures by name select $source as source, $stream as stream, $files as files, $reason as reason, "
            "$failed_at as failed_at",
            {**file, "reason": reason, "failed_at": now},
        )


def pending(con: duckdb.DuckDBPyConnection, source: Source) -> bool:
    """Whether `land` would find a file of the source that the ledger does not know; reads bytes, writes nothing."""
    create_raw_tables(con)
    files = [(work, path) for work in work_of(con, source) for path in work.paths]
    now = datetime.now(UTC).replace(tzinfo=None)
    return any(
        isinstance(reading_of(con, *file, now, False, files[place:]), Reading) for place, file in enumerate(files, start=1)
    )


def create_raw_tables(con: duckdb.DuckDBPyConnection) -> None:
    """The raw layer's tables, where they are not there yet."""
    for table in RAW_TABLES:
        con.execute(f"create schema if not exists {table.schema}")
        con.execute(table.ddl())


def stage_lookups(con: duckdb.DuckDBPyConnection, work: Work) -> dict[str, Staged]:
    """The tables that a stream looks into, staged whole: table name -> staged table."""
    staged: dict[str, Staged] = {}
    for table, paths in work.lookups.items():
        name = f"lookup_{len(staged)}"
        parts = {f"{name}_{n}": path for n, path in enumerate(paths)}
        shapes = {path: stage(con, work.source.tables[table], path, part) for part, path in parts.items()}
        union = " union all by name ".join(f"select * from {part}" for part in parts)
        con.execute(f"create or replace temp table {name} as {union}")
        columns = {column for shape in shapes.values() for column in shape.types}
        lacking = {c: path.name for path, shape in shapes.items() if shape.types for c in columns if c not in shape.types}
        staged[table] = Staged.of(con, table, name, work.source.tables[table], work.place, lacking)
    return staged


def stage_and_compile(
    con: duckdb.DuckDBPyConnection, work: Work, path: Path, lookups: dict[str, Staged], tried: int | None = None
) -> Compiled:
    """Stage a file (see readers.stage) and compile its stream over it; the temporary view `received` then holds each row as JSON.

    What does not fit is a PortraitError that names the file.
    """
    stage(con, work.source.tables[work.stream.table], path, "staged", tried)
    return compile_staged(con, work, path, lookups)


def compile_staged(con: duckdb.DuckDBPyConnection, work: Work, path: Path, lookups: dict[str, Staged]) -> Compiled:
    """The same of the file at `path` that is staged already."""
    table, stream = work.source.tables[work.stream.table], work.stream
    try:
        base = Staged.of(con, stream.table, "staged", table, work.place)
        if stream.each:
            explode(con, base, stream.each, clock_of(work.source, stream))
            base = Staged.of(con, stream.table, "elements", table, work.place)
        plan = compiled(con, work.source, stream, {**lookups, stream.table: base}, work.last_day)
    except PortraitError as error:
        raise PortraitError(f"{path.name}: {error}") from None
    columns = [column for column, *_ in con.execute(f"describe {base.relation}").fetchall() if column not in OWN]
    packed = ", ".join(f"{quoted(column)} := {quoted(column)}" for column in columns)
    row = f"to_json(struct_pack({packed}))" if columns else "json_object()"
    con.execute(
        f"create or replace temp view received as select {ROW} as row_number, "
        f"case when {LINE} is null then {row} else json_object('line', {LINE}) end::varchar as payload from {base.relation}"
    )
    return plan


def write(
    con: duckdb.DuckDBPyConnection, work: Work, plan: Compiled, reading: Reading, now: datetime, is_historical: bool
) -> Batch:
    """Write the staged file as one batch, in one transaction: all of it, or after any failure nothing."""
    started = time.perf_counter()
    _map(con, work, plan, now)
    con.begin()
    try:
        batch = _write(con, work, reading, {"now": now, "is_historical": is_historical})
        if reading.is_repeat and not batch.rows_accepted:
            con.rollback()
            return replace(batch, is_new=False)
        remember(con, work, reading.path, batch.batch_id)
        con.commit()
    except BaseException:
        with suppress(duckdb.Error):  # a commit that failed has rolled back already; the reason is the first error
            con.rollback()
        raise
    log.info("%s: %s rows of %s in %.1f s", batch.stream, f"{batch.rows_in:,}", batch.files, time.perf_counter() - started)
    return batch


def _map(con: duckdb.DuckDBPyConnection, work: Work, plan: Compiled, now: datetime) -> None:
    """Make the temporary table `mapped`: the stream's rows in canonical columns, each with its reason if it is rejected; events with
    their keys."""
    keyed = (
        f"with stream_rows as ({plan.mapped}) from ({_sql('keyed')})" if isinstance(work.stream, EventStream) else plan.mapped
    )
    try:
        with row_wise(con):
            con.execute(
                f"create or replace temp table mapped as {keyed}", _used(keyed, {**latest(now), "stream": work.stream.stream})
            )
    except duckdb.Error as error:
        raise PortraitError(f"{work.place}: {first_line(error)}; `portrait sources check` shows each expression") from None


def _write(con: duckdb.DuckDBPyConnection, work: Work, reading: Reading, parameters: dict[str, Any]) -> Batch:
    """The mapped rows into the raw tables; the temporary table `accepted` has for the ledger which of them said something new."""
    [(batch_seq,)] = con.execute("select coalesce(max(batch_seq), 0) + 1 from raw.batches").fetchall()
    keep = getattr(work.stream, "keep", None)
    parameters |= {
        **reading.identity,
        "source": work.source.name,
        "stream": work.stream.stream,
        "batch_seq": batch_seq,
        "statement_seq": reading.statement_seq or batch_seq,
        "learnt_at": reading.learnt_at,
        "is_keyed": bool(getattr(work.stream, "key", ())),
        "keep": keep,
        "kept_otherwise": _kept(con, work) not in (None, keep),
    }
    order = ""
    if isinstance(work.stream, EventStream):
        table, told = (
            "events",
            "select row_number, event_date, event_key, is_first from raw.events where batch_seq = $batch_seq",
        )
        parameters |= _days(con) | {"is_distinct": work.stream.duplicates == "distinct"}
        con.execute(f"create or replace temp table suspects as {_sql('suspects')}", _used(_sql("suspects"), parameters))
        order = "" if _is_in_day_order(con) else "order by event_date, row_number"
    else:
        table = "items" if work.stream.identity == "item_id" else "attributes"
        told = (
            f"select distinct row_number, null::date as event_date, null::varchar as event_key, true as is_first from raw.{table} "
            "where batch_id = $batch_id"
        )
    con.execute(f"insert into raw.{table} by name {_sql(table)} {order}", _used(_sql(table), parameters))
    con.execute(f"create or replace temp table accepted as {told}", _used(told, parameters))
    for table in ("quarantine", "batches"):
        con.execute(f"insert into raw.{table} by name {_sql(table)}", _used(_sql(table), parameters))
    batch = batch_of(con, parameters["batch_id"], is_new=True)
    assert batch is not None
    return batch


def _kept(con: duckdb.DuckDBPyConnection, work: Work) -> str | None:
    """What the stream kept of several values when it was landed last; None where it never was."""
    [(keep,)] = con.execute(
        "select arg_max(keep, batch_seq) from raw.batches where source = $source and stream = $stream",
        {"source": work.source.name, "stream": work.stream.stream},
    ).fetchall()
    return keep


def latest(now: datetime) -> dict[str, datetime]:
    """The parameter that bounds events from the future: a day of grace for clocks that are ahead."""
    return {"latest": now + timedelta(days=1)}


def _days(con: duckdb.DuckDBPyConnection) -> dict[str, date | None]:
    [(first, last)] = con.execute(
        "select min(event_time)::date, max(event_time)::date from mapped where reason is null"
    ).fetchall()
    return {"first_date": first, "last_date": last}


def _is_in_day_order(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether the rows of `mapped` come in the order of their days already, as logs do: then there is nothing to sort."""
    [(steps_back,)] = con.execute(
        "select count(*) from (select event_time::date < lag(event_time::date) over () as is_back from mapped where reason is null) "
        "where is_back"
    ).fetchall()
    return steps_back == 0


@cache
def _sql(name: str) -> str:
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")


def _used(sql: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters that a statement names; DuckDB refuses any others."""
    return {name: parameters[name] for name in set(re.findall(r"\$(\w+)", sql)) if name in parameters}
