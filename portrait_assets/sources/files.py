"""Files on disk: which ones a table names, what format they are, which table a given file belongs to, their hash."""

import hashlib
from collections.abc import Iterable
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path

from portrait_assets.errors import PortraitError
from portrait_assets.sources.mapping import Source, SourceTable

ENDINGS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
}
PACKED_ENDINGS = (".gz", ".zst", ".bz2", ".xz", ".zip")


def files_of(source: Source, table: str) -> list[Path]:
    """The files that `table` names, sorted by name; a name or glob that finds none is a PortraitError."""
    found: set[Path] = set()
    for pattern in source.tables[table].files:
        matches = {path for path in source.root.glob(pattern) if path.is_file()}
        if not matches:
            kind = "no file matches" if any(mark in pattern for mark in "*?[") else "no file"
            raise PortraitError(
                f"{source.path}: [tables.{table}] {kind} '{pattern}' in {source.root}; put it there, or mend files or root"
            )
        found |= matches
    return sorted(found)


def format_of(table: SourceTable, path: Path) -> str:
    """The declared format, or the one that the file's ending says."""
    ending = Path(plain_name(path.name)).suffix.lower()
    if table.format is None and ending not in ENDINGS:
        raise PortraitError(
            f'{path.name}: the ending does not say the format; set format in its [tables.…], e.g. format = "csv"'
        )
    return table.format or ENDINGS[ending]


def plain_name(name: str) -> str:
    """The name without the endings that compression adds."""
    while Path(name).suffix.lower() in PACKED_ENDINGS and Path(name).stem:
        name = Path(name).stem
    return name


def is_data(path: Path, source: Source | None) -> bool:
    """Whether a file that somebody put down can be meant to be landed: by its ending, or as a table of the source has such files."""
    plain = Path(plain_name(path.name))
    known = plain.suffix.lower() in (*ENDINGS, ".txt") or (path.suffix.lower() == ".zip" and not plain.suffix)
    return path.is_file() and (known or (source is not None and table_of(source, path) is not None))


def table_of(source: Source, path: Path) -> str | None:
    """The table whose `files` the name of `path` matches, its endings aside; None if none does."""
    for name, table in source.tables.items():
        if any(fnmatch(path.name, Path(pattern).name) for pattern in table.files):
            return name
    return next(
        (name for name, table in source.tables.items() if any(_same_stem(path, pattern) for pattern in table.files)), None
    )


def _same_stem(path: Path, pattern: str) -> bool:
    stem = Path(plain_name(path.name)).stem
    return fnmatch(stem, Path(plain_name(Path(pattern).name)).stem)


States = dict[Path, tuple[int, int, int]]
"""File -> its inode, size and time of change: what differs once somebody wrote to it."""


def states_of(paths: Iterable[Path]) -> States:
    """What the files are now; a missing one is a PortraitError."""
    try:
        return {path: (stat.st_ino, stat.st_size, stat.st_mtime_ns) for path in paths for stat in [path.stat()]}
    except OSError as error:
        raise PortraitError(f"{error.filename}: can't be read: {error.strerror}; check the name and its permissions") from None


def refuse_changed(seen: States) -> None:
    """PortraitError where a file is not what was seen: what was read of it may be half of one and half of another."""
    now = states_of(seen)
    if changed := [path.name for path in seen if now[path] != seen[path]]:
        raise PortraitError(f"{changed[0]} changed while it was read; wait until it is written whole")


def sha256(path: Path) -> str:
    """Hash of the file's bytes; a missing or unreadable file is a PortraitError."""
    try:
        stat = path.stat()
        return _sha256(path, stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        raise PortraitError(f"{path}: can't be read: {error.strerror}; check the name and its permissions") from None


@lru_cache(maxsize=256)
def _sha256(path: Path, size: int, modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
