"""Days that a person reads are the source's local dates; windows are of UTC days. By hand, at midnights here and there."""

from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from portrait_assets import columns as c
from portrait_assets.assets.daily import write_days
from portrait_assets.assets.derivation import stage_features, stage_next_day
from portrait_assets.packs import load_pack
from portrait_assets.partitions import Window
from tests.small_world import World, event

AS_OF = date(2024, 3, 1)
DAY = timedelta(days=1)


def of_ann(world: World, day: date, *names: str) -> list:
    """Columns of ann's features at the end of a UTC day."""
    row = world.features(day + DAY)["ann"]
    return [row[name] for name in names]


def test_an_evening_in_new_york_is_one_day_though_it_meets_two_utc_days(world: World):
    """19:30 of 10 January is 00:30 UTC of the 11th: a view before and a purchase after UTC midnight are one evening."""
    world.land(
        event(1, "ann", "2024-01-10 23:50", "view"),
        event(2, "ann", "2024-01-11 00:30"),
        event(3, "ann", "2024-01-11 05:00"),  # midnight there: the next day
    )
    world.derive()
    days = world.rows("select event_date, local_date, active_days, purchase_days, visits from features.user_day order by all")
    assert [tuple(row.values()) for row in days] == [
        (date(2024, 1, 10), date(2024, 1, 10), 1, 0, 1),
        (date(2024, 1, 11), date(2024, 1, 10), 1, 1, 1),
        (date(2024, 1, 11), date(2024, 1, 11), 1, 1, 1),
    ]
    states = world.rows(
        "select active_days, purchase_days, visits, item_days, carried_active_days, carried_purchase_days, carried_visits, "
        "carried_item_days, gap_days, gap_square_days from features.user_state order by event_date"
    )
    assert [tuple(row.values()) for row in states] == [(1, 0, 1, 0, 0, 0, 0, 0, None, 0), (2, 2, 2, 2, 1, 0, 1, 0, 1, 1)]
    last = of_ann(
        world, date(2024, 1, 11), "first_date", "last_active_date", "last_purchase_date", "tenure_days", "recency_days"
    )
    assert last == [date(2024, 1, 10), date(2024, 1, 11), date(2024, 1, 11), 1, 0]


@pytest.mark.parametrize(
    ("zone", "seen", "first_date", "recency"),
    [
        ("UTC", "2024-02-28 23:59", date(2024, 2, 28), 1),
        ("America/New_York", "2024-02-29 04:59", date(2024, 2, 28), 1),
        ("America/New_York", "2024-02-29 05:00", date(2024, 2, 29), 0),
        ("Asia/Shanghai", "2024-02-29 15:59", date(2024, 2, 29), 1),  # the as-of is 1 March, 08:00 there
        ("Asia/Shanghai", "2024-02-29 16:00", date(2024, 3, 1), 0),
        ("Pacific/Auckland", "2024-02-29 10:59", date(2024, 2, 29), 1),  # 13 hours ahead
        ("Pacific/Auckland", "2024-02-29 11:00", date(2024, 3, 1), 0),
    ],
)
def test_ages_are_counted_from_the_local_date_of_the_as_of(
    tmp_path: Path, zone: str, seen: str, first_date: date, recency: int
):
    with World(tmp_path, zone=zone).open() as world:
        world.land(event(1, "ann", seen))
        world.derive()
        names = ("first_date", "tenure_days", "recency_days", "purchase_recency_days")
        assert of_ann(world, AS_OF - DAY, *names) == [first_date, recency, recency, recency]
        assert of_ann(world, AS_OF, *names) == [first_date, recency + 1, recency + 1, recency + 1]


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Shanghai"])
@pytest.mark.parametrize("days", load_pack().schema.measures.windows)
def test_a_window_that_begins_in_the_middle_of_a_local_date_counts_what_of_it_is_inside(tmp_path: Path, days: int, zone: str):
    """An hour before and an hour after UTC midnight, at both ends of a window, both hours on one local date: inside it is one day,
    one item and one visit of each end; before the window, and by then in all, they were the same ones."""
    opens = datetime(2024, 3, 1) - timedelta(days=days)
    hour = timedelta(hours=1)
    with World(tmp_path, opens.date() - 3 * DAY, date(2024, 3, 4), zone=zone).open() as world:
        world.land(
            *(
                event(n, "ann", str(moment))
                for n, moment in enumerate(
                    (opens - hour, opens + hour, datetime(2024, 3, 1) - hour, datetime(2024, 3, 1) + hour)
                )
            )
        )
        world.derive()
        counted = ("active_days", "purchase_days", "item_days", "visits")
        names = [f"{name}_{days}d" for name in counted]
        assert of_ann(world, AS_OF - DAY, *names, *counted) == [2] * 8  # of the last date the first hour is there
        assert (
            of_ann(world, AS_OF, *names, *counted) == [1] * 4 + [2] * 4
        )  # its second hour is no other date; the first window day left
        assert of_ann(world, AS_OF + days * DAY - DAY, *names) == [1] * 4  # the second hour alone holds the date
        assert of_ann(world, AS_OF + days * DAY, *names) == [0] * 4


def test_a_session_over_utc_midnight_is_one_visit_of_the_part_of_the_day_it_begins_in(tmp_path: Path):
    with World(tmp_path, zone="UTC").open() as world:
        world.land(
            event(1, "ann", "2024-01-12 23:50", "view", session="s"),  # a Friday
            event(2, "ann", "2024-01-13 00:10", "view", session="s"),
            event(3, "ann", "2024-01-13 23:59", "view", session="s"),
            event(4, "ann", "2024-01-14 00:00", session="s"),
            event(5, "ann", "2024-01-16 00:00", "view", session="s"),  # two days later: another visit
        )
        world.derive()
        rows = world.rows(
            "select visits, evening_visits, night_visits, weekend_visits, active_days, carried_visits "
            "from features.user_state order by event_date"
        )
        assert [tuple(row.values()) for row in rows] == [
            (1, 1, 0, 0, 1, 0), (1, 1, 0, 0, 2, 1), (1, 1, 0, 0, 3, 1), (2, 1, 1, 0, 4, 0),
        ]  # fmt: skip


def test_a_review_the_day_before_makes_no_visit_go_on(world: World):
    world.land(
        event(1, "ann", "2024-01-10 23:50", "review", session="s"),
        event(2, "ann", "2024-01-11 00:30", session="s"),
    )
    world.derive()
    assert of_ann(world, date(2024, 1, 11), "visits", "active_days") == [1, 1]


def test_gaps_are_between_local_dates(world: World):
    """Bought on the evenings of 1, 4 and 10 January, each time past midnight UTC, once on both sides of it."""
    world.land(
        event(1, "ann", "2024-01-02 01:00"),
        event(2, "ann", "2024-01-04 23:00"),
        event(3, "ann", "2024-01-05 01:00"),
        event(4, "ann", "2024-01-11 01:00"),
    )
    world.derive()
    names = ("purchase_days", "mean_gap_days", "std_gap_days", "last_gap_days", "last_purchase_date", "purchase_recency_days")
    assert of_ann(world, date(2024, 1, 11), *names) == [3, 4.5, 1.5, 6, date(2024, 1, 10), 1]


def test_a_part_of_the_days_goes_on_in_the_middle_of_a_local_date(world: World):
    world.land(
        event(1, "ann", "2024-01-04 12:00", session="a"),
        event(2, "ann", "2024-01-05 12:00", session="b"),
        event(3, "ann", "2024-01-06 01:00", session="b", item="soap"),
        event(4, "ann", "2024-01-06 02:00", session="c"),
    )
    names = "purchase_days, visits, item_days, gap_days, gap_square_days"
    world.derive(end=date(2024, 1, 5)).derive(date(2024, 1, 6), date(2024, 1, 6))
    [row] = world.rows(f"select {names} from features.user_state where event_date = date '2024-01-06'")
    assert tuple(row.values()) == (2, 3, 3, 1, 1)
    whole = world.table(c.FEATURES_USER_STATE)
    assert_frame_equal(world.derive().table(c.FEATURES_USER_STATE), whole)


@pytest.mark.parametrize("after", [0, 1, 2, *(window + more for window in (7, 14, 30) for more in (-1, 0, 1, 2))])
def test_a_day_from_the_day_before_counts_local_dates_as_the_whole_past_does(world: World, after: int):
    """Two sessions, each over midnight UTC and on one local date, one day after the other."""
    busy = date(2024, 1, 10)
    world.land(
        *(
            event(f"{day}{time}", "ann", f"2024-01-{day} {time}", kind, session=f"s{day}")
            for day, time, kind in (
                (10, "23:30", "view"),
                (11, "01:00", "purchase"),
                (11, "23:30", "purchase"),
                (12, "01:00", "cart"),
            )
        )
    )
    world.derive()
    day, session = busy + after * DAY, world.session
    write_days(session, world.home, c.PORTRAITS_SNAPSHOTS, Window(day - DAY, day - DAY))
    stage_features(session, world.home, [day])
    derived = session.frame("from as_of_features")
    stage_next_day(session, world.home, day)
    gone_on = session.frame("from as_of_features")
    assert_frame_equal(gone_on.select(derived.columns).cast(dict(derived.schema)), derived, check_exact=True)


def test_cut_points_count_local_dates(world: World):
    """Of 16 January: ann's evening of the 10th met two UTC days and is one active day, six local dates ago."""
    world.land(event(1, "ann", "2024-01-10 23:30"), event(2, "ann", "2024-01-11 01:00"))
    world.build(end=date(2024, 2, 1))
    cuts = {row["measure"]: row["cuts"][0] for row in world.rows("from features.cut_points")}
    assert cuts == {"recency_days": 6, "active_days_365d": 1, "net_spend_cents_365d": 400, "purchases": 2}


@pytest.mark.parametrize(
    ("zone", "part"),
    [("Asia/Shanghai", "morning"), ("Pacific/Auckland", "afternoon"), ("America/New_York", "evening"), ("UTC", "evening")],
)
def test_a_visit_that_goes_on_is_of_no_second_part_of_the_day_and_no_second_weekend(tmp_path: Path, zone: str, part: str):
    """Saturday, ten minutes before and after midnight UTC: there it is Saturday or Sunday, and in UTC both."""
    with World(tmp_path, zone=zone).open() as world:
        world.land(
            event(1, "ann", "2024-01-13 23:50", "view", session="s"),
            event(2, "ann", "2024-01-14 00:10", "view", session="s"),
        )
        world.derive()
        parts = [f"{name}_visits" for name in ("night", "morning", "afternoon", "evening", "weekend")]
        assert of_ann(world, date(2024, 1, 14), "visits", *parts) == [
            1,
            *(int(name in (f"{part}_visits", "weekend_visits")) for name in parts),
        ]


def test_cut_points_count_a_local_date_that_their_year_begins_in(tmp_path: Path):
    """The year before 17 January 2024 begins on 17 January 2023: the evening that met it and the day before is in it."""
    with World(tmp_path, date(2023, 1, 10), date(2024, 2, 1)).open() as world:
        world.land(event(1, "ann", "2023-01-16 23:30"), event(2, "ann", "2023-01-17 01:00"))
        world.derive(end=date(2023, 1, 20))
        write_days(world.session, world.home, c.FEATURES_CUT_POINTS, Window(date(2024, 2, 1), date(2024, 2, 1)))
        cuts = {row["measure"]: row["cuts"][0] for row in world.rows("from features.cut_points")}
    assert (cuts["active_days_365d"], cuts["recency_days"], cuts["net_spend_cents_365d"]) == (1, 365, 200)
