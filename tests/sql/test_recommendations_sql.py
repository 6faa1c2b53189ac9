"""recommendations.top: habits first, then what is popular and said to be so; ranks without a gap; nothing after the day."""

import tomllib
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from portrait_assets.assets.recommending import stage_popular, stage_withheld
from portrait_assets.assets.training import SEEN_OF_SOME
from portrait_assets.lineage import stale_days
from portrait_assets.packs.recommending import parse_recommending
from portrait_assets.partitions import Window
from portrait_assets.serving.recommender import seen_of
from tests.small_world import World, event

DAY = date(2024, 3, 15)


def top(world: World, user: str) -> list[tuple[int, str, str]]:
    world.clean().derive()
    world.recommend(DAY)
    rows = world.rows(
        'select "rank", item_id, reason from recommendations.top where user_id = $user order by "rank"', user=user
    )
    return [tuple(row.values()) for row in rows]


def test_ones_own_habits_come_before_what_everyone_buys(world: World):
    world.land(
        event(1, "ann", "2024-03-01 10:00", item="soap", session="a"),
        event(2, "ann", "2024-03-13 10:00", item="soap", session="b"),
        event(3, "ann", "2024-03-14 10:00", "view", item="cheese", session="c"),
        *(event(f"m{n}", f"u{n}", "2024-03-10 10:00", item="milk") for n in range(9)),
        *(event(f"b{n}", f"u{n}", "2024-03-10 10:00", item="bread") for n in range(5)),
    )
    assert top(world, "ann") == [
        (1, "soap", "bought on 2 visits, last 2 days ago"),
        (2, "cheese", "looked at on 1 visit, last 1 day ago"),
        (3, "milk", "popular with everyone: 9 users in the last 28 days"),
        (4, "bread", "popular with everyone: 5 users in the last 28 days"),
    ]


def test_a_habit_of_today_says_so_and_lines_of_a_visit_count_once(world: World):
    world.land(*(event(n, "ann", "2024-03-15 10:00", session="s") for n in range(3)))
    assert top(world, "ann") == [(1, "milk", "bought on 1 visit, last today")]


def test_newer_habits_rank_above_older_and_equal_ones_by_name(world: World):
    world.land(
        event(1, "ann", "2024-01-15 10:00", item="milk"),
        event(2, "ann", "2024-03-01 10:00", item="soap"),
        event(3, "ann", "2024-03-01 10:00", item="bread"),
    )
    assert [item for _, item, _ in top(world, "ann")] == ["bread", "soap", "milk"]


def test_the_score_of_a_habit_by_hand(world: World):
    """Three points a purchase, one a view. Today: 3 (1 + 1 + 1/2). 14 days ago: 3 (1/2 + 2^-(14/60) + 2^-(14/240) / 2). 60 days ago, a view:
    2^-(60/14) + 1/2 + 2^-(60/240) / 2."""
    points = dict(
        zip(world.home.pack.sql_parameters["point_types"], world.home.pack.sql_parameters["point_values"], strict=True)
    )
    world.land(
        event(1, "ann", "2024-03-15 10:00", item="milk"),
        event(2, "ann", "2024-03-01 10:00", item="soap"),
        event(3, "ann", "2024-01-15 10:00", "view", item="bread"),
    )
    top(world, "ann")
    score = dict(map(dict.values, world.rows("select item_id, score from recommendations.top where user_id = 'ann'")))
    expected = {
        "milk": points["purchase"] * 2.5,
        "soap": points["purchase"] * (1 / 2 + 2 ** -(14 / 60) + 2 ** -(14 / 240) / 2),
        "bread": points["view"] * (2 ** -(60 / 14) + 1 / 2 + 2**-0.25 / 2),
    }
    assert score == pytest.approx(expected, rel=1e-5)


def test_twenty_ranks_without_a_gap_each_item_once(world: World):
    world.land(
        *(event(f"a{n}", "ann", f"2024-03-{1 + n % 9:02} 10:00", item=f"i{n:02}") for n in range(15)),
        *(event(f"u{n}-{k}", f"u{n}", "2024-03-10 10:00", item=f"i{k:02}") for n in range(2) for k in range(30)),
    )
    ranked = top(world, "ann")
    assert [rank for rank, _, _ in ranked] == list(range(1, 21))
    assert len({item for _, item, _ in ranked}) == 20
    assert {item for _, item, _ in ranked[:15]} == {f"i{n:02}" for n in range(15)}
    assert [item for _, item, _ in ranked[15:]] == [f"i{n:02}" for n in range(15, 20)]


def test_nothing_after_the_day_counts(world: World):
    world.land(
        event(1, "ann", "2024-03-15 23:59:59.999999"),
        event(2, "ann", "2024-03-16 00:00", item="soap"),
        event(3, "bob", "2024-03-16 00:00", item="soap"),
    )
    assert top(world, "ann") == [(1, "milk", "bought on 1 visit, last today")]
    assert top(world, "bob") == []


def test_popular_is_of_the_last_twenty_eight_days(world: World):
    world.land(
        event(1, "ann", "2024-02-16 23:59:59"),  # 28 days before the end of the day, out
        event(2, "bob", "2024-02-17 00:00", item="soap"),
        event(3, "cat", "2024-03-01 00:00", "exposure", item=None),
    )
    assert top(world, "cat") == [
        (1, "soap", "1 user took to it in the last 28 days"),
        (2, "milk", "taken up once in the year before, not in the last 28 days"),
    ]


def popular(world: World) -> list[str]:
    world.clean(end=DAY)
    stage_withheld(world.session, world.home.recommending)
    stage_popular(world.session, world.home, DAY)
    return [row["item_id"] for row in world.rows("select item_id from popular order by score desc, item_id")]


def test_popular_counts_users_and_a_hundred_items_at_most_the_last_of_equals_by_name_left_out(world: World):
    """Two users took to soap; one, three times, to milk; and one once to each of a hundred more."""
    world.land(
        *(event(f"m{n}", "bob", f"2024-03-1{n} 10:00") for n in range(3)),
        *(event(f"s{user}", user, "2024-03-10 10:00", item="soap") for user in ("bob", "cat")),
        *(event(f"i{n}", "bob", "2024-03-10 10:00", item=f"i{n:02}") for n in range(100)),
    )
    assert popular(world) == ["soap", *(f"i{n:02}" for n in range(99))]


def test_the_year_before_begins_365_days_before_and_its_ratings_are_those_of_the_year(tmp_path: Path):
    """Milk was bought on the day before the year begins, soap on its first; of ratings 5, 5, 4 and 3, the latter two of this month, the
    mean is 4.25: of the month alone it would be 3.5, and cheese above it."""
    with World(tmp_path, date(2023, 3, 1), DAY).open() as world:
        world.land(
            event(1, "ann", "2023-03-16 23:59:59"),
            event(2, "ann", "2023-03-17 00:00", item="soap"),
            event(3, "bob", "2023-12-01 10:00", "review", item="bread", rating=5),
            event(4, "cat", "2023-12-01 10:00", "review", item="bread", rating=5),
            event(5, "bob", "2024-03-10 10:00", "review", item="cheese", rating=4),
            event(6, "cat", "2024-03-10 10:00", "review", item="ham", rating=3),
        )
        assert popular(world) == ["bread", "soap"]


def test_a_visit_over_two_days_is_of_its_last(world: World):
    world.land(event(1, "ann", "2024-03-10 23:30", session="s"), event(2, "ann", "2024-03-14 00:30", session="s"))
    assert top(world, "ann") == [(1, "milk", "bought on 1 visit, last 1 day ago")]


def test_what_was_returned_or_sent_is_no_habit(world: World):
    world.land(
        event(1, "ann", "2024-03-01 10:00", item="soap"),
        event(2, "ann", "2024-03-02 10:00", "return", item="bread"),
        event(3, "ann", "2024-03-02 10:00", "exposure", item="cheese"),
    )
    assert [item for _, item, _ in top(world, "ann")] == ["soap"]


def lists(world: World, user: str) -> dict[str, list[str]]:
    rows = world.rows('select list, item_id from recommendations.lists where user_id = $user order by list, "rank"', user=user)
    return {name: [row["item_id"] for row in rows if row["list"] == name] for name in ("again", "discover")}


def test_a_source_of_ratings_offers_what_others_like_and_the_user_has_not_rated(world: World):
    """Of ratings 5, 5, 4, 4, 2, 1 and 5 the mean is 26 / 7: bread, rated 2 and 1, is liked by nobody."""
    world.land(
        *(event(f"m{user}", user, "2024-03-10 10:00", "review", item="milk", rating=5) for user in ("bob", "cat")),
        *(event(f"c{user}", user, "2024-03-10 10:00", "review", item="cheese", rating=4) for user in ("bob", "ann")),
        event("b1", "bob", "2024-03-10 10:00", "review", item="bread", rating=2),
        event("b2", "cat", "2024-03-10 10:00", "review", item="bread", rating=1),
        event("s", "bob", "2024-03-10 10:00", "review", item="soap", rating=5),
    )
    assert [item for _, item, _ in top(world, "ann")] == ["milk", "soap"]
    assert lists(world, "ann") == {"again": [], "discover": ["milk", "soap"]}
    assert [item for _, item, _ in top(world, "cat")] == ["cheese", "soap"]
    assert lists(world, "bob") == {"again": [], "discover": []}  # who rated all of it


def test_who_has_many_habits_still_discovers_what_others_took_to(world: World):
    """Ann looked at 25 items; three of the twenty are for the popular three that she never saw."""
    world.land(
        *(event(f"a{n}", "ann", "2024-03-14 10:00", "view", item=f"i{n:02}") for n in range(25)),
        *(
            event(f"{user}{item}", user, "2024-03-10 10:00", "view", item=item)
            for user in "bcd"
            for item in ("x", "y", "z", "i00")
        ),
    )
    ranked = [item for _, item, _ in top(world, "ann")]
    assert ranked == [*(f"i{n:02}" for n in range(17)), "x", "y", "z"]
    assert lists(world, "ann") == {"again": [f"i{n:02}" for n in range(20)], "discover": ["x", "y", "z"]}


def test_what_all_went_back_is_no_habit_and_what_stayed_or_was_bought_since_is(world: World):
    world.land(
        event(1, "ann", "2024-03-01 10:00", item="soap", quantity=2),
        event(2, "ann", "2024-03-02 10:00", "return", item="soap", quantity=2),
        event(3, "ann", "2024-03-01 10:00", item="milk", quantity=2),
        event(4, "ann", "2024-03-02 10:00", "return", item="milk", quantity=1.999),
        event(5, "ann", "2024-03-01 10:00", "return", item="bread"),  # of a purchase before the data begins
        event(6, "ann", "2024-03-02 10:00", item="bread"),
        event(7, "ann", "2024-03-01 10:00", item="cheese", quantity=None),
        event(8, "ann", "2024-03-01 10:00", "return", item="cheese"),  # at the same moment, as dates without an hour are
    )
    assert {item for _, item, _ in top(world, "ann")} == {"milk", "bread"}


def test_the_live_service_finds_gone_what_the_query_does(world: World):
    """Each of some orders of a purchase and a return, with a view beside it or not; and a future return, which nobody knows yet."""
    cases = {
        "bought": [("purchase", 1, None)],
        "all": [("purchase", 1, 2), ("return", 2, 2)],
        "some": [("purchase", 1, 2), ("return", 2, 1)],
        "again": [("purchase", 1, 1), ("return", 2, 1), ("purchase", 3, 1)],
        "unmatched": [("return", 1, 1), ("purchase", 2, 1)],
        "only": [("return", 1, None)],
        "later": [("purchase", 1, 1), ("return", 20, 1)],
        "bought later": [("purchase", 1, 1), ("return", 2, 1), ("purchase", 20, 1)],
        "viewed": [("view", 1, None), ("purchase", 1, None), ("return", 1, None)],
        "rated": [("purchase", 1, 1), ("review", 2, None)],
    }
    world.land(
        *(
            event(f"{item}{n}", "ann", f"2024-03-{day:02} 10:00", kind, item=item, quantity=quantity)
            for item, acts in cases.items()
            for n, (kind, day, quantity) in enumerate(acts)
        )
    )
    world.derive()
    session, as_of = world.session, date(2024, 3, 15)
    session.stage("gone", "recommendations/gone.sql", end=as_of - timedelta(days=1))
    known = session.frame(SEEN_OF_SOME, as_of=as_of, first="", last="~")
    assert set(known.filter("is_gone")["item_id"]) == {"all", "viewed", "bought later"}
    events = session.connection.sql("from clean.events").to_arrow_table()
    assert_frame_equal(seen_of(events, as_of).drop("is_seen").sort("user_id", "item_id"), known)


def test_what_was_returned_is_not_new(world: World):
    world.land(
        event(1, "ann", "2024-03-02 10:00", "return", item="bread"),
        *(event(f"{user}{item}", user, "2024-03-10 10:00", item=item) for user in ("bob", "cat") for item in ("bread", "milk")),
    )
    assert [item for _, item, _ in top(world, "ann")] == ["milk"]


RULES = """
most_of_a_type = 6
discover_places = 3
exclude = [{ category = "care" }]
cool_down = [{ category = "dairy", days = 3 }]
out_of_stock = "stock.txt"
"""


def ruled(world: World, rules: str) -> World:
    """The same world, whose pack has these rules."""
    recommending = parse_recommending(tomllib.loads(rules), Path("recommendations.toml"), rules)
    world.home = replace(world.home, pack=replace(world.home.pack, recommending=recommending))
    return world


def test_what_the_rules_keep_back_is_not_offered_by_habit_or_fashion_either(world: World):
    """Soap is excluded and bread out of stock; ann bought milk two days ago, so cheese waits too; bob's milk is three days old."""
    (world.home.settings.home_dir / "stock.txt").write_text("bread\n")
    world.land(
        event(1, "ann", "2024-03-14 10:00", item="milk"),
        event(2, "ann", "2024-03-12 10:00", item="soap"),
        event(3, "bob", "2024-03-12 10:00", item="milk"),
        event(4, "bob", "2024-03-12 10:00", item="bread"),
        event(5, "cat", "2024-03-14 10:00", "view", item="milk"),
        event(6, "dan", "2024-03-12 10:00", "view", item="cheese"),
    )
    ruled(world, RULES)
    assert top(world, "ann") == []
    assert [item for _, item, _ in top(world, "bob")] == ["milk", "cheese"]
    assert [item for _, item, _ in top(world, "cat")] == ["milk", "cheese"]


def test_a_rule_of_names_keeps_back_what_is_called_so_whatever_its_case(world: World):
    world.land(
        *(
            event(f"{user}{item}", user, "2024-03-14 10:00", item=item)
            for user in ("bob", "cat")
            for item in ("soap", "milk", "cheese")
        )
    )
    ruled(world, 'most_of_a_type = 6\ndiscover_places = 3\nexclude = [{ name = "s*P" }, { name = "CHEESE" }]')
    assert [item for _, item, _ in top(world, "bob")] == ["milk"]


def test_other_stock_makes_recommendations_due_and_nothing_else(world: World):
    """The file's items count, not its bytes."""
    stock = world.home.settings.home_dir / "stock.txt"
    stock.write_text("bread\n")
    world.land(event(1, "ann", "2024-03-14 10:00"))
    ruled(world, RULES).build()
    world.recommend(DAY)
    stock.write_text("bread\n\n")
    window = Window(DAY, DAY)
    before = {name for name, days in stale_days(world.session, world.home, window).items() if days}
    stock.write_text("milk\n")
    after = {name for name, days in stale_days(world.session, world.home, window).items() if days}
    assert after - before == {"recommendations.top", "recommendations.lists"}


def test_rules_that_exclude_everything_leave_empty_lists(world: World):
    world.land(event(1, "ann", "2024-03-14 10:00"), event(2, "bob", "2024-03-14 10:00", item="bread"))
    ruled(world, 'most_of_a_type = 6\ndiscover_places = 3\nexclude = [{ department = "food" }]')
    assert top(world, "ann") == [] and top(world, "bob") == []
