"""portraits.snapshots and changes: lifecycle, value, segment, what is declared and what is guessed, what changed and why."""

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from portrait_assets import columns as c
from portrait_assets.assets.daily import write_path
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


def test_a_customer_is_new_for_a_month_and_then_nothing_is_said_where_no_pace_is_known(world: World):
    world.land(event(1, "ann", "2024-01-01 10:00"))
    world.build()
    assert stages(world, "ann") == [("new", 30), (None, 61)]
    assert portrait(world, "ann", LAST_DAY)["pace_days"] is None


def test_ones_own_rhythm_sets_the_pace(world: World):
    """Every 10 days until 31 January: three gaps by then. Lapsing after more than 20 days, lapsed after more than 40."""
    world.land(*(event(day, "ann", f"2024-01-{day:02} 10:00") for day in (1, 11, 21, 31)))
    world.build()
    assert stages(world, "ann") == [("new", 30), ("active", 21), ("lapsing", 20), ("lapsed", 20)]
    assert [portrait(world, "ann", date(2024, 1, day))["usual_gap_days"] for day in (30, 31)] == [None, 10.0]


def every_four_days(world: World, *users: str) -> None:
    """From 1 January to 29 March."""
    days = range(0, 89, 4)
    world.land(*(event(f"{user}-{day}", user, f"{date(2024, 1, 1) + timedelta(day)} 10:00") for user in users for day in days))


def test_the_source_sets_the_pace_of_who_has_none(world: World):
    """Five customers come every four days: by 16 January four times in 16 days, 16 // 3 = 5 days; by 14 February 12 times in 45 days, 45 // 11 = 4."""
    every_four_days(world, "u1", "u2", "u3", "u4", "u5")
    world.land(event("late", "ann", "2024-02-10 10:00"))
    world.build()
    assert [portrait(world, "u1", day)["pace_days"] for day in (date(2024, 1, 31), date(2024, 2, 1), date(2024, 3, 1))] == [
        4.0,
        5.0,
        4.0,
    ]
    # Ann bought once, on 10 February: new for 2 x 5 days, lapsing after as many, from 1 March by gaps of 4 days: dormant after 32.
    assert stages(world, "ann") == [("new", 10), ("active", 1), ("lapsing", 9), ("lapsed", 13), ("dormant", 18)]
    assert portrait(world, "ann", LAST_DAY)["usual_gap_days"] is None


def test_a_slow_customer_who_bought_yesterday_is_not_lapsing(world: World):
    """Every 44 days beside five who come every four: two gaps of 44 and three of 4 are 100 in 5, so silence is long after 40 days."""
    every_four_days(world, "u1", "u2", "u3", "u4", "u5")
    world.land(*(event(f"slow-{day}", "slow", f"2024-{day} 10:00") for day in ("01-01", "02-14", "03-29")))
    world.build()
    slow = portrait(world, "slow", date(2024, 3, 30))
    assert (slow["lifecycle"], slow["recency_days"], slow["pace_days"]) == ("active", 1, 20.0)
    # Before it came, one gap of 44 and three of 4 are 56 in 4.
    before = portrait(world, "slow", date(2024, 3, 28))
    assert (before["lifecycle"], before["recency_days"], before["pace_days"]) == ("lapsing", 43, 14.0)


@pytest.mark.parametrize(("returning", "stage"), [(5, None), (6, "dormant")])
def test_a_source_where_hardly_anybody_comes_back_has_no_rhythm(world: World, returning: int, stage: str | None):
    """Of thirty customers six are a fifth, and five are less."""
    world.land(
        *(event(f"{user}-1", f"u{user}", "2024-01-01 10:00") for user in range(30)),
        *(event(f"{user}-{day}", f"u{user}", f"2024-01-{day:02} 10:00") for user in range(returning) for day in range(2, 12)),
    )
    world.build()
    assert portrait(world, "u29", date(2024, 2, 29))["lifecycle"] == stage
    assert portrait(world, "u29", date(2024, 1, 10))["lifecycle"] == "new"


def test_without_purchases_the_rhythm_is_that_of_activity(world: World):
    days = range(0, 89, 4)
    world.land(
        *(
            event(f"{user}-{day}", user, f"{date(2024, 1, 1) + timedelta(day)} 10:00", "view")
            for user in "abcde"
            for day in days
        ),
        event("once", "once", "2024-03-01 10:00", "view"),
    )
    world.build()
    once = portrait(world, "once", LAST_DAY)
    assert (once["main_act"], once["pace_days"], once["lifecycle"], once["usual_gap_days"]) == ("view", 4.0, "lapsed", None)
    assert portrait(world, "a", LAST_DAY)["usual_gap_days"] == 4.0
    assert portrait(world, "a", date(2024, 1, 31))["main_act"] is None


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


CLASSES = (
    "spend_score", "ticket_score", "basket_score", "units_score", "review_score", "rating_score", "research_score", "discount_score",
    "return_score",
)  # fmt: skip


def test_classes_are_fifths_of_the_source_frozen_by_the_calendar(world: World):
    """u1 to u5 buy 10 + n lines of n units for n each on one day, n of them reduced; n + 2 reviews of n stars, 40 n views, n returns."""
    for n in range(1, 6):
        lines = [
            *(
                event(f"p{n}-{k}", f"u{n}", "2024-01-10 10:00", quantity=n, amount=n, discount=int(k < n))
                for k in range(10 + n)
            ),
            *(event(f"r{n}-{k}", f"u{n}", "2024-01-10 11:00", "review", rating=n) for k in range(n + 2)),
            *(event(f"v{n}-{k}", f"u{n}", "2024-01-10 12:00", "view") for k in range(40 * n)),
            *(event(f"b{n}-{k}", f"u{n}", "2024-01-10 13:00", "return", amount=1) for k in range(n)),
        ]
        world.land(*lines)
    world.build()
    rows = [portrait(world, f"u{n}", date(2024, 2, 1)) for n in range(1, 6)]
    for name in CLASSES:
        assert [row[name] for row in rows] == [1, 2, 3, 4, 5], name
    assert [row["conversion_score"] for row in rows] == [None] * 5  # of one active day nothing is said
    assert {portrait(world, "u5", date(2024, 1, 31))[name] for name in CLASSES} == {None}
    # Spend per shopping day halves on the 28th of March; its fifth is against March's cuts, which are those of February.
    world.land(event("more", "u5", "2024-03-28 10:00", amount=1))
    world.build()
    assert [portrait(world, "u5", date(2024, 3, day))["ticket_score"] for day in (27, 28)] == [
        5,
        3,
    ]  # 75.00, then 76.00 over two days


def test_no_class_is_cut_where_nobody_differs_or_few_are_there(world: World):
    five_users(world)  # each shopping day is one line of 10.00
    row = portrait(world, "u5", LAST_DAY)
    assert (row["ticket_score"], row["basket_score"], row["spend_score"]) == (None, None, 5)
    with world.session.transaction():
        world.session.execute("delete from raw.events where user_id = 'u1'")
    world.build()
    assert portrait(world, "u5", LAST_DAY)["spend_score"] is None  # four are too few for fifths


def test_scores_and_segments_wait_for_the_first_cut_points(world: World):
    five_users(world)
    row = portrait(world, "u5", date(2024, 1, 31))
    assert [row[name] for name in ("recency_score", "frequency_score", "monetary_score", "value_tier", "segment")] == [None] * 5


def test_a_segment_is_named_for_stage_frequency_and_money(world: World):
    five_users(world)
    # Four came back, too few for a pace of the source: u1 to u3 are new, u4 and u5 came day by day and then no more.
    assert [portrait(world, f"u{n}", date(2024, 2, 1))["segment"] for n in range(1, 6)] == [
        "occasional", "occasional", "potential loyalists", "cannot lose them", "cannot lose them",
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
    assert ann["spend_per_visit_cents"] == 300  # 8.00 less 2.00 that came back
    assert ann["purchases_per_visit"] == 1
    assert (ann["weekend_share"], ann["morning_share"], ann["evening_share"]) == (0.5, 0.5, 0.5)
    assert (ann["discounted_share"], ann["coupon_share"]) == (0.5, 0.5)
    assert ann["saved_share"] == pytest.approx(400 / 1200)
    assert (ann["return_share"], ann["mean_rating"]) == (0.5, 3.5)
    assert (ann["top_department"], ann["top_category"], ann["top_brand"]) == ("food", "dairy", "own")


def test_value_is_what_stayed_and_a_return_counts_from_its_own_time_on(world: World):
    """u5 is of the highest fifth until 10 February, when all of its 50.00 goes back; u4 returns 25.00 of its 40.00."""
    five_users(world)
    world.land(
        event("r5", "u5", "2024-02-10 10:00", "return", amount=50),
        event("r4", "u4", "2024-02-10 10:00", "return", amount=25),
    )
    before = portrait(world, "u5", date(2024, 2, 9))
    world.build()
    assert portrait(world, "u5", date(2024, 2, 9)) == before
    assert (before["value_tier"], before["monetary_score"], before["net_spend_cents"]) == ("high", 5, 5000)
    u5, u4 = (portrait(world, user, date(2024, 2, 10)) for user in ("u5", "u4"))
    assert (u5["value_tier"], u5["monetary_score"], u5["spend_score"], u5["ticket_score"]) == (None,) * 4
    assert (u5["spend_cents"], u5["refund_cents"], u5["net_spend_cents"], u5["segment"]) == (5000, 5000, 0, None)
    assert (before["last_purchase_date"], before["purchase_recency_days"]) == (date(2024, 1, 14), 26)
    assert (u5["last_purchase_date"], u5["purchase_recency_days"], u5["purchase_days"]) == (None, None, 5)  # nothing stayed
    assert u4["last_purchase_date"] == date(2024, 1, 13)
    assert portrait(world, "u5", date(2024, 3, 28))["last_purchase_date"] == date(2024, 3, 28)  # bought again
    assert (u5["net_spend_cents_30d"], u5["net_spend_cents_7d"], u5["spend_cents_7d"]) == (
        -2000,
        -5000,
        0,
    )  # of 12 to 14 January
    assert (u4["monetary_score"], u4["value_tier"], u4["net_spend_cents"]) == (2, "low", 1500)  # cuts are 10, 20, 30 and 40
    assert u4["spend_per_visit_cents"] == 1500 / 4


def test_whom_a_year_paid_back_more_than_it_took_is_in_no_fifth_of_money_and_no_champion(tmp_path: Path):
    """u5 paid 50.00 in 2023; 400 days later 10.00 of it came back, and nothing else happened in that year."""
    with World(tmp_path, date(2023, 1, 1), date(2024, 3, 31)).open() as world:
        world.land(
            *(event(f"{n}-{k}", f"u{n}", f"2023-01-{10 + k:02} 10:00", amount=10) for n in range(1, 6) for k in range(n)),
            *(event(f"view{k}", "u5", f"2024-02-{k:02} 10:00", "view") for k in range(10, 25)),
            event("back", "u5", "2024-02-20 10:00", "return", amount=10),
        )
        write_path(world.session, world.home, Window(date(2023, 1, 1), date(2023, 1, 31)))
        world.build(date(2024, 2, 10), date(2024, 3, 1))
        u5 = portrait(world, "u5", date(2024, 3, 1))
    assert (u5["net_spend_cents"], u5["net_spend_cents_365d"]) == (4000, -1000)
    assert (u5["monetary_score"], u5["value_tier"]) == (None, None)
    assert u5["segment"] != "champions"


def test_who_only_returned_something_is_neither_new_nor_in_a_segment(world: World):
    world.land(event("only", "ret", "2024-02-10 10:00", "return", amount=90))
    five_users(world)
    ret = portrait(world, "ret", date(2024, 2, 12))
    # No gap of the source is known yet, so nobody is active; a buyer of that day would be new.
    assert (ret["lifecycle"], ret["segment"], ret["value_tier"], ret["visits"]) == (None, None, None, 0)
    assert (ret["spend_cents"], ret["refund_cents"], ret["net_spend_cents"], ret["last_purchase_date"]) == (
        0,
        9000,
        -9000,
        None,
    )


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
    """Every 12 days until 6 February: three gaps. 30 days of silence are more than two of 12."""
    world.land(
        *(event(day, "ann", f"{day} 10:00") for day in ("2024-01-01", "2024-01-13", "2024-01-25", "2024-02-06", "2024-03-07"))
    )
    world.build()
    changes = world.rows(
        "select event_date, from_value, to_value, cause from portraits.changes where tag_id = 'lifecycle' order by event_date"
    )
    assert [tuple(row.values()) for row in changes] == [
        (date(2024, 1, 1), None, "new", "event"),
        (date(2024, 1, 31), "new", None, "clock"),
        (date(2024, 2, 6), None, "active", "event"),
        (date(2024, 3, 2), "active", "lapsing", "clock"),
        (date(2024, 3, 7), "lapsing", "active", "event"),
    ]
    intervals = world.rows(
        "select value, valid_from, valid_to from portraits.tags where tag_id = 'lifecycle' order by valid_from"
    )
    assert [(row["value"], row["valid_to"]) for row in intervals] == [
        ("new", date(2024, 1, 31)), ("active", date(2024, 3, 2)), ("lapsing", date(2024, 3, 7)), ("active", None),
    ]  # fmt: skip
