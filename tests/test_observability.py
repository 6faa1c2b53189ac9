"""What is unusual is told, by name and number, and what is usual is not: days, mixes, layers, drift, files that fail."""

import json
import os
from datetime import date, timedelta
from math import log
from pathlib import Path

import dagster as dg
import pytest
from rich.console import Console

from portrait_assets import columns as c
from portrait_assets import sources, watches
from portrait_assets.errors import PortraitError
from portrait_assets.home import open_home
from portrait_assets.observability import (
    drift,
    drift_told,
    last_good_day,
    measure_drift,
    mix_told,
    odd_mixes,
    odd_volumes,
    outdated,
    reach,
    volume_told,
)
from portrait_assets.partitions import DAY, Window
from portrait_assets.status import show_status, status
from portrait_assets.watches import LAYER_ENDS, WATCHES
from tests.small_world import FIRST_DAY, LAST_DAY, NOW, World, event

USUAL = 40  # events a day: the root is 6.3, five of them 31.6, so 8 to 71 are usual
DAYS = Window(FIRST_DAY, LAST_DAY)
EARLIER = LAST_DAY - 28 * DAY


def busy(world: World, views: int = 0, **other: int) -> None:
    """Forty events on every day but those in `other` (as d0330=80), the first `views` of each being views."""
    counts = {day: other.get(f"d{day:%m%d}", USUAL) for day in DAYS}
    world.land(
        *(
            event(f"{day}|{n}", "ann", f"{day} 12:00", kind="view" if n < views else "purchase")
            for day, count in counts.items()
            for n in range(count)
        )
    )


def told(frame, words) -> list[str]:
    return [words(row) for row in frame.iter_rows(named=True)]


# ---------------------------------------------------------------------------------------------------------------- volumes


def test_usual_days_are_not_told(world: World):
    busy(world)
    assert odd_volumes(world.session, DAYS).is_empty() and odd_mixes(world.session, DAYS).is_empty()


@pytest.mark.parametrize(("count", "is_odd"), [(0, True), (8, True), (9, False), (71, False), (72, True), (400, True)])
def test_a_silent_day_and_a_spike_are_told_with_what_was_expected(world: World, count: int, is_odd: bool):
    busy(world, d0327=count)
    said = told(odd_volumes(world.session, DAYS), volume_told)
    assert said == ([f"2024-03-27: {count} events, expected about 40"] if is_odd else [])


def test_a_weekday_is_compared_with_its_like(world: World):
    sundays = {f"d{day:%m%d}": 200 for day in DAYS if day.isoweekday() == 7}
    busy(world, **{**sundays, "d0331": 40, "d0330": 200})
    assert told(odd_volumes(world.session, DAYS), volume_told) == [
        "2024-03-30: 200 events, expected about 40",
        "2024-03-31: 40 events, expected about 200",
    ]


def test_one_odd_day_does_not_make_the_next_ones_odd_nor_is_it_news_for_ever(world: World):
    busy(world, d0313=4000)
    assert odd_volumes(world.session, DAYS).is_empty()  # more than two weeks ago; and 20 and 27 March are as usual
    assert told(odd_volumes(world.session, Window(FIRST_DAY, date(2024, 3, 20))), volume_told) == [
        "2024-03-13: 4,000 events, expected about 40"
    ]


def test_without_four_weeks_before_nothing_is_expected(world: World):
    busy(world, d0128=4000, d0129=4000)
    early = odd_volumes(world.session, Window(FIRST_DAY, date(2024, 1, 29)))
    assert early["event_date"].to_list() == [date(2024, 1, 29)]  # the fifth Monday; the 28th is the fourth Sunday


# ------------------------------------------------------------------------------------------------------------------- mix


def test_another_mix_of_events_is_told_by_type(world: World):
    busy(world, views=10)  # a quarter of the events are views: one deviation is 7 %, five are 34 %
    world.land(*(event(f"more|{n}", "ann", "2024-03-29 13:00", kind="view") for n in range(100)))
    assert told(odd_mixes(world.session, DAYS), mix_told) == [
        "2024-03-29: 21.4% of events are purchase, expected about 75.0%",
        "2024-03-29: 78.6% of events are view, expected about 25.0%",
    ]


def test_a_small_day_has_no_mix(world: World):
    busy(world, views=10, d0329=10)
    assert odd_mixes(world.session, DAYS).is_empty()


# ----------------------------------------------------------------------------------------------------------------- layers


def test_each_layer_says_how_far_it_is_behind_and_the_last_good_day_is_good_in_all(world: World):
    assert reach(world.session, world.home) == []
    assert last_good_day(world.session, world.home) is None
    world.land(event(1, "ann", "2024-01-10 12:00"), event(2, "bob", "2024-03-31 12:00"))
    world.build(FIRST_DAY, date(2024, 3, 20))
    world.derive(date(2024, 3, 21), date(2024, 3, 28))
    layers = {each.layer: (each.newest, each.lag_days) for each in reach(world.session, world.home)}
    assert layers["raw"] == (LAST_DAY, 0)
    assert layers["clean"] == (date(2024, 3, 28), 3)
    assert layers["portraits"] == (date(2024, 3, 20), 11)
    found, numbers = watches.freshness("clean", world.session, world.home)
    assert found == [
        "clean has come to 2024-03-28, 3 days behind the newest landed event; `portrait refresh` brings it up to date"
    ]
    assert numbers["lag of portraits (days)"] == 11 and watches.freshness("raw", world.session, world.home)[0] == []


def test_the_last_good_day_is_before_what_is_stale(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("portrait_assets.observability.LAYERS_DAILY", ("clean.events", "portraits.snapshots"))  # no model here
    world.land(event(1, "ann", "2024-01-10 12:00"))
    world.build(FIRST_DAY, date(2024, 3, 20))
    assert last_good_day(world.session, world.home) == date(2024, 3, 20)
    world.land(event(2, "ann", "2024-02-05 12:00"))
    assert last_good_day(world.session, world.home) == date(2024, 2, 4)


# ------------------------------------------------------------------------------------------------------------------ drift


def portraits(world: World, day: date, since: date = date(2023, 1, 1), **values: list) -> None:
    """Rows of portraits.snapshots by hand: one user a value, first seen at `since`, the other columns null."""
    [(name, given)] = values.items()
    for n, value in enumerate(given):
        world.session.execute(
            f"insert into portraits.snapshots by name select $day as event_date, $user as user_id, $since as first_date, $value as {name}",
            day=day, user=str(n), since=since, value=value,
        )  # fmt: skip


def psi(world: World, feature: str) -> float | None:
    rows = {row["feature"]: row["psi"] for row in drift(world.session).iter_rows(named=True)}
    return rows.get(feature)


def test_psi_by_hand(world: World):
    portraits(world, EARLIER, recency_days=[0] * 5 + [10] * 5)
    portraits(world, LAST_DAY, recency_days=[0] * 9 + [10])
    assert measure_drift(world.session, LAST_DAY) == 1
    # Two bins, half a user added to each: 5.5 and 5.5 of 11 before, 9.5 and 1.5 of 11 now.
    by_hand = (9.5 - 5.5) / 11 * log(9.5 / 5.5) + (1.5 - 5.5) / 11 * log(1.5 / 5.5)
    [row] = drift(world.session).to_dicts()
    assert row["psi"] == pytest.approx(by_hand, abs=1e-12)
    assert (row["users"], row["users_before"], row["moved_bin"]) == (10, 10, "over 0 to 10")
    assert (row["moved_from"], row["moved_to"]) == (pytest.approx(0.5), pytest.approx(1.5 / 11))
    assert drift_told(row).startswith(
        "recency_days: PSI 0.67 against 2024-03-03; users with a value over 0 to 10 went from 50% to 14%; look at the volume"
    )


def test_the_same_distribution_has_no_drift_however_many_users(world: World):
    portraits(world, EARLIER, spend_cents_30d=list(range(100)))
    portraits(world, LAST_DAY, spend_cents_30d=[value for value in range(100) for _ in range(3)])
    measure_drift(world.session, LAST_DAY)
    assert psi(world, "spend_cents_30d") == pytest.approx(0, abs=1e-4)


def test_bins_are_frozen_on_the_earlier_day_and_beyond_them_is_a_bin(world: World):
    portraits(world, EARLIER, spend_cents_30d=list(range(1, 11)))
    portraits(world, LAST_DAY, spend_cents_30d=[1000] * 10)
    measure_drift(world.session, LAST_DAY)
    [row] = drift(world.session).to_dicts()
    assert row["moved_bin"] == "over 9" and row["psi"] > 1.5


def test_unknown_is_a_bin_and_a_feature_that_was_not_there_has_no_drift(world: World):
    portraits(world, EARLIER, churn_14d=[0.5] * 10)
    portraits(world, LAST_DAY, churn_14d=[0.5] * 5 + [None] * 5)
    measure_drift(world.session, LAST_DAY)
    assert psi(world, "churn_14d") == pytest.approx((5.5 - 10.5) / 11 * log(5.5 / 10.5) + (5.5 - 0.5) / 11 * log(5.5 / 0.5))
    assert psi(world, "recency_days") is None


@pytest.mark.parametrize(("since", "measured"), [(EARLIER - 28 * DAY, 0), (EARLIER - 29 * DAY, 1)])
def test_a_window_that_was_not_full_on_the_earlier_day_is_not_compared(world: World, since: date, measured: int):
    for day in (EARLIER, LAST_DAY):
        portraits(world, day, since, spend_cents_30d=[1, 2, 3])
    assert measure_drift(world.session, LAST_DAY) == measured  # 29 days with the earlier one itself; then 30


def test_without_portraits_four_weeks_before_nothing_is_measured(world: World):
    portraits(world, LAST_DAY, recency_days=[1, 2, 3])
    assert measure_drift(world.session, LAST_DAY) == 0
    assert watches.stability(world.session, world.home) == ([], {})


TRAINED = date(2024, 2, 27)  # a model of that instant: 26 February is the last day it learnt from


def champion(world: World, through: date = TRAINED, status: str = "champion") -> None:
    world.session.execute(
        "insert into models.registry by name select $version as version, $through as trained_through, $status as status",
        version=f"{status} {through}", through=through, status=status,
    )  # fmt: skip


def moved(world: World) -> None:
    """As on the model's last day four weeks ago; quite another thing now."""
    portraits(world, TRAINED - DAY, recency_days=[0] * 5 + [10] * 5)
    portraits(world, EARLIER, recency_days=[0] * 9 + [10])
    portraits(world, LAST_DAY, recency_days=[0] * 9 + [10])
    measure_drift(world.session, LAST_DAY)


def test_drift_is_measured_since_the_training_too_and_asks_for_the_last_whole_week(world: World):
    champion(world)
    moved(world)
    assert drift(world.session)["psi"].to_list() == [pytest.approx(0)]  # as four weeks before
    assert drift(world.session, before=TRAINED - DAY)["psi"].to_list() == [pytest.approx(0.67, abs=0.01)]
    found = outdated(world.session, world.home)
    assert found.week_start == date(2024, 3, 25)  # LAST_DAY is a Sunday: its week is over
    assert found.why.startswith("recency_days: PSI 0.67 against 2024-02-26")


@pytest.mark.parametrize(
    ("through", "status", "asks"),
    [(date(2024, 3, 25), "rejected", True), (date(2024, 4, 1), "rejected", False), (date(2024, 4, 1), "rolled back", False)],
)
def test_a_week_that_was_trained_is_not_asked_for_again_whatever_the_gate_said(
    world: World, through: date, status: str, asks: bool
):
    champion(world)
    moved(world)
    champion(world, through, status)
    found = outdated(world.session, world.home)
    assert isinstance(found, str) is not asks
    assert asks or "a model was trained through 2024-04-01" in found


def test_without_drift_or_model_nothing_is_to_be_trained(world: World):
    assert "there is nothing to have moved away from" in outdated(world.session, world.home)
    portraits(world, LAST_DAY, recency_days=[0] * 9 + [10])
    portraits(world, TRAINED - DAY, recency_days=[0] * 9 + [10])
    champion(world)
    measure_drift(world.session, LAST_DAY)
    assert outdated(world.session, world.home).startswith("by 2024-03-31 no key feature has a PSI above 0.2 since 2024-02-26")


def test_a_model_of_yesterday_is_no_earlier_day(world: World):
    """A model trained to the end of the published day itself has nothing after its last day yet."""
    champion(world, LAST_DAY + DAY)
    portraits(world, LAST_DAY, recency_days=[0] * 9 + [10])
    assert measure_drift(world.session, LAST_DAY) == 0


def test_measuring_again_replaces(world: World):
    portraits(world, EARLIER, recency_days=[0] * 5 + [10] * 5)
    portraits(world, LAST_DAY, recency_days=[0] * 10)
    assert measure_drift(world.session, LAST_DAY) == measure_drift(world.session, LAST_DAY) == 1
    found, numbers = watches.stability(world.session, world.home)
    assert len(found) == 1 and list(numbers) == ["recency_days"]


# ----------------------------------------------------------------------------------------------------------- files that fail


def test_a_file_that_can_not_be_landed_is_named_and_remembered_until_it_is(world: World):
    good = world.shop / "events-good.ndjson"
    good.write_text(json.dumps(event(1, "ann", "2024-01-10 12:00")) + "\n")
    bad = world.shop / "events-z.parquet"
    bad.write_bytes(b"PAR1 cut short")
    with pytest.raises(PortraitError, match=r"events-z\.parquet was not landed, nothing of it: .*it goes on here"):
        sources.land(world.session.connection, world.home.source, NOW, [good, bad])
    assert world.session.count(c.RAW_EVENTS) == 1
    [failure] = world.rows("from raw.failures")
    assert (failure["files"], failure["stream"]) == ("events-z.parquet", "events") and "can't be read as parquet" in failure[
        "reason"
    ]
    world.session.execute(f"copy (select * from '{good}') to '{bad}' (format parquet)")
    sources.land(world.session.connection, world.home.source, NOW, [good, bad])
    assert world.rows("from raw.failures") == []


# ---------------------------------------------------------------------------------------------------------- checks, status


@pytest.fixture
def odd(tmp_path: Path) -> World:
    """A closed world with a silent day, a file that waits and one that failed."""
    world = World(tmp_path)
    open_home(world.home.settings, source=str(world.shop / "corner_shop.toml"))
    with world.open():
        busy(world, d0327=0)
        bad = world.shop / "events-bad.parquet"
        bad.write_bytes(b"PAR1")
        with pytest.raises(PortraitError):
            sources.land(world.session.connection, world.home.source, NOW, [bad])
        world.build(FIRST_DAY, FIRST_DAY + 3 * DAY)
    return world


def test_a_watch_warns_and_blocks_nothing(odd: World):
    [volume] = [watch for watch in WATCHES for spec in watch.check_specs if spec.name == "volume"]
    result = volume(warehouse=odd.home.warehouse, home=odd.home)
    assert not result.passed and result.severity == dg.AssetCheckSeverity.WARN
    assert result.description == "2024-03-27: 0 events, expected about 40"
    specs = [spec for watch in WATCHES for spec in watch.check_specs]
    assert not any(spec.blocking for spec in specs)
    assert {spec.asset_key.to_user_string() for spec in specs} == {
        "raw/events",
        "observability/drift",
        "observability/tag_quality",
        *LAYER_ENDS.values(),
    }


def test_status_tells_what_needs_a_person(odd: World):
    waiting = odd.home.settings.landing_dir / "canonical-x.ndjson"
    waiting.parent.mkdir(parents=True)
    waiting.write_text("{}\n")
    os.utime(waiting, (0, 0))
    found = status(odd.home)
    assert found["pending"] == ["canonical-x.ndjson"]
    assert [line["files"] for line in found["failed"]] == ["events-bad.parquet"]
    assert [row["event_date"] for row in found["odd_volumes"]] == [date(2024, 3, 27)]
    assert {line["layer"]: line["lag_days"] for line in found["layers"]}["clean"] == (LAST_DAY - FIRST_DAY).days - 3
    console = Console(record=True, width=200)
    show_status(console, found)
    said = console.export_text()
    for words in (
        "2024-03-27: 0 events, expected about 40",
        "canonical-x.ndjson",
        "events-bad.parquet (events)",
        "Last good day",
    ):
        assert words in said
    json.dumps(found, default=str)


def test_days_of_a_window_are_the_news():
    from portrait_assets.observability import recent

    assert recent(DAYS) == Window(date(2024, 3, 18), LAST_DAY)
    assert recent(Window(LAST_DAY - timedelta(days=2), LAST_DAY)) == Window(LAST_DAY - timedelta(days=2), LAST_DAY)
