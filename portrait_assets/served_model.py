"""The behaviour model as MLflow keeps it: plain files and a script (`served_script.py`); nothing is pickled."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from portrait_assets.kernels.behaviour import Report

SCRIPT = Path(__file__).with_name("served_script.py")


def log(mlflow: Any, folder: Path, report: "Report") -> Any:
    """Log the model in `folder` to the active run with signature and example; returns MLflow's model info."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    strings = ("user_id", "as_of", "visits", "features")
    signature = ModelSignature(
        inputs=Schema([ColSpec("string", name) for name in strings]),
        outputs=Schema([ColSpec("string", "user_id"), ColSpec("string", "target"), ColSpec("double", "probability")]),
    )
    return mlflow.pyfunc.log_model(
        name="model",
        python_model=str(SCRIPT),
        artifacts={"model": str(folder)},
        signature=signature,
        input_example=_example(report.trained_through),
        pip_requirements=["portrait-assets"],
    )


def _example(as_of: date) -> pd.DataFrame:
    """One user with one visit, in the form the served model reads."""
    moment = f"{as_of - timedelta(days=1)}T12:00:00"
    visit = {
        "visit_time": moment, "local_hour": 12, "local_weekday": 1, "event_types": ["purchase"], "item_ids": ["1"],
        "departments": [None], "categories": [None], "spend_cents": 100, "refund_cents": 0, "discount_cents": 0, "coupon_cents": 0,
    }  # fmt: skip
    row = {"user_id": "1", "as_of": str(as_of), "visits": json.dumps([visit]), "features": json.dumps({"recency_days": 1})}
    return pd.DataFrame([row])
