"""`make bench`: what the path costs, as ratios to one raw DuckDB pass over the same events in the same run.

R is the time of one query that makes the user-day-category table from the clean events and no more, on the same
threads. Machines differ and are noisy; ratios within one run travel.
"""

import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table as RichTable

from portrait_assets import columns as c
from portrait_assets import sources
from portrait_assets.assets.daily import write_path
from portrait_assets.home import Home, open_home
from portrait_assets.partitions import DAY, Window
from portrait_assets.resources.session import Session
from portrait_assets.resources.warehouse import Warehouse
from portrait_assets.settings import PROJECT_DIR, Settings

RESULT = PROJECT_DIR / "docs" / "benchmark" / "bench.json"
RAW_PASS = """
create or replace temp table raw_pass as
select user_id, event_date, category, count(*) as events, sum(amount_cents) as amount_cents from clean.events group by all
"""


def main() -> None:
    """Run the benchmark on Complete Journey in a home of its own, print the table, write it as JSON."""
    with tempfile.TemporaryDirectory(prefix="portrait-bench-") as folder:
        home = open_home(Settings(home=Path(folder), source="complete_journey"))
        settings = home.settings
        with Warehouse(database=str(settings.warehouse_file), threads=settings.threads).open("bench") as session:
            figures = measure(session, home)
    figures |= {
        "machine": f"{platform.machine()}, {settings.threads} threads",
        "duckdb": duckdb.__version__,
        "measured_on": str(datetime.now(UTC).date()),
    }
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    show(figures)


def measure(session: Session, home: Home) -> dict[str, float | int | str]:
    """Seconds of each step and their ratios to R."""
    landing = seconds(lambda: sources.land(session.connection, home.source, datetime.now(UTC).replace(tzinfo=None)))
    full = seconds(lambda: write_path(session, home, home.days))
    one_raw_pass = statistics.median(seconds(lambda: session.execute(RAW_PASS)) for _ in range(5))
    last = Window(home.days.end - DAY, home.days.end - DAY)
    one_day = statistics.median(seconds(lambda: write_path(session, home, last)) for _ in range(3))
    return {
        "events": session.count(c.CLEAN_EVENTS),
        "raw_pass_seconds": round(one_raw_pass, 3),
        "landing_over_raw": round(landing / one_raw_pass, 1),
        "all_days_over_raw": round(full / one_raw_pass, 1),
        "one_day_over_raw": round(one_day / one_raw_pass, 1),
        "one_day_over_all_days": round(one_day / full, 3),
    }


def seconds(work: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def show(figures: dict[str, float | int | str]) -> None:
    """The figures as a table."""
    table = RichTable("measure", "value", title="Cost, as ratios to one raw DuckDB pass (R)", title_justify="left")
    for name, value in figures.items():
        table.add_row(name, f"{value:,}" if isinstance(value, int | float) else value)
    Console().print(table)


if __name__ == "__main__":
    main()
