"""What is told further ahead: labels by hand, who serves, and abstaining."""

from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest

from portrait_assets.kernels import behaviour
from portrait_assets.kernels.calibration import Blend
from portrait_assets.kernels.lifetime import AmountModel, Lifetime, PurchaseModel, Summary
from portrait_assets.kernels.outlook import (
    Head,
    Tried,
    View,
    figures,
    rivals_of,
    seen_ahead,
    served_by,
    squared_error,
    tell,
    together,
)
from portrait_assets.kernels.scoring import longer
from portrait_assets.kernels.sequences import history_from
from tests.kernels.conftest import CONFIG, THROUGH, make_items, visit_row, visits_of


def test_labels_by_hand():
    """ann buys on day 2 (twice) and 9, bob on day 20, cat before and never again."""
    days = [("ann", 2, 500), ("ann", 2, 100), ("ann", 9, 300), ("bob", 20, 700), ("cat", -3, 900)]
    rows = [visit_row(u, datetime(2024, 3, 10 + d, 12, tzinfo=UTC), ["i1"], ["milk"], spend=cents) for u, d, cents in days]
    history = history_from(visits_of(rows), make_items(), date(2024, 5, 1), "purchase")
    told = {
        what: seen_ahead(history, np.arange(3), date(2024, 3, 10), what, 14) for what in ("churn", "purchases", "spend", "wait")
    }
    assert told["churn"].tolist() == [False, True, True] and told["purchases"].tolist() == [2, 0, 0]
    assert told["spend"].tolist() == [900, 0, 0] and told["wait"].tolist() == [2.5, 14, 14]


def view(log_spend: list[float]) -> View:
    n = len(log_spend)
    summary = Summary(np.full(n, 2.0), np.full(n, 30.0), np.full(n, 40.0), np.full(n, 500.0))
    return View(np.arange(n), np.zeros((n, 1)), summary, np.array(log_spend))


def test_the_rival_of_least_error_serves():
    seen = np.array([0.0, 1000.0, 4000.0])
    some = view(np.log1p(seen / 200).tolist())  # the network knows all but the scale
    lifetime = Lifetime(PurchaseModel(1, 10, 1, 60), AmountModel(2, 3, 500))
    rivals = rivals_of(Head("spend", 14, "boosting", None, Blend(), 1.0), some, seen, lifetime, CONFIG)
    assert set(rivals) == {"boosting", "lifetime", "network"}
    said = {by: tell(head, lifetime, some, 1) for by, head in rivals.items()}
    assert said["network"] == pytest.approx(seen) and min(said, key=lambda by: squared_error(said[by], seen)) == "network"
    assert "network" not in rivals_of(Head("spend", 90, "boosting", None, Blend(), 1.0), view([np.nan]), seen, lifetime, CONFIG)


def test_one_model_serves_purchases_and_spend_of_one_distance():
    """Boosting is 3 times as far off on purchases, the lifetime model 1.25 times on spend: apart each would win one."""
    truth = np.array([0.0, 0.0])

    def off(what: str, days: int, boosting: float, lifetime: float) -> Tried:
        return Tried(what, days, {}, {"boosting": truth + boosting, "lifetime": truth + lifetime}, truth)

    tried = {
        "purchases_90d": off("purchases", 90, 3.0, 1.0),
        "spend_90d": off("spend", 90, 4.0, 5.0),
        "spend_14d": off("spend", 14, 1.0, 2.0),
        "churn_90d": off("churn", 90, 1.0, 2.0),
    }
    assert [set(group) for group in together(tried)] == [{"purchases_90d", "spend_90d"}, {"spend_14d"}, {"churn_90d"}]
    best = {name: by for group in together(tried) for name, by in served_by(group).items()}
    assert best == {"purchases_90d": "lifetime", "spend_90d": "lifetime", "spend_14d": "boosting", "churn_90d": "boosting"}


def test_a_model_that_one_of_the_heads_lacks_serves_neither():
    truth = np.zeros(2)
    far = {
        "purchases_90d": Tried("purchases", 90, {}, {"boosting": truth + 2}, truth),
        "spend_90d": Tried("spend", 90, {}, {"boosting": truth + 9, "network": truth}, truth),
    }
    assert set(served_by(far).values()) == {"boosting"}


def test_a_year_goes_on_from_the_distance_before_it_as_the_lifetime_model_does():
    far, by_lifetime, value = (
        np.array([100.0, 100.0, 100.0, 100.0]),
        np.array([2.0, 0.0, np.nan, 5.0]),
        np.array([6.0, 0.0, np.nan, 4.0]),
    )
    assert longer(far, by_lifetime, value) == pytest.approx([300, 100, np.nan, 100], nan_ok=True)


def test_a_wait_as_long_as_its_window_is_not_told():
    assert figures("wait", np.array([1.0, 5.0]), np.array([3.0, np.nan])) == {"mae": 2.0, "come_by_then": 1.0}


def test_heads_of_the_shop_are_served_or_say_why_not(trained):
    model, report = trained
    outcome = report.outlook.filter(pl.col("outcome") != "").select("head", "outcome")
    assert {"churn_28d", "expected_spend_cents_14d", "next_purchase_days"} == set(model.outlook)
    assert set(outcome.filter(pl.col("outcome") == "served")["head"]) == set(model.outlook)
    far = outcome.filter(pl.col("head").str.ends_with("_90d"))["outcome"]
    assert len(far) == 3 and all(text.startswith("abstains: too little history") for text in far)
    assert report.outlook.filter(pl.col("head") == "churn_28d")["auc"].item() > 0.7
    assert set(report.reliability["head"]) == {"churn_14d", "churn_28d", "category", "item", "department"}


def test_who_comes_often_is_told_a_short_wait_and_more_spend(trained, shop):
    scores = behaviour.score(trained[0], shop["visits"], shop["features"], shop["items"], THROUGH)
    told = scores.amounts.pivot("target", index="user_id", values="value")
    often = shop["visits"].group_by("user_id").len().with_columns(often=pl.col("len") > 15)
    mean = told.join(often, on="user_id").group_by("often").agg(pl.col("^.*_cents_.*$").mean()).sort("often")
    assert mean["expected_spend_cents_14d"][1] > 2 * mean["expected_spend_cents_14d"][0]
    assert mean["lifetime_value_cents_365d"][1] > 2 * mean["lifetime_value_cents_365d"][0]
    assert told.filter(pl.col("next_purchase_days") < 7).height > 50 and told["next_purchase_days"].min() >= 0
    alive = scores.predictions.filter(pl.col("target") == "alive_probability")
    assert alive["probability"].is_between(0, 1).all() and alive.height == told.height


def test_a_longer_time_never_brings_less(trained, shop):
    """The network, put to serve 90 days, says less of some than the booster of 14 days does."""
    model = trained[0]
    far = Head("spend", 90, "network", None, Blend(), 1.0)
    model = replace(model, outlook=model.outlook | {"expected_spend_cents_90d": far})
    amounts = behaviour.score(model, shop["visits"], shop["features"], shop["items"], THROUGH).amounts
    told = amounts.pivot("target", index="user_id", values="value")
    near, far_told, year = (
        told[name] for name in ("expected_spend_cents_14d", "expected_spend_cents_90d", "lifetime_value_cents_365d")
    )
    assert (near <= far_told).all() and (far_told.drop_nulls() <= year.drop_nulls() * (1 + 1e-12)).all()
    assert (near == far_told).any() and (near < far_told).any()


def test_nothing_to_learn_is_an_abstention(shop):
    config = replace(CONFIG, outcome_event="return", epochs=1, boost_rounds=2)
    model, report = behaviour.train(**shop, trained_through=THROUGH, config=config)
    assert set(model.outlook) == {"expected_spend_cents_14d"}
    assert report.outlook.filter(pl.col("head") == "churn_28d")["outcome"].item().startswith("abstains: it was the same")
