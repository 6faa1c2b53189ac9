"""What `make bench` leaves behind: docs/benchmark/bench.json with flat keys, the same as Markdown, and a plot of cost against size.

A size that a run leaves out keeps its figures, with the day and the machine they were measured on.
"""

import json
import os
import platform
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table as RichTable

from portrait_assets import __version__, plots
from portrait_assets.bench.path import Figures, Measured
from portrait_assets.bench.year import COMMANDS, YEARS
from portrait_assets.serving.measure import CARDS_A_SECOND, EVENTS_A_SECOND
from portrait_assets.settings import PROJECT_DIR, Settings

FOLDER = PROJECT_DIR / "docs" / "benchmark"
SIZES = {"1.5m": 1_500_000, "10m": 10_000_000, "100m": 100_000_000}
OPERATIONS = {"full": "The full path", "day": "One more day", "late": "1,000 late events"}
STATEMENTS_SHOWN = 12

HEADLINES = {
    "events": "clean events of the year",
    "households": "households",
    "raw_pass_seconds": "R, seconds",
    "full_over_raw": "**full path / R**",
    "day_over_raw": "**one more day / R**, median of ten",
    "late_over_raw": "**1,000 late events / R**",
    "full_cpu_over_raw_cpu": "full path / R, both in processor time",
    "day_cpu_over_raw_cpu": "one more day / R, both in processor time",
    "late_cpu_over_raw_cpu": "1,000 late events / R, both in processor time",
    "full_seconds": "full path, seconds",
    "full_events_per_second": "full path, events a second",
    "day_seconds": "one more day, seconds",
    "day_worst_seconds": "the worst of the ten days, seconds",
    "late_seconds": "1,000 late events, seconds",
    "peak_gib": "peak memory of the process, GiB",
    "disk_gib": "home on disk after the ten days, GiB",
    "disk_warehouse_gib": "of it the warehouse, GiB",
    "disk_published_gib": "of it what is published, GiB",
    "equal_after_late": "equal to a recomputation after the late events",
    "measured_on": "measured on",
    "machine": "machine",
    "load": "load of the machine over the last 15 minutes",
    "versions": "versions",
}
SERVICE = {
    "ack_events_per_second": f"acknowledged events a second (offered: {EVENTS_A_SECOND})",
    "ack_to_visible_p50_ms": "acknowledged event to visible portrait, p50, ms",
    "ack_to_visible_p99_ms": "the same, p99, ms",
    "card_p50_ms": "reading a card, p50, ms",
    "card_p99_ms": "the same, p99, ms",
    "measured_on_service": "measured on",
    "machine_service": "machine",
    "load_service": "load of the machine over the last 15 minutes",
    "versions_service": "versions",
}
YEAR = {
    "events": "clean events in the end",
    "portrait_days": "days with stored portraits in the end",
    "run_minutes": "**the year's run, minutes**",
    "run_training_minutes": "of them training",
    "run_peak_gib": "**peak memory of the year's run, training apart, GiB**",
    "run_training_peak_gib": "peak memory while training, GiB",
    "refresh_minutes": "**one more day, minutes**",
    "refresh_peak_gib": "**peak memory of one more day, GiB**",
    "measured_on": "measured on",
    "machine": "machine",
    "load": "load of the machine over the last 15 minutes",
    "versions": "versions",
}

TEXT = """# What it costs

Written by `make bench` (10 million events; `make bench SIZE=100m` adds 100 million, and needs `TMPDIR` on a large disk; `make bench YEAR=6014`
and `YEAR=16700` measure the year of that many households); every figure here is measured by it, and stands in [bench.json](bench.json) too.
Seconds depend on the machine and on who else uses it; **R**, one DuckDB query that makes the user-day-category table from the clean events
of the run and no more, on the same threads in the same process (median of three), is what they are divided by. Where others use the machine,
the same ratios in processor time waver less.

{headlines}

![seconds against events](cost.png)

**The events.** Complete Journey's households copied under fresh ids, whole baskets moved by up to three days and half an hour within 2017,
in twelve monthly files; then ten days of whole baskets, one in a hundred of a new household, a file a day; then one file of 1,000 late
events of those ten days, each of another basket.

**What is in.**
- *The full path*: an empty home, the source's files landed (products, households, campaigns and coupons too), deduplicated and
  cleaned, features of every day of the year, portraits and tags of the last day (the kept history begins there), published.
- *One more day*: the file of the day landed, deduplicated against all history, found due in the ledger, features, portraits of all users,
  changes of tags, published. Median of ten days, one after the other.
- *1,000 late events*: the same with one file, after the ten days: all snapshots and tag intervals of those days that it touches,
  and the last day published again.
- Opening the warehouse, and closing it with its checkpoint, once an operation. Publishing with what the live service reads (`state/`).
- `features.visit`, the sequences that the model reads; nothing else reads them.

**What is not.** Training, scores, vectors and recommendations (without a model there are none: the export's files of them are empty);
Dagster, its checks and plots; making the events. Peak memory is of the process that does all this and nothing else.

## The live service

Under {events_offered} events and {cards_offered} cards a second, on a home of the year of Complete Journey itself, in a process of its own:

{service}

{years}## Step by step, over R

A step runs from the end of the one before to its own commit; `look` asks the ledger what is due, `close` is the checkpoint.
Of the days each step's median.

{steps}

## Statements that take the time

{statements}
"""


YEAR_TEXT = """## A year with every day's portraits

`portrait run` on the year of so many households, with its model and the portraits of all days, then the file of the next day and `portrait
refresh`: Dagster, checks, scores, recommendations and the export included, in one process under the default settings. The columns are
households.

{years}

Step by step, seconds and the memory of the process at its peak (GiB). Each step is a window in which the warehouse is held; what Dagster does
before and after is `between the steps`. Memory that training took and the process keeps counts in what follows it.

{year_steps}

"""


def name_of(size: str) -> str:
    """The end of a size's keys."""
    return size.replace(".", "_")


def surroundings(settings: Settings) -> Figures:
    """When and on what: given with each size, because sizes are measured on different days."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    tools = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "polars", "pyarrow"))
    return {
        "measured_on": str(datetime.now(UTC).date()),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB; {settings.threads} threads, "
        f"DuckDB memory limit {settings.memory_limit}",
        "load": round(os.getloadavg()[2], 1),
        "versions": f"portrait {__version__}, python {platform.python_version()}, {tools}",
    }


class Report:
    """The figures of all sizes so far, in a folder."""

    def __init__(self, folder: Path = FOLDER):
        self.folder = folder
        self.figures: Figures = _read(folder / "bench.json")
        self.statements: dict[str, Any] = _read(folder / "statements.json")

    def add(self, size: str, measured: Measured, about: Figures) -> None:
        """Put the figures of a size in the place of earlier ones."""
        end = f"_{name_of(size)}"
        kept = {key: value for key, value in self.figures.items() if not key.endswith(end)}
        self.figures = kept | {f"{name}{end}": value for name, value in (measured.figures | about).items()}
        self.statements[size] = {name: rows[:STATEMENTS_SHOWN] for name, rows in measured.statements.items()}

    def add_service(self, figures: Mapping[str, float], about: Figures) -> None:
        """Put the figures of the live service in the place of earlier ones."""
        self.figures |= {**figures, **{f"{name}_service": value for name, value in about.items()}}

    def add_year(self, households: str, figures: Mapping[str, float | int], about: Figures) -> None:
        """Put the figures of a year of so many households in the place of earlier ones."""
        end = f"_year_{households}"
        kept = {key: value for key, value in self.figures.items() if not key.endswith(end)}
        self.figures = kept | {f"{name}{end}": value for name, value in {**figures, **about}.items()}

    def write(self) -> None:
        """JSON, Markdown and the plot."""
        ends = (*(f"_{name_of(size)}" for size in SIZES), *(f"_year_{households}" for households in YEARS))
        self.figures = {key: self.figures[key] for key in self.figures if key.endswith(ends) or key in SERVICE}
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, content in (("bench.json", self.figures), ("statements.json", self.statements)):
            (self.folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        (self.folder / "README.md").write_text(self.markdown(), encoding="utf-8")
        if self.sizes:
            (self.folder / "cost.png").write_bytes(self.plot())

    @property
    def sizes(self) -> list[str]:
        """Sizes that were measured, the smallest first."""
        return [size for size in SIZES if f"events_{name_of(size)}" in self.figures]

    @property
    def years(self) -> list[str]:
        """Households whose year was measured, the fewest first."""
        return [households for households in YEARS if f"events_year_{households}" in self.figures]

    def of(self, name: str, size: str) -> Any:
        """A figure of a size; None where there is none."""
        return self.figures.get(f"{name}_{name_of(size)}")

    def markdown(self) -> str:
        """The page docs/benchmark/README.md."""
        return TEXT.format(
            events_offered=EVENTS_A_SECOND,
            cards_offered=CARDS_A_SECOND,
            headlines=self._by_size(HEADLINES),
            service=_table(["", "value"], ([told, self.figures.get(name)] for name, told in SERVICE.items())),
            years=self._years_section() if self.years else "",
            steps="\n\n".join(f"### {title}\n\n{self._by_size(self._steps(name))}" for name, title in OPERATIONS.items()),
            statements="\n\n".join(self._statements(name, title) for name, title in OPERATIONS.items()),
        )

    def plot(self) -> bytes:
        """Seconds of each operation and of R against events, as PNG."""
        points = {"events": [self.of("events", size) for size in self.sizes]}
        for name, told in (("full", "full path"), ("day", "one more day"), ("late", "1,000 late events"), ("raw_pass", "R")):
            points[told] = [self.of(f"{name}_seconds", size) for size in self.sizes]
        return plots.costs(
            pl.DataFrame(points), "events", "Seconds against events: a line as steep as R's grows as the data does"
        )

    def show(self, console: Console) -> None:
        """The headlines in the terminal."""
        table = RichTable("", *self.sizes, title="Cost, as ratios to one raw DuckDB pass (R)", title_justify="left")
        for name, told in HEADLINES.items():
            table.add_row(told.replace("**", ""), *(_cell(self.of(name, size)) for size in self.sizes))
        for name, told in SERVICE.items():
            table.add_row(told, _cell(self.figures.get(name)))
        console.print(table)
        if not self.years:
            return
        years = RichTable("", *self.years, title="A year with every day's portraits, by households", title_justify="left")
        for name, told in YEAR.items():
            years.add_row(told.replace("**", ""), *map(_cell, self._year(name)))
        console.print(years)

    def _by_size(self, rows: Mapping[str, str]) -> str:
        return _table(["", *self.sizes], ([told, *(self.of(name, size) for size in self.sizes)] for name, told in rows.items()))

    def _steps(self, operation: str) -> dict[str, str]:
        """Key of each step's ratio -> the step."""
        ends = {f"_over_raw_{name_of(size)}" for size in self.sizes}
        names = {
            key.removesuffix(end): None
            for key in self.figures
            for end in ends
            if key.startswith(f"{operation}_") and key.endswith(end)
        }
        return {f"{name}_over_raw": "all" if name == operation else f"`{name.removeprefix(operation + '_')}`" for name in names}

    def _years_section(self) -> str:
        return YEAR_TEXT.format(
            years=_table(["", *self.years], ([told, *self._year(name)] for name, told in YEAR.items())),
            year_steps="\n\n".join(f"### {title}\n\n{self._year_steps(command)}" for command, title in COMMANDS.items()),
        )

    def _year(self, name: str) -> list[Any]:
        """A figure of each year."""
        return [self.figures.get(f"{name}_year_{households}") for households in self.years]

    def _year_steps(self, command: str) -> str:
        """The steps of a command, those of the largest year first as they came."""
        begin, names = f"{command}_step_", dict[str, None]()
        for households in reversed(self.years):
            end = f"_seconds_year_{households}"
            names |= {key[len(begin) : -len(end)]: None for key in self.figures if key.startswith(begin) and key.endswith(end)}
        header = ["", *(f"{households}, {what}" for households in self.years for what in ("seconds", "GiB"))]
        rows = (
            [f"`{name}`", *chain(*zip(*(self._year(f"{begin}{name}_{what}") for what in ("seconds", "gib")), strict=True))]
            for name in names
        )
        return _table(header, rows)

    def _statements(self, operation: str, title: str) -> str:
        """Of the largest size measured; nothing where years alone were."""
        if not self.sizes:
            return ""
        size = self.sizes[-1]
        rows = self.statements[size][operation]
        table = _table(
            ["step", "begins", "seconds", "/ R"], ([step, f"`{sql}`", spent, ratio] for step, sql, spent, ratio in rows)
        )
        return f"### {title}, {size}\n\n{table}"


def _table(header: list[str], rows: Iterable[list[Any]]) -> str:
    lines = [header, ["---"] * len(header), *([_cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int | float) else str(value).replace("|", "\\|")


def _read(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
