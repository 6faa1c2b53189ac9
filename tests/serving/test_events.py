"""What is taken, and what a row that is not is told."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portrait_assets import sources
from portrait_assets.packs import load_pack
from portrait_assets.serving.events import Rejection, judge, parse
from tests.serving.shop import live
from tests.small_world import World

EVENTS = load_pack().events

NOW = datetime(2024, 3, 12, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (live(1, "ann", "2024-03-12T13:00:00Z"), "is an event from the future"),
        (live(1, "ann", "31/02/2024"), "event_time: '31/02/2024' is not a time; expected ISO 8601"),
        (live(1, "ann", 1710244800), "event_time: 1710244800 is not a text"),
        (live(1, "ann", "1969-12-31T23:59:59Z"), "is before 1970"),
        (live(1, "ann", "2024-03-12", "vew"), "event_type: 'vew' is unknown; expected one of view, search, cart, purchase"),
        (live(1, " ", "2024-03-12"), "user_id: is empty"),
        (live(1, "9.00720E+16", "2024-03-12"), "user_id: '9.00720E+16' is a number that was rounded"),
        (live(1, "ann", "2024-03-12", amount=-1), "amount -1.0 is negative; only a return may be"),
        (live(1, "ann", "2024-03-12", amount=1e300), "amount: Input should be less than or equal to 1000000000"),
        (live(1, "ann", "2024-03-12", colour="red"), "colour is unknown"),
        (live(1, "a\0b", "2024-03-12"), "user_id: holds a NUL character"),
        ("ann", "the event is not a JSON object"),
    ],
)
def test_a_row_that_cannot_be_taken_is_told_why(row: object, reason: str):
    lines, [rejection] = judge([row], NOW, EVENTS)
    assert not lines
    assert reason in rejection.reason


def test_the_rest_of_a_batch_is_taken_and_a_line_reads_back():
    lines, rejections = judge(
        [live(1, "ann", "nonsense"), live(2, " ann ", "2024-03-12T12:00:30+01:00", text="a\nb")], NOW, EVENTS
    )
    assert [rejection.row for rejection in rejections] == [0]
    [line] = lines
    assert parse(line.text) == line
    assert json.loads(line.text) == {
        "event_id": "2", "event_time": "2024-03-12T11:00:30.000000Z", "user_id": "ann", "event_type": "purchase", "item_id": "milk",
        "quantity": 1.0, "amount": 2.0, "text": "a\nb", "ingested_at": "2024-03-12T12:00:00.000000Z",
    }  # fmt: skip


def test_a_line_of_an_older_version_reads_as_todays():
    before = '{"key":"x|y|c","event_time":"2024-03-12T11:00:30.000000Z","user_id":"c","event_type":"view","ingested_at":"2024-03-12T12:00:00.000000Z"}'
    row = {"event_id": "x|y", "user_id": "c", "event_time": "2024-03-12T11:00:30Z", "event_type": "view"}
    [line], _ = judge([row], NOW, EVENTS)
    assert parse(before) == line
    assert line.key == "live|x\\|y|c"


def test_without_an_event_id_every_event_is_one_of_its_own():
    row = live(1, "ann", "2024-03-12") | {"event_id": None}
    assert len({line.key for line in judge([row, row], NOW, EVENTS)[0]}) == 2


words = st.text(max_size=12) | st.sampled_from(
    ["", " ", "null", "\ufeff", "a|b", '"', "\\", "\u2028", "\r\n", "\x01", "\ud800"]
)
numbers = st.floats() | st.integers(-(10**20), 10**20) | st.sampled_from([0.005, 2.675, 1e-7, -0.0, 1e15])
rows = st.fixed_dictionaries(
    {
        "user_id": words,
        "event_time": st.datetimes(datetime(1969, 12, 30), datetime(2024, 3, 13)).map(datetime.isoformat),
        "event_type": st.sampled_from(load_pack().event_types),
    },
    optional=dict.fromkeys(("event_id", "item_id", "session_id", "text", "place_id", "campaign_id"), words)
    | dict.fromkeys(("quantity", "amount", "discount", "coupon", "rating"), numbers),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(rows, min_size=1, max_size=20))
def test_whatever_is_taken_lands_as_one_event_with_its_key(tmp_path_factory: pytest.TempPathFactory, rows: list[dict]):
    lines, rejections = judge(rows, NOW, EVENTS)
    assert len(lines) + len(rejections) == len(rows)
    distinct = {line.key: line for line in lines}
    if not distinct:
        return
    folder = tmp_path_factory.mktemp("landed")
    with World(folder, declared=False).open() as world:
        file: Path = folder / "live-000000000001.ndjson"
        file.write_text("".join(f"{line.text}\n" for line in distinct.values()), encoding="utf-8")
        [batch] = sources.land(world.session.connection, world.home.source, NOW, [file])
        assert (batch.rows_in, batch.rows_accepted) == (len(distinct), len(distinct))
        landed = world.rows("select event_key, user_id, ingested_at from raw.events")
        assert {(row["event_key"], row["user_id"]) for row in landed} == {(key, line.user_id) for key, line in distinct.items()}
        assert {row["ingested_at"] for row in landed} == {NOW.replace(tzinfo=None)}


def test_what_landing_would_reject_as_before_the_declared_start_is_not_taken_live():
    rows = [live(1, "ann", "2024-03-01T23:59:59Z"), live(2, "ann", "2024-03-02T00:00:00Z")]
    lines, rejections = judge(rows, NOW, EVENTS, start=date(2024, 3, 2))
    assert [line.day for line in lines] == [date(2024, 3, 2)]
    assert rejections == [Rejection(0, "event_time 2024-03-01 is before the declared start 2024-03-02")]


def test_a_time_more_than_a_year_after_all_others_is_asked_about():
    """Every day between would be one of the home, with the portraits of everybody."""
    rows = [live(1, "ann", "2024-03-01T23:59:59Z"), live(2, "ann", "2024-03-02T00:00:00Z")]
    lines, rejections = judge(rows, NOW, EVENTS, newest=date(2023, 3, 2))
    assert [line.day for line in lines] == [date(2024, 3, 1)]
    assert rejections == [
        Rejection(
            1,
            "event_time 2024-03-02 is 366 days after 2023-03-02, the newest day of all others: is the date right? "
            "If it is, make the days between first: `portrait run --through 2024-03-02`",
        )
    ]
