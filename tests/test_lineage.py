"""What is stale, told by the ledger: exactly the days that can have changed."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest

from portrait_assets import columns as c
from portrait_assets.assets.daily import UNDATED, refresh_days, refresh_undated, write_days
from portrait_assets.history import begin_history, history_start
from portrait_assets.lineage import Ledger, knowledge, models_in_force, stale_days
from portrait_assets.partitions import Window
from portrait_assets.sources import load
from tests.small_world import FIRST_DAY, LAST_DAY, World, event

BUILT = {
    "clean.events", "features.visit", "features.user_day", "features.user_day_interest", "features.user_state",
    "features.interests", "features.cut_points", "portraits.snapshots", "portraits.changes",
}  # fmt: skip


BY_DAY = {"clean.events", "features.visit", "features.user_day", "features.user_day_interest"}  # a day alone


IN_STEP = (c.FEATURES_USER_DAY, c.FEATURES_USER_STATE, c.FEATURES_INTERESTS, c.PORTRAITS_SNAPSHOTS)


def first_stale(world: World) -> dict[str, date | None]:
    """Built table -> first stale day. Of tables that run on, all days after it are stale too, or the assertion says."""
    stale = stale_days(world.session, world.home, world.home.days)
    for table, days in stale.items():
        assert not days or table in BY_DAY | {"features.cut_points"} or days == list(Window(days[0], LAST_DAY)), table
    return {table: days[0] if days else None for table, days in stale.items() if table in BUILT}


def test_nothing_written_is_all_stale_and_all_written_is_none(world: World):
    world.land(event(1, "ann", "2024-01-10 12:00"))
    assert first_stale(world) == dict.fromkeys(BUILT, FIRST_DAY)
    world.build()
    assert first_stale(world) == dict.fromkeys(BUILT, None)


def test_late_event_makes_its_day_and_later_ones_stale(world: World):
    world.land(event(1, "ann", "2024-01-10 12:00"))
    world.build()
    world.land(event(2, "bob", "2024-02-03 23:59:59.999999"))
    # The cut points of March are of the middle of February; those of February are of the middle of January.
    assert first_stale(world) == dict.fromkeys(BUILT, date(2024, 2, 3)) | {"features.cut_points": date(2024, 3, 1)}


def test_correction_to_a_later_day_makes_the_day_it_leaves_stale(world: World):
    world.land(event(1, "ann", "2024-01-10 12:00"))
    world.build()
    world.land(event(1, "ann", "2024-01-20 12:00", version=2))
    assert first_stale(world) == dict.fromkeys(BUILT, date(2024, 1, 10)) | {"features.cut_points": date(2024, 2, 1)}


def test_described_items_make_every_day_stale(world: World):
    world.land(event(1, "ann", "2024-01-10 12:00"))
    world.build()
    world.describe({"item": "tea", "category": "drinks"})
    assert first_stale(world) == dict.fromkeys(BUILT, FIRST_DAY)


def test_a_mapping_that_keeps_the_first_is_refreshed_as_recomputed(world: World):
    world.land(event(1, "ann", "2024-01-10 12:00"), event(2, "bob", "2024-01-11 12:00", item="bread"))
    world.describe({"item": "milk", "category": "drinks"}, {"item": "soap", "category": "luxury"})
    world.declare({"user_id": "ann", "age": "65+"})
    world.build()
    mapping = world.home.source.path
    text = mapping.read_text()
    for old in ('item_id = "item"\ndepartment', 'user_id = "user_id"\nage'):
        text = text.replace(old, f'keep = "first"\n{old}')
    mapping.write_text(text)
    world.home = replace(world.home, source=load(mapping))
    world.land_own()
    world.refresh()
    tables = (c.CLEAN_ITEMS, c.CLEAN_USERS, c.CLEAN_EVENTS, c.FEATURES_INTERESTS, c.PORTRAITS_SNAPSHOTS)
    refreshed = {table.name: world.table(table, without=("batch_seq",)) for table in tables}
    world.build()
    for table in tables:
        assert world.table(table, without=("batch_seq",)).equals(refreshed[table.name]), table.name
    assert world.row(c.CLEAN_ITEMS, item_id="milk")["category"] == "dairy"
    assert world.row(c.CLEAN_USERS, user_id="ann")["age"] == "35-44"
    assert world.rows("select distinct category from clean.events where item_id = 'milk'") == [{"category": "dairy"}]


def test_a_file_that_tells_nothing_new_makes_nothing_stale(world: World):
    world.land(event(1, "ann", "2024-01-10 12:00"), event(2, "bob", "2024-01-11 12:00"))
    world.build()
    assert world.land(event(1, "ann", "2024-01-10 12:00")).rows_duplicate == 1
    assert world.land(event(3, None, "2024-01-10 12:00")).rows_rejected == 1
    assert first_stale(world) == dict.fromkeys(BUILT, None)


def champion(world: World, version: str, through: date, status: str = "champion") -> None:
    world.session.execute(
        "insert into models.registry by name select $version as version, $through as trained_through, $status as status",
        version=version, through=through, status=status,
    )  # fmt: skip


def test_a_model_is_in_force_from_the_day_whose_as_of_it_was_trained_for(world: World):
    champion(world, "old", date(2024, 2, 1))
    champion(world, "new", date(2024, 3, 1))
    champion(world, "worse", date(2024, 2, 15), status="rejected")
    force = models_in_force(world.session, world.home.days)
    assert force[date(2024, 1, 30)] is None
    assert force[date(2024, 1, 31)] == "old"  # as-of 1 February
    assert force[date(2024, 2, 28)] == "old"
    assert force[date(2024, 2, 29)] == "new"
    assert force[date(2024, 3, 31)] == "new"


def test_a_new_model_makes_stale_what_it_feeds_and_nothing_before_it(world: World):
    world.land(event(1, "ann", "2024-01-10 12:00"))
    world.build()
    champion(world, "new", date(2024, 3, 1))
    stale = first_stale(world)
    fed = {"portraits.snapshots", "portraits.changes"}
    assert stale == {table: date(2024, 2, 29) if table in fed else None for table in BUILT}


def test_changes_of_the_first_day_after_another_model_have_another_version_too(world: World):
    """They are found by comparison with the day before, whose model was taken out of force."""
    champion(world, "old", date(2024, 2, 1))
    champion(world, "new", date(2024, 3, 1))
    before = Ledger(world.session, world.home).versions
    world.session.execute("update models.registry set status = 'rolled back' where version = 'old'")
    after = Ledger(world.session, world.home).versions
    renamed = {
        table.name: [day for day in world.home.days if before[table.name][day] != after[table.name][day]]
        for table in (c.FEATURES_USER_STATE, c.PORTRAITS_SNAPSHOTS, c.PORTRAITS_CHANGES)
    }
    assert renamed == {
        "features.user_state": [],
        "portraits.snapshots": list(Window(date(2024, 1, 31), date(2024, 2, 28))),
        "portraits.changes": list(Window(date(2024, 1, 31), date(2024, 2, 29))),
    }


def test_what_changed_on_the_first_of_a_month_follows_the_cut_points_of_the_month_before(tmp_path: Path):
    """December has no cut points until there is an event a year before: from then on nothing changes on the first of January."""
    with World(tmp_path, date(2023, 12, 15), date(2024, 1, 10), declared=False).open() as world:
        days = (event(n, "ann", f"2024-01-0{n} 12:00", amount=10) for n in range(1, 8))
        world.land(*days, event(8, "old", "2023-12-15 12:00"))
        world.build()
        tiers = "select event_date, from_value, to_value from portraits.changes where user_id = 'old' and tag_id = 'value_tier'"
        assert world.session.rows(tiers) == [(date(2024, 1, 1), None, "low")]
        world.land(event(9, "early", "2022-12-15 12:00"))
        world.refresh()
        assert world.session.rows(tiers) == [(date(2023, 12, 15), None, "low")]
        refreshed = world.table(c.PORTRAITS_CHANGES)
        world.build()
        assert refreshed.equals(world.table(c.PORTRAITS_CHANGES))


def test_other_rules_of_recommending_make_the_recommendations_stale_and_nothing_else(world: World):
    world.land(event(1, "ann", "2024-01-10 12:00"))
    world.build().recommend(LAST_DAY)
    day, recommended = Window(LAST_DAY, LAST_DAY), {"recommendations.top", "recommendations.lists"}

    def stale(home) -> set[str]:
        return {table for table, days in stale_days(world.session, home, day).items() if days} & (BUILT | recommended)

    rules = world.home.pack.recommending.model_copy(update={"discover_places": 5})
    assert stale(world.home) == set()
    assert stale(replace(world.home, pack=replace(world.home.pack, recommending=rules))) == recommended


def test_what_is_known_of_a_day_changes_with_what_is_told_of_it_or_before(world: World):
    day, days = date(2024, 1, 10), (date(2024, 1, 9), date(2024, 1, 10), date(2024, 3, 1))
    before = [knowledge(world.session, world.home, day) for day in days]
    world.land(event(1, "ann", f"{day} 12:00"))
    after = [knowledge(world.session, world.home, day) for day in days]
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, False]


def test_later_batches_make_due_whom_they_touch_and_other_code_everybody(world: World):
    world.land(event(1, "ann", "2024-01-10 12:00"))
    world.build()
    world.land(event(2, "bob", "2024-03-29 12:00"))
    ledger, window = Ledger(world.session, world.home), Window(date(2024, 3, 27), LAST_DAY)
    due = ledger.due(c.PORTRAITS_SNAPSHOTS, window)
    assert (due.whole, due.touched, due.since) == ((), tuple(Window(date(2024, 3, 29), LAST_DAY)), 3)
    assert ledger.due(c.FEATURES_USER_DAY, window).touched == (date(2024, 3, 29),)
    world.session.execute("update meta.materializations set version = 'of other code' where event_date = date '2024-03-31'")
    due = Ledger(world.session, world.home).due(c.PORTRAITS_SNAPSHOTS, window)
    assert (due.whole, due.touched) == ((LAST_DAY,), (date(2024, 3, 29), date(2024, 3, 30)))


def test_a_late_batch_makes_due_whom_it_touches_not_whom_batches_of_later_days_did(world: World):
    """A day that is up to date never held the batches of the days after it; they are not news to it."""
    world.land(event(1, "ann", "2024-01-10 12:00"))
    world.build(end=date(2024, 3, 29))
    for number, day in enumerate((30, 31), start=2):
        world.land(event(number, "bob", f"2024-03-{day} 12:00"))
        world.refresh(end=date(2024, 3, day))
    late = world.land(event(9, "cat", "2024-03-29 12:00"))
    newest = world.session.scalar("select max(batch_seq) from raw.batches")
    assert late.rows_accepted == 1
    ledger = Ledger(world.session, world.home)
    for table in (c.FEATURES_USER_DAY, c.FEATURES_USER_STATE, c.PORTRAITS_SNAPSHOTS):
        assert ledger.due(table, world.home.days).since == newest - 1


def test_what_was_made_from_incomplete_days_stays_due(world: World):
    """A backfill that begins at the end: its days are made again once the days before them are there."""
    world.land(event(1, "ann", "2024-01-10 12:00"), event(2, "ann", "2024-03-30 12:00"))
    world.build(date(2024, 3, 1), LAST_DAY)
    assert first_stale(world)["features.user_state"] == FIRST_DAY
    world.refresh()
    assert first_stale(world) == dict.fromkeys(BUILT, None)
    assert world.features(date(2024, 3, 31))["ann"]["purchases"] == 2


def test_an_interrupted_window_is_as_it_was(world: World):
    world.land(event(1, "ann", "2024-01-10 12:00"))
    world.build()
    kept = world.table(c.CLEAN_EVENTS)
    with pytest.raises(duckdb.Error, match="killed"):
        world.session.replace(c.CLEAN_EVENTS, world.home.days, "select error('killed') as event_date", {})
    assert world.table(c.CLEAN_EVENTS).equals(kept)
    assert first_stale(world) == dict.fromkeys(BUILT, None)


def test_the_kept_history_only_ever_begins_earlier(world: World):
    assert history_start(world.session, world.home) == FIRST_DAY
    for day, begins in ((20, 20), (25, 20), (10, 10), (10, 10)):
        begin_history(world.session, date(2024, 2, day))
        assert world.rows("from meta.history") == [{"first_date": date(2024, 2, begins)}]
    assert history_start(world.session, world.home) == date(2024, 2, 10)


def test_what_a_day_holds_has_another_name_when_a_batch_touches_it(world: World):
    days = Window(date(2024, 1, 9), date(2024, 1, 11))
    world.land(event(1, "ann", "2024-01-10 12:00"))
    before = {
        table: Ledger(world.session, world.home).content(table, days) for table in (c.CLEAN_EVENTS, c.FEATURES_USER_STATE)
    }
    world.land(event(2, "bob", "2024-01-10 12:00"))
    after = {table: Ledger(world.session, world.home).content(table, days) for table in before}
    renamed = {table: [before[table][day] != after[table][day] for day in days] for table in before}
    assert renamed == {c.CLEAN_EVENTS: [False, True, False], c.FEATURES_USER_STATE: [False, True, True]}


# -------------------------------------------------------- another process lands or writes between two steps of a run


def assert_a_refresh_makes_it_right(world: World) -> None:
    world.refresh()
    refreshed = [world.table(table) for table in (c.CLEAN_EVENTS, *IN_STEP)]
    world.build()
    assert all(table.equals(world.table(which)) for table, which in zip(refreshed, (c.CLEAN_EVENTS, *IN_STEP), strict=True))


def test_a_state_that_went_on_from_a_stale_one_stays_due(world: World):
    """Everything that the state is made from is up to date, but not the state of the days before: a later day alone goes on from
    totals that lack an event, and must not count as complete."""
    world.land(event(1, "ann", "2024-01-10 12:00"), event(2, "ann", "2024-01-20 12:00"), event(3, "ann", "2024-01-30 12:00"))
    world.build()
    world.land(event(4, "ann", "2024-01-10 13:00", amount=5))
    for table in UNDATED:
        refresh_undated(world.session, table)
    inputs = (c.CLEAN_EVENTS, c.FEATURES_VISIT, c.FEATURES_USER_DAY)
    for table in inputs:
        refresh_days(world.session, world.home, table, world.home.days)
    day, stale = date(2024, 1, 20), stale_days(world.session, world.home, world.home.days)
    assert not any(stale[table.name] for table in inputs)  # only the state itself can be what is missing
    write_days(world.session, world.home, c.FEATURES_USER_STATE, Window(day, day))
    assert day in stale_days(world.session, world.home, world.home.days)["features.user_state"]
    assert_a_refresh_makes_it_right(world)


@pytest.mark.parametrize("described", [False, True])
def test_clean_events_written_before_who_or_what_they_are_of_is_known_stay_due(world: World, described: bool):
    world.land(event(1, "ann", "2024-01-10 12:00"))
    world.build()
    world.land(event(2, "dan", "2024-01-10 13:00", item="ufo"))
    if described:
        world.describe({"item": "ufo", "category": "novelty"})
    day = date(2024, 1, 10)
    write_days(world.session, world.home, c.CLEAN_EVENTS, Window(day, day))
    assert day in stale_days(world.session, world.home, world.home.days)["clean.events"]
    assert_a_refresh_makes_it_right(world)
