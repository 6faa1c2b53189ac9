"""Each day of a window is scored by the model in force on it, from what had happened by its end."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from portrait_assets.assets.scoring import scored_days, vector_rows
from portrait_assets.bench.vector import NETWORK, measured
from portrait_assets.kernels import storage
from portrait_assets.partitions import DAY, Window
from tests.small_world import World, event

FIRST, SECOND = date(2024, 1, 15), date(2024, 1, 20)  # what the two champions were trained through


@pytest.fixture(scope="module")
def world(trained, tmp_path_factory) -> World:
    """Two champions and, between them, a rejected model, in a shop of two who buy every third day."""
    world = World(tmp_path_factory.mktemp("scored"), end=SECOND)
    with world.open():
        start = date(2024, 1, 2)
        world.land(
            *(
                event(f"{user}{visit}", user, f"{start + timedelta(days=3 * visit)} 12:00")
                for user in ("ann", "bob")
                for visit in range(7)
            )
        )
        world.derive()
        for through, status in ((FIRST, "champion"), (date(2024, 1, 17), "rejected"), (SECOND, "champion")):
            model = replace(trained[0], trained_through=through)
            version = storage.version_of(model)
            storage.save(model, world.home.settings.models_dir / version)
            world.session.execute(
                "insert into models.registry by name select $version as version, $through as trained_through, $status as status",
                version=version, through=through, status=status,
            )  # fmt: skip
    return world


def test_a_day_is_scored_by_the_newest_champion_that_saw_nothing_after_it(world: World, trained):
    with world.open():
        scored = scored_days(world.session, world.home, Window(FIRST - 3 * DAY, SECOND))
    version = {through: storage.version_of(replace(trained[0], trained_through=through)) for through in (FIRST, SECOND)}
    by = {day.day: day.version for day in scored}
    assert by == {day: version[FIRST if day < SECOND - DAY else SECOND] for day in Window(FIRST - DAY, SECOND)}


def test_what_happens_after_a_day_does_not_move_its_vectors(world: World):
    """Alone, and as the first of a window whose frames reach further."""
    with world.open():
        alone, first = (
            vector_rows(scored_days(world.session, world.home, Window(FIRST, end))[0]) for end in (FIRST, FIRST + 2 * DAY)
        )
    assert alone["user_id"].to_list() == ["ann", "bob"]
    assert np.array_equal(np.array(alone["embedding"].to_list()), np.array(first["embedding"].to_list()))


def test_what_a_vector_costs_is_told_step_by_step(world: World):
    found = measured(world.home)
    assert (found.users, found.visits, found.total) == (
        2,
        14,
        pytest.approx(sum(found.seconds.values()) - found.seconds[NETWORK]),
    )
    assert {visits for visits, _ in found.alone} == {7} and min(found.seconds.values()) >= 0
