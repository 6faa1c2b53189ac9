"""What must hold for every world: no future, any order, twice is once, a range is its days, names mean nothing."""

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from portrait_assets import columns as c
from portrait_assets.assets import daily, derivation
from portrait_assets.history import begin_history, history_start
from portrait_assets.lineage import stale_days
from portrait_assets.packs import load_pack
from portrait_assets.partitions import Window
from tests.small_world import MORE_MEASURES, NEW_YORK, World, event

FIRST, LAST = date(2024, 1, 20), date(2024, 2, 12)
AS_OF = date(2024, 2, 4)
MIDDLE = date(2024, 1, 30)
KNOWN = (
    c.CLEAN_EVENTS, c.FEATURES_VISIT, c.FEATURES_USER_DAY, c.FEATURES_USER_DAY_INTEREST, c.FEATURES_USER_STATE,
    c.FEATURES_INTERESTS, c.FEATURES_CUT_POINTS, c.PORTRAITS_SNAPSHOTS, c.PORTRAITS_CHANGES,
    c.PORTRAITS_AUDIENCES,
)  # fmt: skip
USERS = ("ann", "bob", "cat", "dan")
# A world costs half a second, so few, always the same, and a failing one is shown as it is.
EXAMPLES = settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
)

moments = st.one_of(
    st.integers(0, 24 * 60 * 24 - 1).map(lambda minute: datetime(2024, 1, 20) + timedelta(minutes=minute)),
    st.sampled_from([datetime(2024, 2, 4), datetime(2024, 2, 3, 23, 59, 59, 999_999), datetime(2024, 2, 1)]),
)
cents = st.integers(0, 60_000).map(lambda amount: amount / 100)


@st.composite
def bodies(draw: st.DrawFn, when: st.SearchStrategy[datetime] = moments) -> dict:
    """An event without a number."""
    kind = draw(st.sampled_from(["purchase", "purchase", "purchase", "view", "cart", "return", "exposure", "review", "coupon"]))
    return {
        "user": draw(st.sampled_from(USERS)),
        "time": str(draw(when)),
        "kind": kind,
        "item": draw(st.sampled_from(["milk", "cheese", "bread", "soap", "ufo", None])),
        "session": draw(st.sampled_from([None, "s1", "s2"])),
        "quantity": draw(st.sampled_from([1, 2, 0.5, None])),
        "amount": draw(st.one_of(st.none(), cents)),
        "discount": draw(st.sampled_from([None, 0, 0.5])),
        "coupon": draw(st.sampled_from([None, None, 1])),
        "rating": draw(st.sampled_from([None, 4.5])) if kind == "review" else None,
    }


def numbered(listed: list[dict], prefix: str = "") -> list[dict]:
    return [event(f"{prefix}{n}", **body) for n, body in enumerate(listed)]


worlds = st.lists(bodies(), min_size=4, max_size=25).map(numbered)
zones = st.sampled_from(["UTC", NEW_YORK, "Asia/Shanghai", "Pacific/Auckland"])
versions = st.lists(st.tuples(bodies(), st.integers(0, 4), st.integers(1, 3), st.booleans()), max_size=6).map(
    lambda told: [event(key, **body, version=version, deleted=gone) for body, key, version, gone in told]
)


@contextmanager
def made(*files: list[dict], zone: str = NEW_YORK, **settings_of_home: Any) -> Iterator[World]:
    """A world of its own with these files landed."""
    with (
        tempfile.TemporaryDirectory() as folder,
        World(Path(folder), FIRST, LAST, zone=zone, measures=MORE_MEASURES, **settings_of_home).open() as world,
    ):
        for file in files:
            if file:
                world.land(*file)
        yield world


def result(world: World, through: date | None = None, without: tuple[str, ...] = ()) -> dict[str, pl.DataFrame]:
    return {table.name: world.table(table, without, through) for table in KNOWN}


def advice(world: World, day: date) -> pl.DataFrame:
    world.recommend(day)
    return world.session.frame("from recommendations.top order by all")


def equal(left: pl.DataFrame, right: pl.DataFrame, name: str) -> None:
    """To the last bit; the message says which table."""
    try:
        assert_frame_equal(left, right, check_exact=True)
    except AssertionError as error:
        raise AssertionError(f"{name}: {error}") from None


def same(left: dict[str, pl.DataFrame], right: dict[str, pl.DataFrame]) -> None:
    assert left.keys() == right.keys()
    for name in left:
        equal(left[name], right[name], name)


@given(worlds, st.lists(bodies(st.one_of(st.just(datetime(2024, 2, 4)), moments.filter(lambda t: t >= datetime(2024, 2, 4)))),
                        min_size=1, max_size=12))  # fmt: skip
@EXAMPLES
def test_events_at_or_after_the_as_of_change_nothing_before_it(events: list[dict], future: list[dict]):
    day = AS_OF - timedelta(days=1)
    with made(events) as world:
        known = result(world.build(), through=day), world.features(AS_OF), advice(world, day)
    with made(events, numbered(future, "future")) as world:
        later = result(world.build(), through=day), world.features(AS_OF), advice(world, day)
    same(known[0], later[0])
    assert known[1] == later[1]
    equal(known[2], later[2], "advice")


@given(worlds, versions, st.randoms(use_true_random=False), st.integers(1, 4))
@EXAMPLES
def test_order_and_files_do_not_matter(events: list[dict], corrections: list[dict], random, count: int):
    """Versions of a key say which is newest, so any order of landing ends in the same tables."""
    lines = list({(line["id"], line["version"]): line for line in (*events, *corrections)}.values())
    by_order = ("batch_seq",)
    with made(lines) as world:
        expected = result(world.build(), without=by_order)
    random.shuffle(lines)
    with made(*(lines[n::count] for n in range(count))) as world:
        same(result(world.build(), without=by_order), expected)


@given(worlds, versions)
@EXAMPLES
def test_twice_is_once(events: list[dict], corrections: list[dict]):
    with made(events, corrections) as world:
        once = result(world.build())
        same(result(world.build()), once)
        if events:
            world.land(*events, *events)  # the same told again, in another file
        same(result(world.build()), once)


@given(worlds, zones)
@settings(EXAMPLES, max_examples=3)
def test_a_range_is_its_days_and_its_halves(events: list[dict], zone: str):
    with made(events, zone=zone) as world:
        whole = result(world.build())
    with made(events, zone=zone) as world:
        world.build(FIRST, MIDDLE).build(MIDDLE + timedelta(days=1), LAST)
        same(result(world), whole)
    with made(events, zone=zone) as world:
        for offset in range((LAST - FIRST).days + 1):
            day = FIRST + timedelta(days=offset)
            world.build(day, day)
        same(result(world), whole)


@given(worlds, versions, versions, st.lists(st.sampled_from(["milk", "ufo"]), max_size=1), zones)
@EXAMPLES
def test_refreshing_ends_where_a_recomputation_ends(
    events: list[dict], late: list[dict], later: list[dict], described: list[str], zone: str
):
    """Late events, corrections, retractions and new descriptions, each refreshed for the users they touch alone, in parts."""
    items = [{"item": item, "department": "new", "category": "novelty"} for item in described]
    with made(events, zone=zone) as world:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(daily, "DAYS_AT_ONCE", 5)
            patch.setattr(daily, "FEW_EVENTS", 0)
            world.refresh()
            for file in (late, later):
                if file:
                    world.land(*file)
                    world.refresh()
            if items:
                world.describe(*items)
            world.refresh()
        refreshed = result(world)
        assert not any(stale_days(world.session, world.home, world.home.days)[table.name] for table in KNOWN)
        same(refreshed, result(world.build()))


@given(worlds, versions)
@settings(EXAMPLES, max_examples=3)
def test_where_the_history_begins_changes_nothing_that_is_read(events: list[dict], late: list[dict]):
    """Interests are stored from there on alone: portraits after it and features before it are those of a whole history."""
    shown = (c.PORTRAITS_SNAPSHOTS, c.FEATURES_USER_STATE)
    with made(events, late) as world:
        world.build()
        days = [world.features(AS_OF + timedelta(days=n)) for n in (-9, 0, 1, 4)]
        whole = [world.table(table).filter(pl.col("event_date") >= AS_OF) for table in shown]
    with made(events) as world:
        begin_history(world.session, AS_OF + timedelta(days=3))
        world.refresh()
        if late:
            world.land(*late)
            world.refresh()
        assert world.features(AS_OF) == days[1]
        begin_history(world.session, AS_OF)
        world.refresh()
        assert history_start(world.session, world.home) == AS_OF
        assert world.session.scalar("select min(event_date) >= $day from features.interests", day=AS_OF) in (True, None)
        assert [world.features(AS_OF + timedelta(days=n)) for n in (-9, 0, 1, 4)] == days
        stored = [world.table(table).filter(pl.col("event_date") >= AS_OF) for table in shown]
        for left, right, table in zip(stored, whole, shown, strict=True):
            equal(left, right, table.name)
        assert not any(stale_days(world.session, world.home, world.home.days)[table.name] for table in KNOWN)


@given(worlds, zones)
@EXAMPLES
def test_state_is_the_sum_of_the_days(events: list[dict], zone: str):
    """Of all that is a sum; what is counted distinct has a test of its own."""
    with made(events, zone=zone) as world:
        summed = [measure.name for measure in world.session.schema.measures.of_operation("count", "sum")]
        sums = ", ".join(f"sum(days.{name})::bigint as {name}" for name in summed)
        world.build()
        expected = world.session.frame(
            f"select state.event_date, state.user_id, {sums} from features.user_state as state join features.user_day as days "
            "on state.user_id = days.user_id and days.event_date <= state.event_date group by all order by all"
        )
        stored = world.table(c.FEATURES_USER_STATE)
    equal(stored.select(expected.columns), expected, "features.user_state")


@given(worlds, zones)
@EXAMPLES
def test_windows_are_counts_of_events_and_dates_are_local(events: list[dict], zone: str):
    """At each day, by the way that carries on from the day before and by the way that looks at the past: what one counts by hand."""
    with made(events, zone=zone) as world:
        world.refresh()
        clean = world.rows("from clean.events")
        shown = world.rows("from portraits.snapshots order by event_date, user_id")
        derived = {day: world.features(day + timedelta(days=1)) for day in {row["event_date"] for row in shown}}
    assert shown
    for row in shown:
        expected, looked = by_hand(row, clean, zone), derived[row["event_date"]][row["user_id"]]
        assert {name: row[name] for name in expected} == expected
        assert {name: looked[name] for name in expected} == expected


def by_hand(row: dict, clean: list[dict], zone: str) -> dict:
    """What a portrait of that day and user has to count."""
    through = [line for line in clean if line["user_id"] == row["user_id"] and line["event_date"] <= row["event_date"]]
    instant = datetime.combine(row["event_date"] + timedelta(days=1), time(), UTC) - timedelta(microseconds=1)
    today, dates = instant.astimezone(ZoneInfo(zone)).date(), [line["local_date"] for line in through]
    active = [line["local_date"] for line in through if line["event_type"] != "exposure"]
    bought = sorted({line["local_date"] for line in through if line["event_type"] == "purchase"})
    gaps = [(later - sooner).days for sooner, later in itertools.pairwise(bought)]
    told = {
        "first_date": min(dates), "tenure_days": (today - min(dates)).days,
        "last_active_date": max(active, default=None), "recency_days": (today - max(active)).days if active else None,
        "purchase_days": len(bought), "active_days": len(set(active)), "visits": visits_of(through),
        "item_days": len(items_of(through)), "last_gap_days": gaps[-1] if gaps else None,
        "mean_gap_days": sum(gaps) / len(gaps) if gaps else None,
    }  # fmt: skip
    for days in (7, 14):
        inside = [line for line in through if line["event_date"] > row["event_date"] - timedelta(days=days)]
        told |= {
            f"active_days_{days}d": len({line["local_date"] for line in inside if line["event_type"] != "exposure"}),
            f"purchase_days_{days}d": len({line["local_date"] for line in inside if line["event_type"] == "purchase"}),
            f"item_days_{days}d": len(items_of(inside)),
            f"visits_{days}d": visits_of(inside),
            f"net_spend_cents_{days}d": sum(
                (line["amount_cents"] or 0) * {"purchase": 1, "return": -1}.get(line["event_type"], 0) for line in inside
            ),
        }
    return told


def items_of(lines: list[dict]) -> set[tuple]:
    """The items bought, each local date anew."""
    return {(line["item_id"], line["local_date"]) for line in lines if line["event_type"] == "purchase" and line["item_id"]}


def visits_of(lines: list[dict]) -> int:
    """Visits with a shopping act, one over midnight once: of the days of each, those that do not follow on another of it."""
    days = {
        (line["visit_id"], line["event_date"]) for line in lines if line["event_type"] in ("view", "search", "cart", "purchase")
    }
    return sum((visit, day - timedelta(days=1)) not in days for visit, day in days)


@given(worlds, st.permutations(["zed", "yan", "xia", "wim"]))
@EXAMPLES
def test_renaming_users_renames_the_result_and_nothing_else(events: list[dict], names: list[str]):
    """Declared attributes are of ann and bob by name, so they are left out of the comparison."""
    renamed = dict(zip(USERS, names, strict=True))
    declared = tuple(f"{name}{part}" for name in load_pack().schema.attribute_names for part in ("", "_origin", "_probability"))
    with made(events) as world:
        world.build()
        before = {
            table.name: world.table(table, without=declared).with_columns(pl.col("user_id").replace_strict(renamed))
            for table in KNOWN
            if "user_id" in world.session.schema.of(table).column_names
        }
        before["advice"] = advice(world, LAST).with_columns(pl.col("user_id").replace_strict(renamed))
    with made([{**line, "user_id": renamed[line["user_id"]]} for line in events]) as world:
        world.build()
        after = {
            name: world.table(next(t for t in KNOWN if t.name == name), without=declared) for name in before if name != "advice"
        }
        after["advice"] = advice(world, LAST)
    for name, frame in before.items():
        attribute = ("age", "income", "declared_profile")
        kept = [
            frame.filter(~pl.col("tag_id").is_in(attribute)) if "tag_id" in frame.columns else frame
            for frame in (frame, after[name])
        ]
        keys = [column for column in frame.columns if frame[column].dtype not in (pl.List, pl.Struct)]
        equal(kept[0].sort(keys), kept[1].sort(keys), name)


@given(worlds, versions, st.integers(1, 6))
@EXAMPLES
def test_a_window_written_in_pieces_is_the_window(events: list[dict], told_again: list[dict], most: int):
    with made(events, told_again) as world:
        whole = result(world.build())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(daily, "EVENTS_AT_ONCE", most)
            patch.setattr(daily, "DAYS_AT_ONCE", most)
            patch.setattr(daily, "FEW_EVENTS", 0)
            patch.setattr(derivation, "USER_DAYS_AT_ONCE", 10 * most)
            patch.setattr(derivation, "INTEREST_LOOKS_AT_ONCE", most)
            same(result(world.build()), whole)


def test_pieces_hold_as_many_events_as_they_may_and_whole_days():
    days = {"2024-01-20": 2, "2024-01-22": 1, "2024-01-23": 5, "2024-01-24": 1}
    with made([event(f"{day} {n}", "ann", f"{day} 10:00") for day, count in days.items() for n in range(count)]) as world:
        pieces = daily.pieces_of(world.session, Window(FIRST, LAST), 3)
    assert [(str(piece.start), str(piece.end)) for piece in pieces] == [
        ("2024-01-20", "2024-01-22"), ("2024-01-23", "2024-01-23"), ("2024-01-24", str(LAST)),
    ]  # fmt: skip


def test_a_piece_of_many_days_has_few_events(monkeypatch: pytest.MonkeyPatch):
    days = {"2024-01-20": 2, "2024-01-22": 1, "2024-01-23": 5, "2024-01-24": 1}
    long_ago = Window(date(1970, 1, 5), LAST)
    with made([event(f"{day} {n}", "ann", f"{day} 10:00") for day, count in days.items() for n in range(count)]) as world:
        assert daily.pieces_of(world.session, long_ago, most=9, days=31) == [long_ago]
        monkeypatch.setattr(daily, "FEW_EVENTS", 2)
        pieces = daily.pieces_of(world.session, Window(FIRST, LAST), most=9, days=2)
    assert [(str(piece.start), str(piece.end)) for piece in pieces] == [
        ("2024-01-20", "2024-01-21"), ("2024-01-22", "2024-01-23"), ("2024-01-24", str(LAST)),
    ]  # fmt: skip
