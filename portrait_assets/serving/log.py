"""The durable log: lines appended to an open segment, which is closed into the landing folder for the batch path.

`live/open.ndjson` grows by whole lines, each append made durable by one fsync before it returns. A closed segment is
`landing/live-<number>.ndjson`, in the canonical format, never changed again. Its lines are known by (segment, line), from 1.
"""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from portrait_assets.sources.planning import LIVE_FILE
from portrait_assets.state import SEGMENT_NAME

Position = tuple[int, int]


@dataclass(frozen=True)
class Segment:
    """A closed segment in the landing folder."""

    number: int
    path: Path

    def lines(self) -> list[str]:
        """Its lines, without newlines."""
        return self.path.read_bytes().decode("utf-8", "replace").split("\n")[:-1]


class Log:
    """The one writer of the log. Opening it closes what a crash left open, cut to its last whole line."""

    def __init__(self, live_dir: Path, landing_dir: Path, used_numbers: Iterable[int] = ()):
        """`used_numbers` are segments that may be gone from the landing folder, whose numbers must not come back."""
        self.live_dir, self.landing_dir = live_dir, landing_dir
        live_dir.mkdir(parents=True, exist_ok=True)
        landing_dir.mkdir(parents=True, exist_ok=True)
        self.number = max([*used_numbers, *(segment.number for segment in self.segments()), 0]) + 1
        self.path = live_dir / "open.ndjson"
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        _sync_folder(live_dir)
        self.size = self.count = 0  # bytes and lines of the open segment
        self._recover()

    def append(self, lines: list[str]) -> Position:
        """Make `lines` durable; returns the position of the last. After an OSError none of them is in the log."""
        content = "".join(f"{line}\n" for line in lines).encode("utf-8")
        try:
            _write_all(self._file, content, self.size)
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, self.size)
            raise
        self.size += len(content)
        self.count += len(lines)
        return self.number, self.count

    def close_segment(self) -> None:
        """Hand the open segment to the batch path and begin the next; nothing where it is empty."""
        if self.count == 0:
            return
        os.close(self._file)
        closed = self.landing_dir / SEGMENT_NAME.format(number=self.number)
        self.path.rename(closed)
        _sync_folder(self.landing_dir)
        self.number += 1
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        _sync_folder(self.live_dir)
        self.size = self.count = 0

    def close(self) -> None:
        """Close the open segment and the log."""
        self.close_segment()
        os.close(self._file)

    def segments(self) -> Iterator[Segment]:
        """The closed segments, oldest first."""
        for path in sorted(self.landing_dir.iterdir()):
            if found := LIVE_FILE.fullmatch(path.name):
                yield Segment(int(found[1]), path)

    def _recover(self) -> None:
        whole = list(_whole_lines(self.path.read_bytes()))
        self.size, self.count = sum(map(len, whole)), len(whole)
        os.ftruncate(self._file, self.size)
        os.fsync(self._file)
        self.close_segment()


def _whole_lines(content: bytes) -> Iterator[bytes]:
    """The leading lines that were written to their end: a torn write leaves a line without an end, or no JSON."""
    for line in content.splitlines(keepends=True):
        try:
            json.loads(line)
        except ValueError:
            return
        if not line.endswith(b"\n"):
            return
        yield line


def _write_all(file: int, content: bytes, offset: int) -> None:
    view = memoryview(content)
    while view:
        written = os.pwrite(file, view, offset)
        view, offset = view[written:], offset + written


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
