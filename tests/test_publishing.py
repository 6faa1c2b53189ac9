"""What is published: files appear whole, what is in force stays, and the state says which live segments it holds."""

import ctypes
import json
import os
import struct
import sys
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from portrait_assets import publishing
from portrait_assets.assets.recommending import write_published
from portrait_assets.home import open_home
from portrait_assets.publishing import publish, write_export
from portrait_assets.resources.session import Session
from portrait_assets.sources import land
from tests.small_world import NOW, World, event, write_lines

FIRST, LAST = date(2024, 1, 1), date(2024, 1, 10)


@pytest.fixture
def ten_days(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, FIRST, LAST)
    open_home(world.home.settings, source=str(world.shop / "corner_shop.toml"))
    with world.open():
        world.land(*(event(f"ann{n}", "ann", f"2024-01-0{n} 10:00") for n in range(1, 9)))
        yield world


def published(world: World) -> Path:
    world.refresh()
    write_published(world.session, world.home, LAST)
    return publish(world.session, world.home, LAST)


def test_what_is_in_force_stays_though_it_is_older_than_all_that_was_published_since(
    ten_days: World, monkeypatch: pytest.MonkeyPatch
):
    """An audience is saved anew four times and then as it first was: the first generation is of that knowledge, and in force again."""
    file = ten_days.home.settings.home_dir / "audiences.toml"
    made = []
    for visits in (1, 2, 3, 4, 5):
        file.write_text(f'[some]\nexpression = "visits >= {visits}"\n')
        made.append(published(ten_days))
    monkeypatch.setattr(publishing, "SECONDS_LEFT_TO_READERS", -1.0)
    file.write_text('[some]\nexpression = "visits >= 1"\n')
    made.append(published(ten_days))
    folder = ten_days.home.settings.published_dir
    assert made[-1] == made[0] and len(set(made)) == 5
    assert (folder / "current").resolve() == made[0]
    assert set(folder.glob("2024-*")) == {made[0], *made[2:5]}
    state = json.loads((made[0] / "manifest.json").read_text())["run"]["state"]
    assert all((folder / "state" / name).is_file() for name in state["tables"].values())


class OneAtATime(Session):
    """A session that gives out a frame only when the one before it is gone."""

    given: weakref.ref | None = None

    def frame(self, sql: str, **parameters: Any) -> pl.DataFrame:
        assert self.given is None or self.given() is None, "the rows of the file before are still there"
        frame = super().frame(sql, **parameters)
        self.given = weakref.ref(frame)
        return frame


def test_the_rows_of_a_file_are_gone_before_those_of_the_next_are_read(ten_days: World, tmp_path: Path):
    ten_days.refresh()
    write_published(ten_days.session, ten_days.home, LAST)
    session = OneAtATime(ten_days.session.connection, ten_days.session.schema)
    manifest = write_export(session, ten_days.home, LAST, tmp_path / "export")
    assert session.given is not None
    assert {file.name: len(pl.read_parquet(file)) for file in (tmp_path / "export").glob("*.parquet")} == manifest["rows"]
    assert manifest["rows"]["portraits.parquet"] == 1 and "purchases" in manifest["measures"]


def segment(world: World, number: int, *days: int, kind: str = "view") -> None:
    """A closed segment of the live log, with an event on each of these days of January."""
    lines = [
        {"event_id": f"{number}-{day}", "user_id": "ann", "event_type": kind, "event_time": f"2024-01-{day:02d}T12:00:00Z"}
        for day in days
    ]
    file = write_lines(world.shop / f"live-{number:012d}.ndjson", lines)
    land(world.session.connection, world.home.source, NOW, [file])


def segments(folder: Path) -> list[list[int]]:
    return json.loads((folder / "manifest.json").read_text())["run"]["state"]["segments"]


def test_a_live_segment_is_included_once_all_its_events_are_in_the_days_published(ten_days: World):
    """2 reaches a day past what is published, 4 holds nothing that is accepted, 6 has landed and is not in clean.events yet."""
    segment(ten_days, 1, 9, 10)
    segment(ten_days, 2, 9, 11)
    segment(ten_days, 4, 5, kind="nothing")
    segment(ten_days, 5, 2)
    assert segments(published(ten_days)) == [[1, 1], [4, 5]]
    segment(ten_days, 6, 8)
    assert segments(publish(ten_days.session, ten_days.home, LAST)) == [[1, 1], [4, 5]]
    segment(ten_days, 7, 3, 10)
    assert segments(published(ten_days)) == [[1, 1], [4, 7]]


IN_MODIFY, IN_CLOSE_WRITE, IN_MOVED_TO, IN_CREATE = 0x2, 0x8, 0x80, 0x100


@contextmanager
def watched(*folders: Path) -> Iterator[list[tuple[str, int]]]:
    """What the kernel says is done in the folders while the block runs, filled in at its end: name and event."""
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_NONBLOCK)
    for folder in folders:
        assert libc.inotify_add_watch(watch, os.fsencode(folder), IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE) >= 0
    seen: list[tuple[str, int]] = []
    try:
        yield seen
        while True:
            try:
                read = os.read(watch, 65_536)
            except BlockingIOError:
                break
            while read:
                _, event_, _, length = struct.unpack_from("iIII", read)
                seen.append((read[16 : 16 + length].rstrip(b"\0").decode(), event_ & 0xFFF))
                read = read[16 + length :]
    finally:
        os.close(watch)


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what is done in a folder")
def test_whatever_has_its_name_is_whole(ten_days: World):
    """Files of the state, generations and `current` come to their names by a rename, never by being written under them."""
    folder = ten_days.home.settings.published_dir
    (folder / "state").mkdir(parents=True)
    with watched(folder, folder / "state") as seen:
        made = published(ten_days)
        ten_days.land(event("ann9", "ann", "2024-01-09 10:00", amount=5.0))
        second = published(ten_days)
    done = {name: {event_ for of, event_ in seen if of == name} for name, _ in seen if not name.startswith(".")}
    assert {name for name, events in done.items() if events != {IN_MOVED_TO}} == set()
    named = {name for generation in (made, second) for name in publishing._state_files(generation / "manifest.json")}
    assert set(done) == {*named, made.name, second.name, "current"}
