"""A small export folder by hand: a regular user, one with a single event, and one of whom nothing is known."""

import hashlib
import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from portrait_assets.packs import load_pack

POLARS_TYPES = {
    "varchar": pl.String, "date": pl.Date, "bigint": pl.Int64, "double": pl.Float64, "utinyint": pl.UInt8,
    'struct("value" varchar, share_milli bigint)[]': pl.List(pl.Struct({"value": pl.String, "share_milli": pl.Int64})),
}  # fmt: skip
PORTRAIT = {
    column.name: POLARS_TYPES[column.type] for column in load_pack().schema.snapshots.columns if column.name != "event_date"
}
AS_OF = date(2017, 10, 1)


def shares(*pairs: tuple[str, int]) -> list[dict[str, Any]]:
    return [{"value": name, "share_milli": share} for name, share in pairs]


REGULAR: dict[str, Any] = {
    "user_id": "101", "as_of": AS_OF, "first_date": date(2017, 7, 3), "tenure_days": 89, "last_active_date": date(2017, 9, 28),
    "recency_days": 2, "last_purchase_date": date(2017, 9, 28), "purchase_recency_days": 2, "mean_gap_days": 7.75,
    "std_gap_days": 2.5, "last_gap_days": 7, "usual_gap_days": 7.75, "pace_days": 9.0, "active_days": 12, "visits": 12, "purchases": 60, "purchase_days": 12,
    "spend_cents": 123_450, "returns": 1, "refund_cents": 250, "net_spend_cents": 123_200,
    "net_spend_cents_7d": 7_000, "net_spend_cents_14d": 21_000, "net_spend_cents_30d": 37_000, "net_spend_cents_60d": 67_000,
    "net_spend_cents_90d": 123_200, "net_spend_cents_365d": 123_200,
    "spend_cents_7d": 7_000, "spend_cents_14d": 21_000, "spend_cents_30d": 37_000, "spend_cents_60d": 67_000,
    "spend_cents_90d": 123_450, "spend_cents_365d": 123_450, "purchase_days_7d": 1, "purchase_days_14d": 2,
    "purchase_days_30d": 4,
    "purchase_days_60d": 8, "purchase_days_90d": 12, "purchase_days_365d": 12,
    "night_share": 0.0, "morning_share": 0.25, "afternoon_share": 0.75, "evening_share": 0.0, "weekend_share": 0.5,
    "spend_per_visit_cents": 10_287.5, "saved_share": 0.125,
    "departments": shares(("DAIRY", 600), ("[bold]MEAT", 200)), "categories": shares(("CHEESE", 300)), "brands": [],
    "price_bands": shares(("2", 700)), "top_department": "DAIRY", "top_category": "CHEESE", "unknown_share_milli": 50,
    "age": "35-44", "age_origin": "declared", "age_probability": 1.0, "income": "50-74K", "income_origin": "inferred",
    "income_probability": 0.62, "recency_score": 4, "frequency_score": 4, "monetary_score": 5, "value_tier": "high",
    "lifecycle": "active", "churn": 0.12, "churn_horizon_days": 21, "churn_14d": 0.3, "segment": "champions", "model_version": "m1",
}  # fmt: skip
SINGLE: dict[str, Any] = {
    "user_id": "102", "as_of": AS_OF, "first_date": date(2017, 9, 30), "tenure_days": 0, "last_active_date": date(2017, 9, 30),
    "recency_days": 0, "active_days": 1, "visits": 1, "views": 1, "views_7d": 1, "views_14d": 1, "views_30d": 1, "views_60d": 1,
    "views_90d": 1, "views_365d": 1, "lifecycle": "new", "evening_share": 1.0, "departments": [], "categories": [],
}  # fmt: skip
BLANK: dict[str, Any] = {"user_id": "103", "as_of": AS_OF}
TAGS = [
    (
        "101",
        "shopping_frequency",
        "weekly",
        0.75,
        "statistical",
        '{"mean_gap_days":7.75,"purchase_days":12}',
        date(2017, 8, 1),
        False,
    ),
    ("101", "income", "50-74K", 0.62, "model", '{"origin":"inferred","probability":0.62}', date(2017, 9, 1), False),
    ("101", "retired_tag", "yes", 1.0, "fact", '{"n":3}', date(2017, 9, 1), True),
    (
        "102",
        "lifecycle",
        "new",
        1.0,
        "rule",
        '{"mean_gap_days":null,"recency_days":0,"tenure_days":0}',
        date(2017, 9, 30),
        False,
    ),
]
CHANGES = [
    ("101", date(2017, 7, 3), "lifecycle", None, "new", "event"),
    ("101", date(2017, 8, 1), "shopping_frequency", None, "weekly", "event"),
    ("101", date(2017, 9, 1), "income", None, "50-74K", "model"),
    ("101", date(2017, 9, 12), "overdue", None, "overdue", "clock"),
    ("101", date(2017, 9, 14), "overdue", "overdue", None, "event"),
    ("102", date(2017, 9, 30), "lifecycle", None, "new", "event"),
]
RECOMMENDATIONS = [
    (
        "101",
        rank,
        f"i{rank}",
        1.0 / rank,
        "bought on 3 of the last 4 visits",
        "Gouda [young]\x1b[31m" if rank == 1 else None,
        "CHEESE",
    )
    for rank in range(10, 0, -1)
]
PREDICTIONS = [
    ("101", "churn_14d", 0.12), ("101", "category_14d=CHEESE", 0.7), ("101", "category_14d=MILK", 0.9),
    ("101", "kids=yes", 0.41), ("101", "kids=no", 0.38), ("101", "income=50-74K", 0.62),
]  # fmt: skip


def write_export(folder: Path, chance: float | None = 0.25, **manifest: Any) -> Path:
    """Every file of the contract, and a manifest that describes them. `chance` is that of each recommendation."""
    folder.mkdir(parents=True, exist_ok=True)
    tags = ["user_id", "tag_id", "value", "confidence", "kind", "evidence", "valid_from", "is_stale"]
    recommended = ["user_id", "rank", "item_id", "score", "reason", "item_name", "category", "list", "probability"]
    frames = {
        "portraits": pl.DataFrame([{**dict.fromkeys(PORTRAIT), **row} for row in (REGULAR, SINGLE, BLANK)], schema=PORTRAIT),
        "tags": pl.DataFrame(TAGS, schema=tags, orient="row"),
        "changes": pl.DataFrame(
            CHANGES, schema=["user_id", "event_date", "tag_id", "from_value", "to_value", "cause"], orient="row"
        ),
        "recommendations": pl.DataFrame([(*row, "again", chance) for row in RECOMMENDATIONS], schema=recommended, orient="row"),
        "predictions": pl.DataFrame(PREDICTIONS, schema=["user_id", "target", "probability"], orient="row"),
        "lists": pl.DataFrame(
            [(*row[:1], "again", *row[1:4], 0.5, *row[4:]) for row in RECOMMENDATIONS],
            schema=["user_id", "list", "rank", "item_id", "score", "probability", "reason", "item_name", "category"],
            orient="row",
        ),
        "embeddings": pl.DataFrame({"user_id": ["101", "102", "103"], "embedding": [[0.5], [0.0], [0.0]]}),
    }
    for name, frame in frames.items():
        frame.write_parquet(folder / f"{name}.parquet")
    said = {
        "as_of": str(AS_OF),
        "code_version": "0.1.0",
        "model_versions": {"behaviour": "m1"},
        "rows": {f"{name}.parquet": frame.height for name, frame in frames.items()},
        "sha256": {f"{name}.parquet": hashlib.sha256((folder / f"{name}.parquet").read_bytes()).hexdigest() for name in frames},
        "run": {"made_at": datetime(2026, 11, 24).isoformat()},
        **manifest,
    }
    (folder / "manifest.json").write_text(json.dumps(said), encoding="utf-8")
    return folder


@pytest.fixture
def export_folder(tmp_path: Path) -> Path:
    return write_export(tmp_path / "export")
