"""Users and values as they should not be: each is scored or trained on without a stumble, and hurts nobody else."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from portrait_assets.kernels import behaviour
from portrait_assets.kernels.attributes import fit_one
from tests.kernels.conftest import CONFIG, THROUGH, visit_row, visits_of


def score(model, shop, visits: pl.DataFrame) -> behaviour.Scores:
    return behaviour.score(model, visits, shop["features"], shop["items"], THROUGH)


def of(frame: pl.DataFrame, user: str) -> pl.DataFrame:
    return frame.filter(pl.col("user_id") == user)


def test_a_user_of_one_event_and_one_of_a_million(trained, shop):
    one = visit_row("one", datetime(2024, 3, 1, tzinfo=UTC), ["i1"], ["milk"])
    start = datetime(2024, 1, 2, tzinfo=UTC)
    basket = [f"i{k % 6}" for k in range(1000)]
    million = [visit_row("million", start + timedelta(hours=2 * k), basket, ["milk"] * 1000) for k in range(1000)]
    scores = score(trained[0], shop, pl.concat([shop["visits"], visits_of([one, *million])]))
    assert np.isfinite(np.array(scores.embeddings["embedding"].to_list())).all()
    assert scores.predictions["probability"].is_between(0, 1).all()
    alive = dict(
        of(scores.predictions.filter(pl.col("target") == "alive_probability"), "one").select("user_id", "probability").rows()
    )
    assert 0 < alive["one"] < 1  # one may leave before a first repeat
    often = of(scores.amounts.filter(pl.col("target") == "expected_spend_cents_14d"), "million")["value"].item()
    assert often > of(scores.amounts.filter(pl.col("target") == "expected_spend_cents_14d"), "one")["value"].item()


def test_nobody_at_all_is_scored_as_nobody(trained, shop):
    scores = score(trained[0], shop, shop["visits"].clear())
    assert scores.embeddings.is_empty() and scores.predictions.is_empty() and scores.amounts.is_empty()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), None])
def test_a_number_that_is_none_stands_for_the_mean(trained, shop, value):
    """In a feature, and in what a visit cost."""
    broken = shop["features"].with_columns(
        recency_days=pl.when(pl.col("user_id") == "u001").then(pl.lit(value, pl.Float64)).otherwise(pl.col("recency_days"))
    )
    visits = shop["visits"].with_columns(
        pl.when(pl.col("user_id") == "u002")
        .then(pl.lit(value, pl.Float64))
        .otherwise(pl.col("spend_cents"))
        .alias("spend_cents")
    )
    scores = behaviour.score(trained[0], visits, broken, shop["items"], THROUGH)
    assert np.isfinite(np.array(scores.embeddings["embedding"].to_list())).all()
    assert scores.predictions["probability"].is_finite().all() and scores.amounts["value"].is_finite().all()
    assert of(scores.predictions, "u001").height == of(scores.predictions, "u003").height


def test_training_stands_nan_and_infinity(shop):
    spoilt = shop["visits"].with_columns(
        pl.when(pl.col("user_id").is_in(["u001", "u002"]))
        .then(pl.lit(float("nan")))
        .otherwise(pl.col("spend_cents"))
        .alias("spend_cents")
    )
    features = shop["features"].with_columns(
        pl.when(pl.col("user_id") == "u003").then(float("inf")).otherwise(pl.col("recency_days")).alias("recency_days")
    )
    some = pl.col("user_id") < "u060"
    frames = shop | {"visits": spoilt.filter(some), "features": features.filter(some)}
    _, report = behaviour.train(**frames, trained_through=THROUGH, config=replace(CONFIG, epochs=1))
    assert report.curves["loss"].is_finite().all() and report.metrics["log_loss"].is_finite().all()


def test_a_class_absent_from_a_fold_is_told_with_the_others():
    """One user alone has the third class: the fold that holds them out has never seen it."""
    rng = np.random.default_rng(0)
    y = np.array([0, 1] * 40 + [2])
    x = rng.normal(size=(81, 4)) + y[:, None]
    head, found, error = fit_one(x, y, ("a", "b", "c"), CONFIG)
    assert np.isfinite([found, error]).all() and head.probabilities(x).sum(1) == pytest.approx(np.ones(81))
