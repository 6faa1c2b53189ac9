"""`make bench`: measure every size up to the one asked for, each in a process of its own, then the live service."""

import argparse
import logging
import multiprocessing
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from rich.console import Console

from portrait_assets.bench.generation import generate
from portrait_assets.bench.path import Measured, measure
from portrait_assets.bench.report import SIZES, Report, surroundings
from portrait_assets.serving.measure import measure as measure_service
from portrait_assets.settings import Settings

VERIFIED = "1.5m"  # a recomputation of more is as dear as the rest of the benchmark


def main() -> None:
    """Measure, print the table, write docs/benchmark."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="10m", help="the largest size; the smaller ones are measured too")
    parser.add_argument("--only", action="store_true", help="that size alone, without the service")
    arguments = parser.parse_args()
    log()
    report = Report()
    for size in [arguments.size] if arguments.only else list(SIZES)[: list(SIZES).index(arguments.size) + 1]:
        report.add(size, measured(size), surroundings(Settings()))
        report.write()
    if not arguments.only:
        with tempfile.TemporaryDirectory(prefix="portrait-bench-") as folder:
            report.add_service(measure_service(Path(folder)), surroundings(Settings()))
        report.write()
    report.show(Console())


def measured(size: str) -> Measured:
    """Generate the events of a size and measure the path over them."""
    threads = Settings().threads
    with tempfile.TemporaryDirectory(prefix=f"portrait-bench-{size}-") as folder:
        generated = apart(generate, Path(folder) / "generated", SIZES[size], threads=threads)
        return apart(measure, generated, Path(folder) / "home", size == VERIFIED)


def apart(work: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """`work` in a fresh process, so that its peak memory is its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=log) as pool:
        return pool.submit(work, *arguments, **named).result()


def log() -> None:
    """Say on stderr what is done, and how long it took."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")


if __name__ == "__main__":
    main()
