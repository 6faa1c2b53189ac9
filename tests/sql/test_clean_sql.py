"""clean.events, items, users: what becomes of each row, by hand."""

from datetime import date, datetime

import pytest

from portrait_assets import columns as c
from tests.small_world import World, event


def clean(world: World, number: int | str) -> list[dict]:
    return world.rows("from clean.events where event_key = $key", key=f"events|{number}")


def test_the_same_event_told_twice_is_one(world: World):
    batch = world.land(event(1, "ann", "2024-01-05 10:00"), event(1, "ann", "2024-01-05 10:00"))
    assert (batch.rows_in, batch.rows_accepted, batch.rows_duplicate) == (2, 1, 1)
    assert world.session.count(c.RAW_EVENTS) == 1
    assert world.land(event(1, "ann", "2024-01-05 10:00"), event(2, "ann", "2024-01-05 10:00")).rows_duplicate == 1
    world.clean()
    assert [row["event_key"] for row in world.rows("from clean.events order by all")] == ["events|1", "events|2"]


def test_the_newest_version_of_a_key_wins_whatever_came_last(world: World):
    world.land(event(1, "ann", "2024-01-05 10:00", amount=3, version=3))
    world.land(event(1, "ann", "2024-01-05 10:00", amount=1, version=1))
    world.land(event(1, "ann", "2024-01-05 10:00", amount=2, version=2))
    world.clean()
    [row] = clean(world, 1)
    assert row["amount_cents"] == 300


def test_of_equal_versions_the_one_learnt_last_wins(world: World):
    world.land(event(1, "ann", "2024-01-05 10:00", amount=3, told="2024-01-08 00:00"))
    world.land(event(1, "ann", "2024-01-05 10:00", amount=2, told="2024-01-07 00:00"))
    world.clean()
    assert [row["amount_cents"] for row in clean(world, 1)] == [300]


def test_of_versions_learnt_together_the_last_row_wins(world: World):
    world.land(event(1, "ann", "2024-01-05 10:00", amount=3), event(1, "ann", "2024-01-05 10:00", amount=2))
    world.clean()
    assert [row["amount_cents"] for row in clean(world, 1)] == [200]


@pytest.mark.parametrize(("old", "new"), [("2024-01-05", "2024-01-20"), ("2024-01-20", "2024-01-05")])
def test_a_correction_moves_an_event_to_another_day(world: World, old: str, new: str):
    world.land(event(1, "ann", f"{old} 10:00", version=1))
    world.clean()
    world.land(event(1, "ann", f"{new} 10:00", version=2))
    world.clean(date(2024, 1, 5), date(2024, 1, 20))
    assert [row["event_date"] for row in clean(world, 1)] == [date.fromisoformat(new)]


def test_a_window_of_the_old_day_alone_sees_that_the_event_left(world: World):
    world.land(event(1, "ann", "2024-01-05 10:00", version=1), event(1, "ann", "2024-01-20 10:00", version=2))
    world.clean(date(2024, 1, 5), date(2024, 1, 5))
    assert clean(world, 1) == []


def test_a_deletion_takes_its_event_back_and_a_newer_version_restores_it(world: World):
    world.land(event(1, "ann", "2024-01-05 10:00", version=1), event(2, "ann", "2024-01-05 10:00"))
    world.land(event(1, "ann", "2024-01-05 10:00", version=2, deleted=True))
    world.clean()
    assert clean(world, 1) == [] and len(clean(world, 2)) == 1
    world.land(event(1, "ann", "2024-01-05 10:00", version=3))
    world.clean()
    assert len(clean(world, 1)) == 1


def test_an_unknown_item_is_kept_and_said_to_be_unknown(world: World):
    world.land(event(1, "ann", "2024-01-05 10:00", item="ufo"), event(2, "ann", "2024-01-05 10:00", "search", item=None))
    world.clean()
    [unknown], [none] = clean(world, 1), clean(world, 2)
    assert (unknown["item_id"], unknown["is_known_item"], unknown["category"]) == ("ufo", False, None)
    assert (none["item_id"], none["is_known_item"]) == (None, None)


def test_a_known_item_brings_its_department_category_and_brand(world: World):
    world.land(event(1, "ann", "2024-01-05 10:00", item="cheese"))
    world.clean()
    [row] = clean(world, 1)
    assert [row[name] for name in ("is_known_item", "department", "category", "brand")] == [True, "food", "dairy", "alm"]


OUTLIERS = [
    ({"quantity": 100, "amount": 500}, False),
    ({"quantity": 100.001, "amount": 500}, True),
    ({"quantity": 100, "amount": 500.01}, True),
    ({"quantity": None, "amount": None}, False),
    ({"quantity": None, "amount": 501}, True),
]
BANDS = [
    ({"amount": 0.99}, 0), ({"amount": 1}, 1), ({"amount": 1.99}, 1), ({"amount": 2}, 2), ({"amount": 5}, 3),
    ({"amount": 10}, 4), ({"amount": 20}, 5), ({"amount": 50}, 6), ({"amount": 100}, 7), ({"amount": 200}, 8),
    ({"amount": 499}, 8), ({"amount": 500}, 9), ({"amount": 1000}, 10), ({"amount": 2000}, 11), ({"amount": 5000}, 12),
    ({"amount": 4, "quantity": 4}, 1),  # 1.00 a piece
    ({"amount": 1, "quantity": 0.25}, 2),  # 4.00 a unit
    ({"amount": 1.50, "discount": 0.30, "coupon": 0.20}, 2),  # 2.00 before reductions
    ({"amount": 0, "quantity": 0}, None), ({"amount": None}, None), ({"amount": 3, "quantity": None}, None),
]  # fmt: skip


def told(world: World, cases: list[tuple[dict, object]], column: str) -> list[tuple[dict, object]]:
    """Each case's fields with what became of them."""
    world.land(*(event(n, "ann", "2024-01-05 10:00", **fields) for n, (fields, _) in enumerate(cases)))
    world.clean()
    return [(fields, clean(world, n)[0][column]) for n, (fields, _) in enumerate(cases)]


def test_an_outlier_is_flagged_not_dropped(world: World):
    assert told(world, OUTLIERS, "is_outlier") == OUTLIERS


def test_price_bands_climb_the_ladder_of_unit_prices_before_reductions(world: World):
    assert told(world, BANDS, "price_band") == BANDS


def test_hour_and_weekday_are_the_wall_clocks_and_the_day_is_utc(world: World):
    world.land(
        event(1, "ann", "2024-01-08 03:30"),  # Monday in UTC, Sunday 22:30 in New York
        event(2, "ann", "2024-03-09 15:00"),  # Saturday 10:00, winter time
        event(3, "ann", "2024-03-10 15:00"),  # Sunday 11:00, summer time began
    )
    world.clean()
    told = {
        row["event_key"]: (row["event_date"], row["local_hour"], row["local_weekday"])
        for row in world.rows("from clean.events")
    }
    assert told == {
        "events|1": (date(2024, 1, 8), 22, 7),
        "events|2": (date(2024, 3, 9), 10, 6),
        "events|3": (date(2024, 3, 10), 11, 7),
    }


def test_a_date_without_an_hour_has_a_weekday_and_no_hour(world: World):
    world.land(event(1, "ann", "2024-01-06"), event(2, "ann", "2024-01-06 05:00"))
    world.clean()
    told = {row["event_key"]: row for row in world.rows("from clean.events")}
    hours = [
        (told[f"events|{n}"]["event_time"], told[f"events|{n}"]["local_hour"], told[f"events|{n}"]["local_weekday"])
        for n in (1, 2)
    ]
    assert hours == [(datetime(2024, 1, 6, 5), None, 6), (datetime(2024, 1, 6, 5), 0, 6)]  # midnight in New York


def test_a_visit_is_the_session_or_else_the_day(world: World):
    world.land(event(1, "ann", "2024-01-05 10:00", session="s9"), event(2, "ann", "2024-01-05 10:00"))
    world.clean()
    assert [row["visit_id"] for number in (1, 2) for row in clean(world, number)] == ["s9", "2024-01-05"]


def test_only_the_window_is_written(world: World):
    world.land(*(event(day, "ann", f"2024-01-{day:02} 23:59:59.999999") for day in (4, 5, 6, 7)))
    world.clean(date(2024, 1, 5), date(2024, 1, 6))
    assert [row["event_date"].day for row in world.rows("from clean.events order by event_date")] == [5, 6]


def test_the_newest_description_of_an_item_wins_and_blank_takes_nothing_away(world: World):
    world.describe({"item": "milk", "department": "food", "category": "drinks", "brand": "  "}, {"item": "ufo", "name": " "})
    world.clean()
    row = world.row(c.CLEAN_ITEMS, item_id="milk")
    assert (row["category"], row["brand"], row["name"]) == ("drinks", "own", "Milk")
    assert world.row(c.CLEAN_ITEMS, item_id="ufo")["name"] is None


def test_declared_attributes_are_kept_and_unknown_stays_null(world: World):
    world.clean()
    ann, bob = (world.row(c.CLEAN_USERS, user_id=user) for user in ("ann", "bob"))
    assert (ann["age"], ann["income"], bob["age"], bob["income"]) == ("35-44", None, None, "50-74K")
    assert ann["gender"] is None


def test_ids_are_one_to_one(world: World):
    world.land(event(1, "zoe", "2024-01-05 10:00"))
    world.clean()
    assert {(row["source_user_id"], row["user_id"]) for row in world.rows("from clean.identities")} == {
        ("ann", "ann"), ("bob", "bob"), ("zoe", "zoe"),
    }  # fmt: skip


def test_times_are_utc_and_learnt_when_told(world: World):
    world.land(event(1, "ann", "2024-01-05T10:00:00+02:00", told="2024-01-06 00:00"))
    world.clean()
    [row] = clean(world, 1)
    assert row["event_time"] == datetime(2024, 1, 5, 8)
    assert row["ingested_at"] == datetime(2024, 1, 6)
