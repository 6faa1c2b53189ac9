"""A day's features from the day before are those derived from all that came before, on the days when a window moves."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from portrait_assets import columns as c
from portrait_assets.assets.daily import write_days
from portrait_assets.assets.derivation import stage_features, stage_next_day
from portrait_assets.packs import load_pack
from portrait_assets.partitions import Window
from tests.small_world import World, event

BUSY = date(2023, 1, 10)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory):
    """Ann and bob do everything there is on one day, and bob has all back; ann comes after 3, 20 and 370 days, and cat, new, after 30."""
    world = World(tmp_path_factory.mktemp("year"), date(2023, 1, 1), BUSY + 380 * DAY)
    with world.open():
        world.land(
            *(
                event(f"{user}{n}", user, f"{BUSY} 1{n}:00", kind, **fields)
                for user in ("ann", "bob")
                for n, (kind, fields) in enumerate(
                    [("view", {}), ("cart", {}), ("purchase", {"discount": 1, "coupon": 1}), ("coupon", {}), ("purchase", {"item": "soap"})]
                )
            ),
            *(event(f"back{after}", "ann", f"{BUSY + after * DAY} 12:00", item="bread") for after in (3, 20, 370)),
            event("refund", "bob", f"{BUSY + 4 * DAY} 12:00", "return", amount=4),  # all that bob paid
            event("exposed", "bob", f"{BUSY + 5 * DAY} 12:00", "exposure"),
            event("new", "cat", f"{BUSY + 30 * DAY} 12:00", item="ufo"),
        )  # fmt: skip
        yield world.derive()


@pytest.mark.parametrize(
    "after",
    sorted({0, 1, 3, 4, 5, 20, *(w + more for w in load_pack().schema.measures.windows for more in (-1, 0, 1)), 370, 371}),
)
def test_a_day_from_the_day_before_is_the_day_from_the_whole_past(year: World, after: int):
    day = BUSY + after * DAY
    session = year.session
    write_days(session, year.home, c.PORTRAITS_SNAPSHOTS, Window(day - DAY, day - DAY))
    stage_features(session, year.home, [day])
    derived = session.frame("from as_of_features order by user_id")
    stage_next_day(session, year.home, day)
    gone_on = session.frame("from as_of_features order by user_id")
    assert len(derived) == 2 + (after >= 30)
    types = {name: derived.schema[name] for name in derived.columns}
    assert_frame_equal(gone_on.select(derived.columns).cast(types), derived, check_exact=True)


def test_a_new_day_does_go_on_from_the_day_before(tmp_path: Path):
    """Told by a column nobody derives: what stands in yesterday's snapshot is in today's, where yesterday is up to date."""
    with World(tmp_path, date(2024, 1, 1), date(2024, 1, 5)).open() as world:
        world.land(event(1, "ann", "2024-01-02 10:00"))
        world.refresh(date(2024, 1, 1), date(2024, 1, 4))
        world.session.execute("update portraits.snapshots set searches = 77 where event_date = date '2024-01-04'")
        world.refresh()
        assert world.row(c.PORTRAITS_SNAPSHOTS, event_date=date(2024, 1, 5))["searches"] == 77
        world.land(event(2, "ann", "2024-01-03 10:00"))  # now the day before is not up to date: everything is derived
        world.build(date(2024, 1, 5), date(2024, 1, 5))
        assert world.row(c.PORTRAITS_SNAPSHOTS, event_date=date(2024, 1, 5))["searches"] == 0
