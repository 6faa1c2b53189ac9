"""Dagster's event log of a home: years of daily partitions are one plan and one write, and every partition is known."""

import os
from pathlib import Path

import dagster as dg
import pytest

from portrait_assets.operations import dagster_instance
from portrait_assets.settings import Settings

YEARS = dg.DailyPartitionsDefinition("2004-01-01", end_date="2024-01-01")
FIRST, LAST, DAYS = "2004-01-01", "2023-12-31", 7305
RANGE = {"dagster/asset_partition_range_start": FIRST, "dagster/asset_partition_range_end": LAST}
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dg.asset(partitions_def=YEARS, backfill_policy=dg.BackfillPolicy.single_run())
def daily() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"dagster/row_count": 3})


@dg.asset_check(asset=daily)
def fine() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


@dg.asset(partitions_def=YEARS, backfill_policy=dg.BackfillPolicy.single_run())
def broken() -> None:
    raise ValueError("no")


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DAGSTER_HOME", os.environ["DAGSTER_HOME"])  # put back afterwards
    with dagster_instance(Settings(home=tmp_path / 'a "home"')) as opened:
        yield opened


def run(
    instance: dg.DagsterInstance, asset: dg.AssetsDefinition, *checks: dg.AssetChecksDefinition
) -> dg.ExecuteInProcessResult:
    defs = dg.Definitions([asset], asset_checks=checks, jobs=[dg.define_asset_job("job", dg.AssetSelection.all())])
    return defs.resolve_job_def("job").execute_in_process(instance=instance, run_config=QUIET, tags=RANGE, raise_on_error=False)


def test_twenty_years_are_one_plan_and_every_day_is_known(instance: dg.DagsterInstance):
    result = run(instance, daily, fine)
    assert result.success
    kinds = [
        record.event_log_entry.dagster_event_type for record in instance.get_records_for_run(result.run_id, limit=500).records
    ]
    assert kinds.count(dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED) == 1
    assert kinds.count(dg.DagsterEventType.ASSET_MATERIALIZATION) == 1
    assert kinds.count(dg.DagsterEventType.ASSET_CHECK_EVALUATION) == 1
    history = instance.event_log_storage.get_asset_check_execution_history(fine.check_key, limit=9)
    assert [(record.status.value, record.partition) for record in history] == [("SUCCEEDED", None)]
    materialized = instance.get_materialized_partitions(daily.key)
    assert (len(materialized), min(materialized), max(materialized)) == (DAYS, FIRST, LAST)
    newest = instance.get_latest_materialization_event(daily.key)
    assert newest is not None and newest.asset_materialization is not None
    assert (newest.asset_materialization.partition, newest.run_id) == (LAST, result.run_id)
    assert newest.asset_materialization.metadata["dagster/row_count"].value == 3


def test_each_partition_has_its_own_record_and_a_later_run_is_the_newer_one(instance: dg.DagsterInstance):
    run(instance, daily)
    later = run(instance, daily)
    ids = instance.event_log_storage.get_latest_storage_id_by_partition(daily.key, dg.DagsterEventType.ASSET_MATERIALIZATION)
    assert len(ids) == len(set(ids.values())) == DAYS and min(ids.values()) > DAYS
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(daily.key, asset_partitions=["2010-07-04"]), limit=5
    ).records
    assert len(records) == 2 and records[0].run_id == later.run_id
    assert {record.storage_id for record in records} >= {ids["2010-07-04"]}


def test_what_fails_is_not_materialized(instance: dg.DagsterInstance):
    result = run(instance, broken)
    assert not result.success and instance.get_materialized_partitions(broken.key) == set()
    assert instance.get_run_by_id(result.run_id).status == dg.DagsterRunStatus.FAILURE
