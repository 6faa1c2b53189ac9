"""`make bench`: measure every size up to the one asked for, then the live service; or whole years with every day's portraits."""

import argparse
import tempfile
from pathlib import Path

from rich.console import Console

from portrait_assets.bench.processes import log, measured, measured_year
from portrait_assets.bench.report import SIZES, Report, surroundings
from portrait_assets.bench.year import YEARS
from portrait_assets.serving.measure import measure as measure_service
from portrait_assets.settings import Settings


def main() -> None:
    """Measure, print the table, write docs/benchmark."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="10m", help="the largest size; the smaller ones are measured too")
    parser.add_argument("--only", action="store_true", help="that size alone, without the service")
    parser.add_argument("--year", choices=YEARS, nargs="+", help="the years of so many households, and nothing else")
    arguments = parser.parse_args()
    log()
    report = Report()
    if arguments.year:
        for households in arguments.year:
            report.add_year(households, measured_year(YEARS[households]).figures, surroundings(Settings()))
            report.write()
        report.show(Console())
        return
    for size in [arguments.size] if arguments.only else list(SIZES)[: list(SIZES).index(arguments.size) + 1]:
        report.add(size, measured(size), surroundings(Settings()))
        report.write()
    if not arguments.only:
        with tempfile.TemporaryDirectory(prefix="portrait-bench-") as folder:
            report.add_service(measure_service(Path(folder)), surroundings(Settings()))
        report.write()
    report.show(Console())


if __name__ == "__main__":
    main()
