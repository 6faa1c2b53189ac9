"""Each size generated and measured in processes of their own: their peak memory is theirs alone."""

import logging
import multiprocessing
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from portrait_assets.bench import year
from portrait_assets.bench.generation import events_of, generate
from portrait_assets.bench.path import Measured, measure
from portrait_assets.bench.report import SIZES
from portrait_assets.settings import Settings

VERIFIED = "1.5m"  # a recomputation of more is as dear as the rest of the benchmark


def measured(size: str) -> Measured:
    """Generate the events of a size and measure the path over them."""
    threads = Settings().threads
    with tempfile.TemporaryDirectory(prefix=f"portrait-bench-{size}-") as folder:
        generated = apart(generate, Path(folder) / "generated", SIZES[size], threads=threads)
        return apart(measure, generated, Path(folder) / "home", size == VERIFIED)


def measured_year(households: int) -> year.Year:
    """Generate the year of so many households and the day after it, and measure what `portrait run` and `portrait refresh` take."""
    with tempfile.TemporaryDirectory(prefix=f"portrait-bench-{households}-") as folder:
        made = apart(generate, Path(folder) / "generated", events_of(households), days=1, threads=Settings().threads)
        return apart(year.measure, made.mapping, made.days[0][1], Path(folder) / "home", made.households)


def apart(work: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """`work` in a fresh process, so that its peak memory is its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=log) as pool:
        return pool.submit(work, *arguments, **named).result()


def log() -> None:
    """Say on stderr what is done, and how long it took."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("alembic").setLevel(logging.ERROR)
