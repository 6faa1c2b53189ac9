"""The path measured: the product's own functions over generated events, in one process, without Dagster.

R is one query that makes the user-day-category table from the clean events of the run and no more, on the same threads. All else
is given as a ratio to it: machines differ and are noisy, ratios within one run travel.
"""

import logging
import resource
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

from portrait_assets import columns as c
from portrait_assets import sources
from portrait_assets.assets.daily import refresh_path, write_features, write_portraits
from portrait_assets.bench.generation import Generated
from portrait_assets.bench.watch import Watch, WatchedSession
from portrait_assets.history import begin_history, history_start
from portrait_assets.home import Home, extend, open_home
from portrait_assets.lineage import (
    FEATURE_TABLES,
    PORTRAIT_TABLES,
    covering,
    stale_days,
)
from portrait_assets.partitions import DAY, Window
from portrait_assets.publishing import publish
from portrait_assets.settings import Settings
from portrait_assets.verification import verify

RAW_PASS = """
create or replace temp table raw_pass as
select user_id, event_date, category, count(*) as events, sum(amount_cents) as amount_cents from clean.events group by all
"""
RAW_PASSES = 3
LEAST_SHOWN = 0.05  # statements that take less, in units of R, are not listed
GIB = 2**30

logger = logging.getLogger("portrait")

Figures = dict[str, float | int | str | bool]


@dataclass
class Measured:
    """Figures of one size, by flat names; and of each operation its statements, as (step, statement, seconds, over R)."""

    figures: Figures
    statements: dict[str, list[tuple[str, str, float, float]]] = field(default_factory=dict)


def measure(generated: Generated, folder: Path, is_verified: bool) -> Measured:
    """The year, the days after it one by one, the late events: each landed, brought up to date and published in a home in `folder`."""
    home = open_home(Settings(home=folder, source=str(generated.mapping)))
    full = watched(home, "full", lambda session: build(session, home))
    events, one_raw_pass, raw_cpu = raw_pass(home)
    days = []
    for day, file in generated.days:
        home = extend(home, Window(day, day))
        days.append(watched(home, f"day {day}", lambda session: bring(session, home, file)))  # noqa: B023 - called at once
    disk = {
        "disk_gib": size_of(folder),
        "disk_warehouse_gib": home.settings.warehouse_file.stat().st_size,
        "disk_published_gib": size_of(home.settings.published_dir),
    }
    late = watched(home, "late", lambda session: bring(session, home, generated.late))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    figures: Figures = {"events": events, "households": generated.households}
    figures |= operations(events, one_raw_pass, raw_cpu, full, days, late)
    figures |= {"peak_gib": round(peak / GIB, 2), **{name: round(size / GIB, 3) for name, size in disk.items()}}
    if is_verified:
        figures["equal_after_late"] = equals_a_recomputation(home)
    watches = {"full": full, "day": sorted(days, key=lambda watch: watch.seconds)[(len(days) - 1) // 2], "late": late}
    return Measured(figures, {name: statements(watch, one_raw_pass) for name, watch in watches.items()})


def operations(events: int, one_raw_pass: float, raw_cpu: float, full: Watch, days: list[Watch], late: Watch) -> Figures:
    """What the path took, in seconds, over R and in processor time over R's, and each of its steps; of the days the median."""
    figures: Figures = {
        "raw_pass_seconds": round(one_raw_pass, 4),
        "full_over_raw": round(full.seconds / one_raw_pass, 1),
        "day_over_raw": round(statistics.median(watch.seconds for watch in days) / one_raw_pass, 2),
        "late_over_raw": round(late.seconds / one_raw_pass, 2),
        "full_seconds": round(full.seconds, 1),
        "day_seconds": round(statistics.median(watch.seconds for watch in days), 2),
        "day_worst_seconds": round(max(watch.seconds for watch in days), 2),
        "late_seconds": round(late.seconds, 2),
        "full_events_per_second": round(events / full.seconds),
    }
    cpu = {"full": full.cpu_seconds, "day": statistics.median(watch.cpu_seconds for watch in days), "late": late.cpu_seconds}
    figures |= {f"{name}_cpu_over_raw_cpu": round(seconds / raw_cpu, 2) for name, seconds in cpu.items()}
    return (
        figures | steps("full", [full], one_raw_pass) | steps("day", days, one_raw_pass) | steps("late", [late], one_raw_pass)
    )


def build(session: WatchedSession, home: Home) -> None:
    """Raw to the portraits and tags of the last day, published. History begins there, so no other day has portraits."""
    last = Window(home.days.end, home.days.end)
    begin_history(session, last.start)
    land(session, home, home.days.end)
    write_features(session, home, home.days)
    write_portraits(session, home, last)
    publish(session, home, last.start)
    session.watch.lap("publish")


def bring(session: WatchedSession, home: Home, file: Path) -> None:
    """A landed file to the published portraits and tags of all users on the last day, and to all the days that it touches."""
    land(session, home, home.days.end, [file])
    kept = Window(history_start(session, home), home.days.end)
    due = covering(stale_days(session, home, kept), FEATURE_TABLES | PORTRAIT_TABLES)
    session.watch.lap("look")
    if due is not None:
        refresh_path(session, home, due)
    publish(session, home, home.days.end)
    session.watch.lap("publish")


def land(session: WatchedSession, home: Home, day: date, files: list[Path] | None = None) -> None:
    """Land the source's own files, or `files`, as if it were the morning after `day`."""
    morning = datetime(day.year, day.month, day.day) + DAY
    sources.land(session.connection, home.source, morning, files)
    session.watch.lap("land")


def watched(home: Home, name: str, work: Callable[[WatchedSession], None]) -> Watch:
    """`work` in a session of its own, with what opening the warehouse and closing it (its checkpoint) takes."""
    watch = Watch()
    with home.warehouse.open(f"bench: {name}") as session:
        watch.lap("open")
        work(WatchedSession(session, watch))
    watch.lap("close")
    return watch


def raw_pass(home: Home) -> tuple[int, float, float]:
    """Clean events, and the median seconds and processor seconds of one raw pass over them."""
    with home.warehouse.open("bench: raw pass") as session:
        passes = []
        for _ in range(RAW_PASSES):
            watch = Watch()
            session.execute(RAW_PASS)
            watch.lap("raw pass")
            passes.append(watch)
        return (
            session.count(c.CLEAN_EVENTS),
            statistics.median(watch.seconds for watch in passes),
            statistics.median(watch.cpu_seconds for watch in passes),
        )


def steps(operation: str, watches: list[Watch], one_raw_pass: float) -> Figures:
    """Each step of an operation over R: the median of how often it was done."""
    names = dict.fromkeys(name for watch in watches for name in watch.steps)
    return {
        f"{operation}_{name}_over_raw": round(
            statistics.median(watch.steps.get(name, 0.0) for watch in watches) / one_raw_pass, 2
        )
        for name in names
    }


def statements(watch: Watch, one_raw_pass: float) -> list[tuple[str, str, float, float]]:
    """The statements that take the time, the longest first; what of a step is in no statement is given as `(outside DuckDB)`."""
    told = dict(watch.statements)
    for step, seconds in watch.steps.items():
        told[step, "(outside DuckDB)"] = seconds - sum(spent for (of, _), spent in watch.statements.items() if of == step)
    ordered = sorted(told.items(), key=lambda entry: -entry[1])
    return [
        (step, sql, round(seconds, 3), round(seconds / one_raw_pass, 2))
        for (step, sql), seconds in ordered
        if seconds >= LEAST_SHOWN * one_raw_pass
    ]


def equals_a_recomputation(home: Home) -> bool:
    """Whether every stored table equals what raw gives now; where one does not, the log names it."""
    differing = [line for line in verify(home) if line.missing or line.surplus]
    for line in differing:
        logger.error("%s: %d rows missing, %d surplus", line.table, line.missing, line.surplus)
    return not differing


def size_of(folder: Path) -> int:
    """Bytes of the files under `folder`."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
