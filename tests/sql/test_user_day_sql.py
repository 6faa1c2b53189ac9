"""features.visit, user_day and user_state: a user's day, measure by measure, and the totals that run through it."""

from datetime import date

from portrait_assets import columns as c
from portrait_assets.packs import load_pack
from tests.small_world import World, event

DAY = date(2024, 1, 6)  # a Saturday


def a_day(world: World) -> dict:
    """One Saturday of ann's: a basket, a second basket by night, a browse, and what came by post."""
    world.land(
        event(1, "ann", "2024-01-06 15:00", item="milk", session="b1", quantity=2, amount=4, discount=1, coupon=0.5),
        event(2, "ann", "2024-01-06 15:01", item="milk", session="b1", quantity=1.5, amount=3),
        event(3, "ann", "2024-01-06 15:02", item="soap", session="b1", quantity=1, amount=600, discount=0.25),  # outlier
        event(4, "ann", "2024-01-06 09:00", item="bread", session="b2", quantity=1, amount=2),  # 4 in the morning
        event(5, "ann", "2024-01-06 18:00", "view", session="web"),
        event(6, "ann", "2024-01-06 18:01", "search", item=None, session="web"),
        event(7, "ann", "2024-01-06 18:02", "cart", session="web", amount=9),
        event(8, "ann", "2024-01-06 18:03", "return", item="soap", session="web", quantity=1, amount=500, discount=2, coupon=1),
        event(9, "ann", "2024-01-06 18:04", "review", session="web", rating=4.5),
        event(10, "ann", "2024-01-06 18:05", "review", session="web", rating=2),
        event(11, "ann", "2024-01-06 18:06", "coupon", item=None, session="web", campaign="x"),
        event(12, "ann", "2024-01-06 05:00", "exposure", item=None, campaign="x"),
    )
    world.derive()
    return world.row(c.FEATURES_USER_DAY, user_id="ann", event_date=DAY)


def test_each_measure_of_a_day(world: World):
    measured = a_day(world)
    assert measured == {
        "event_date": DAY, "user_id": "ann", "local_date": DAY, "active_days": 1, "visits": 3, "views": 1, "searches": 1, "carts": 1,
        "purchases": 4, "purchase_days": 1, "returns": 1, "reviews": 2, "coupons": 1, "exposures": 1, "item_days": 3,
        "quantity_milli": 5500, "spend_cents": 60_900, "refund_cents": 50_000, "net_spend_cents": 10_900, "discount_cents": 125, "coupon_cents": 50,
        "discounted_purchases": 2, "coupon_purchases": 1, "night_visits": 1, "morning_visits": 1, "afternoon_visits": 1,
        "evening_visits": 0, "weekend_visits": 3, "ratings": 2, "rating_milli": 6500, "outliers": 1,
        "begun_visits": [
            {"visit_id": visit, "local_hour": hour, "local_weekday": 6} for visit, hour in (("b1", 10), ("b2", 4), ("web", 13))
        ],
        "item_days_values": ["bread", "milk", "soap"],
    }  # fmt: skip


def test_a_type_of_the_packs_own_is_activity_a_visit_and_attention_and_has_no_count(world: World):
    world.land(
        event(1, "ann", "2024-01-06 15:00", "play", item="milk", session="s"),
        event(2, "ann", "2024-01-06 15:01", "wishlist", item="milk", session="s"),
        event(3, "ann", "2024-01-06 15:02", "remove", item="milk", session="s"),
    )
    world.derive()
    row = world.row(c.FEATURES_USER_DAY, user_id="ann", event_date=DAY)
    others = {measure.name for measure in load_pack().schema.measures.all if row[measure.name]}
    assert others == {"active_days", "visits", "morning_visits", "weekend_visits"} and (row["active_days"], row["visits"]) == (
        1,
        1,
    )
    assert [visit["event_types"] for visit in world.rows("from features.visit")] == [["play", "wishlist", "remove"]]
    assert [row["points"] for row in world.rows("from features.user_day_interest")] == [1 + 2]


def test_visits_hold_their_events_in_order(world: World):
    a_day(world)
    visits = world.rows("from features.visit order by visit_time")
    assert [row["visit_id"] for row in visits] == ["b2", "b1", "web"]
    assert visits[1]["item_ids"] == ["milk", "milk", "soap"] and visits[1]["categories"] == ["dairy", "dairy", "care"]
    assert (visits[1]["spend_cents"], visits[1]["discount_cents"], visits[1]["coupon_cents"]) == (60_700, 125, 50)
    assert visits[2]["event_types"] == ["view", "search", "cart", "return", "review", "review", "coupon"]
    assert visits[2]["spend_cents"] == 0 and visits[2]["line_count"] == 7
    assert [row["refund_cents"] for row in visits] == [0, 0, 50_000]
    assert (visits[2]["discount_cents"], visits[2]["coupon_cents"]) == (0, 0)  # of what was bought alone


def test_an_exposure_alone_is_no_activity(world: World):
    world.land(event(1, "cat", "2024-01-06 05:00", "exposure", item=None))
    world.derive()
    row = world.row(c.FEATURES_USER_DAY, user_id="cat")
    assert (row["active_days"], row["visits"], row["exposures"]) == (0, 0, 1)
    state = world.row(c.FEATURES_USER_STATE, user_id="cat")
    assert (state["first_date"], state["last_active_date"], state["active_days"]) == (DAY, None, 0)


def test_a_visit_belongs_to_the_part_of_the_local_day_it_begins_in(world: World):
    begins = {
        "05:00": "night", "10:59": "night", "11:00": "morning", "16:59": "morning", "17:00": "afternoon", "22:59": "afternoon",
        "23:00": "evening", "04:59": "evening",
    }  # fmt: skip
    world.land(*(event(utc, utc, f"2024-01-10 {utc}") for utc in begins))
    world.derive()
    parts = ("night", "morning", "afternoon", "evening")
    rows = world.rows("from features.user_day")
    assert {row["user_id"]: [part for part in parts if row[f"{part}_visits"]] for row in rows} == {
        utc: [part] for utc, part in begins.items()
    }
    assert {row["weekend_visits"] for row in rows} == {0}


def test_only_shopping_makes_a_visit(world: World):
    """A view, a search, a cart and a purchase do; what comes after them in the same session or alone does not."""
    acts = ("view", "search", "cart", "purchase", "return", "review", "coupon", "exposure")
    world.land(*(event(kind, kind, "2024-01-10 15:00", kind, session=kind) for kind in acts))
    world.derive()
    made = {row["user_id"]: row["visits"] + row["morning_visits"] for row in world.rows("from features.user_day")}
    assert made == {kind: 2 if kind in ("view", "search", "cart", "purchase") else 0 for kind in acts}


def test_a_date_without_an_hour_begins_in_no_part_of_the_day(world: World):
    world.land(
        event(1, "ann", "2024-01-06", session="a"),
        event(2, "bob", "2024-01-06", session="b"),
        event(3, "bob", "2024-01-06 15:00", session="b"),  # the same visit, and 10 in the morning
    )
    world.derive()
    parts = ("visits", "night_visits", "morning_visits", "afternoon_visits", "evening_visits", "weekend_visits")
    ann, bob = (world.row(c.FEATURES_USER_DAY, user_id=user) for user in ("ann", "bob"))
    assert [ann[name] for name in parts] == [1, 0, 0, 0, 0, 1]
    assert [bob[name] for name in parts] == [1, 0, 1, 0, 0, 1]
    assert [row["local_hour"] for row in world.rows("from features.visit order by user_id")] == [None, 10]


def test_the_weekend_is_local(world: World):
    world.land(
        event(1, "ann", "2024-01-06 04:00"),  # Saturday in UTC, Friday evening there
        event(2, "bob", "2024-01-08 04:00"),  # Monday in UTC, Sunday evening there
    )
    world.derive()
    assert [world.row(c.FEATURES_USER_DAY, user_id=user)["weekend_visits"] for user in ("ann", "bob")] == [0, 1]


def test_a_visit_over_midnight_is_one_row_a_day(world: World):
    world.land(event(1, "ann", "2024-01-10 23:59", session="s"), event(2, "ann", "2024-01-11 00:01", session="s"))
    world.derive()
    assert [(row["event_date"].day, row["line_count"]) for row in world.rows("from features.visit order by event_date")] == [
        (10, 1), (11, 1),
    ]  # fmt: skip


def test_interest_partials_count_the_packs_points(world: World):
    a_day(world)
    rows = world.rows(
        "select category, price_band, points, purchases, spend_cents from features.user_day_interest order by all"
    )
    told = {(row["category"], row["price_band"]): (row["points"], row["purchases"], row["spend_cents"]) for row in rows}
    assert told == {
        ("bakery", 2): (5, 1, 200),
        ("care", 9): (5, 1, 60_000),
        ("dairy", 2): (10, 2, 700),  # two purchases: 2.75 and 2.00 a piece
        ("dairy", None): (1 + 3 + 4 + 4, 0, 0),  # view, cart, two reviews; a return has no points
    }


def test_totals_run_and_gaps_count_days_between_purchase_days(world: World):
    world.land(
        event(1, "ann", "2024-01-02 12:00", "view"),
        event(2, "ann", "2024-01-05 12:00", amount=1),
        event(3, "ann", "2024-01-05 13:00", amount=2),
        event(4, "ann", "2024-01-08 12:00", amount=4),
        event(5, "ann", "2024-01-10 12:00", "view"),
        event(6, "ann", "2024-01-18 12:00", amount=8),
        event(7, "bob", "2024-01-09 12:00", amount=99),
    )
    world.derive()
    names = ("active_days", "purchases", "purchase_days", "spend_cents", "gap_days", "gap_square_days")
    states = world.rows("from features.user_state where user_id = 'ann' order by event_date")
    assert [(row["event_date"].day, *(row[name] for name in names)) for row in states] == [
        (2, 1, 0, 0, 0, None, 0),
        (5, 2, 2, 1, 300, None, 0),
        (8, 3, 3, 2, 700, 3, 9),
        (10, 4, 3, 2, 700, 3, 9),
        (18, 5, 4, 3, 1500, 10, 109),
    ]
    dates = ("first_date", "last_active_date", "first_purchase_date", "last_purchase_date")
    assert [[None if row[name] is None else row[name].day for name in dates] for row in states] == [
        [2, 2, None, None], [2, 5, 5, 5], [2, 8, 5, 8], [2, 10, 5, 8], [2, 18, 5, 18],
    ]  # fmt: skip


def test_a_window_in_the_middle_continues_the_totals(world: World):
    world.land(*(event(day, "ann", f"2024-01-{day:02} 12:00", amount=day) for day in (2, 5, 9)))
    world.derive(end=date(2024, 1, 5))
    world.derive(date(2024, 1, 9), date(2024, 1, 9))
    states = world.rows("select spend_cents, gap_square_days from features.user_state order by event_date")
    assert [tuple(row.values()) for row in states] == [(200, 0), (700, 9), (1600, 25)]
