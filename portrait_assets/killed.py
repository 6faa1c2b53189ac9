"""Runs whose process is gone: nobody is left to say how they ended, so the next process says it, to Dagster and to MLflow."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from portrait_assets.lineage import PROCESS_TAG
from portrait_assets.resources.lock import is_alive
from portrait_assets.resources.tracking import Tracking
from portrait_assets.settings import Settings

if TYPE_CHECKING:
    from dagster import DagsterInstance, DagsterRun

WAITING_HOURS = 12  # of a run that no process is known of: it may wait in the queue


def runs_under_way(instance: "DagsterInstance") -> "list[DagsterRun]":
    """The runs that wait or work, without those whose process is gone, and those that have waited for half a day."""
    since = datetime.now(UTC) - timedelta(hours=WAITING_HOURS)
    return [run for run, process in _unfinished(instance, since) if process is None or is_alive(process)]


def end_killed(instance: "DagsterInstance", settings: Settings) -> "list[DagsterRun]":
    """Mark the runs whose process is gone as failed, and their trainings in MLflow as killed; returns those runs."""
    killed = [(run, process) for run, process in _unfinished(instance) if process is not None and not is_alive(process)]
    for run, process in killed:
        instance.report_run_failed(run, f"killed: its process {process} is gone")
    if killed and settings.mlflow_dir.exists():
        Tracking(folder=str(settings.mlflow_dir)).end_killed()
    return [run for run, _ in killed]


def _unfinished(instance: "DagsterInstance", since: datetime | None = None) -> "list[tuple[DagsterRun, int | None]]":
    """The runs that have not ended, each with its process where that is known."""
    from dagster import RunsFilter
    from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

    runs = instance.get_runs(RunsFilter(statuses=list(NOT_FINISHED_STATUSES), created_after=since))
    return [(run, _process_of(instance, run)) for run in runs]


def _process_of(instance: "DagsterInstance", run: "DagsterRun") -> int | None:
    """The process that a command said it runs in, or the one whose step logged something last."""
    if tag := run.tags.get(PROCESS_TAG):
        return int(tag)
    records = instance.get_records_for_run(run.run_id, limit=20, ascending=False).records
    events = (record.event_log_entry.dagster_event for record in records)
    return next((event.pid for event in events if event is not None and event.pid is not None), None)
