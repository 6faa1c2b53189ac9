"""A year step by step: each moment counts under one step, each reading under the step it was taken in; and the real commands, on a tiny shop."""

import os
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from portrait_assets.bench.report import Report
from portrait_assets.bench.timeline import BETWEEN, CHECKS, LOOKS, TRAINING, Cost, Span, Timeline, watched
from portrait_assets.bench.year import GIB, Year, measure
from portrait_assets.resources.warehouse import Warehouse
from tests.small_world import event, write_lines, write_mapping

SPANS = [
    Span("look for new files", 102.0, 103.0),
    Span("landing", 103.5, 110.0),
    Span("check raw.events.day_is_utc_day", 110.0, 110.5),
    Span("check raw.batches.rows_accounted_for", 111.0, 111.25),
    Span("read for training", 112.0, 115.0),
    Span("record the model", 145.0, 146.0),
    Span("look for stale portraits", 146.0, 147.0),
]
READINGS = [(102.5, 1), (103.25, 2), (104.0, 9), (109.0, 8), (110.25, 3), (111.125, 4), (114.0, 5), (130.0, 20), (145.5, 7), (147.0, 6), (149.0, 2)]  # fmt: skip


def test_every_moment_and_every_reading_counts_under_one_step():
    costs = Timeline(100.0, 150.0, SPANS, READINGS).costs()
    assert costs == {
        BETWEEN: Cost(2.0 + 0.5 + 0.0 + 0.5 + 0.75 + 0.0 + 3.0, 2),
        LOOKS: Cost(1.0 + 1.0, 6),
        "landing": Cost(6.5, 9),
        CHECKS: Cost(0.5 + 0.25, 4),
        "read for training": Cost(3.0, 5),
        TRAINING: Cost(30.0, 20),
        "record the model": Cost(1.0, 7),
    }
    assert sum(cost.seconds for cost in costs.values()) == 150.0 - 100.0


def test_the_figures_of_a_year_are_those_of_its_steps_with_training_apart():
    run = Timeline(100.0, 150.0, SPANS, [(moment, gib * GIB // 2) for moment, gib in READINGS])
    refresh = Timeline(0.0, 90.0, [Span("portraits/snapshots", 30.0, 90.0)], [(10.0, GIB), (80.0, 3 * GIB)])
    figures = Year(1_000, 366, 3, {"run": run, "refresh": refresh}).figures
    expected = {
        "events": 1_000, "households": 3, "portrait_days": 366,
        "run_minutes": 0.8, "run_training_minutes": 0.5, "run_peak_gib": 4.5, "run_training_peak_gib": 10.0,
        "run_step_landing_seconds": 6.5, "run_step_landing_gib": 4.5, "run_step_look_for_what_is_stale_gib": 3.0,
        "refresh_minutes": 1.5, "refresh_training_minutes": 0.0, "refresh_peak_gib": 3.0, "refresh_training_peak_gib": 0.0,
        "refresh_step_between_the_steps_seconds": 30.0, "refresh_step_between_the_steps_gib": 1.0,
        "refresh_step_portraits_snapshots_seconds": 60.0, "refresh_step_portraits_snapshots_gib": 3.0,
    }  # fmt: skip
    assert expected.items() <= figures.items()


def test_a_report_holds_a_year_by_its_households_and_its_steps(tmp_path: Path):
    report = Report(tmp_path)
    for households, seconds in (("16700", 4.0), ("6014", 1.5)):
        figures = {"events": 7, "run_step_land_seconds": seconds, "run_step_land_gib": 0.5, "refresh_minutes": seconds}
        report.add_year(households, figures, {"measured_on": "2020-01-01"})
    report.add_year("6014", {"events": 8, "run_step_land_seconds": 2.5, "run_step_land_gib": 0.25}, {})
    report.figures["of_old_year_7"] = 1
    report.write()
    page = (tmp_path / "README.md").read_text()
    assert "| clean events in the end | 8 | 7 |" in page and "| **one more day, minutes** |  | 4.0 |" in page
    assert "|  | 6014, seconds | 6014, GiB | 16700, seconds | 16700, GiB |" in page
    assert "| `land` | 2.5 | 0.25 | 4.0 | 0.5 |" in page
    assert Report(tmp_path).figures == {
        "events_year_16700": 7, "run_step_land_seconds_year_16700": 4.0, "run_step_land_gib_year_16700": 0.5,
        "refresh_minutes_year_16700": 4.0, "measured_on_year_16700": "2020-01-01",
        "events_year_6014": 8, "run_step_land_seconds_year_6014": 2.5, "run_step_land_gib_year_6014": 0.25,
    }  # fmt: skip


def test_a_peak_is_that_of_the_window_it_came_in_however_short(tmp_path: Path):
    warehouse = Warehouse(database=str(tmp_path / "warehouse.duckdb"), pack="ecommerce")
    with watched() as timeline:
        with warehouse.open("small"):
            pass
        with warehouse.open("large"):
            np.ones(300 * 2**20 // 8)
        with warehouse.open("small again"):
            pass
    costs = timeline.costs()
    assert costs["large"].peak - costs["small"].peak > 250 * 2**20
    assert costs["large"].peak - costs["small again"].peak > 250 * 2**20


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Year:
    folder = tmp_path_factory.mktemp("year")
    mapping = write_mapping(folder / "shop", date(2024, 1, 1), date(2024, 1, 20))
    users = ("ann", "bob", "cid")
    bought = [event(f"{user}{day}", user, f"2024-01-{day:02d}T12:00:00Z") for day in range(1, 21) for user in users[: day % 4]]
    write_lines(mapping.parent / "events.ndjson", bought)
    after = write_lines(folder / "events-2.ndjson", [event("late", "ann", "2024-01-21T12:00:00Z")])
    os.utime(after, (0, 0))
    return measure(mapping, after, folder / "home", 3)


def test_a_run_and_a_refresh_are_measured_as_they_are(year: Year):
    """20 days are too few for a model, so nothing is trained."""
    assert (year.events, year.portrait_days, year.households) == (31, 21, 3)
    run, refresh = (year.commands[name].costs() for name in ("run", "refresh"))
    made = {"features.user_day", "features.interests", "portraits/snapshots", "recommendations", "published/export"}
    assert made <= run.keys() & refresh.keys() and {"landing", CHECKS, LOOKS, BETWEEN} <= run.keys() & refresh.keys()
    assert TRAINING not in run.keys() | refresh.keys()
    for name, costs in (("run", run), ("refresh", refresh)):
        timeline, figures = year.commands[name], year.figures
        assert sum(cost.seconds for cost in costs.values()) == pytest.approx(timeline.ended - timeline.began)
        assert figures[f"{name}_minutes"] == round((timeline.ended - timeline.began) / 60, 1)
        assert max(cost.peak for cost in costs.values()) == max(peak for _, peak in timeline.readings)
        assert figures[f"{name}_peak_gib"] == round(max(cost.peak for cost in costs.values()) / GIB, 2)
        spans = [span.step for span in timeline.spans]
        assert spans.count("portraits/snapshots") == 1 and min(cost.seconds for cost in costs.values()) >= 0
