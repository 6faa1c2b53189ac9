"""features at the as-of: windows to the microsecond, rhythm, decayed interests, cuts frozen by the calendar."""

from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from portrait_assets import columns as c
from portrait_assets.packs import load_pack
from tests.small_world import World, event

AS_OF = date(2024, 3, 1)
INSTANT = datetime(2024, 3, 1)
TICK = timedelta(microseconds=1)
MEASURES = load_pack().schema.measures
WINDOWED = [measure.name for measure in MEASURES.windowed]


@pytest.mark.parametrize("days", MEASURES.windows)
def test_a_window_of_w_days_holds_the_w_days_before_the_as_of_and_no_more(tmp_path: Path, days: int):
    """Whole UTC days: from 00:00 of as_of - w, that instant included, until 00:00 of as_of, that instant excluded."""
    opens = INSTANT - timedelta(days=days)
    with World(tmp_path, opens.date() - timedelta(days=3), AS_OF).open() as world:
        world.land(
            event(1, "ann", str(opens - TICK), amount=1),
            event(2, "ann", str(opens), amount=10),
            event(3, "ann", str(INSTANT - TICK), amount=100),
            event(4, "ann", str(INSTANT), amount=1000, quantity=1),
        )
        world.derive()
        ann = world.features(AS_OF)["ann"]
    assert ann[f"spend_cents_{days}d"] == 11_000
    assert ann[f"purchases_{days}d"] == ann[f"purchase_days_{days}d"] == ann[f"active_days_{days}d"] == 2
    assert (ann["spend_cents"], ann["purchases"]) == (11_100, 3)
    assert ann["last_purchase_date"] == date(2024, 2, 29) and ann["recency_days"] == 0


def test_each_windowed_measure_counts_its_own_events(world: World):
    world.land(
        event(1, "ann", "2024-02-28 10:00", "view", session="a"),
        event(2, "ann", "2024-02-28 10:00", "cart", session="a"),
        event(3, "ann", "2024-02-28 11:00", "cart", session="b"),
        event(4, "ann", "2024-02-28 12:00", session="c", amount=7, discount=1),
        event(5, "ann", "2024-02-28 12:00", session="c", amount=8, item="soap"),
        event(6, "ann", "2024-02-28 12:00", session="c", amount=9, item="soap", coupon=1),
        event(7, "ann", "2024-02-28 12:00", "coupon", item=None, session="c"),
        event(8, "ann", "2024-01-28 12:00", amount=5, discount=1, coupon=1),
        event(9, "ann", "2024-01-28 12:00", "view"),
    )
    world.derive()
    ann = world.features(AS_OF)["ann"]
    week = {name: ann[f"{name}_7d"] for name in WINDOWED}
    assert week == {
        "active_days": 1, "visits": 3, "views": 1, "carts": 2, "purchases": 3, "purchase_days": 1, "item_days": 2,
        "spend_cents": 2400, "net_spend_cents": 2400, "discounted_purchases": 1, "coupon_purchases": 1, "coupons": 1,
    }  # fmt: skip
    season = {name: ann[f"{name}_60d"] for name in WINDOWED}
    assert season == {
        "active_days": 2, "visits": 4, "views": 2, "carts": 2, "purchases": 4, "purchase_days": 2, "item_days": 3,
        "spend_cents": 2900, "net_spend_cents": 2900, "discounted_purchases": 2, "coupon_purchases": 2, "coupons": 1,
    }  # fmt: skip


def test_only_users_seen_before_the_as_of_are_there(world: World):
    world.land(event(1, "ann", str(INSTANT - TICK)), event(2, "bob", str(INSTANT)))
    world.derive()
    assert set(world.features(AS_OF)) == {"ann"}
    assert set(world.features(AS_OF + timedelta(days=1))) == {"ann", "bob"}


def test_recency_and_tenure_move_with_the_clock_alone(world: World):
    world.land(event(1, "ann", "2024-02-20 10:00"), event(2, "ann", "2024-02-25 10:00", "view"))
    world.derive()
    ann = world.features(AS_OF)["ann"]
    assert [ann[name] for name in ("tenure_days", "recency_days", "purchase_recency_days")] == [9, 4, 9]
    assert ann["as_of"] == AS_OF and ann["event_date"] == date(2024, 2, 29)
    later = world.features(AS_OF + timedelta(days=10))["ann"]
    assert [later[name] for name in ("tenure_days", "recency_days", "purchase_recency_days")] == [19, 14, 19]


def test_rhythm_is_the_mean_and_spread_of_gaps_between_purchase_days(world: World):
    world.land(*(event(day, "ann", f"2024-02-{day:02} 10:00") for day in (1, 5, 13)), event(99, "bob", "2024-02-01 10:00"))
    world.derive()
    features = world.features(AS_OF)
    ann, bob = features["ann"], features["bob"]
    assert ann["mean_gap_days"] == 6 and ann["std_gap_days"] == 2 and ann["last_gap_days"] == 8  # gaps 4 and 8
    assert [bob[name] for name in ("mean_gap_days", "std_gap_days", "last_gap_days")] == [None, None, None]


def test_interests_are_shares_of_attention_strongest_first_ties_by_name(world: World):
    world.land(
        event(1, "ann", "2024-02-10 10:00", item="soap"),
        event(2, "ann", "2024-02-10 10:00", item="bread"),
        event(3, "ann", "2024-02-10 10:00", "cart", item="milk"),
        event(4, "ann", "2024-02-10 10:00", "coupon", item="ufo"),
    )
    world.derive()
    ann = world.features(AS_OF)["ann"]
    assert ann["categories"] == [  # of 15 points: 5, 5, 3, and 2 of unknown category
        {"value": "bakery", "share_milli": 333}, {"value": "care", "share_milli": 333}, {"value": "dairy", "share_milli": 200},
    ]  # fmt: skip
    assert ann["departments"] == [{"value": "food", "share_milli": 533}, {"value": "home", "share_milli": 333}]
    assert ann["brands"] == [{"value": "own", "share_milli": 533}, {"value": "pure", "share_milli": 333}]
    assert (ann["unknown_share_milli"], ann["category_count"]) == (133, 3)


def test_attention_halves_in_sixty_days(world: World):
    """One purchase of bread 60 days before one of soap: a third against two thirds. Ten days later nothing has moved."""
    world.land(event(1, "ann", "2024-01-01 10:00", item="bread"), event(2, "ann", "2024-03-01 10:00", item="soap"))
    world.derive()
    shares = [{"value": "care", "share_milli": 666}, {"value": "bakery", "share_milli": 333}]
    assert world.features(date(2024, 3, 2))["ann"]["categories"] == shares
    assert world.features(date(2024, 3, 12))["ann"]["categories"] == shares


def test_more_but_older_attention_ranks_below_newer(world: World):
    world.land(
        *(event(n, "ann", "2024-01-01 10:00", "view", item="bread") for n in range(7)),  # 7 points, halved to 3.5
        event(9, "ann", "2024-03-01 10:00", "review", item="soap"),  # 4 points
    )
    world.derive()
    assert [entry["value"] for entry in world.features(date(2024, 3, 2))["ann"]["categories"]] == ["care", "bakery"]


def test_attention_adds_up_over_days_and_each_day_has_its_own_state(world: World):
    """Bread today and tomorrow outweighs a review of soap; on the first evening it was bread 5 against soap 4."""
    world.land(
        event(1, "ann", "2024-02-10 10:00", item="bread"),
        event(2, "ann", "2024-02-10 10:00", "review", item="soap"),
        event(3, "ann", "2024-02-11 10:00", item="bread"),
        event(4, "ann", "2024-02-13 10:00", "review", item="soap"),
    )
    world.derive()
    told = [
        {entry["value"]: entry["share_milli"] for entry in row["categories"]}
        for row in world.rows("select categories from features.interests order by event_date")
    ]
    # Points doubled every 60 days: 5 : 4, then about 10 : 4, then about 10 : 8.
    assert told == [{"bakery": 555, "care": 444}, {"bakery": 715, "care": 284}, {"bakery": 552, "care": 447}]


def test_only_the_five_strongest_are_kept(world: World):
    world.describe(*({"item": f"i{n}", "category": f"c{n}"} for n in range(7)))
    world.land(*(event(f"{n}-{k}", "ann", "2024-02-10 10:00", "view", item=f"i{n}") for n in range(7) for k in range(n + 1)))
    world.derive()
    ann = world.features(AS_OF)["ann"]
    assert [entry["value"] for entry in ann["categories"]] == ["c6", "c5", "c4", "c3", "c2"]
    assert ann["category_count"] == 7


def test_cut_points_come_from_the_state_a_fortnight_before_the_month_and_hold_all_month(world: World):
    for n in range(1, 6):
        world.land(event(n, f"u{n}", "2024-01-16 12:00", amount=n * 10))
    world.land(event(9, "u9", "2024-01-17 00:00", amount=9999))  # a fortnight before February is over by then
    world.build()
    cuts = {(row["event_date"], row["measure"]): row for row in world.rows("from features.cut_points")}
    assert {day for day, _ in cuts} == {date(2024, 2, 1), date(2024, 3, 1)}  # nothing was known before January
    february = cuts[date(2024, 2, 1), "net_spend_cents_365d"]
    assert (february["cuts"], february["user_count"]) == ([1000, 2000, 3000, 4000], 5)
    assert cuts[date(2024, 3, 1), "net_spend_cents_365d"]["user_count"] == 6
    assert cuts[date(2024, 2, 1), "recency_days"]["cuts"] == [0, 0, 0, 0]
    assert cuts[date(2024, 3, 1), "recency_days"]["cuts"] == [29, 29, 29, 29]  # 28 for u9


def test_users_silent_for_a_year_do_not_move_the_cuts(tmp_path: Path):
    with World(tmp_path, date(2023, 1, 1), date(2024, 3, 31)).open() as world:
        world.land(
            event(1, "old", "2023-01-16 23:00", amount=1),  # the year to 16 January 2024 begins on the 17th
            event(3, "edge", "2023-01-17 00:30", amount=20),
            event(2, "ann", "2024-01-10 12:00", amount=10),
        )
        world.build(date(2023, 1, 1), date(2023, 1, 31))
        world.build(date(2024, 1, 1), date(2024, 2, 1))
        row = world.row(c.FEATURES_CUT_POINTS, event_date=date(2024, 2, 1), measure="net_spend_cents_365d")
        assert (row["cuts"], row["user_count"]) == ([1000, 1000, 2000, 2000], 2)


def test_who_counts_for_each_measure_by_hand(world: World):
    """u1 to u5 have just enough of everything by 16 January; few has one less of each; four has looked, and bought on four lines only; paid
    and back have nothing left and less than nothing; a letter is no act."""
    for user, lines, stars, looks, days in [*((f"u{n}", 10, 3, 20, 10) for n in range(1, 6)), ("few", 9, 2, 19, 9)]:
        world.land(
            *(event(f"{user}p{k}", user, "2024-01-02 12:00", discount=0.5) for k in range(lines)),
            *(event(f"{user}r{k}", user, "2024-01-02 12:00", "review", rating=4) for k in range(stars)),
            *(event(f"{user}v{k}", user, f"2024-01-{2 + k % days:02} 12:00", "view") for k in range(looks)),
        )
    world.land(
        *(event(f"f{k}", "four", "2024-01-02 12:00") for k in range(4)),
        *(event(f"l{k}", "four", "2024-01-02 12:00", "view") for k in range(30)),
        event("p", "paid", "2024-01-02 12:00", amount=2), event("pb", "paid", "2024-01-03 12:00", "return", amount=2),
        event("b", "back", "2024-01-02 12:00", amount=2), event("bb", "back", "2024-01-03 12:00", "return", amount=3),
        event("letter", "cat", "2024-01-02 12:00", "exposure", item=None),
    )  # fmt: skip
    world.build(end=date(2024, 2, 1))
    rows = world.rows("select measure, user_count from features.cut_points where event_date = $day", day=date(2024, 2, 1))
    counts = {row["measure"]: row["user_count"] for row in rows}
    assert counts == {
        "recency_days": 9, "active_days_365d": 9, "net_spend_cents_365d": 8, "purchases": 9, "reviews": 6, "views": 7,
        "spend_score": 7, "ticket_score": 7, "basket_score": 9, "units_score": 5, "discount_score": 5, "research_score": 5,
        "conversion_score": 5, "rating_score": 5, "review_score": 6,
    }  # fmt: skip


def test_the_gap_of_who_came_back_counts_the_wait_that_goes_on(world: World):
    """Bought on the 1st and the 10th: by the 16th, that day included, 16 days and one gap."""
    world.land(*(event(f"u{n}-{day}", f"u{n}", f"2024-01-{day} 12:00") for n in range(5) for day in ("01", "10")))
    world.build(end=date(2024, 2, 1))
    assert world.row(c.FEATURES_CUT_POINTS, event_date=date(2024, 2, 1), measure="gap_days")["cuts"] == [16] * 4
