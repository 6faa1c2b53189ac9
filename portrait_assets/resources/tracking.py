"""Tracking of models: MLflow on a sqlite file inside the home. No server, no account."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from portrait_assets.resources.lock import is_alive

EXPERIMENT = "behaviour"
PROCESS_TAG = "portrait.process"
REGISTERED_NAME = "portrait-behaviour"


class Tracking(dg.ConfigurableResource):
    """Where runs and registered models are kept."""

    folder: str = Field(description="Folder of MLflow's sqlite file and artifacts.")

    @property
    def uri(self) -> str:
        """The tracking URI, as the MLflow UI takes it."""
        return f"sqlite:///{Path(self.folder) / 'mlflow.db'}"

    @contextmanager
    def run(self, name: str, tags: dict[str, str]) -> Iterator[Any]:
        """An active MLflow run of the experiment; yields the mlflow module, ready for use."""
        mlflow = self.connect()
        self.end_killed()
        with mlflow.start_run(run_name=name, tags={**tags, PROCESS_TAG: str(os.getpid())}):
            yield mlflow

    def end_killed(self) -> None:
        """Mark the runs as killed whose process is gone: nobody else will."""
        client = self.connect().MlflowClient()
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        for run in client.search_runs(experiments, "attributes.status = 'RUNNING'"):
            process = run.data.tags.get(PROCESS_TAG)
            if process and not is_alive(int(process)):
                client.set_terminated(run.info.run_id, "KILLED")

    def connect(self) -> Any:
        """The mlflow module, pointed at this folder, its experiment in place."""
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
        import mlflow

        for noisy in ("mlflow", "alembic"):
            logging.getLogger(noisy).setLevel(logging.ERROR)
        folder = Path(self.folder)
        folder.mkdir(parents=True, exist_ok=True)
        mlflow.set_tracking_uri(self.uri)
        if mlflow.get_experiment_by_name(EXPERIMENT) is None:
            mlflow.create_experiment(EXPERIMENT, artifact_location=(folder / "artifacts").as_uri())
        mlflow.set_experiment(EXPERIMENT)
        return mlflow
