"""features.interests by hand: shares of decayed attention, whatever the span of a history and wherever its landmarks lie."""

from datetime import date
from pathlib import Path

import pytest

from portrait_assets import columns as c
from portrait_assets.history import begin_history
from portrait_assets.lineage import DECAY_EPOCH, HALF_LIVES_AN_ERA
from portrait_assets.partitions import DAY
from tests.small_world import World, event

HALF_LIFE = 60
LANDMARK = DECAY_EPOCH + HALF_LIVES_AN_ERA * HALF_LIFE * DAY


def shares(world: World, user: str, day: date) -> dict[str, int]:
    row = world.row(c.FEATURES_INTERESTS, user_id=user, event_date=day)
    return {entry["value"]: entry["share_milli"] for entry in row["categories"]}


@pytest.mark.parametrize("last", [LANDMARK - DAY, LANDMARK, LANDMARK + 59 * DAY, DECAY_EPOCH - 40 * DAY])
def test_a_half_life_halves_on_both_sides_of_a_landmark(tmp_path: Path, last: date):
    """Equal purchases a half-life apart: one part to two, in 35 days that a landmark may divide."""
    with World(tmp_path, last - HALF_LIFE * DAY, last, declared=False).open() as world:
        world.land(
            event(1, "ann", f"{last - HALF_LIFE * DAY} 10:00", item="milk"), event(2, "ann", f"{last} 10:00", item="soap")
        )
        world.derive()
        assert shares(world, "ann", last) == {"care": 666, "dairy": 333}


def test_twenty_years_fit_and_what_is_long_past_weighs_nothing(tmp_path: Path):
    first, last = date(2004, 5, 5), date(2024, 5, 5)
    with World(tmp_path, first, last, declared=False).open() as world:
        world.land(*[event(year, "ann", f"{year}-05-05 10:00", item="milk") for year in range(2004, 2024)])
        world.land(event("now", "ann", f"{last} 10:00", item="soap"), event("once", "bob", f"{first} 10:00", item="soap"))
        begin_history(world.session, last - DAY)
        world.derive()
        row = world.row(c.FEATURES_INTERESTS, user_id="ann", event_date=last)
        assert row["category_count"] == 2
        assert shares(world, "ann", last)["care"] == 985  # a year ago 2^(-366/60) = 1.5 % of now
        assert shares(world, "bob", last - DAY) == {"care": 1000}  # silent for twenty years, of one mind still


def test_days_at_once_are_days_one_by_one_across_a_landmark(tmp_path: Path):
    first, last = LANDMARK - 3 * DAY, LANDMARK + 3 * DAY
    days = [first + n * DAY for n in range(7)]
    with World(tmp_path, first, last, declared=False).open() as world:
        world.land(*[event(n, "ann", f"{day} 10:00", item=("milk", "soap", "bread")[n % 3]) for n, day in enumerate(days)])
        at_once = world.derive().table(c.FEATURES_INTERESTS)
        for day in days:
            world.derive(day, day)
        assert world.table(c.FEATURES_INTERESTS).equals(at_once) and len(at_once) == 7
