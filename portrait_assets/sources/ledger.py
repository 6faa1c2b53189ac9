"""What the ledger knows of a file: the batch that it is already, or how it is to be read. See "Which event is it?" in docs/mapping.md."""

import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb

from portrait_assets.errors import PortraitError
from portrait_assets.sources.files import sha256
from portrait_assets.sources.mapping import EventStream, Source
from portrait_assets.sources.planning import CANONICAL, Work

# What was landed of the kind that a stream reads, and can take the place of what was said before.
LATER = {
    "events": "select distinct batch_seq from raw.events where source = $source and batch_seq > $seq and not is_first",
    "item_id": "select distinct batch_seq from raw.items join raw.batches using (source, batch_id) where source = $source and batch_seq > $seq",
    "user_id": "select distinct batch_seq from raw.attributes join raw.batches using (source, batch_id) where source = $source and batch_seq > $seq",
}


@dataclass(frozen=True)
class Batch:
    """What became of one file: its line of raw.batches, and whether it is new or had landed before."""

    batch_id: str
    stream: str
    files: str
    rows_in: int
    rows_accepted: int
    rows_duplicate: int
    rows_rejected: int
    rows_skipped: int
    first_date: date | None
    last_date: date | None
    is_new: bool = True


@dataclass(frozen=True)
class Reading:
    """A file that is to be read, as the ledger will know it. `identity` holds columns of raw.batches."""

    identity: dict[str, Any]
    path: Path
    statement_seq: int | None
    """The batch that said this first, where a mended mapping reads an unchanged file anew."""
    learnt_at: datetime
    is_repeat: bool
    """The same was landed from the same place before: where it says nothing new, it was not landed again."""


def reading_of(
    con: duckdb.DuckDBPyConnection, work: Work, path: Path, now: datetime, again: bool, rest: Iterable[tuple[Work, Path]]
) -> Reading | Batch:
    """How a file is to be read, or the batch that it is already. Reads bytes, writes nothing.

    A file says something where it has other bytes (or is read otherwise) than when it was landed last from its place. Bytes known from
    elsewhere say something where others took their place since, and so do, where a person lands them `again`, those known from
    here. What the files in `rest` say, they will say after it, so it does not count.
    """
    identity = identity_of(work, path)
    content = identity["batch_id"]
    here = _landed_from(con, work, path)
    known = _newest(con, content)
    is_here = here is not None and here["content"] == content
    if known and ((is_here and not again) or not _said_since(con, work, known["batch_seq"], rest)):
        batch = batch_of(con, here["batch_id"] if here and is_here else known["batch_id"], is_new=False)
        assert batch is not None
        return batch
    _refuse_changed_declaration(con, work, identity)
    if known:
        identity["batch_id"] = f"{content}-{known['times'] + 1}"
    is_read_anew = here is not None and not again and here["sha256"] == identity["sha256"] and not is_here
    return Reading(
        identity,
        path,
        statement_seq=here["statement_seq"] if here and is_read_anew else None,
        learnt_at=here["learnt_at"] if here and is_read_anew else now,
        is_repeat=is_here,
    )


def remember(con: duckdb.DuckDBPyConnection, work: Work, path: Path, batch_id: str) -> None:
    """Enter that the file at `path` is that batch."""
    file = {"source": work.source.name, "stream": work.stream.stream, "place": place_of(work.source, path)}
    this = "raw.files where source = $source and stream = $stream and place = $place"
    if con.execute(f"select batch_id from {this}", file).fetchall() != [(batch_id,)]:
        con.execute(f"delete from {this}", file)
        con.execute(
            "insert into raw.files by name select $source as source, $stream as stream, $place as place, $batch_id as batch_id",
            {**file, "batch_id": batch_id},
        )


def batch_of(con: duckdb.DuckDBPyConnection, batch_id: str, is_new: bool) -> Batch | None:
    """The ledger's line of a batch."""
    names = [field.name for field in fields(Batch) if field.name != "is_new"]
    rows = con.execute(
        f"select {', '.join(names)} from raw.batches where batch_id = $batch_id", {"batch_id": batch_id}
    ).fetchall()
    return Batch(**dict(zip(names, rows[0], strict=True)), is_new=is_new) if rows else None


def place_of(source: Source, path: Path) -> str:
    """Where a file lies, said so that a folder can be moved: within the source's folder, elsewhere the folder's own name and the file's."""
    whole = path.resolve()
    return str(whole.relative_to(source.root)) if whole.is_relative_to(source.root) else str(Path(*whole.parts[-2:]))


def identity_of(work: Work, path: Path) -> dict[str, Any]:
    """What the ledger knows a batch by: same stream, declaration and bytes (lookups' too), same batch.

    Events without a key can't be corrected, so for them changed lookups alone make no new batch.
    """
    digest = sha256(path)
    bounds = [work.source.start, work.source.end] if isinstance(work.stream, EventStream) else []
    correctable = not isinstance(work.stream, EventStream) or work.stream.key
    looked_up = [sha256(other) for paths in work.lookups.values() for other in paths] if correctable else []
    return {
        "batch_id": _hash(work.source.name, _whole_declaration(work), bounds, digest, looked_up),
        "declaration": _declaration(work),
        "files": path.name,
        "sha256": digest,
        "bytes": path.stat().st_size,
    }


def _hash(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def _whole_declaration(work: Work) -> list[Any]:
    """All that decides what the stream makes of given bytes."""
    tables = [work.stream.table, *work.lookups]
    readers = {table: work.source.tables[table].model_dump(exclude={"files"}) for table in tables}
    return [work.stream.model_dump(), readers, work.source.time_zone, work.source.times]


def _declaration(work: Work) -> str:
    """What decides which event a row is: the key, or without one everything. Descriptions have no such thing."""
    if work.stream.stream == CANONICAL or not isinstance(work.stream, EventStream):
        return ""
    return _hash(work.stream.key, work.stream.corrects) if work.stream.key else _hash(*_whole_declaration(work))


def _landed_from(con: duckdb.DuckDBPyConnection, work: Work, path: Path) -> dict[str, Any] | None:
    """What was landed last from where `path` lies: batch_id, content (see identity_of), sha256, statement_seq, and when that was learnt."""
    return _row(
        con,
        "select newest.batch_id, split_part(newest.batch_id, '-', 1) as content, newest.sha256, newest.statement_seq, first.landed_at as learnt_at "
        "from raw.files as files join raw.batches as newest on files.batch_id = newest.batch_id "
        "join raw.batches as first on newest.statement_seq = first.batch_seq "
        "where files.source = $source and files.stream = $stream and files.place = $place",
        source=work.source.name, stream=work.stream.stream, place=place_of(work.source, path),
    )  # fmt: skip


def _newest(con: duckdb.DuckDBPyConnection, content: str) -> dict[str, Any] | None:
    """The newest batch of this content, and how many there are."""
    return _row(
        con,
        "select arg_max(batch_id, batch_seq) as batch_id, max(batch_seq) as batch_seq, count(*) as times from raw.batches "
        "where split_part(batch_id, '-', 1) = $content having count(*) > 0",
        content=content,
    )


def _row(con: duckdb.DuckDBPyConnection, sql: str, **parameters: Any) -> dict[str, Any] | None:
    found = con.execute(sql, parameters)
    names = [column[0] for column in found.description]
    rows = found.fetchall()
    return dict(zip(names, rows[0], strict=True)) if rows else None


def _said_since(con: duckdb.DuckDBPyConnection, work: Work, seq: int, rest: Iterable[tuple[Work, Path]]) -> bool:
    """Whether anything landed after batch `seq` can have taken the place of what that said; what `rest` will say aside."""
    kind = "events" if isinstance(work.stream, EventStream) else work.stream.identity
    later = {batch for (batch,) in con.execute(LATER[kind], {"source": work.source.name, "seq": seq}).fetchall()}
    for other in rest if later else ():
        with suppress(PortraitError):  # an unreadable file is reported when its turn comes
            if known := _newest(con, identity_of(*other)["batch_id"]):
                later.discard(known["batch_seq"])
    return bool(later)


def _refuse_changed_declaration(con: duckdb.DuckDBPyConnection, work: Work, identity: dict[str, Any]) -> None:
    """Another key or stream, or without a key any other reading, would make every event a new one."""
    advice = "put the mapping back, rename the source, or start a fresh home (PORTRAIT_HOME)"
    ledger = con.execute(
        "select stream, declaration <> $declaration, sha256 = $sha256 from raw.batches where source = $source and declaration <> ''",
        {"source": work.source.name, "declaration": identity["declaration"], "sha256": identity["sha256"]},
    ).fetchall()
    if any(stream == work.stream.stream and is_other for stream, is_other, _ in ledger):
        raise PortraitError(
            f"{work.place}: landed before by another declaration, so its events would be counted twice; {advice}"
        )
    known = {stream.stream: stream for stream in work.source.events}
    gone = [stream for stream, _, is_same_file in ledger if is_same_file and stream not in known]
    if gone and work.stream.stream in known and not known[work.stream.stream].corrects:
        raise PortraitError(
            f"{work.place}: {identity['files']} was landed before as stream '{gone[0]}', which the mapping no longer has, so its "
            f"events would be counted twice; {advice}"
        )
