"""With a model in force: what is not kept of predictions and snapshots is made again to the bit, where it is read and where it is compared."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from portrait_assets import columns as c
from portrait_assets.assets import derivation, scoring
from portrait_assets.assets.daily import FEATURES, PORTRAITS, UNDATED, drop_unkept, refresh_days, refresh_undated, runs_of
from portrait_assets.assets.kept import make_again
from portrait_assets.assets.recommending import write_published
from portrait_assets.assets.scoring import write_chances
from portrait_assets.kernels import storage
from portrait_assets.lineage import PORTRAIT_TABLES, SCORE_TABLES, Ledger, covering, stale_days
from portrait_assets.observability import days_compared, measure_drift
from portrait_assets.partitions import DAY, Window
from portrait_assets.publishing import write_export
from portrait_assets.verification import verify
from tests.small_world import World, event

START, THROUGH, LAST = date(2024, 1, 1), date(2024, 1, 12), date(2024, 1, 24)
PAST = date(2024, 1, 15)  # with a model in force, and long not kept
DAILY = (c.SCORES_SEGMENTS, c.PORTRAITS_CHANGES, c.PORTRAITS_AUDIENCES)
AUDIENCES = '[likely]\nexpression = "churn_14d > 0 and purchases >= 1"\n'


def scored_world(folder: Path, trained: Any, end: date = LAST, **settings_of_home: Any) -> World:
    world = World(folder, START, end, **settings_of_home)
    (world.home.settings.home_dir / "audiences.toml").write_text(AUDIENCES)
    with world.open():
        world.land(
            *(
                event(f"{user}{visit}", user, f"{START + timedelta(days=gap * visit)} 12:00", item=("milk", "soap")[visit % 2])
                for user, gap in (("ann", 3), ("bob", 2), ("cat", 5))
                for visit in range(12)
                if START + timedelta(days=gap * visit) <= LAST
            )
        )
        model = replace(trained[0], trained_through=THROUGH)
        version = storage.version_of(model)
        storage.save(model, world.home.settings.models_dir / version)
        world.session.execute(
            "insert into models.registry by name select $version as version, $through as trained_through, 'champion' as status",
            version=version, through=THROUGH,
        )  # fmt: skip
        bring(world)
    return world


def bring(world: World) -> None:
    """Up to date, as the jobs do it: features, scores, portraits."""
    session, home = world.session, world.home
    for table in UNDATED:
        refresh_undated(session, table)
    for table in FEATURES:
        refresh_days(session, home, table, home.days)
    ledger = Ledger(session, home)
    for run in runs_of({day for table in SCORE_TABLES for day in ledger.due(table, home.days).whole}):
        write_chances(session, home, run)
    for table in PORTRAITS:
        refresh_days(session, home, table, home.days)
    drop_unkept(session, home)
    assert covering(stale_days(session, home, home.days), PORTRAIT_TABLES) is None


def exported(world: World, day: date, folder: Path) -> dict[str, pl.DataFrame]:
    make_again(world.session, world.home, [day, *days_compared(world.session, day)])
    measure_drift(world.session, day)
    write_published(world.session, world.home, day)
    write_export(world.session, world.home, day, folder)
    found = {file.name: pl.read_parquet(file) for file in sorted(folder.glob("*.parquet"))}
    return found | {"drift": world.table(c.OBSERVABILITY_DRIFT)}


def same(left: dict[str, pl.DataFrame], right: dict[str, pl.DataFrame]) -> None:
    assert left.keys() == right.keys()
    for name in left:
        assert_frame_equal(left[name], right[name], check_exact=True)


def test_a_home_that_keeps_few_days_says_of_every_day_what_one_says_that_keeps_all(tmp_path: Path, trained: Any):
    kept = 2
    late = event("late", "dan", f"{PAST - DAY} 09:00")
    homes = []
    for name, settings_of_home in (("all", {}), ("few", {"snapshots_kept": kept})):
        with pytest.MonkeyPatch.context() as patch:
            if name == "few":
                patch.setattr(derivation, "USER_DAYS_AT_ONCE", 6)
                patch.setattr(scoring, "SCORED_AT_ONCE", 6)
            world = scored_world(tmp_path / name, trained, **settings_of_home)
            with world.open():
                before = {table.name: world.table(table) for table in DAILY}
                past = exported(world, PAST, tmp_path / name / "past")
                days = {day for (day,) in world.session.rows("select distinct event_date from portraits.snapshots")}
                world.land(late)
                bring(world)
                after = {table.name: world.table(table) for table in DAILY}
                again = exported(world, PAST, tmp_path / name / "again")
            homes.append((world, days, before, past, after, again))
    (_, all_days, *whole), (few, few_days, *little) = homes
    read = {PAST, THROUGH - DAY, PAST - timedelta(days=14)}  # the day itself, and what its drift and its tags are judged by
    assert all_days == set(Window(START, LAST)) and few_days == {*read, *Window(LAST - (kept - 1) * DAY, LAST)}
    for left, right in zip(whole, little, strict=True):
        same(left, right)
    assert whole[0]["portraits.changes"].height > 20 and whole[0]["portraits.audiences"].height > 10
    assert "dan" in set(whole[3]["portraits.parquet"]["user_id"]) and "dan" not in set(whole[1]["portraits.parquet"]["user_id"])
    assert all(not line.missing and not line.surplus for line in verify(few.home))
    with few.open():
        drop_unkept(few.session, few.home)
        for table in (c.SCORES_PREDICTIONS, c.PORTRAITS_SNAPSHOTS):
            assert few.session.scalar(f"select min(event_date) from {table.name}") == LAST - (kept - 1) * DAY
