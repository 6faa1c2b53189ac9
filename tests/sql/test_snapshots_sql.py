"""portraits.snapshots and changes: lifecycle, value, segment, what is declared and what is guessed, what changed and why."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from portrait_assets import columns as c
from portrait_assets.assets.scoring import write_scores
from portrait_assets.partitions import Window
from tests.small_world import LAST_DAY, World, event


def portrait(world: World, user: str, day: date) -> dict:
    return world.row(c.PORTRAITS_SNAPSHOTS, user_id=user, event_date=day)


def stages(world: World, user: str) -> list[tuple[str, int]]:
    """The user's lifecycle stages in order, each with its number of days."""
    rows = world.rows("select lifecycle from portraits.snapshots where user_id = $user order by event_date", user=user)
    runs: list[tuple[str, int]] = []
    for row in rows:
        count = runs.pop()[1] if runs and runs[-1][0] == row["lifecycle"] else 0
        runs.append((row["lifecycle"], count + 1))
    return runs


def predict(world: World, day: date, *said: tuple[str, str, str | None, float]) -> None:
    """(user, target, class, probability); a value where the target is an expectation."""
    amounts = ("expected_", "next_", "lifetime_", "churn_horizon_")
    rows = [
        (day, user, target, cls, *((None, "m1", told) if target.startswith(amounts) else (told, "m1", None)))
        for user, target, cls, told in said
    ]
    frame = pl.DataFrame(rows, schema=c.SCORES_PREDICTIONS.column_names, orient="row")
    write_scores(world.session, world.home, c.SCORES_PREDICTIONS, Window(day, day), [frame])


def test_without_a_rhythm_thirty_days_stand_in_for_it(world: World):
    """2 x 30 days until lapsing: seen on 1 January, new for 30 days, active for the 30 after it, lapsing from day 61."""
    world.land(event(1, "ann", "2024-01-01 10:00"))
    world.build()
    assert stages(world, "ann") == [("new", 30), ("active", 31), ("lapsing", 30)]


def test_ones_own_rhythm_sets_the_pace(world: World):
    """Every 10 days until 31 January: lapsing after more than 20 days, lapsed after more than 45, which beats 4 x 10."""
    world.land(*(event(day, "ann", f"2024-01-{day:02} 10:00") for day in (1, 11, 21, 31)))
    world.build()
    assert stages(world, "ann") == [("new", 30), ("active", 21), ("lapsing", 25), ("lapsed", 15)]


def test_the_daily_shopper_is_not_lapsing_within_a_fortnight(world: World):
    world.land(*(event(day, "ann", f"2024-01-{day:02} 10:00") for day in range(1, 32)))
    world.build(end=date(2024, 2, 20))
    assert stages(world, "ann") == [("new", 30), ("active", 15), ("lapsing", 6)]


def test_dormant_after_half_a_year(tmp_path: Path):
    with World(tmp_path, date(2023, 6, 1), date(2024, 1, 31)).open() as world:
        world.land(event(1, "ann", "2023-06-01 10:00"))
        for first, last in ((date(2023, 6, 1),) * 2, (date(2023, 9, 1),) * 2, (date(2023, 11, 1), date(2023, 12, 1))):
            world.build(first, last)
        assert stages(world, "ann") == [("new", 1), ("lapsing", 1), ("lapsed", 28), ("dormant", 3)]


def test_who_only_got_letters_is_a_prospect(world: World):
    world.land(event(1, "cat", "2024-01-05 10:00", "exposure", item=None))
    world.build()
    cat = portrait(world, "cat", LAST_DAY)
    assert (cat["lifecycle"], cat["visits"], cat["recency_days"], cat["segment"]) == ("prospect", 0, None, None)
    assert cat["spend_per_visit_cents"] is None


def five_users(world: World) -> None:
    """u1 to u5 spend 10 to 50 and come on 1 to 5 days of January; then only u5 comes back."""
    world.land(
        *(event(f"{n}-{k}", f"u{n}", f"2024-01-{10 + k:02} 10:00", amount=10) for n in range(1, 6) for k in range(n)),
        event("back", "u5", "2024-03-28 10:00"),
    )
    world.build()


def test_scores_are_fifths_and_value_follows_the_money(world: World):
    five_users(world)
    rows = [portrait(world, f"u{n}", date(2024, 2, 1)) for n in range(1, 6)]
    assert [row["spend_cents_365d"] for row in rows] == [1000, 2000, 3000, 4000, 5000]
    assert [row["monetary_score"] for row in rows] == [1, 2, 3, 4, 5]
    assert [row["value_tier"] for row in rows] == ["low", "low", "medium", "medium", "high"]
    assert [row["frequency_score"] for row in rows] == [1, 2, 3, 4, 5]
    # February's cuts of recency are of 16 January, when the five had come 6, 5 ... 2 days before; 5 is the most recent fifth.
    assert [row["recency_score"] for row in rows] == [1] * 5
    world.land(event("mid", "mid", "2024-01-28 10:00"))
    world.build()
    mid = portrait(world, "mid", date(2024, 2, 1))
    assert (mid["recency_days"], mid["recency_score"]) == (4, 3)
    assert portrait(world, "mid", date(2024, 1, 31))["recency_score"] is None
    assert portrait(world, "u5", date(2024, 3, 28))["recency_score"] == 5


def test_scores_and_segments_wait_for_the_first_cut_points(world: World):
    five_users(world)
    row = portrait(world, "u5", date(2024, 1, 31))
    assert [row[name] for name in ("recency_score", "frequency_score", "monetary_score", "value_tier", "segment")] == [None] * 5


def test_a_segment_is_named_for_stage_frequency_and_money(world: World):
    five_users(world)
    assert [portrait(world, f"u{n}", date(2024, 2, 1))["segment"] for n in range(1, 6)] == [
        "occasional", "hibernating", "at risk", "cannot lose them", "cannot lose them",
    ]  # fmt: skip
    assert portrait(world, "u5", date(2024, 3, 28))["segment"] == "champions"


def test_declared_stays_declared_whatever_the_model_says(world: World):
    world.land(event(1, "ann", "2024-01-05 10:00"))
    predict(
        world, LAST_DAY, ("ann", "age", "65+", 0.99), ("ann", "age", "35-44", 0.01), ("ann", "churn_14d", None, 0.25),
        ("ann", "alive_probability", None, 0.75), ("ann", "expected_spend_cents_90d", None, 1234.5),
        ("ann", "churn", None, 0.125), ("ann", "churn_horizon_days", None, 35.0),
    )  # fmt: skip
    world.build()
    ann = portrait(world, "ann", LAST_DAY)
    assert (ann["age"], ann["age_origin"], ann["age_probability"]) == ("35-44", "declared", 1.0)
    assert (ann["churn_14d"], ann["model_version"]) == (0.25, "m1")
    assert (ann["churn"], ann["churn_horizon_days"]) == (0.125, 35)
    assert (ann["alive_probability"], ann["expected_spend_cents_90d"], ann["churn_90d"]) == (0.75, 1234.5, None)


@pytest.mark.parametrize(
    ("probabilities", "told"),
    [
        ((0.5, 0.3), ("45-54", "inferred", 0.5)),
        ((0.3, 0.7), ("65+", "inferred", 0.7)),
        ((0.499999, 0.4), (None, None, None)),
    ],
)
def test_the_undeclared_is_inferred_at_the_packs_probability_or_not_at_all(world: World, probabilities: tuple, told: tuple):
    assert world.home.pack.attributes.min_probability == 0.5
    world.land(event(1, "bob", "2024-01-05 10:00"))
    older, old = probabilities
    predict(world, LAST_DAY, ("bob", "age", "45-54", older), ("bob", "age", "65+", old), ("ann", "age", "25-34", 0.9))
    world.build()
    bob = portrait(world, "bob", LAST_DAY)
    assert (bob["age"], bob["age_origin"], bob["age_probability"]) == told
    assert (bob["income"], bob["income_origin"]) == ("50-74K", "declared")


def test_a_prediction_of_another_day_is_not_used(world: World):
    world.land(event(1, "bob", "2024-01-05 10:00"))
    predict(world, date(2024, 3, 30), ("bob", "age", "65+", 0.9))
    world.build()
    assert portrait(world, "bob", date(2024, 3, 30))["age"] == "65+"
    assert portrait(world, "bob", LAST_DAY)["age"] is portrait(world, "bob", LAST_DAY)["model_version"] is None


def test_shares_are_of_what_they_say(world: World):
    world.land(
        event(1, "ann", "2024-01-06 15:00", session="a", amount=6, discount=3, coupon=1),  # Saturday morning
        event(2, "ann", "2024-01-06 15:01", session="a", amount=2),
        event(3, "ann", "2024-01-10 23:30", "view", session="b"),  # an evening
        event(4, "ann", "2024-01-11 23:30", "return", session="c", amount=2),
        event(5, "ann", "2024-01-11 23:31", "review", session="c", rating=4),
        event(6, "ann", "2024-01-11 23:32", "review", session="c", rating=3),
    )
    world.build()
    ann = portrait(world, "ann", LAST_DAY)
    assert (ann["visits"], ann["purchases"], ann["spend_cents"]) == (2, 2, 800)  # a return and reviews are no visit
    assert ann["spend_per_visit_cents"] == 400
    assert ann["purchases_per_visit"] == 1
    assert (ann["weekend_share"], ann["morning_share"], ann["evening_share"]) == (0.5, 0.5, 0.5)
    assert (ann["discounted_share"], ann["coupon_share"]) == (0.5, 0.5)
    assert ann["saved_share"] == pytest.approx(400 / 1200)
    assert (ann["return_share"], ann["mean_rating"]) == (0.5, 3.5)
    assert (ann["top_department"], ann["top_category"], ann["top_brand"]) == ("food", "dairy", "own")


def test_a_review_days_after_the_order_is_no_second_visit_of_its_basket(world: World):
    world.land(
        event(1, "ann", "2024-01-20 14:00", session="T9005", amount=9),
        event(2, "ann", "2024-01-25", "review", session="T9005", rating=4),  # a date without an hour
    )
    world.build()
    ann = portrait(world, "ann", LAST_DAY)
    assert (ann["visits"], ann["reviews"], ann["active_days"], ann["spend_per_visit_cents"]) == (1, 1, 2, 900)
    assert (ann["night_share"], ann["morning_share"]) == (0, 1)


def test_hours_are_shares_of_the_visits_whose_hour_is_known(world: World):
    world.land(
        event(1, "ann", "2024-01-06"),
        event(2, "ann", "2024-01-07 15:00"),
        event(3, "bob", "2024-01-06"),
        event(4, "cat", "2024-01-06", "review"),
    )
    world.build()
    ann, bob, cat = (portrait(world, user, LAST_DAY) for user in ("ann", "bob", "cat"))
    assert (ann["visits"], ann["morning_share"], ann["night_share"], ann["weekend_share"]) == (2, 1, 0, 1)
    assert (bob["visits"], bob["morning_share"], bob["night_share"], bob["weekend_share"]) == (1, None, None, 1)
    assert (cat["visits"], cat["weekend_share"], cat["spend_per_visit_cents"]) == (0, None, None)  # no shopping, no visit


def test_every_user_seen_has_a_portrait_every_day_since(world: World):
    world.land(event(1, "ann", "2024-03-29 23:59:59.999999"), event(2, "bob", "2024-03-30 00:00"))
    world.build()
    rows = world.rows("select event_date, user_id, as_of, first_date from portraits.snapshots order by all")
    assert [(row["event_date"].day, row["user_id"]) for row in rows] == [
        (29, "ann"), (30, "ann"), (30, "bob"), (31, "ann"), (31, "bob"),
    ]  # fmt: skip
    assert {(row["as_of"] - row["event_date"]).days for row in rows} == {1}


def test_changes_say_from_to_and_why(world: World):
    world.land(event(1, "ann", "2024-01-01 10:00"), event(2, "ann", "2024-03-05 10:00"))
    world.build()
    changes = world.rows(
        "select event_date, from_value, to_value, cause from portraits.changes where tag_id = 'lifecycle' order by event_date"
    )
    assert [tuple(row.values()) for row in changes] == [
        (date(2024, 1, 1), None, "new", "event"),
        (date(2024, 1, 31), "new", "active", "clock"),
        (date(2024, 3, 2), "active", "lapsing", "clock"),
        (date(2024, 3, 5), "lapsing", "active", "event"),
    ]
    intervals = world.rows(
        "select value, valid_from, valid_to from portraits.tags where tag_id = 'lifecycle' order by valid_from"
    )
    assert [(row["value"], row["valid_to"]) for row in intervals] == [
        ("new", date(2024, 1, 31)), ("active", date(2024, 3, 2)), ("lapsing", date(2024, 3, 5)), ("active", None),
    ]  # fmt: skip
