"""Who reads what is published sees one generation, whole, whatever is published meanwhile."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest

from portrait_assets import publishing
from portrait_assets.assets.recommending import write_published
from portrait_assets.home import open_home
from portrait_assets.publishing import publish
from portrait_assets.reading import Export
from portrait_assets.settings import PROJECT_DIR
from tests.small_world import World, event

FIRST, LAST = date(2024, 1, 1), date(2024, 1, 10)
GENERATIONS = 20
READERS = 4


@pytest.fixture
def ten_days(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, FIRST, LAST)
    open_home(world.home.settings, source=str(world.shop / "corner_shop.toml"))
    with world.open():
        world.land(*(event(f"{user}{n}", user, f"2024-01-0{n} 10:00") for user in ("ann", "bob", "cat") for n in range(1, 9)))
        yield world


def published(world: World, number: int) -> tuple[str, int]:
    """A generation that differs from all others in what ann spent: her spending as the warehouse says it."""
    world.land(event("ann1", "ann", "2024-01-01 10:00", amount=number / 100, version=number))
    world.refresh()
    write_published(world.session, world.home, LAST)
    folder = publish(world.session, world.home, LAST)
    [(spent,)] = world.session.rows(
        "select spend_cents from portraits.snapshots where user_id = 'ann' and event_date = $day", day=LAST
    )
    return Export.open(folder).generation, spent


@contextmanager
def readers(world: World, seen: list[dict]) -> Iterator[Callable[[int], None]]:
    """Four readers at work while the block runs, which is given a function that waits until each has looked so many times more; afterwards
    `seen` has what they saw."""
    command = [sys.executable, "-m", "tests.end_to_end.readers", str(world.home.settings.published_dir)]
    environment = os.environ | {"PYTHONPATH": str(PROJECT_DIR), "POLARS_MAX_THREADS": "1"}
    logs = [world.shop / f"reader-{n}.log" for n in range(READERS)]
    at_work = []
    for log in logs:
        with log.open("w") as out:
            at_work.append(subprocess.Popen(command, env=environment, cwd=PROJECT_DIR, stdin=subprocess.PIPE, stdout=out))

    def wait_for_looks(count: int) -> None:
        wanted = [log.read_text().count("\n") + count for log in logs]
        while any(log.read_text().count("\n") < enough for log, enough in zip(logs, wanted, strict=True)):
            assert all(reader.poll() is None for reader in at_work)
            time.sleep(0.02)

    try:
        wait_for_looks(1)
        yield wait_for_looks
    finally:
        for reader in at_work:
            reader.communicate(timeout=60)
        seen += [json.loads(line) for log in logs for line in log.read_text().splitlines()]


@pytest.mark.parametrize("looks", [1, pytest.param(5, marks=pytest.mark.slow)])
def test_four_readers_never_see_an_error_or_a_mixture_while_generations_follow_each_other(ten_days: World, looks: int):
    """Twenty generations differ in one user's spending; each is there for some looks of every reader. Files, portrait, card, and an audience's count, list and export must all be
    of the one a reader opened."""
    truth = dict([published(ten_days, 1)])
    seen: list[dict] = []
    with readers(ten_days, seen) as wait_for_looks:
        for number in range(2, GENERATIONS + 1):
            truth |= [published(ten_days, number)]
            wait_for_looks(looks)
    assert len(truth) == len(set(truth.values())) == GENERATIONS
    errors = [each["error"] for each in seen if "error" in each]
    assert errors == [], f"{len(errors)} of {len(seen)} readings"
    mixed = [each for each in seen if not all(each["rows"]) or set(each["spend_cents"]) != {truth[each["generation"]]}]
    assert mixed == []
    for each in seen:
        assert "ann" in each["listed"] == each["exported"] and each["counted"] == len(each["listed"])
        assert each["exported_of"] == [each["generation"]]
    assert {each["generation"] for each in seen} == set(truth), "a generation that nobody saw"


def generations(world: World) -> list[str]:
    return sorted(path.name for path in world.home.settings.published_dir.glob("2024-*"))


def test_old_generations_go_when_nobody_can_be_reading_them(ten_days: World, monkeypatch: pytest.MonkeyPatch):
    folder = ten_days.home.settings.published_dir
    for number in range(1, 6):
        published(ten_days, number)
    assert len(generations(ten_days)) == 5, "one that was replaced just now may be open"
    held = Export.open(folder / "current")
    monkeypatch.setattr(publishing, "SECONDS_LEFT_TO_READERS", -1.0)
    published(ten_days, 6)
    assert len(generations(ten_days)) == 3 and held.folder.name in generations(ten_days)
    state = {path.name for path in (folder / "state").iterdir()}
    named = {name for path in folder.glob("2024-*/manifest.json") for name in publishing._state_files(path)}
    assert state == named, "state of the generations that are left, and nothing else"


def test_what_a_killed_publish_left_is_swept_by_the_next(ten_days: World):
    folder = ten_days.home.settings.published_dir
    published(ten_days, 1)
    (folder / ".2024-01-11-x.7.draft").mkdir()
    (folder / ".2024-01-11-x.7.draft" / "tags.parquet").write_bytes(b"PAR1")
    (folder / ".current.7").symlink_to("nowhere")
    (folder / "state" / ".items.7.draft").write_bytes(b"PAR1")
    published(ten_days, 2)
    assert [path.name for path in folder.rglob(".*")] == []
