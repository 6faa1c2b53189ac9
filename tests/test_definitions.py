"""The table of contents: quick to load, and nothing in it without a group, an owner, a description and its columns."""

import os
import subprocess
import sys
from datetime import UTC, datetime

import dagster as dg
import pytest

from portrait_assets.assets.common import DAILY, HOME
from portrait_assets.definitions import defs
from portrait_assets.lineage import DAILY_TABLES

LOADING = """
import sys
from portrait_assets.definitions import defs
defs.resolve_job_def("ingest")
print(sorted({"torch", "mlflow", "lightgbm", "sklearn", "scipy", "transformers"} & set(sys.modules)))
"""
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
    daily = {".".join(key.path) for key in ASSETS if GRAPH.get(key).partitions_def == DAILY}
    assert {entry.table.name for entry in DAILY_TABLES} <= daily
    keys = DAILY.get_partition_keys(current_time=None)
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
