"""Every audit finds nothing in a good warehouse, and finds the damage that one statement does to it."""

import shutil
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from portrait_assets import columns as c
from portrait_assets.assets.daily import write_days
from portrait_assets.assets.scoring import write_scores
from portrait_assets.checks import BLOCKING, CHECKS, audit_names
from portrait_assets.partitions import Window
from tests.small_world import World, event

MODEL_DAY = date(2024, 3, 1)
LAST = date(2024, 3, 31)

# Audit -> statements, each of which breaks one part of its claim.
DAMAGE = {
    "catalogue.versions.one_definition_a_number": [
        "insert into catalogue.versions values ('age', 1, 'a', '{}', null, null, 1), ('age', 1, 'b', '{}', null, null, 2)"
    ],
    "raw.batches.rows_accounted_for": [
        "update raw.batches set rows_in = rows_in + 1 where stream = 'events'",
        "update raw.batches set rows_accepted = rows_accepted - 1, rows_duplicate = rows_duplicate + 1 where stream = 'events'",
        "delete from raw.events where event_key = (select min(event_key) from raw.events)",
        "delete from raw.items where item_id = 'milk'",
        "delete from raw.attributes where user_id = 'bob'",
        "delete from raw.quarantine",
        "update raw.batches set rows_rejected = 0, rows_in = rows_in - rows_rejected where rows_rejected > 0",
    ],
    "raw.events.day_is_utc_day": [
        "update raw.events set event_date = event_date + 1 where event_key = 'events|1'",
        "update raw.events set user_id = null where event_key = 'events|1'",
        "update raw.events set event_key = null where event_key = 'events|1'",
        "update raw.events set event_time = null where event_key = 'events|1'",
    ],
    "raw.quarantine.every_row_has_a_reason": [
        "update raw.quarantine set reason = null",
        "update raw.quarantine set reason = '  '",
        "update raw.quarantine set payload = null",
    ],
    "clean.events.one_row_per_key": ["insert into clean.events from clean.events where event_key = 'events|1'"],
    "clean.events.nothing_lost": [
        "delete from clean.events where event_key = 'events|1'",
        "insert into clean.events from clean.events where event_key = 'events|1'",
        "update clean.events set event_date = event_date + 1 where event_key = 'events|1'",
        "insert into raw.events by name select * replace (date '2023-12-31' as event_date, 'early' as event_key) from raw.events limit 1",
    ],
    "features.visit.every_event_once": [
        "delete from features.visit where user_id = 'ann'",
        "insert into features.visit from features.visit where user_id = 'ann' limit 1",
    ],
    "features.user_day.adds_up": [
        "update features.user_day set purchases = purchases + 1 where user_id = 'ann'",
        "update features.user_day set spend_cents = spend_cents + 1 where user_id = 'ann'",
        "update features.user_day set active_days = 0 where user_id = 'ann'",
        "delete from features.user_day where user_id = 'ann'",
        "insert into features.user_day from features.user_day where user_id = 'ann'",
    ],
    "features.user_state.totals_match": [
        "update features.user_state set purchases = purchases + 1 where user_id = 'ann'",
        "update features.user_state set spend_cents = spend_cents - 1 where user_id = 'ann'",
        "update features.user_state set visits = visits * 2 where user_id = 'ann'",
        "delete from features.user_state where user_id = 'ann' and event_date = "
        "(select max(event_date) from features.user_state where user_id = 'ann')",
        "delete from features.user_state where user_id = 'bob'",
    ],
    "features.interests.shares_are_shares": [
        "update features.interests set categories = [{'value': 'dairy', 'share_milli': 1001}]",
        "update features.interests set categories = [{'value': 'dairy', 'share_milli': -1}]",
        "update features.interests set categories = [{'value': 'a', 'share_milli': 1}, {'value': 'b', 'share_milli': 2}]",
    ],
    "features.cut_points.ascending": ["update features.cut_points set cuts = [4, 3, 2, 1]"],
    "portraits.snapshots.every_user_once": [
        "delete from portraits.snapshots where user_id = 'ann' and event_date = date '2024-03-31'",
        "insert into portraits.snapshots from portraits.snapshots where user_id = 'ann' and event_date = date '2024-03-31'",
        "update portraits.snapshots set user_id = 'bob' where user_id = 'ann' and event_date = date '2024-03-31'",
        "delete from portraits.snapshots where event_date = date '2024-03-31'",
    ],
    "portraits.snapshots.nothing_from_the_future": [
        "update portraits.snapshots set as_of = as_of + 1 where user_id = 'ann'",
        "update portraits.snapshots set first_date = as_of where user_id = 'ann'",
        "update portraits.snapshots set last_active_date = as_of where user_id = 'ann'",
        "update portraits.snapshots set last_purchase_date = as_of where user_id = 'ann'",
        "update portraits.snapshots set tenure_days = -1 where user_id = 'ann'",
        "update portraits.snapshots set recency_days = -1 where user_id = 'ann'",
    ],
    "portraits.audiences.every_member_has_a_portrait": [
        "update portraits.audiences set user_id = 'nobody'",
        "update portraits.audiences set event_date = date '1999-01-01'",
        "insert into portraits.audiences from portraits.audiences",
    ],
    "portraits.changes.each_is_a_change": [
        "update portraits.changes set from_value = to_value where from_value is not null and to_value is not null",
        "update portraits.changes set from_value = 'else' where from_value is not null",
        "delete from portraits.changes where from_value is null",
    ],
    "recommendations.lists.what_they_say": [
        'update recommendations.lists set "rank" = "rank" + 1 where user_id = \'ann\'',
        "update recommendations.lists set list = 'discover' where user_id = 'ann' and list = 'again'",
        "insert into recommendations.lists from recommendations.lists where user_id = 'ann' and \"rank\" = 1",
    ],
    "recommendations.top.ranks": [
        'update recommendations.top set "rank" = "rank" + 1 where user_id = \'ann\'',
        "delete from recommendations.top where \"rank\" = 2 and user_id = 'ann'",
        "update recommendations.top set item_id = 'milk' where user_id = 'ann'",
        "update recommendations.top set reason = '' where user_id = 'ann'",
        "update recommendations.top set reason = null where user_id = 'ann' and \"rank\" = 1",
        "update recommendations.top set score = -score where user_id = 'ann'",
        "update recommendations.top set draw_chance = 0.0 where user_id = 'ann' and \"rank\" = 1",
        "insert into recommendations.top from recommendations.top where user_id = 'ann' and \"rank\" = 1",
        "insert into recommendations.top select event_date, user_id, list, 3 + n, 'x' || n, 0.0, null, 'why', null "
        "from recommendations.top, range(1, 19) as more(n) where user_id = 'ann' and \"rank\" = 3",
    ],
    "scores.predictions.probabilities": [
        "update scores.predictions set probability = 1.5 where target = 'churn_14d'",
        "update scores.predictions set probability = -0.1 where target = 'churn_14d'",
        "update scores.predictions set probability = null where target = 'churn_14d'",
        "update scores.predictions set probability = 'nan' where target = 'churn_14d'",
        "update scores.predictions set value = 1 where target = 'churn_14d'",
        "update scores.predictions set value = -1 where target = 'expected_spend_cents_90d'",
        "update scores.predictions set value = null where target = 'expected_spend_cents_90d'",
        "update scores.predictions set value = 'nan' where target = 'expected_spend_cents_90d'",
        "delete from scores.predictions where target = 'age' and class = '35-44'",
    ],
    "scores.predictions.models_saw_no_future": [
        "update models.registry set trained_through = date '2024-03-03'",
        "update models.registry set status = 'rejected'",
        "delete from models.registry",
        "update scores.predictions set model_version = 'm2' where event_date = date '2024-03-01'",
    ],
    "scores.segments.every_user_one_segment": [
        "delete from scores.segments where user_id = 'ann'",
        "insert into scores.segments from scores.segments where user_id = 'ann' and event_date = date '2024-03-01'",
        "update scores.segments set cluster = 5 where user_id = 'ann'",
        "update scores.segments set user_id = 'zoe' where user_id = 'ann'",
        "update scores.segments set model_version = 'm2' where user_id = 'ann'",
        "update models.segments set name = null",
        "update models.segments set segment_id = null",
        "insert into models.segments from models.segments",
    ],
    "scores.next_purchases.probabilities": [
        "update scores.next_purchases set probability = 1.5",
        "update scores.next_purchases set probability = -0.1",
        "update scores.next_purchases set probability = null",
        "update scores.next_purchases set class = null",
    ],
    "scores.vectors.every_user_one_length": [
        "update scores.vectors set embedding = [1.0] where user_id = 'ann'",
        "delete from scores.vectors where user_id = 'ann'",
        "delete from scores.vectors",
        "update scores.vectors set embedding = ['nan'::float, 1.0] where user_id = 'ann'",
        "update scores.vectors set embedding = ['inf'::float, 1.0] where user_id = 'ann'",
    ],
}
MUST_BLOCK = {
    "raw.batches.rows_accounted_for",
    "raw.events.day_is_utc_day",
    "raw.quarantine.every_row_has_a_reason",
    "clean.events.one_row_per_key",
    "clean.events.nothing_lost",
    "features.user_day.adds_up",
    "features.user_state.totals_match",
    "portraits.snapshots.nothing_from_the_future",
    "scores.predictions.models_saw_no_future",
}
CHECK = {f"{'.'.join(key.asset_key.path)}.{key.name}": check for check in CHECKS for key in check.check_keys}
CASES = [(audit, damage) for audit, damages in DAMAGE.items() for damage in damages]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A whole warehouse: events of three months, a rejected row, a deletion, scores, recommendations. Closed."""
    world = World(tmp_path_factory.mktemp("good"))
    with world.open():
        world.land(
            event(1, "ann", "2024-01-05 10:00", item="milk", amount=3, discount=1),
            event(2, "ann", "2024-01-05 10:00", item="bread"),
            event(3, "ann", "2024-02-10 23:30", "view", item="soap"),
            event(4, "ann", "2024-03-05 12:00", item="milk"),
            event(5, "bob", "2024-01-31 09:00", item="cheese"),
            event(6, "bob", "2024-02-20 09:00", item="cheese", deleted=True),
            event(7, "cat", "2024-02-29 00:00", "exposure", item=None, campaign="spring"),
            event(8, None, "2024-02-29 00:00"),
        )
        world.build().recommend(LAST)
        _score(world)
    return world


def _score(world: World) -> None:
    """A model of 1 March and what it says afterwards, by hand."""
    session = world.session
    session.execute(
        "insert into models.registry by name select 'm1' as version, $through as trained_through, 'champion' as status",
        through=MODEL_DAY,
    )
    days = Window(MODEL_DAY, LAST)
    chances = [("churn_14d", None, 0.3), ("age", "35-44", 0.4), ("age", "45-54", 0.6)]
    said = [(*chance, "m1", None) for chance in chances] + [("expected_spend_cents_90d", None, None, "m1", 1200.0)]
    users = ["ann", "bob", "cat"]
    rows = [(day, user, *told) for day in days for user in users for told in said]
    predictions = pl.DataFrame(rows, schema=c.SCORES_PREDICTIONS.column_names, orient="row")
    write_scores(session, world.home, c.SCORES_PREDICTIONS, days, [predictions])
    session.execute(
        "insert into models.segments by name select 'm1' as model_version, 0 as cluster, 1 as segment_id, 'rich' as name"
    )
    stand = pl.DataFrame([(day, user, 0, "m1") for day in days for user in users], c.SCORES_SEGMENTS.column_names, orient="row")
    write_scores(session, world.home, c.SCORES_SEGMENTS, days, [stand])
    last = Window(LAST, LAST)
    purchases = [(LAST, user, "item_14d", "milk", 0.5, "m1") for user in users]
    frame = pl.DataFrame(purchases, schema=c.SCORES_NEXT_PURCHASES.column_names, orient="row")
    write_scores(session, world.home, c.SCORES_NEXT_PURCHASES, last, [frame])
    vectors = [(LAST, user, "m1", [0.5, 1.0]) for user in users]
    frame = pl.DataFrame(vectors, schema=c.SCORES_VECTORS.column_names, orient="row")
    write_scores(session, world.home, c.SCORES_VECTORS, last, [frame])


def judge(world: World, audit: str) -> dg.AssetCheckResult:
    """The asset check itself, run on the world's warehouse."""
    return CHECK[audit](warehouse=world.home.warehouse, home=world.home)


def offenders(result: dg.AssetCheckResult) -> int:
    return result.metadata["offenders"].value


def test_every_audit_is_a_check_and_is_tried_here():
    assert set(DAMAGE) == set(audit_names()) == set(CHECK)


@pytest.mark.parametrize("audit", audit_names())
def test_a_good_warehouse_has_no_offenders(good: World, audit: str):
    result = judge(good, audit)
    assert result.passed and offenders(result) == 0


@pytest.mark.parametrize(("audit", "damage"), CASES, ids=[f"{audit}-{n}" for n, (audit, _) in enumerate(CASES)])
def test_damage_is_found(good: World, tmp_path: Path, audit: str, damage: str):
    file = good.home.settings.warehouse_file
    kept = shutil.copy(file, tmp_path / "kept.duckdb")
    try:
        with good.home.warehouse.open("damage") as session:
            assert session.rows(damage)[0][0] > 0, "the damage must touch a row"
        result = judge(good, audit)
        assert not result.passed and offenders(result) > 0
    finally:
        shutil.copy(kept, file)


def test_what_landed_a_moment_ago_is_due_and_no_offender(good: World, tmp_path: Path):
    """Another process may land between two steps of a run: corrections, retractions and new events, moved ones too."""
    file = good.home.settings.warehouse_file
    kept = shutil.copy(file, tmp_path / "kept.duckdb")
    try:
        with good.open():
            good.land(
                event(1, "ann", "2024-01-07 10:00", amount=4, version=1),
                event(2, "ann", "2024-01-05 10:00", deleted=True, version=1),
                event(9, "dan", "2024-02-03 10:00"),
            )
            write_days(good.session, good.home, c.CLEAN_EVENTS, Window(date(2024, 1, 7), date(2024, 1, 7)))
        assert {audit for audit in audit_names() if not judge(good, audit).passed} == set()
    finally:
        shutil.copy(kept, file)


def test_what_everything_stands_on_blocks():
    assert MUST_BLOCK <= BLOCKING <= set(audit_names())
    blocking = {
        name for name, check in CHECK.items() for spec in check.check_specs if spec.blocking
    }  # what Dagster was told, not what the list says
    assert blocking == BLOCKING


def test_the_description_is_the_claim():
    for check in CHECKS:
        for spec in check.check_specs:
            assert spec.description and not spec.description.startswith("--")
