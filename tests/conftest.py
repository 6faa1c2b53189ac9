"""A home of their own for the tests: one that is opened without saying which must never be the project's."""

import os
import shutil
import tempfile
from datetime import date
from pathlib import Path

import pytest

HOME = Path(tempfile.mkdtemp(prefix="portrait-tests-"))
os.environ["PORTRAIT_HOME"] = str(HOME)
os.environ["DAGSTER_HOME"] = str(HOME / "dagster")
for name in ("PORTRAIT_SOURCE", "PORTRAIT_MODEL_SIZE", "PORTRAIT_THREADS", "PORTRAIT_MEMORY_LIMIT"):
    os.environ.pop(name, None)

from portrait_assets.home import open_home  # noqa: E402
from tests.small_world import FIRST_DAY, World, write_mapping  # noqa: E402

open_home(source=str(write_mapping(HOME / "shop", FIRST_DAY, date(2024, 1, 31))))  # days are what a Dagster run costs


def pytest_unconfigure() -> None:
    shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture
def world(tmp_path: Path):
    """An empty small world, open."""
    with World(tmp_path).open() as opened:
        yield opened
