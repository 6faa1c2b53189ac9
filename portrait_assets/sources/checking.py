"""Trying a mapping before anything is landed: all files of all streams, what each expression makes of their rows, what is rejected why."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb

from portrait_assets.errors import PortraitError
from portrait_assets.sources.compiling import REQUIRED, Compiled, row_wise
from portrait_assets.sources.files import format_of
from portrait_assets.sources.implausible import days_apart
from portrait_assets.sources.landing import create_raw_tables, latest, stage_and_compile, stage_lookups
from portrait_assets.sources.ledger import Batch
from portrait_assets.sources.mapping import EventStream, Source
from portrait_assets.sources.planning import Work, work_of
from portrait_assets.sources.trial import EXAMPLES, ColumnReport, Trial, try_file

MIDNIGHTS = 10  # events that are all at midnight are no chance
SHOWN = 5  # files of a stream whose differences are listed one by one


@dataclass(frozen=True)
class FileReport:
    """One file of a stream: how many rows it has, how many were tried, and why `run` would stop at it, if it would."""

    name: str
    rows: int
    tried: int
    error: str | None = None


@dataclass(frozen=True)
class StreamReport:
    """What a stream makes of its files, `batch` of all of them together. `reasons` are (an example, how many rows).

    `lands` is false where `run` would stop at a file, or would land nothing of the stream.
    """

    batch: Batch
    table: str
    files: tuple[FileReport, ...]
    columns: tuple[ColumnReport, ...]
    reasons: tuple[tuple[str, int], ...]
    unmapped: tuple[str, ...]
    warnings: tuple[str, ...]
    lands: bool


@dataclass(frozen=True)
class Report:
    """What `check` found, one part a stream. `rows` is how many rows of a longer file were tried from its beginning, `looked_up` how many
    files streams look into: those are read whole."""

    source: str
    title: str
    rows: int
    looked_up: int
    streams: tuple[StreamReport, ...]

    @property
    def is_fine(self) -> bool:
        """Whether every stream accepts something, rejects nothing and raises no warning."""
        return self.lands and all(not s.batch.rows_rejected and not s.warnings for s in self.streams)

    @property
    def lands(self) -> bool:
        """Whether `run` would go through all files, and land something of every stream."""
        return all(stream.lands for stream in self.streams)

    @property
    def files(self) -> list[FileReport]:
        """Each file once, whatever streams read it."""
        return list({(s.table, file.name): file for s in reversed(self.streams) for file in reversed(s.files)}.values())[::-1]


def check(
    source: Source, rows: int = 10_000, now: datetime | None = None, at: Callable[[str], None] = lambda file: None
) -> Report:
    """Land every file of the source in a database that is thrown away, and report what happened; `at` is given each file's name before.

    Of a file with more than `rows` rows only those from its beginning, as many of the rest, and all malformed lines are tried.
    A file that can't be read is reported; a stream none of whose files can be is a PortraitError.
    """
    now = now or datetime.now(UTC).replace(tzinfo=None)
    with duckdb.connect() as con, row_wise(con):
        con.execute("set timezone = 'UTC'")
        create_raw_tables(con)
        found = [(work, *_try_files(con, work, rows, now, at)) for work in work_of(con, source)]
    used: dict[str, set[str]] = {}
    for work, trials, _ in found:
        used.setdefault(work.stream.table, set()).update(*(trial.used for trial in trials))
    streams = tuple(_stream_report(work, trials, errors, used[work.stream.table]) for work, trials, errors in found)
    looked_up = {path for work, *_ in found for paths in work.lookups.values() for path in paths}
    return Report(source.name, source.title, rows, len(looked_up), streams)


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


def _try_files(
    con: duckdb.DuckDBPyConnection, work: Work, rows: int, now: datetime, at: Callable[[str], None]
) -> tuple[list[Trial], dict[Path, str]]:
    """What became of each file, and why some can't be read."""
    trials: list[Trial] = []
    errors: dict[Path, PortraitError] = {}
    lookups = stage_lookups(con, work)
    for path in work.paths:
        at(path.name)
        try:
            trials.append(try_file(con, work, path, lookups, rows, now))
        except PortraitError as error:
            errors[path] = error
    if not trials:
        raise next(iter(errors.values()))
    return trials, {path: str(error).removeprefix(f"{path}: ").removeprefix(f"{path.name}: ") for path, error in errors.items()}


def _stream_report(work: Work, trials: Sequence[Trial], errors: dict[Path, str], used: set[str]) -> StreamReport:
    batch = _together([trial.batch for trial in trials])
    tried = {trial.path: FileReport(trial.path.name, trial.shape.rows, trial.tried) for trial in trials}
    files = tuple(tried.get(path) or FileReport(path.name, 0, 0, errors[path]) for path in work.paths)
    is_whole = all(file.rows == file.tried for file in files)
    nothing_wrong = not isinstance(work.stream, EventStream) and not batch.rows_rejected
    none_picked = not is_whole and not batch.rows_in
    present = dict.fromkeys(column for trial in trials for column in trial.shape.types)
    return StreamReport(
        batch=batch,
        table=work.stream.table,
        files=files,
        columns=_columns(trials),
        reasons=_reasons(trials),
        unmapped=tuple(column for column in present if column not in used),
        warnings=tuple(_warnings(work, trials, batch)),
        lands=not errors and bool(batch.rows_accepted or nothing_wrong or none_picked),
    )


def _together(batches: list[Batch]) -> Batch:
    """One batch in place of several: their rows added up, their days spanned."""
    counts = {name: sum(getattr(b, name) for b in batches) for name in Batch.__dataclass_fields__ if name.startswith("rows_")}
    days = [day for b in batches for day in (b.first_date, b.last_date) if day]
    names = ", ".join(b.files for b in batches)
    return replace(batches[0], files=names, first_date=min(days, default=None), last_date=max(days, default=None), **counts)


def _columns(trials: Sequence[Trial]) -> tuple[ColumnReport, ...]:
    """Each column over all files, with the first few different examples."""
    merged = []
    for parts in zip(*(trial.columns for trial in trials), strict=True):
        examples = {out: (into, out) for part in reversed(parts) for into, out in reversed(part.examples)}
        first = sorted(examples.values(), key=[e for part in parts for e in part.examples].index)[:EXAMPLES]
        nulls, rejected = sum(part.nulls for part in parts), sum(part.rejected for part in parts)
        merged.append(replace(parts[0], examples=tuple(first), nulls=nulls, rejected=rejected))
    return tuple(merged)


def _reasons(trials: Sequence[Trial]) -> tuple[tuple[str, int], ...]:
    """Like reasons of all files together, the most frequent first; where there are several files, with the one of the example."""
    examples: dict[str, str] = {}
    times: dict[str, int] = {}
    for trial in trials:
        for alike, example, count in trial.reasons:
            examples.setdefault(alike, f"{trial.path.name}, {example}" if len(trials) > 1 else example)
            times[alike] = times.get(alike, 0) + count
    return tuple((examples[alike], times[alike]) for alike in sorted(times, key=lambda alike: -times[alike]))


def _warnings(work: Work, trials: Sequence[Trial], batch: Batch) -> list[str]:
    found = [] if batch.rows_accepted else ["nothing is accepted"]
    found += _drift(work, trials)
    for path in dict.fromkeys(path for trial in trials for path in trial.absent):
        if all(path in trial.absent for trial in trials if trial.tried):
            found.append(f"no row has {path}{next(trial.absent[path] for trial in trials if path in trial.absent)}")
    if work.stream.each and not batch.rows_in and batch.rows_skipped:
        found.append(f"no row has an element in {work.stream.each}")
    if not isinstance(work.stream, EventStream):
        return found
    if not work.stream.key:
        found.append("no key: an event is its whole row, so a later correction can't be distinguished from a new event")
    if ambiguous := sum(trial.ambiguous_keys for trial in trials):
        found.append(f"{ambiguous} keys come with different content, of which only the last counts; is the key complete?")
    found += days_apart(sum((Counter(trial.days) for trial in trials), Counter[date]()))
    if sum(trial.midnights for trial in trials) == batch.rows_accepted >= MIDNIGHTS:
        found.append('every event is at midnight; if these are dates without an hour, write event_time = "…::date"')
    return found


def _drift(work: Work, trials: Sequence[Trial]) -> list[str]:
    """How the columns of files differ from those of the first, file by file; keys of JSON differ by nature."""
    table = work.source.tables[work.stream.table]
    first, *others = trials
    differing = [
        f"{trial.path.name}: {what}; {first.path.name} differs"
        for trial in others
        if format_of(table, trial.path) not in ("json", "ndjson")
        and (what := _difference(first.shape.types, trial.shape.types))
    ]
    more = [f"{len(differing) - SHOWN} more files have other columns than {first.path.name}"] if len(differing) > SHOWN else []
    return differing[:SHOWN] + more


def _difference(first: dict[str, str], other: dict[str, str]) -> str:
    lacks, has = [c for c in first if c not in other], [c for c in other if c not in first]
    types = [f"{c} is {other[c]}, not {first[c]}" for c in first if c in other and first[c] != other[c]]
    order = [] if lacks or has or [*first] == [*other] else ["has its columns in another order, and they are read by name"]
    return "; ".join([f"lacks {', '.join(lacks)}"] * bool(lacks) + [f"also has {', '.join(has)}"] * bool(has) + types + order)
