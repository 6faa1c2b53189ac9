"""What there is to read: which stream reads which files, whether of the source's own folder or given by the user."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from portrait_assets.columns import RAW_EVENTS
from portrait_assets.errors import PortraitError
from portrait_assets.sources.compiling import CANONICAL_STREAM as CANONICAL
from portrait_assets.sources.compiling import LIVE_STREAM
from portrait_assets.sources.files import files_of, table_of
from portrait_assets.sources.mapping import EventStream, Source, SourceTable, Stream
from portrait_assets.sources.readers import stage

# Columns of a canonical file that are said otherwise in a mapping, or that landing works out itself.
STORED_AS = {
    "event_key": ("key", "event_key"),
    "event_version": ("version", "event_version"),
    "quantity_milli": ("quantity", "quantity_milli / 1000"),
    "amount_cents": ("amount", "amount_cents / 100"),
    "discount_cents": ("discount", "discount_cents / 100"),
    "coupon_cents": ("coupon", "coupon_cents / 100"),
}
LIVE_FILE = re.compile(r"live-(\d{12})\.ndjson")  # a closed segment of the live service's log
# Until version 6 of the layout a live event's key was its event_id, a bar and its user_id.
EVENT_ID_OF_KEY = 'left("key", length("key") - length(user_id) - 1)'
WORKED_OUT = {"source", "local_time", "event_date", "batch_id", "row_number"}


@dataclass(frozen=True)
class Work:
    """One stream with the files it reads, and those of the tables it looks into."""

    source: Source
    stream: Stream
    paths: list[Path]
    lookups: dict[str, list[Path]]
    is_own: bool = False
    """The source's own files, which hold nothing after its declared end; those that are given later may."""

    @property
    def last_day(self) -> date | None:
        """The last day that its events may be of, if one is declared."""
        return self.source.end if self.is_own else None

    @property
    def place(self) -> str:
        return f"{self.source.path.name}, stream '{self.stream.stream}'"


Refused = dict[Path, PortraitError]
"""Files that were not landed, and why not."""


@contextmanager
def set_aside(refused: Refused | None, *paths: Path) -> Iterator[None]:
    """A PortraitError of the block is entered in `refused` for `paths`, so that other files go on; without `refused` it is raised."""
    try:
        yield
    except PortraitError as error:
        if refused is None:
            raise
        refused.update(dict.fromkeys(paths, error))


def told(refused: Refused) -> str:
    """All refusals in one line, each once."""
    return " | ".join(dict.fromkeys(map(str, refused.values())))


def work_of(
    con: duckdb.DuckDBPyConnection, source: Source, files: Sequence[str | Path] | None = None, refused: Refused | None = None
) -> list[Work]:
    """The streams that have something to read, in the order they land. A file that fits nowhere is a PortraitError."""
    if files is None:
        return [
            Work(source, stream, files_of(source, stream.table), _lookups(source, stream, {}), is_own=True)
            for stream in source.streams
        ]
    given: dict[str, list[Path]] = {}
    canonical: list[Work] = []
    for path in map(Path, files):
        with set_aside(refused, path):
            if not path.is_file():
                raise PortraitError(
                    f"{path}: {'is a folder; name the files in it' if path.is_dir() else 'no such file; check the name'}"
                )
            if not path.name.startswith(f"{CANONICAL}-") and (table := table_of(source, path)):
                given.setdefault(table, []).append(path)
            else:
                canonical.append(_canonical(con, source, path))
    streams = [stream for stream in source.streams if stream.table in given]
    for table, paths in given.items():
        with set_aside(refused, *paths):
            _refuse_unread(source, table, paths, streams)
    work = []
    for stream in streams:
        with set_aside(refused, *given[stream.table]):
            work.append(Work(source, stream, sorted(given[stream.table]), _lookups(source, stream, given)))
    return work + canonical


def _lookups(source: Source, stream: Stream, given: dict[str, list[Path]]) -> dict[str, list[Path]]:
    tables = dict.fromkeys(lookup.table for lookup in stream.lookups.values())
    return {table: sorted(given.get(table) or files_of(source, table)) for table in tables}


def _refuse_unread(source: Source, table: str, paths: list[Path], streams: list[Stream]) -> None:
    if any(table == stream.table or any(lookup.table == table for lookup in stream.lookups.values()) for stream in streams):
        return
    users = [s for s in source.streams if any(lookup.table == table for lookup in s.lookups.values())]
    advice = f"land it with a file of [tables.{users[0].table}], which looks into it" if users else "add a stream that reads it"
    raise PortraitError(f"{paths[0]}: no stream reads [tables.{table}] alone; {advice}")


def _canonical(con: duckdb.DuckDBPyConnection, source: Source, path: Path) -> Work:
    """A file whose columns already are canonical names, as a stream of its own; its times without an offset are UTC."""
    known = {*EventStream.canonical(), "key", "event_id", *STORED_AS, *WORKED_OUT, *RAW_EVENTS.column_names}
    table = SourceTable(files=(path.name,))
    try:
        columns = [column.lower() for column in stage(con, table, path, "staged").types]
        strange = sorted(set(columns) - known) or sorted({"event_time", "user_id", "event_type"} - set(columns))
    except PortraitError as error:
        raise PortraitError(f"{path}: matches no table of {source.path.name}, and {error}") from None
    if strange:
        tables = ", ".join(f"{name} ({', '.join(table.files)})" for name, table in source.tables.items())
        raise PortraitError(
            f"{path}: its name matches no table of {source.path.name}: {tables}; and its columns are not canonical "
            f"({'unknown' if strange[0] in columns else 'missing'}: {strange[0]}); rename it, or add it to `files` of its table"
        )
    expressions = {column: column for column in columns if column in EventStream.canonical()}
    expressions |= {name: sql for column, (name, sql) in STORED_AS.items() if column in columns and name != "key"}
    identity = _canonical_identity(path, columns)
    stream = EventStream.model_validate({"stream": CANONICAL, "from": CANONICAL, "times": "utc", **identity, **expressions})
    numbers = tuple(column for column in STORED_AS if column in columns and "/" in STORED_AS[column][1])
    readable = source.model_copy(update={"tables": {CANONICAL: table.model_copy(update={"numbers": numbers})}})
    return Work(readable, stream, [path], {})


def _canonical_identity(path: Path, columns: list[str]) -> dict[str, Any]:
    """What names the events of a canonical file: a live event's id and its user, or the stored key, or nothing but their whole row."""
    stored = [column for column in ("key", "event_key") if column in columns]
    if "event_id" in columns:
        if stored:
            raise PortraitError(f"{path}: names its events by {stored[0]} and by event_id; leave out one of them")
        return {"key": ["event_id", "user_id"], "corrects": LIVE_STREAM}
    if stored and LIVE_FILE.fullmatch(path.name):
        return {"key": [EVENT_ID_OF_KEY, "user_id"], "corrects": LIVE_STREAM}
    return {"key": stored[:1]}
