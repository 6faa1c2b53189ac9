"""MLflow runs this file to serve the behaviour model: rows of JSON in, calibrated probabilities out."""

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import polars as pl
from mlflow.pyfunc import PythonModel

VISIT: dict[str, Any] = {
    "user_id": pl.String,
    "event_date": pl.Date,
    "visit_time": pl.Datetime("us"),
    "local_hour": pl.Int64,
    "local_weekday": pl.Int64,
    "line_count": pl.Int64,
    "event_types": pl.List(pl.String),
    "item_ids": pl.List(pl.String),
    "departments": pl.List(pl.String),
    "categories": pl.List(pl.String),
    "spend_cents": pl.Int64,
    "refund_cents": pl.Int64,
    "discount_cents": pl.Int64,
    "coupon_cents": pl.Int64,
}
ITEMS: dict[str, Any] = {
    "item_id": pl.String,
    "department": pl.String,
    "category": pl.String,
    "item_type": pl.String,
    "brand": pl.String,
}


class ServedBehaviour(PythonModel):
    """`visits` and `features` are JSON: a user's visits as in features.visit, and the numbers of features/as_of.sql."""

    def load_context(self, context: Any) -> None:
        from portrait_assets.kernels import storage

        self.model, _ = storage.load(Path(context.artifacts["model"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Probabilities per user and target; all rows of a call share one as_of."""
        from portrait_assets.kernels import behaviour

        as_of = date.fromisoformat(model_input["as_of"].iloc[0])
        users = list(zip(model_input["user_id"], model_input["visits"], model_input["features"], strict=True))
        visits = [self._visit(user, visit) for user, told, _ in users for visit in json.loads(told)]
        features = pl.DataFrame([{"user_id": user, "as_of": as_of, **json.loads(told)} for user, _, told in users])
        items = pl.DataFrame(schema=ITEMS)
        scores = behaviour.score(self.model, pl.DataFrame(visits, schema=VISIT), features, items, as_of)
        return pd.DataFrame(scores.predictions.to_dicts())

    @staticmethod
    def _visit(user: str, visit: dict[str, Any]) -> dict[str, Any]:
        moment = datetime.fromisoformat(visit["visit_time"])
        counted = {"user_id": user, "event_date": moment.date(), "line_count": len(visit["item_ids"])}
        return {**visit, **counted, "visit_time": moment}


mlflow.models.set_model(ServedBehaviour())
