"""MLflow's runs end with the process that made them, however that ends."""

import subprocess
import sys
from pathlib import Path

from portrait_assets.resources.tracking import Tracking

TRAINING = """
import os, signal, sys
from portrait_assets.resources.tracking import Tracking
with Tracking(folder=sys.argv[1]).run("training", {}):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_training_that_was_killed_is_so_in_mlflow_once_another_process_looks(tmp_path: Path):
    killed = subprocess.run([sys.executable, "-c", TRAINING, str(tmp_path)], check=False)
    assert killed.returncode == -9
    tracking = Tracking(folder=str(tmp_path))
    client = tracking.connect().MlflowClient()
    [experiment] = [each.experiment_id for each in client.search_experiments() if each.name != "Default"]
    assert [run.info.status for run in client.search_runs([experiment])] == ["RUNNING"]
    with tracking.run("the next", {}):
        states = {run.info.run_name: run.info.status for run in client.search_runs([experiment])}
        tracking.end_killed()  # which leaves what is under way alone
    assert states == {"training": "KILLED", "the next": "RUNNING"}
    assert {run.info.status for run in client.search_runs([experiment])} == {"KILLED", "FINISHED"}
