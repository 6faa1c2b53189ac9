"""Each day of a window is scored by the model in force on it, from what had happened by its end."""

import weakref
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from portrait_assets.assets import scoring, training
from portrait_assets.assets.scoring import scored_days, vector_rows, write_chances
from portrait_assets.assets.training import bought_at
from portrait_assets.bench.vector import NETWORK, measured
from portrait_assets.kernels import behaviour, storage
from portrait_assets.partitions import DAY, Window
from portrait_assets.resources.session import Session
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
        scored = list(scored_days(world.session, world.home, Window(FIRST - 3 * DAY, SECOND)))
    version = {through: storage.version_of(replace(trained[0], trained_through=through)) for through in (FIRST, SECOND)}
    by = {day.day: day.version for day in scored}
    assert by == {day: version[FIRST if day < SECOND - DAY else SECOND] for day in Window(FIRST - DAY, SECOND)}


def test_what_happens_after_a_day_does_not_move_its_vectors(world: World):
    """Alone, and as the first of a window whose frames reach further."""
    with world.open():
        alone, first = (
            vector_rows(next(scored_days(world.session, world.home, Window(FIRST, end)))) for end in (FIRST, FIRST + 2 * DAY)
        )
    assert alone["user_id"].to_list() == ["ann", "bob"]
    assert np.array_equal(np.array(alone["embedding"].to_list()), np.array(first["embedding"].to_list()))


class Counting(Session):
    """A session that notes how many visits each frame of them has."""

    visits: list[int]

    def frame(self, sql: str, **parameters: Any) -> pl.DataFrame:
        frame = super().frame(sql, **parameters)
        if "visit_time" in frame.columns:
            self.visits.append(frame.height)
        return frame


@pytest.mark.parametrize(("at_once", "read"), [(14, [14]), (13, [7, 7]), (1, [7, 7])])
def test_visits_are_read_for_some_users_at_a_time_and_once_for_all_days(world: World, monkeypatch, at_once, read):
    window = Window(FIRST - 3 * DAY, SECOND)
    with world.open():
        wanted = [vector_rows(day) for day in scored_days(world.session, world.home, window)]
        monkeypatch.setattr(training, "LINES_AT_ONCE", at_once)
        session = Counting(world.session.connection, world.session.schema)
        session.visits = []
        found = [vector_rows(day) for day in scored_days(session, world.home, window)]
        assert session.visits == read
        session.visits.clear()
        monkeypatch.setattr(scoring, "SCORED_AT_ONCE", 2)  # a day at a time
        write_chances(session, world.home, window)
        assert session.visits == read
        vectors = world.session.frame("select user_id from scores.predictions")
    assert [rows.equals(other) for rows, other in zip(found, wanted, strict=True)] == [True] * len(wanted)
    assert not vectors.is_empty()


def test_the_scores_of_a_day_are_gone_before_the_next_is_scored(world: World, monkeypatch):
    made: list[weakref.ref] = []
    score = behaviour.score_history

    def watched(*inputs: Any) -> behaviour.Scores:
        assert all(scores() is None for scores in made), "the scores of a day before are still there"
        scores = score(*inputs)
        made.append(weakref.ref(scores))
        return scores

    monkeypatch.setattr(behaviour, "score_history", watched)
    with world.open():
        write_chances(world.session, world.home, Window(FIRST - 3 * DAY, SECOND))
    assert len(made) == len(Window(FIRST - DAY, SECOND))


@pytest.mark.parametrize(("at_once", "read"), [(12, [12]), (11, [6, 6])])
def test_what_was_bought_is_read_for_some_users_at_a_time(world: World, monkeypatch, at_once, read):
    with world.open():
        items = world.session.frame(training.ITEMS)
        wanted = bought_at(world.session, SECOND, items)
        monkeypatch.setattr(training, "LINES_AT_ONCE", at_once)
        session = Counting(world.session.connection, world.session.schema)
        session.visits = []
        found = bought_at(session, SECOND, items)
    assert session.visits == read
    assert (
        (found.users, found.items, found.places)
        == (wanted.users, wanted.items, wanted.places)
        == (["ann", "bob"], ["milk"], [])
    )
    assert np.array_equal(found.pair, wanted.pair) and np.array_equal(found.day, wanted.day)


def test_what_a_vector_costs_is_told_step_by_step(world: World):
    found = measured(world.home)
    assert (found.users, found.visits, found.total) == (
        2,
        14,
        pytest.approx(sum(found.seconds.values()) - found.seconds[NETWORK]),
    )
    assert {visits for visits, _ in found.alone} == {7} and min(found.seconds.values()) >= 0
