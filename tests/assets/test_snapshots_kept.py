"""How many daily snapshots are kept changes what is stored and nothing that is read: changes, audiences, any day's portraits."""

from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portrait_assets import columns as c
from portrait_assets.assets import derivation
from portrait_assets.assets.daily import FEATURES
from portrait_assets.lineage import stale_days
from tests.small_world import World
from tests.test_world_properties import EXAMPLES, KNOWN, LAST, equal, made, versions, worlds

DAY = timedelta(days=1)
DAILY_WHATEVER_IS_KEPT = (*FEATURES, c.PORTRAITS_CHANGES, c.PORTRAITS_AUDIENCES)


def stored(world: World) -> dict[str, pl.DataFrame]:
    return {table.name: world.table(table) for table in DAILY_WHATEVER_IS_KEPT}


def same(left: dict[str, pl.DataFrame], right: dict[str, pl.DataFrame]) -> None:
    for name in left:
        equal(left[name], right[name], name)


def snapshot_days(world: World) -> list[date]:
    return [row["event_date"] for row in world.rows("select distinct event_date from portraits.snapshots order by all")]


@given(worlds, versions, versions, st.integers(1, 4), st.integers(1, 9))
@settings(EXAMPLES, max_examples=2)
def test_changes_and_audiences_are_those_of_a_home_that_keeps_all(
    events: list[dict], late: list[dict], later: list[dict], kept: int, at_once: int
):
    """Derived in batches of a few days, refreshed after late events, and after a day more."""
    files = [file for file in (events, late, later) if file]
    with made(*files) as world:
        world.build()
        whole, every = stored(world), world.table(c.PORTRAITS_SNAPSHOTS)
    with made(events, snapshots_kept=kept) as world, pytest.MonkeyPatch.context() as patch:
        patch.setattr(derivation, "USER_DAYS_AT_ONCE", 4 * at_once)
        patch.setattr(derivation, "INTEREST_LOOKS_AT_ONCE", 40 * at_once)
        world.refresh(end=LAST - DAY * 2)
        for file in files[1:]:
            world.land(*file)
            world.refresh(end=LAST - DAY)
        world.refresh()
        same(stored(world), whole)
        newest = every.filter(pl.col("event_date") > LAST - DAY * kept)
        equal(world.table(c.PORTRAITS_SNAPSHOTS), newest, "portraits.snapshots")
        assert not any(stale_days(world.session, world.home, world.home.days)[table.name] for table in KNOWN)
        world.build()
        same(stored(world), whole)
        equal(world.table(c.PORTRAITS_SNAPSHOTS), newest, "portraits.snapshots")
