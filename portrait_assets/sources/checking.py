"""Trying a mapping before anything is landed: what each expression makes of the first rows, and what is rejected why."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb

from portrait_assets.errors import PortraitError
from portrait_assets.sources.compiling import REQUIRED, Compiled, row_wise
from portrait_assets.sources.expressions import literal, quoted
from portrait_assets.sources.landing import Batch, create_raw_tables, latest, stage_and_compile, stage_lookups, write
from portrait_assets.sources.mapping import EventStream, Source
from portrait_assets.sources.planning import Work, work_of
from portrait_assets.sources.staged import ROW

EXAMPLES = 3
MIDNIGHTS = 10  # events that are all at midnight are no chance
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
class StreamReport:
    """What a stream makes of the first rows of its first file. `reasons` are (an example, how many rows)."""

    batch: Batch
    table: str
    columns: tuple[ColumnReport, ...]
    reasons: tuple[tuple[str, int], ...]
    unmapped: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """What `check` found, one part a stream. `rows` is how many rows of each file were tried."""

    source: str
    title: str
    rows: int
    streams: tuple[StreamReport, ...]

    @property
    def is_fine(self) -> bool:
        """Whether every stream accepts something, rejects nothing and raises no warning."""
        return all(s.batch.rows_accepted and not s.batch.rows_rejected and not s.warnings for s in self.streams)


def check(source: Source, rows: int = 10_000, now: datetime | None = None) -> Report:
    """Land the first `rows` rows of each stream's first file in a database that is thrown away, and tell what happened."""
    now = now or datetime.now(UTC).replace(tzinfo=None)
    with duckdb.connect() as con, row_wise(con):
        create_raw_tables(con)
        works = work_of(con, source)
        used: dict[str, set[str]] = {}
        reports = [_check_stream(con, work, rows, now, used) for work in works]
    unmapped = {report.table: tuple(c for c in report.unmapped if c not in used[report.table]) for report in reports}
    streams = tuple(StreamReport(**{**vars(report), "unmapped": unmapped[report.table]}) for report in reports)
    return Report(source.name, source.title, rows, streams)


def survey(source: Source) -> tuple[date, date]:
    """First and last UTC day of a source's events: as declared by start and end, else as its files say."""
    if source.start and source.end:
        return source.start, source.end
    days: list[date] = []
    with duckdb.connect() as con, row_wise(con):
        for work in (work for work in work_of(con, source) if isinstance(work.stream, EventStream)):
            bare = {c: None for c in work.stream.canonical() if c not in REQUIRED}
            stream = work.stream.model_copy(update={**bare, "key": (), "corrects": None})
            work = Work(source, stream, work.paths, work.lookups)
            lookups = stage_lookups(con, work)
            for path in work.paths:
                days += _days(con, stage_and_compile(con, work, path, lookups))
    if not days:
        raise PortraitError(f"{source.path}: no event can be read; `portrait sources check` says why")
    return source.start or min(days), source.end or max(days)


def _days(con: duckdb.DuckDBPyConnection, plan: Compiled) -> list[date]:
    bounds = f"select min(event_time)::date, max(event_time)::date from ({plan.mapped}) where reason is null"
    [days] = con.execute(bounds, latest(datetime.now(UTC).replace(tzinfo=None))).fetchall()
    return [day for day in days if day is not None]


def _check_stream(
    con: duckdb.DuckDBPyConnection, work: Work, rows: int, now: datetime, used: dict[str, set[str]]
) -> StreamReport:
    path = work.paths[0]
    plan = stage_and_compile(con, work, path, stage_lookups(con, work), rows)
    batch = write(con, work, plan, _identity(work, path), now, is_historical=True)
    columns = [name for name in plan.fields if name != "where" and not name.startswith("reject ")]
    present = [column for column, *_ in con.execute("describe staged").fetchall() if not column.startswith("__")]
    used.setdefault(work.stream.table, set()).update(plan.used.get("", ()))
    return StreamReport(
        batch=batch,
        table=work.stream.table,
        columns=tuple(_column(con, plan, name, present) for name in columns),
        reasons=_reasons(con),
        unmapped=tuple(present),
        warnings=tuple(_warnings(con, work, batch)),
    )


def _identity(work: Work, path: Path) -> dict[str, object]:
    named = f"check {work.stream.stream}"
    return {"batch_id": named, "declaration": "", "files": path.name, "sha256": "", "bytes": path.stat().st_size}


def _column(con: duckdb.DuckDBPyConnection, plan: Compiled, name: str, present: list[str]) -> ColumnReport:
    read = [column for lookup, column in plan.reads[name] if not lookup and column in present]
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
    received = ", ".join(f"coalesce(staged.{quoted(column)}::varchar, '')" for column in read) or "''"
    found = con.execute(
        f"select concat_ws(' · ', {received}) as received, judged.value from staged inner join "
        f"(select {ROW}, left(({shown})::varchar, 60) as value from ({plan.judged})) as judged on staged.{ROW} = judged.{ROW} "
        f"where judged.value is not null qualify row_number() over (partition by judged.value order by staged.{ROW}) = 1 "
        f"order by staged.{ROW} limit {EXAMPLES}"
    ).fetchall()
    return tuple((into, out + UNITS.get(name, "")) for into, out in found)


def _reasons(con: duckdb.DuckDBPyConnection) -> tuple[tuple[str, int], ...]:
    """Reasons that differ in nothing but the value, counted together: the first of them stands for all."""
    return tuple(
        con.execute(
            r"select arg_min(reason, row_number), count(*) as times from mapped where reason is not null "
            r"group by regexp_replace(reason, '''[^'']*''|[0-9][0-9.: -]*', '…', 'g') order by times desc, 1"
        ).fetchall()
    )


def _warnings(con: duckdb.DuckDBPyConnection, work: Work, batch: Batch) -> list[str]:
    found = [] if batch.rows_accepted else ["nothing is accepted"]
    if not isinstance(work.stream, EventStream):
        return found
    if not work.stream.key:
        found.append("no key: an event is its whole row, so a later correction can't be told from a new event")
    [(ambiguous,)] = con.execute(
        "select count(*) from (select event_key from raw.events where batch_id = $batch group by event_key, event_version "
        "having count(*) > 1)",
        {"batch": batch.batch_id},
    ).fetchall()
    if ambiguous:
        found.append(f"{ambiguous} keys are told with different content, of which only the last counts; is the key complete?")
    [(midnights, others)] = con.execute(
        "select count(*) filter (where has_time and local_time::time = time '00:00'), count(*) from raw.events where batch_id = $batch",
        {"batch": batch.batch_id},
    ).fetchall()
    if midnights == others >= MIDNIGHTS:
        found.append('every event is at midnight; if these are dates without an hour, write event_time = "…::date"')
    first, last = work.source.start, work.source.end
    if (first and batch.first_date and batch.first_date < first) or (last and batch.last_date and batch.last_date > last):
        found.append(f"events from {batch.first_date} to {batch.last_date} lie outside the declared start and end")
    return found
