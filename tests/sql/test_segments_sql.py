"""What an export says of segments: who stands where, how many, who moved; and the words that may name one."""

from datetime import date, timedelta

import polars as pl
import pytest

from portrait_assets import columns as c
from portrait_assets.assets.scoring import write_scores
from portrait_assets.assets.training import traits_at
from portrait_assets.partitions import Window
from tests.small_world import World, event

DAY = date(2024, 3, 20)
NAMES = [("m1", 0, 1, "poor"), ("m1", 1, 2, "rich"), ("m2", 0, 2, "well off"), ("m2", 1, 1, "poor"), ("m2", 2, 3, "odd")]
STOOD = {7: ("m1", {"ann": 1, "bob": 1}), 1: ("m2", {"ann": 0, "bob": 0, "cat": 1}), 0: ("m2", {"ann": 0, "bob": 1, "cat": 1})}


@pytest.fixture
def stands(world: World) -> World:
    """Three users in the segments of two models: of m1 a week before DAY, of m2 the day before and on DAY."""
    names = pl.DataFrame(NAMES, ["model_version", "cluster", "segment_id", "name"], orient="row")
    world.session.stage_frame("names", names)
    world.session.execute("insert into models.segments by name select * from names")
    for before, (model, clusters) in STOOD.items():
        day = DAY - timedelta(days=before)
        rows = [(day, user, cluster, model) for user, cluster in clusters.items()]
        frame = pl.DataFrame(rows, schema=c.SCORES_SEGMENTS.column_names, orient="row")
        write_scores(world.session, world.home, c.SCORES_SEGMENTS, Window(day, day), [frame])
    return world


def exported(world: World, name: str, day: date = DAY) -> list[tuple]:
    return world.session.frame(world.session.sql(f"published/{name}.sql"), day=day).rows()


def test_each_user_stands_in_the_segment_people_know(stands: World):
    assert exported(stands, "segments") == [("ann", 2, "well off"), ("bob", 1, "poor"), ("cat", 1, "poor")]


def test_sizes_are_of_the_days_model_its_empty_segments_too(stands: World):
    assert [row[:2] + row[3:4] for row in exported(stands, "segment_sizes")] == [
        (1, "poor", 2),
        (2, "well off", 1),
        (3, "odd", 0),
    ]
    assert sum(row[4] for row in exported(stands, "segment_sizes")) == pytest.approx(1)


def test_flows_tell_who_went_where_since_the_days_there_are(stands: World):
    assert exported(stands, "segment_flows") == [
        (1, 1, "poor", 1, "poor", 1),
        (1, 2, "well off", 1, "poor", 1),
        (1, 2, "well off", 2, "well off", 1),
        (7, None, None, 1, "poor", 1),  # cat was not there
        (7, 2, "rich", 1, "poor", 1),
        (7, 2, "rich", 2, "well off", 1),
    ]


def test_before_a_model_there_is_nothing(stands: World):
    assert [exported(stands, name, DAY + timedelta(days=1)) for name in ("segments", "segment_sizes", "segment_flows")] == [
        []
    ] * 3


def test_words_of_little_and_much_are_told_beside_everybody(world: World):
    for user, (days, amount) in {"ann": (9, 9.0), "bob": (3, 5.0), "cat": (1, 1.0)}.items():
        world.land(*(event(f"{user}{n}", user, f"2024-03-{n:02} 10:00", amount=amount) for n in range(1, days + 1)))
    world.build(end=DAY)
    told: dict[str, dict[str, set[str]]] = {}
    for user, trait, word in traits_at(world.session, world.home, DAY).iter_rows():
        told.setdefault(user, {}).setdefault(trait, set()).add(word)
    assert [told[user].get("visits") for user in ("ann", "bob", "cat")] == [{"frequent"}, None, {"rare"}]
    assert [told[user].get("basket") for user in ("ann", "bob", "cat")] == [{"large baskets"}, None, {"small baskets"}]
    assert told["ann"]["interest"] == {"dairy"} and told["ann"]["lifecycle"] == {"dormant"}  # daily, and then no more
    assert {"age", "income"} & set(told["ann"]) == set()  # declared of ann, and no business of a segment's name
