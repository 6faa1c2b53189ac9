"""The days of a home: those of its events, wherever they lie; and what is accepted is to be seen."""

from datetime import date
from pathlib import Path

import pytest

from portrait_assets import columns as c
from portrait_assets import operations, sources
from portrait_assets.errors import PortraitError
from portrait_assets.home import extend, open_home, surveyed
from portrait_assets.lineage import stale_days
from portrait_assets.partitions import DAY, Window
from portrait_assets.settings import Settings
from portrait_assets.verification import verify
from tests.small_world import FIRST_DAY, LAST_DAY, NOW, World, event, write_lines, write_mapping
from tests.test_world_properties import KNOWN, result, same

EARLY = date(2023, 11, 20)


@pytest.fixture
def undeclared(tmp_path: Path) -> World:
    return World(tmp_path, date(2024, 1, 10), date(2024, 1, 20), declared=False)


def test_events_before_the_first_day_extend_the_home_and_one_refresh_brings_them_in(undeclared: World):
    with undeclared.open():
        undeclared.land(event(1, "ann", "2024-01-10 10:00", amount=2), event(2, "bob", "2024-01-12 10:00", amount=3))
        undeclared.build()
        undeclared.land(event(3, "ann", f"{EARLY} 10:00", amount=5), event(4, "old", f"{EARLY} 10:00", amount=7))
        assert undeclared.home.days == Window(EARLY, date(2024, 1, 20))
        refreshed = result(undeclared.refresh())
        due = stale_days(undeclared.session, undeclared.home, undeclared.home.days)
        assert not any(due[table.name] for table in KNOWN)
        state = undeclared.rows(
            "select event_date, spend_cents from features.user_state where user_id = 'ann' order by event_date"
        )
        assert [(row["event_date"], row["spend_cents"]) for row in state] == [(EARLY, 500), (date(2024, 1, 10), 700)]
        assert undeclared.row(c.PORTRAITS_SNAPSHOTS, user_id="old", event_date=date(2024, 1, 20))["first_date"] == EARLY
        same(refreshed, result(undeclared.build()))
    assert not any(line.missing or line.surplus for line in verify(undeclared.home))


def test_what_is_landed_outside_the_days_a_home_knows_is_missing_when_verified_and_due_in_status(undeclared: World):
    with undeclared.open():
        undeclared.land(event(1, "ann", "2024-01-10 10:00"))
        undeclared.build()
        file = write_lines(undeclared.shop / "events-behind.ndjson", [event(2, "ann", f"{EARLY} 10:00")])
        sources.land(undeclared.session.connection, undeclared.home.source, NOW, [file])
    assert {line.table: line.missing for line in verify(undeclared.home)}["clean.events"] == 1
    assert open_home(undeclared.home.settings).days.start == EARLY


def test_a_home_without_declared_days_gets_them_from_what_lands(tmp_path: Path):
    mapping = write_mapping(tmp_path / "shop", None, None)
    home = open_home(Settings(home=tmp_path / "home"), str(mapping))
    assert not home.has_days and not open_home(home.settings).has_days
    file = write_lines(
        tmp_path / "shop" / "events-1.ndjson", [event(1, "ann", "2024-02-03 10:00"), event(2, "ann", "2024-02-01 10:00")]
    )
    landed, _ = operations.ingest(home, [file])
    assert landed.has_days and landed.days == Window(date(2024, 2, 1), date(2024, 2, 3)) == open_home(home.settings).days


def test_before_anything_is_landed_the_files_tell_the_days_and_broken_ones_leave_them_open(tmp_path: Path):
    mapping = write_mapping(tmp_path / "shop", None, None)
    home = open_home(Settings(home=tmp_path / "home"), str(mapping))
    assert not surveyed(home).has_days  # there is no file of events
    write_lines(tmp_path / "shop" / "events-1.ndjson", [event(1, "ann", "2024-02-03 10:00")])
    assert surveyed(home).days == Window(date(2024, 2, 3), date(2024, 2, 3))


def test_opening_a_home_takes_back_no_days_that_another_process_gave_it(tmp_path: Path):
    mapping = write_mapping(tmp_path / "shop")
    opened = open_home(Settings(home=tmp_path / "home"), str(mapping))
    extend(open_home(opened.settings), Window(EARLY, EARLY))
    assert extend(opened, Window(LAST_DAY + DAY, LAST_DAY + DAY)).days == Window(EARLY, LAST_DAY + DAY)
    assert open_home(opened.settings, through=FIRST_DAY).days == Window(EARLY, LAST_DAY + DAY)


def test_a_declared_end_that_has_not_come_gives_no_days_to_come(tmp_path: Path):
    mapping = write_mapping(tmp_path / "shop", FIRST_DAY, date(2999, 1, 1))
    home = open_home(Settings(home=tmp_path / "home"), str(mapping))
    assert home.days.end < date(2999, 1, 1)
    with pytest.raises(PortraitError, match="has not happened yet"):
        open_home(home.settings, through=date(2998, 1, 1))
