"""The whole benchmark, tiny: that it measures what it says, and that what it measures is right. Never how long it takes."""

import json
import os
import re
import resource
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from portrait_assets.bench.generation import Generated, generate
from portrait_assets.bench.path import GIB, Figures, Measured, measure, operations, statements
from portrait_assets.bench.processes import apart
from portrait_assets.bench.report import Report, surroundings
from portrait_assets.bench.watch import Watch
from portrait_assets.serving.measure import figures as figures_of_service
from portrait_assets.serving.measure import measure as measure_service
from portrait_assets.settings import Settings

EVENTS, LATE_EVENTS = 20_000, 50
STEPS = ("land", "clean_events", "features_user_day", "portraits_snapshots", "portraits_changes", "publish", "close")


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Generated:
    return generate(tmp_path_factory.mktemp("generated"), EVENTS, days=2, late_events=LATE_EVENTS)


@pytest.fixture(scope="module")
def measured(generated: Generated, tmp_path_factory: pytest.TempPathFactory) -> Measured:
    return measure(generated, tmp_path_factory.mktemp("home"), is_verified=True)


def lines(folder: Path, pattern: str) -> pl.DataFrame:
    return pl.concat([pl.read_parquet(file) for file in sorted(folder.glob(pattern))])


def test_whole_baskets_of_fresh_households_fill_one_year(generated: Generated) -> None:
    year = lines(generated.mapping.parent, "transactions-2017-*.parquet")
    assert abs(len(year) - EVENTS) < EVENTS / 2
    assert year["household_id"].n_unique() == generated.households
    assert year.select("basket_id", "product_id").is_duplicated().sum() == 0
    of_basket = year.group_by("basket_id").agg(pl.col("household_id", "store_id", "transaction_timestamp").n_unique())
    assert of_basket.drop("basket_id").max().row(0) == (1, 1, 1)
    assert year["transaction_timestamp"].dt.year().unique().to_list() == [2017]


def test_a_day_file_holds_that_day_and_a_late_file_days_before(generated: Generated) -> None:
    days = [day for day, _ in generated.days]
    assert days == [date(2018, 1, 1), date(2018, 1, 2)]
    for day, file in generated.days:
        assert pl.read_parquet(file)["transaction_timestamp"].dt.date().unique().to_list() == [day]
    late = pl.read_parquet(generated.late)
    assert len(late) == LATE_EVENTS == late["basket_id"].n_unique()
    assert set(late["transaction_timestamp"].dt.date()) <= set(days)


def test_no_event_is_generated_twice(generated: Generated) -> None:
    everything = pl.concat(
        [
            lines(generated.mapping.parent, "transactions-2017-*.parquet"),
            lines(generated.late.parent, "transactions-*.parquet"),
        ]
    )
    assert everything.select("basket_id", "product_id").is_duplicated().sum() == 0


def test_same_sizes_generate_the_same_events(generated: Generated, tmp_path: Path) -> None:
    again = generate(tmp_path, EVENTS, days=2, late_events=LATE_EVENTS)
    for (_, first), (_, second) in zip(generated.days, again.days, strict=True):
        assert pl.read_parquet(first).equals(pl.read_parquet(second))
    assert pl.read_parquet(generated.late).equals(pl.read_parquet(again.late))


def test_after_the_late_events_the_home_equals_a_recomputation(measured: Measured) -> None:
    assert measured.figures["equal_after_late"] is True


def test_every_operation_is_the_sum_of_its_steps_over_one_raw_pass(measured: Measured) -> None:
    """A step over R is rounded to a hundredth, so the sum of n of them may be off by n half hundredths."""
    figures = measured.figures
    for operation in ("full", "day", "late"):
        steps = {step: figures[f"{operation}_{step}_over_raw"] for step in steps_of(figures, operation)}
        assert set(STEPS) <= steps.keys() and min(steps.values()) >= 0
        if operation != "day":  # a median of sums is no sum of medians
            assert sum(steps.values()) == pytest.approx(figures[f"{operation}_over_raw"], abs=0.005 * len(steps) + 0.05)
        assert figures[f"{operation}_over_raw"] == pytest.approx(
            figures[f"{operation}_seconds"] / figures["raw_pass_seconds"], rel=0.05
        )
        rows = measured.statements[operation]
        assert {step for step, *_ in rows} <= steps.keys()
        assert [row[2] for row in rows] == sorted((row[2] for row in rows), reverse=True)
    assert figures["day_seconds"] <= figures["day_worst_seconds"]


def steps_of(figures: Figures, operation: str) -> list[str]:
    found = (re.fullmatch(f"{operation}_(.+)_over_raw", name) for name in figures)
    return [match[1] for match in found if match]


def test_memory_and_disk_are_those_of_the_process_and_its_home(measured: Measured) -> None:
    figures, now = measured.figures, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert 0.1 <= figures["peak_gib"] <= now / GIB + 0.005
    parts = figures["disk_warehouse_gib"] + figures["disk_published_gib"]
    assert figures["disk_warehouse_gib"] > 0 and parts <= figures["disk_gib"] + 0.002 and figures["disk_gib"] < 1


def watch_of(seconds: float, cpu_seconds: float, **steps: float) -> Watch:
    watch = Watch()
    watch._mark, watch.cpu_seconds = watch.began + seconds, cpu_seconds
    watch.steps.update(steps)
    return watch


def test_figures_by_hand() -> None:
    """R is two seconds, half a second of a processor."""
    days = [watch_of(9, 3, land=8, close=1), watch_of(3, 1, land=1, close=2), watch_of(6, 4, land=3, look=3)]
    full, late = watch_of(100, 40, land=60, publish=40), watch_of(5, 2, land=5)
    assert operations(1_000, 2.0, 0.5, full, days, late) == {
        "raw_pass_seconds": 2.0, "full_over_raw": 50.0, "day_over_raw": 3.0, "late_over_raw": 2.5,
        "full_seconds": 100.0, "day_seconds": 6.0, "day_worst_seconds": 9.0, "late_seconds": 5.0, "full_events_per_second": 10,
        "full_cpu_over_raw_cpu": 80.0, "day_cpu_over_raw_cpu": 6.0, "late_cpu_over_raw_cpu": 4.0,
        "full_land_over_raw": 30.0, "full_publish_over_raw": 20.0, "day_land_over_raw": 1.5, "day_close_over_raw": 0.5,
        "day_look_over_raw": 0.0, "late_land_over_raw": 2.5,
    }  # fmt: skip


def test_what_the_service_did_by_hand() -> None:
    """Cards of 1 to 199 ms: half take up to 100, and 99 of 100 up to 198."""
    found = figures_of_service([20, 30, 0, 50], 0.4, [k / 1000 for k in range(199, 0, -1)], {"p50": 7.5, "p99": 80.0})
    assert found == {
        "ack_events_per_second": 250.0, "ack_to_visible_p50_ms": 7.5, "ack_to_visible_p99_ms": 80.0,
        "card_p50_ms": 100.0, "card_p99_ms": 198.0,
    }  # fmt: skip


def test_a_report_keeps_the_sizes_that_were_not_measured(measured: Measured, tmp_path: Path) -> None:
    (tmp_path / "bench.json").write_text('{"full_over_raw_100m": 5.0, "measured_on_100m": "2020-01-01", "of_old": 1}')
    report = Report(tmp_path)
    report.add("10m", measured, surroundings(Settings()))
    report.add_service({"card_p99_ms": 12.0}, surroundings(Settings()))
    report.write()
    written = json.loads((tmp_path / "bench.json").read_text())
    assert written["full_over_raw_100m"] == 5.0 and written["measured_on_100m"] == "2020-01-01"
    assert written["day_over_raw_10m"] == measured.figures["day_over_raw"]
    assert written["card_p99_ms"] == 12.0 and "of_old" not in written
    page = (tmp_path / "README.md").read_text()
    assert "`portraits_snapshots`" in page and "`publish`" in page
    assert (tmp_path / "cost.png").read_bytes().startswith(b"\x89PNG")


def test_what_no_statement_took_is_told_as_outside_duckdb() -> None:
    watch = Watch()
    watch.steps["publish"] = 3.0
    watch.statements["publish", "select 1"] = 2.0
    assert statements(watch, 1.0) == [("publish", "select 1", 2.0, 2.0), ("publish", "(outside DuckDB)", 1.0, 1.0)]


def test_sizes_are_measured_in_processes_of_their_own() -> None:
    assert apart(os.getpid) != os.getpid()


def test_the_service_is_measured_on_a_home_of_its_own(generated: Generated, tmp_path: Path) -> None:
    figures = measure_service(tmp_path, seconds=1.0, source=str(generated.mapping))
    assert figures.keys() == {
        "ack_events_per_second",
        "ack_to_visible_p50_ms",
        "ack_to_visible_p99_ms",
        "card_p50_ms",
        "card_p99_ms",
    }
    assert 0 < figures["ack_to_visible_p50_ms"] <= figures["ack_to_visible_p99_ms"]
    assert 0 < figures["card_p50_ms"] <= figures["card_p99_ms"]
