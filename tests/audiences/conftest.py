"""A hand-made export of forty users whose every audience can be counted by eye, and the real columns' names."""

import hashlib
import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from portrait_assets.reading import Export

USERS = [f"u{number}" for number in range(1, 41)]


def make_export(folder: Path, lapsing: range = range(1, 11), as_of: str = "2017-10-01") -> Path:
    """u1 to u10 are lapsing, others active; every second one has high value; u1 to u5 like CHEESE; churn is number / 100.

    u40 has no churn and no tag but lifecycle. Embeddings are one direction for lapsing users and its opposite for others. u31 to
    u39 have a churn risk, high for odd numbers, which is stale from u35 on.
    """
    folder.mkdir(parents=True)
    tags, portraits, vectors = [], [], []
    for number, user_id in enumerate(USERS, start=1):
        stage = "lapsing" if number in lapsing else "active"
        tags.append((user_id, "lifecycle", stage, json.dumps({"recency_days": number}), False))
        if number < 40:
            tier = "high" if number % 2 == 0 else "low"
            tags.append((user_id, "value_tier", tier, json.dumps({"spend_cents_365d": number}), False))
        if 31 <= number < 40:
            risk = "high" if number % 2 == 1 else "low"
            tags.append((user_id, "churn_risk", risk, json.dumps({"probability": number / 100}), number >= 35))
        portraits.append({
            "user_id": user_id, "as_of": date.fromisoformat(as_of), "visits": number,
            "churn_14d": number / 100 if number < 40 else None, "first_date": date(2017, 1, 1),
            "categories": [{"value": "CHEESE" if number <= 5 else "MILK", "share_milli": 100}],
        })  # fmt: skip
        vectors.append({"user_id": user_id, "embedding": [1.0 if number in lapsing else -1.0, number / 1000]})
    frames = {
        "portraits": pl.DataFrame(portraits),
        "tags": pl.DataFrame(tags, schema=["user_id", "tag_id", "value", "evidence", "is_stale"], orient="row"),
        "embeddings": pl.DataFrame(vectors),
        "predictions": pl.DataFrame(
            {"user_id": USERS, "target": ["category_14d=CHEESE"] * 40, "probability": [0.1] * 20 + [0.6] * 20}
        ),
        "changes": pl.DataFrame({"user_id": USERS}),
        "recommendations": pl.DataFrame({"user_id": USERS}),
        "lists": pl.DataFrame({"user_id": USERS}),
    }
    for name, frame in frames.items():
        frame.write_parquet(folder / f"{name}.parquet")
    hashes = {f"{name}.parquet": hashlib.sha256((folder / f"{name}.parquet").read_bytes()).hexdigest() for name in frames}
    manifest = {"as_of": as_of, "pack": "ecommerce", "sha256": hashes, "generation": f"made-{as_of}"}
    manifest["not_predicted"] = {"category_14d=TEA": "nobody bought it", "item_14d": "too few did", "churn": "no rhythm"}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def export(tmp_path_factory: pytest.TempPathFactory) -> Export:
    return Export.open(make_export(tmp_path_factory.mktemp("audiences") / "export"))
