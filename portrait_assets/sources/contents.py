"""What the bytes of a file are, found by looking at them: compressed, text of some encoding, or something that is no table at all.

What can be read is unpacked and turned into UTF-8, checked to its last byte: DuckDB by itself reads a damaged gzip or zstd file up
to the damage, and says nothing.
"""

import bz2
import codecs
import gzip
import lzma
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pyarrow as pa

from portrait_assets.errors import PortraitError
from portrait_assets.sources.files import plain_name

HEAD_BYTES = 65_536
COMPRESSIONS = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\xfd7zXZ\x00": "xz",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
}
MARKS = ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"),
         (codecs.BOM_UTF16_BE, "utf-16"), (codecs.BOM_UTF8, "utf-8"))  # fmt: skip
PARQUET = b"PAR1"
NO_TABLES = (
    (b"%PDF", "a PDF document; export the table it shows as CSV"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel or Office document; save it as CSV (UTF-8)"),
    (b"SQLite format 3\x00", "an SQLite database; export its table as CSV"),
    (b"ARROW1\x00\x00", "an Arrow file; write it as Parquet"),
    (b"Obj\x01", "an Avro file; write it as Parquet or NDJSON"),
)
DAMAGED = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, gzip.BadGzipFile)


@dataclass(frozen=True)
class Contents:
    """A file unpacked: where its plain bytes lie, the first of them, and its name without what says that it was compressed."""

    path: Path
    head: bytes
    name: str

    @property
    def is_parquet(self) -> bool:
        return self.head.startswith(PARQUET)


@contextmanager
def unpacked(path: Path) -> Iterator[Contents]:
    """The plain bytes of a file: the file itself, or where it is compressed, whatever its name, a copy that lives as long as the block."""
    head = _head(path)
    compression = _compression(head)
    if compression is None:
        yield Contents(path, head, plain_name(path.name))
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "unpacked"
        try:
            with _opened(path, compression) as (packed, name), copy.open("wb") as out:
                shutil.copyfileobj(packed, out, 1 << 20)
        except (*DAMAGED, OSError, RuntimeError) as error:
            if isinstance(error, OSError) and error.errno:
                raise
            raise PortraitError(
                f"{path}: is damaged or cut short where it is unpacked ({compression}: {error}); fetch it again"
            ) from None
        yield Contents(copy, _head(copy), name)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _compression(head: bytes) -> str | None:
    if head[:3] == b"BZh" and head[4:10] == b"1AY&SY":
        return "bz2"
    return next((name for magic, name in COMPRESSIONS.items() if head.startswith(magic)), None)


@contextmanager
def _opened(path: Path, compression: str) -> Iterator[tuple[IO[bytes], str]]:
    """The uncompressed bytes, and the name of what they are."""
    if compression == "zip":
        with zipfile.ZipFile(path) as archive:
            member = _only_member(path, archive)
            with archive.open(member) as file:
                yield file, Path(member).name
        return
    openers: dict[str, Callable[[Path], IO[bytes]]] = {"gzip": gzip.open, "bz2": bz2.open, "xz": lzma.open, "zstd": _zstd}  # type: ignore[dict-item]
    with openers[compression](path) as file:
        yield file, plain_name(path.name)


def _zstd(path: Path) -> IO[bytes]:
    return pa.input_stream(str(path), compression="zstd")


def _only_member(path: Path, archive: zipfile.ZipFile) -> str:
    names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/")]
    if "[Content_Types].xml" in names or "mimetype" in names:
        raise PortraitError(f"{path}: is an Excel or Office document; save it as CSV (UTF-8)")
    if len(names) != 1:
        held = f"{', '.join(names[:5])}{', …' if len(names) > 5 else ''}" if names else "nothing"
        raise PortraitError(f"{path}: is a zip archive that holds {held}; unpack it, and name what is in it under files")
    return names[0]


def refuse_no_table(path: Path, contents: Contents, kind: str) -> None:
    """PortraitError where the bytes can't be what the format says, in words for a person."""
    head = contents.head
    start = head.removeprefix(codecs.BOM_UTF8).lstrip()[:100].lower()
    found = next((what for magic, what in NO_TABLES if head.startswith(magic)), None)
    if start.startswith((b"<!doctype html", b"<html")):
        found = "a web page, maybe a login or an error in place of the data; fetch it again"
    elif start.startswith(b"<?xml"):
        found = "XML; convert it to CSV or NDJSON"
    elif start.startswith((b'[{"', b'{"')) and kind in ("csv", "tsv"):
        found = 'JSON; write format = "json" in its table of the mapping'
    elif head[257:262] == b"ustar":
        found = "a tar archive; unpack it"
    elif kind == "parquet" and not contents.is_parquet and not found:
        found = "no Parquet file, by its first bytes; is the format right? fetch it again"
    elif kind != "parquet" and contents.is_parquet:
        found = 'a Parquet file; write format = "parquet" in its table of the mapping'
    if found:
        raise PortraitError(f"{path}: is {found}")


@contextmanager
def as_utf8(path: Path, contents: Contents, declared: str | None, one_line_end: bool = False) -> Iterator[Path]:
    """The text in UTF-8: the unpacked file itself if it is that, else a copy that lives as long as the block.

    With `one_line_end` always a copy, in which all lines end alike.
    """
    codec = encoding_of(path, contents.head, declared)
    if codec == "utf-8" and not one_line_end:
        yield contents.path
        return
    errors = "surrogateescape" if one_line_end else "strict"
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "utf8.txt"
        try:
            with (
                contents.path.open(
                    encoding="utf-8-sig" if codec == "utf-8" else codec, errors=errors, newline=None if one_line_end else ""
                ) as file,
                copy.open("w", encoding="utf-8", errors=errors, newline="") as out,
            ):
                shutil.copyfileobj(file, out)
        except UnicodeError as error:
            raise PortraitError(
                f"{path}: is not {declared or codec}: {error}; set encoding in its table of the mapping"
            ) from None
        yield copy


def encoding_of(path: Path, head: bytes, declared: str | None) -> str:
    """Python's name of the encoding: as declared, else as a byte order mark says, else UTF-8.

    A declaration that the first bytes contradict, and UTF-16 without its mark, are PortraitErrors.
    """
    codec = _codec(path, declared or "utf-8")
    marked = next((name for mark, name in MARKS if head.startswith(mark)), None)
    if marked and declared is None:
        return marked
    if marked and marked != "utf-8":
        if codec.startswith(marked):
            return marked
        raise PortraitError(
            f'{path}: is {marked.upper()} by its first bytes, not {declared}; set encoding = "{marked}" in its table'
        )
    if not codec.startswith(("utf-16", "utf-32")) and (looks_like := _unmarked(head)):
        raise PortraitError(
            f'{path}: looks like {looks_like.upper()}; set encoding = "{looks_like}" in its table of the mapping'
        )
    return codec


def _unmarked(head: bytes) -> str | None:
    """UTF-16 or UTF-32 of which byte order, where NUL bytes stand as they do in these encodings of Latin text."""
    even, odd = head[::2], head[1::2]
    if not odd or head.count(0) < len(head) / 4:
        return None
    if head.count(0) > len(head) * 0.7:
        return "utf-32-le" if head[:1] != b"\0" else "utf-32-be"
    if odd.count(0) > 2 * even.count(0):
        return "utf-16-le"
    return "utf-16-be" if even.count(0) > 2 * odd.count(0) else None


def _codec(path: Path, encoding: str) -> str:
    with suppress(LookupError):
        "".encode(encoding)  # refuses codecs that are no text encodings, such as hex
        return codecs.lookup(encoding).name
    raise PortraitError(f"{path}: encoding '{encoding}' is unknown; use for example utf-8, latin-1 or cp1252")
