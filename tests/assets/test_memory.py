"""A step's memory follows its batch, of users or of days, never the source: what needs much more at once passes in little.

DuckDB may use so much and no disk, so that a statement that needs more fails.
"""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import pytest

from portrait_assets import columns as c
from portrait_assets.assets import derivation
from portrait_assets.assets.daily import write_days
from portrait_assets.partitions import Window
from tests.small_world import World

FIRST, LAST = date(2024, 1, 1), date(2024, 6, 30)
USERS, GAP_DAYS, VALUES = 600, 4, 300
ATTENTION = """
insert into features.user_day_interest by name
select
    event_date, 'u' || who as user_id, 'd' || what % 9 as department, 'c' || what as category, 'b' || what as brand, 1 as price_band,
    1 as points, 1 as purchases, 100 as spend_cents
from (
    select unnest(range($first, $last + 1, interval 1 day))::date as event_date
), range($users) as users(who), range(3) as lines(line), lateral (select (hash(who, event_date, line) % $values)::integer as what)
where ((hash(who) % 1000)::integer + (event_date - $first)) % $gap = 0
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path, FIRST, LAST).open() as world:
        yield world


def with_memory(world: World, limit: str) -> None:
    world.session.execute(f"set memory_limit = '{limit}'")
    world.session.execute("set temp_directory = ''")


def test_interests_of_a_long_window_take_memory_for_some_users_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch):
    world.session.execute(ATTENTION, first=FIRST, last=LAST, users=USERS, gap=GAP_DAYS, values=VALUES)
    window = Window(FIRST, LAST)
    monkeypatch.setattr(derivation, "INTEREST_LOOKS_AT_ONCE", 10**9)
    with_memory(world, "8GB")
    expected = write_days(world.session, world.home, c.FEATURES_INTERESTS, window)
    whole = world.table(c.FEATURES_INTERESTS)
    with_memory(world, "100MB")
    with pytest.raises(duckdb.OutOfMemoryException):
        write_days(world.session, world.home, c.FEATURES_INTERESTS, window)
    monkeypatch.setattr(derivation, "INTEREST_LOOKS_AT_ONCE", 200_000)
    assert (
        write_days(world.session, world.home, c.FEATURES_INTERESTS, window) == expected > USERS * len(window) / GAP_DAYS * 0.9
    )
    with_memory(world, "8GB")
    assert world.table(c.FEATURES_INTERESTS).equals(whole)
