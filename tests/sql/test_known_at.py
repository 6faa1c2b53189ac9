"""As of D, as known at K: what came later than K, or corrected, is not there; what training must not learn from."""

import shutil
from datetime import date, datetime
from pathlib import Path

import polars as pl

from portrait_assets import columns as c
from portrait_assets import operations
from portrait_assets.assets.recomputation import recomputed
from portrait_assets.assets.training import learnt_later
from portrait_assets.partitions import Window
from tests.small_world import World, event

AS_OF = date(2024, 2, 11)


def told_late(folder: Path) -> World:
    """Ann buys on the 10th; a purchase of the 9th is learnt on the 15th, and on the 20th that the first one cost 5, not 2."""
    world = World(folder)
    with world.open():
        world.land(event(1, "ann", "2024-02-10 10:00", told="2024-02-10 10:00"))
        world.land(event(2, "ann", "2024-02-09 10:00", told="2024-02-15 00:00"))
        world.land(event(1, "ann", "2024-02-10 10:00", amount=5.0, version=2, told="2024-02-20 08:00"))
        world.build()
    return world


def spent(world: World, known_at: date) -> tuple[int, int]:
    folder = world.shop / "export"
    operations.snapshot_as_known(world.home, AS_OF, known_at, folder)
    row = pl.read_parquet(folder / "portraits.parquet").row(0, named=True)
    shutil.rmtree(folder)
    return row["purchases"], row["spend_cents"]


def test_a_snapshot_as_known_at_an_instant_holds_what_had_been_told_by_then(tmp_path: Path):
    world = told_late(tmp_path)
    assert spent(world, date(2024, 2, 11)) == (1, 200)
    assert spent(world, date(2024, 2, 15)) == (1, 200)  # learnt at that very instant is not known yet
    assert spent(world, date(2024, 2, 16)) == (2, 400)
    assert spent(world, date(2024, 2, 21)) == (2, 700)
    with world.open():
        assert (
            world.row(c.PORTRAITS_SNAPSHOTS, user_id="ann", event_date=date(2024, 2, 10))["spend_cents"] == 700
        )  # the stored tables hold the latest knowledge


def described(world: World, known_at: date) -> tuple:
    with recomputed(world.home, Window(world.home.days.start, date(2024, 2, 10)), known_at=known_at) as beside:
        [(category,)] = beside.rows("select category from clean.events where item_id = 'milk'")
        ages = beside.rows("select age from clean.users where user_id in ('ann', 'zoe') order by user_id")
        return category, *(age for (age,) in ages)


def test_what_is_known_of_items_and_users_has_a_time_of_learning_too(tmp_path: Path):
    """The source's own files are known from the start; what is landed later, from then on."""
    world = World(tmp_path)
    with world.open():
        world.land(event(1, "ann", "2024-02-10 10:00", told="2024-02-10 10:00"))
        world.describe({"item": "milk", "category": "drinks"}, now=datetime(2024, 2, 12))
        world.declare({"user_id": "ann", "age": "65+"}, {"user_id": "zoe", "age": "18-24"}, now=datetime(2024, 2, 13))
        world.describe({"item": "milk", "category": "dairy"}, now=datetime(2024, 2, 14))
    assert described(world, date(2024, 2, 12)) == ("dairy", "35-44")
    assert described(world, date(2024, 2, 13)) == ("drinks", "35-44")
    assert described(world, date(2024, 2, 14)) == ("drinks", "65+", "18-24")
    assert described(world, date(2024, 2, 15)) == ("dairy", "65+", "18-24")


def test_training_knows_when_something_was_learnt_later(tmp_path: Path):
    world = told_late(tmp_path)
    with world.open():
        assert learnt_later(world.session, AS_OF)
        assert learnt_later(world.session, date(2024, 2, 15))
        assert not learnt_later(world.session, date(2024, 2, 9))
        assert learnt_later(world.session, date(2024, 2, 20))
        assert not learnt_later(world.session, date(2024, 2, 21))
    with recomputed(world.home, Window(world.home.days.start, date(2024, 2, 10)), known_at=AS_OF) as beside:
        assert beside.scalar("select sum(spend_cents) from features.user_day") == 200
