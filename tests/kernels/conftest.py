"""A small shop whose customers have habits, made by a formula: enough for a model to learn from in seconds."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from portrait_assets.kernels import behaviour
from portrait_assets.kernels.config import TINY

START, THROUGH = date(2024, 1, 1), date(2024, 4, 1)
CONFIG = replace(TINY, targets=6, network_targets=6)
CATEGORIES = ("bread", "milk", "beer", "fish", "soap", "tea")


def visit_row(user: str, when: datetime, items: list[str], categories: list[str | None], spend: int | None = 100) -> dict:
    """One purchase visit."""
    return {
        "user_id": user, "event_date": when.date(), "visit_time": when, "local_hour": when.hour,
        "local_weekday": when.weekday(),
        "event_types": ["purchase"] * len(items), "item_ids": items, "categories": categories,
        "departments": ["food"] * len(items),
        "spend_cents": spend, "refund_cents": None if spend is None else 0, "discount_cents": None if spend is None else 0, "coupon_cents": None if spend is None else 0,
        "line_count": len(items),
    }  # fmt: skip


SCHEMA = {
    "user_id": pl.String, "event_date": pl.Date, "visit_time": pl.Datetime("us", "UTC"), "local_hour": pl.Int64,
    "local_weekday": pl.Int64,
    "event_types": pl.List(pl.String), "item_ids": pl.List(pl.String), "categories": pl.List(pl.String),
    "departments": pl.List(pl.String), "spend_cents": pl.Int64, "refund_cents": pl.Int64,
    "discount_cents": pl.Int64, "coupon_cents": pl.Int64, "line_count": pl.Int64,
}  # fmt: skip


def visits_of(rows: list[dict]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA)


def make_visits(users: int = 200, through: date = THROUGH, seed: int = 3) -> pl.DataFrame:
    """Half come every 3 days, half every 25; everyone has two favourite categories."""
    rng, rows = np.random.default_rng(seed), []
    for u in range(users):
        gap, favourites, day = rng.choice([3, 25]), rng.choice(6, 2, replace=False), rng.uniform(0, 20)
        while day < (through - START).days:
            chosen = sorted({int(rng.choice(favourites)) if rng.random() < 0.85 else int(rng.integers(6)) for _ in range(2)})
            when = datetime(START.year, START.month, START.day, tzinfo=UTC) + timedelta(days=float(day))
            rows.append(visit_row(f"u{u:03}", when, [f"i{c}" for c in chosen], [CATEGORIES[c] for c in chosen]))
            day += rng.exponential(gap) + 0.1
    return visits_of(rows).sort("user_id", "visit_time")


def make_features(visits: pl.DataFrame, as_ofs: list[date]) -> pl.DataFrame:
    """Recency and visits of three windows, as the SQL would give them."""
    frames = []
    for as_of in as_ofs:
        age = (
            pl.lit(datetime(as_of.year, as_of.month, as_of.day, tzinfo=UTC)) - pl.col("visit_time")
        ).dt.total_seconds() / 86_400
        counts = [(pl.col("age") <= days).sum().cast(pl.Int64).alias(f"visits_{days}d") for days in (7, 30, 90)]
        past = visits.with_columns(age.alias("age")).filter(pl.col("age") > 0)
        frames.append(
            past.group_by("user_id").agg(pl.col("age").min().alias("recency_days"), *counts).with_columns(as_of=pl.lit(as_of))
        )
    return pl.concat(frames).sort("as_of", "user_id")


def make_items() -> pl.DataFrame:
    columns = {"item_id": [f"i{c}" for c in range(6)], "department": ["food"] * 6, "category": list(CATEGORIES)}
    return pl.DataFrame(columns).with_columns(
        pl.lit(None, pl.String).alias(c) for c in ("item_type", "brand", "maker", "name", "size")
    )


def make_attributes(visits: pl.DataFrame) -> pl.DataFrame:
    """`age` is told by how often one comes; `rare` is declared by too few; `same` has one class."""
    visited = visits.group_by("user_id").len().sort("user_id")
    age = visited.select(
        "user_id", attribute=pl.lit("age"), value=pl.when(pl.col("len") > 6).then(pl.lit("old")).otherwise(pl.lit("young"))
    )
    rare = visited.head(4).select("user_id", attribute=pl.lit("rare"), value=pl.Series(["a", "b", "a", "b"]))
    same = visited.select("user_id", attribute=pl.lit("same"), value=pl.lit("x"))
    return pl.concat([age, rare, same])


def as_ofs_back(through: date, count: int = 6) -> list[date]:
    return [through - timedelta(days=14 * k) for k in range(count)]


@pytest.fixture(scope="session")
def shop() -> dict[str, pl.DataFrame]:
    """visits, features, items, attributes: the arguments of `train`."""
    visits = make_visits()
    features = make_features(visits, as_ofs_back(THROUGH))
    return {"visits": visits, "features": features, "items": make_items(), "attributes": make_attributes(visits)}


@pytest.fixture(scope="session")
def trained(shop):
    """(model, report) of the shop."""
    return behaviour.train(**shop, trained_through=THROUGH, config=CONFIG)
