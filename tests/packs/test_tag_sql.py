"""Changes by hand, and the property that changes folded are the values."""

import json
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portrait_assets.columns import PORTRAITS_CHANGES
from portrait_assets.packs import load_pack
from portrait_assets.packs.tag_sql import tag_changes

TAGS = load_pack().tags
SOME = [tag for tag in TAGS if tag.id in ("lifecycle", "value_tier", "churn_risk")]
DAY = timedelta(days=1)
START = date(2017, 3, 30)
DAYS = [START + DAY * offset for offset in range(4)]  # 30 and 31 March, 1 and 2 April


def short(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [
        (row["event_date"].day, row["user_id"], row["tag_id"], row["from_value"], row["to_value"], row["cause"]) for row in rows
    ]


@pytest.fixture
def three_users(small_warehouse):
    """`a` buys on the 30th, then slips on the 1st; `b` comes on the 31st and is re-cut on the 1st; `c` is scored."""
    warehouse = small_warehouse
    for day, stage in zip(DAYS, ("active", "active", "lapsing", "lapsing"), strict=True):
        warehouse.snapshot("a", day, lifecycle=stage)
    for day, tier in zip(DAYS[1:], ("low", "medium", "high"), strict=True):
        warehouse.snapshot("b", day, lifecycle="new", net_spend_cents=500, value_tier=tier)
    for day, churn in zip(DAYS, (None, 0.2, 0.7, None), strict=True):
        warehouse.snapshot("c", day, churn=churn, churn_horizon_days=28)
    for user_id, day in (("a", DAYS[0]), ("b", DAYS[1]), ("b", DAYS[3])):
        warehouse.active(user_id, day)
    return warehouse


BY_HAND = [
    (30, "a", "lifecycle", None, "active", "event"),
    (31, "b", "lifecycle", None, "new", "event"),
    (31, "b", "value_tier", None, "low", "event"),
    (31, "c", "churn_risk", None, "low", "model"),
    (1, "a", "lifecycle", "active", "lapsing", "calendar"),
    (1, "b", "value_tier", "low", "medium", "calendar"),
    (1, "c", "churn_risk", "low", "high", "model"),
    (2, "b", "value_tier", "medium", "high", "event"),
    (2, "c", "churn_risk", "high", None, "model"),
]


def test_changes_name_event_clock_calendar_and_model_as_their_cause(three_users):
    assert short(three_users.changes(SOME, DAYS[0], DAYS[-1])) == BY_HAND


def test_a_correction_is_named_with_the_newest_batch_that_told_of_the_day(three_users):
    three_users.active("b", DAYS[3], batch_seq=7, is_corrected=True)
    three_users.active("b", DAYS[3], batch_seq=5)
    told = {row["user_id"]: (row["cause"], row["batch_seq"]) for row in three_users.changes(SOME, DAYS[3], DAYS[3])}
    assert told == {"b": ("correction", 7), "c": ("model", None)}


def test_cut_points_do_not_move_in_the_middle_of_a_month(three_users):
    three_users.connection.execute("delete from clean.events")
    found = short(three_users.changes(SOME, DAYS[0], DAYS[-1]))
    assert (2, "b", "value_tier", "medium", "high", "clock") in found


def test_changes_of_one_day_compare_with_the_day_before(three_users):
    assert short(three_users.changes(SOME, DAYS[2], DAYS[2])) == [row for row in BY_HAND if row[0] == 1]


def test_changes_fit_their_table_and_carry_the_version_of_the_definition(three_users):
    newer = [tag.model_copy(update={"version": 7}) for tag in SOME]
    rows = three_users.changes(newer, DAYS[0], DAYS[-1])
    assert {row["catalogue_version"] for row in rows} == {7}
    assert list(rows[0]) == PORTRAITS_CHANGES.column_names


def test_a_comment_at_the_end_of_an_expression_swallows_nothing(three_users):
    commented = [
        tag.model_copy(update={"value": f"{tag.value} -- as it is", "confidence": f"{tag.confidence} -- so"}) for tag in SOME
    ]
    assert three_users.values(commented) == three_users.values(SOME)
    assert three_users.export(commented) == three_users.export(SOME)


def test_the_same_catalogue_gives_the_same_text():
    assert tag_changes(TAGS) == tag_changes(tuple(TAGS))


def test_no_tag_is_present_where_nothing_is_known(small_warehouse):
    small_warehouse.insert(load_pack().schema.snapshots, [{"user_id": "nobody", "event_date": START}])
    (row,) = small_warehouse.values(TAGS)
    assert {name for name, value in row.items() if value is not None} == {"event_date", "user_id"}
    assert small_warehouse.export(TAGS) == []


def test_no_tag_fails_where_nothing_was_counted(small_warehouse):
    """Zeros everywhere: the row of a user who was only reached by a campaign."""
    small_warehouse.snapshot("reached", START, exposures=2, lifecycle="prospect", first_date=START, departments=[], brands=[])
    found = {row["tag_id"]: row["value"] for row in small_warehouse.export(TAGS)}
    assert found == {
        "lifecycle": "prospect",
        "customer_since": "under a month",
        "acquisition_cohort": "2017 Q1",
        "campaign_response": "reached, no redemption",
        "campaign_reach": "1 or 2",
        "history_depth": "thin",
    }


def test_confidence_and_evidence_compute_on_rows_whose_tag_is_absent(small_warehouse):
    """The engine may compute them before it filters: nothing in them may fail on nulls or zeros."""
    small_warehouse.insert(load_pack().schema.snapshots, [{"user_id": "nobody", "event_date": START}])
    small_warehouse.snapshot("zero", START, mean_gap_days=0.0, std_gap_days=0.0)
    for tag in TAGS:
        for sql in (tag.confidence, *tag.evidence.values()):
            small_warehouse.rows(f"select ({sql}) as tried from snapshot_rows")


def test_export_gives_value_confidence_kind_evidence_and_since(three_users):
    changes = three_users.changes(SOME, DAYS[0], DAYS[-1])
    three_users.insert(PORTRAITS_CHANGES, changes)
    three_users.connection.execute(
        "create or replace temp view snapshot_rows as select * from portraits.snapshots where event_date = '2017-04-01'"
    )
    assert three_users.export(SOME) == [
        {
            "user_id": "a", "tag_id": "lifecycle", "value": "lapsing", "confidence": 0.3333, "kind": "rule",
            "evidence": '{"pace_days":null,"recency_days":0,"tenure_days":0,"usual_gap_days":null}', "valid_from": date(2017, 4, 1), "is_stale": False,
        },
        {
            "user_id": "b", "tag_id": "lifecycle", "value": "new", "confidence": 1.0, "kind": "rule",
            "evidence": '{"pace_days":null,"recency_days":0,"tenure_days":0,"usual_gap_days":null}', "valid_from": date(2017, 3, 31), "is_stale": False,
        },
        {
            "user_id": "b", "tag_id": "value_tier", "value": "medium", "confidence": 1.0, "kind": "rule",
            "evidence": '{"monetary_score":null,"spend_365d_cents":0}', "valid_from": date(2017, 4, 1), "is_stale": False,
        },
        {
            "user_id": "c", "tag_id": "churn_risk", "value": "high", "confidence": 0.7, "kind": "model",
            "evidence": '{"horizon_days":28,"probability":0.7,"recency_days":0,"usual_gap_days":null}', "valid_from": date(2017, 4, 1), "is_stale": False,
        },
    ]  # fmt: skip


def test_evidence_has_four_decimals_but_is_whole_only_where_it_is_whole(small_warehouse):
    for user_id, churn in (("almost none", 0.00003), ("some", 0.123456), ("almost sure", 0.99998), ("sure", 1.0)):
        small_warehouse.snapshot(user_id, START, churn=churn)
    found = {row["user_id"]: json.loads(row["evidence"])["probability"] for row in small_warehouse.export(SOME)}
    assert found == {"almost none": 0.00003, "some": 0.1235, "almost sure": 0.99998, "sure": 1.0}


def test_export_shows_where_history_and_snapshot_disagree(three_users):
    """Here no change was stored at all."""
    assert {row["valid_from"] for row in three_users.export(SOME)} == {None}


def test_attribute_is_a_fact_where_declared_and_a_model_where_inferred(small_warehouse):
    small_warehouse.snapshot("d", START, age="35-44", age_origin="declared", age_probability=1.0)
    small_warehouse.snapshot("i", START, age="35-44", age_origin="inferred", age_probability=0.62)
    declared, inferred = (row for row in small_warehouse.export(TAGS) if row["tag_id"] == "age")
    assert (declared["kind"], declared["confidence"]) == ("fact", 1.0)
    assert json.loads(declared["evidence"]) == {"origin": "declared", "probability": None}
    assert (inferred["kind"], inferred["confidence"]) == ("model", 0.62)
    assert json.loads(inferred["evidence"]) == {"origin": "inferred", "probability": 0.62}


def test_an_estimate_is_never_certain(small_warehouse):
    sure = [{"value": "DAIRY", "share_milli": 999}, {"value": "MEAT", "share_milli": 1}]
    small_warehouse.snapshot("u", START, departments=sure, top_department="DAIRY", purchases=100_000, purchases_90d=100_000)
    assert [row["confidence"] for row in small_warehouse.export(TAGS) if row["tag_id"] == "top_department"] == [0.999]


COUNT = st.integers(0, 60)
FIELDS = st.fixed_dictionaries(
    {
        "lifecycle": st.sampled_from([None, "new", "active", "lapsing"]),
        "value_tier": st.sampled_from([None, "high", "low"]),
        "segment": st.sampled_from([None, "loyal", "at risk"]),
        "churn_14d": st.sampled_from([None, 0.0, 0.3, 0.95]),
        "purchases": COUNT,
        "purchase_days": st.integers(0, 8),
        "visits": COUNT,
        "weekend_visits": COUNT,
        "net_spend_cents": st.integers(-20_000, 20_000),
        "tenure_days": st.integers(0, 400),
        "mean_gap_days": st.sampled_from([None, 0.0, 3.5, 12.25]),
        "reviews": st.sampled_from([None, 0, 3]),
        "age": st.sampled_from([None, "18-24"]),
    }
)
HISTORY = st.lists(
    st.tuples(st.integers(0, 3), st.lists(FIELDS, min_size=5, max_size=5), st.sets(st.integers(0, 4))), min_size=1, max_size=3
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories=HISTORY)
def test_changes_folded_are_the_values_and_a_range_is_its_days(small_warehouse, histories):
    warehouse, days = small_warehouse, [START + DAY * offset for offset in range(5)]
    warehouse.clear()
    for number, (first, rows, active) in enumerate(histories):
        for offset in range(first, 5):
            warehouse.snapshot(f"u{number}", days[offset], **rows[offset])
        for offset in active:
            warehouse.active(f"u{number}", days[offset])
    whole = warehouse.changes(TAGS, days[0], days[-1])
    assert whole == [change for day in days for change in warehouse.changes(TAGS, day, day)]
    assert all(change["from_value"] != change["to_value"] for change in whole)
    folded: dict[tuple[str, str], str | None] = {}
    by_day = {day: [change for change in whole if change["event_date"] == day] for day in days}
    for day in days:
        for change in by_day[day]:
            key = change["user_id"], change["tag_id"]
            assert folded.get(key) == change["from_value"]
            folded[key] = change["to_value"]
        for row in (row for row in warehouse.values(TAGS) if row["event_date"] == day):
            assert {tag.id: row[tag.id] for tag in TAGS} == {tag.id: folded.get((row["user_id"], tag.id)) for tag in TAGS}


def test_a_tag_that_nothing_renewed_is_stale_after_its_time_to_live(small_warehouse):
    [weekly] = [tag.model_copy(update={"ttl_days": 30}) for tag in TAGS if tag.id == "shopping_frequency"]
    for user_id, last in (("fresh", START - 30 * DAY), ("old", START - 31 * DAY), ("never", None)):
        recency = None if last is None else (START - last).days
        small_warehouse.snapshot(
            user_id, START, last_active_date=last, purchase_days=9, mean_gap_days=7.0, recency_days=recency
        )
    rows = small_warehouse.export([weekly, *(tag for tag in TAGS if tag.id == "lifecycle")])
    stale = {row["user_id"]: row["is_stale"] for row in rows if row["tag_id"] == "shopping_frequency"}
    assert stale == {"fresh": False, "old": True, "never": False}
    assert not any(row["is_stale"] for row in rows if row["tag_id"] == "lifecycle")
