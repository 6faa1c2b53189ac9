"""The table of contents: quick to load, and nothing in it without a group, an owner, a description and its columns."""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from portrait_assets.assets.common import daily_of
from portrait_assets.definitions import build_definitions
from portrait_assets.home import open_home
from portrait_assets.lineage import DAILY_TABLES
from portrait_assets.partitions import DAY, Window

LOADING = """
import sys
from dataclasses import replace
from portrait_assets.definitions import defs
defs().resolve_job_def("ingest")
print(sorted({"torch", "mlflow", "lightgbm", "sklearn", "scipy", "transformers"} & set(sys.modules)))
"""
HOME = open_home()
defs = build_definitions(HOME)
GRAPH = defs.resolve_asset_graph()
ASSETS = sorted(GRAPH.get_all_asset_keys())


def test_loading_brings_no_heavy_library():
    """What makes loading slow is what it imports: torch and mlflow alone take nine seconds."""
    done = subprocess.run([sys.executable, "-c", LOADING], env={**os.environ}, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("key", ASSETS, ids=[key.to_user_string() for key in ASSETS])
def test_every_asset_says_what_it_is(key: dg.AssetKey):
    node = GRAPH.get(key)
    assert len(node.description or "") > 20
    assert node.group_name != "default" and node.owners and node.kinds
    if key.path[0] != "published":
        schema = node.metadata["dagster/column_schema"]
        assert schema.columns and all(column.description and column.type for column in schema.columns)
        assert node.metadata["grain"]


def test_every_daily_table_is_an_asset_of_the_homes_days():
    daily = {".".join(key.path) for key in ASSETS if GRAPH.get(key).partitions_def == daily_of(HOME.days)}
    assert {entry.table.name for entry in DAILY_TABLES} <= daily
    keys = daily_of(HOME.days).get_partition_keys(current_time=None)
    assert (keys[0], keys[-1]) == (str(HOME.days.start), str(HOME.days.end))
    assert len(keys) == len(HOME.days)


def test_lineage_of_dagster_and_of_the_ledger_agree():
    """What a table reads by the ledger is upstream of it in Dagster."""
    for entry in DAILY_TABLES:
        upstream = {".".join(key.path) for key in GRAPH.get(dg.AssetKey(entry.table.name.split("."))).parent_keys}
        assert {table.name for table in (*entry.inputs, *entry.accumulates)} <= upstream, entry.table.name


def test_nothing_flows_back():
    order = [
        "raw",
        "clean",
        "features",
        "models",
        "scores",
        "portraits",
        "recommendations",
        "catalogue",
        "observability",
        "published",
    ]
    feature_models = {dg.AssetKey(["features", "selection"]), dg.AssetKey(["features", "fusion"])}
    for key in set(ASSETS) - feature_models:
        for parent in GRAPH.get(key).parent_keys:
            assert order.index(parent.path[0]) <= order.index(key.path[0]), f"{parent} -> {key}"


@pytest.mark.parametrize("name", ["ingest", "train", "portraits", "publish", "refresh", "evaluate"])
def test_jobs_resolve(name: str):
    assert defs.resolve_job_def(name).name == name


def test_every_table_has_a_check():
    checked = {key.asset_key for key in GRAPH.asset_check_keys}
    unchecked = {key.to_user_string() for key in ASSETS if key not in checked}
    assert not unchecked & {
        "raw/events", "raw/batches", "raw/quarantine", "clean/events", "features/visit", "features/user_day",
        "features/user_state", "features/interests", "features/cut_points", "portraits/snapshots", "portraits/changes",
        "scores/predictions", "scores/segments", "scores/vectors", "scores/next_purchases", "recommendations/top", "observability/drift",
    }  # fmt: skip


def test_a_night_of_the_schedule_asks_for_the_day_that_ended():
    schedule = defs.resolve_schedule_def("daily")
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=datetime(2024, 1, 16, 3, tzinfo=UTC),
            repository_def=defs.get_repository_def(),
        )
        requests = schedule.evaluate_tick(context).run_requests
    assert [request.partition_key for request in requests or []] == ["2024-01-15"]


def test_definitions_are_of_the_home_as_it_is_when_they_are_built():
    """A process that extends its home, as `refresh` does, goes on with the days it then covers."""
    longer = replace(HOME, days=Window(HOME.days.start - DAY, HOME.days.end + DAY))
    keys = build_definitions(longer).resolve_job_def("refresh").partitions_def.get_partition_keys()
    assert (keys[0], keys[-1]) == (str(longer.days.start), str(longer.days.end))


def test_nothing_opens_a_home_when_definitions_are_imported(tmp_path: Path):
    environment = {**os.environ, "PORTRAIT_HOME": str(tmp_path / "home")}
    subprocess.run([sys.executable, "-c", "import portrait_assets.definitions"], env=environment, check=True)
    assert list(tmp_path.iterdir()) == []
