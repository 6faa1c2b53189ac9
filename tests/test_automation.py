"""The sensor of the landing folder: each file once, and none that is still being written."""

import os
import time
from pathlib import Path

import dagster as dg
import pytest

from portrait_assets.assets.common import HOME
from portrait_assets.automation import landing_folder, settled_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def put(folder: Path, name: str, text: str = "x", age_seconds: float = 60) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(text)
    then = time.time() - age_seconds
    os.utime(file, (then, then))
    return file


def test_settled_files_are_data_files_nobody_writes_any_more(folder: Path):
    ready = [put(folder, "a.csv"), put(folder, "b.ndjson"), put(folder, "c.PARQUET")]
    put(folder, "fresh.csv", age_seconds=0)
    put(folder, ".hidden.csv")
    put(folder, "notes.md")
    (folder / "folder.csv.d").mkdir()
    assert settled_files(folder) == ready
    assert settled_files(folder / "missing") == []


def test_the_sensor_asks_once_for_the_same_files_and_again_for_other_content():
    landing = HOME.settings.landing_dir
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance)
        assert isinstance(landing_folder(context), dg.SkipReason)
        file = put(landing, "events-sensor.ndjson")
        try:
            first, second = landing_folder(context), landing_folder(context)
            put(landing, "events-sensor.ndjson", "longer")
            third = landing_folder(context)
        finally:
            file.unlink()
    assert first.run_key == second.run_key != third.run_key
    assert first.run_config["ops"]["landing"]["config"]["files"] == [str(file)]
    assert first.tags["dagster/asset_partition_range_start"] == str(HOME.days.start)
    assert first.tags["dagster/asset_partition_range_end"] == str(HOME.days.end)
