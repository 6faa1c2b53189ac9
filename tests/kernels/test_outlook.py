"""What is predicted further ahead: labels by hand, amounts on the curve, who serves, and abstaining."""

from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest

from portrait_assets.kernels import behaviour
from portrait_assets.kernels.calibration import sigmoid
from portrait_assets.kernels.curve import Silence
from portrait_assets.kernels.lifetime import AmountModel, Lifetime, PurchaseModel, Summary
from portrait_assets.kernels.metrics import auc
from portrait_assets.kernels.outlook import (
    Head,
    Known,
    Learner,
    Trial,
    Tried,
    View,
    amount_label,
    expected,
    judged_apart,
    least_error,
    purchase_days,
    spend,
    step_label,
    wait_figures,
    waits,
)
from portrait_assets.kernels.parts import purchase_summary
from portrait_assets.kernels.predicting import longer, spend_ahead
from portrait_assets.kernels.selection import select_columns
from portrait_assets.kernels.sequences import history_from
from tests.kernels.conftest import CONFIG, THROUGH, make_items, visit_row, visits_of

NOBODY = Summary(*(np.zeros(0) for _ in range(4)))


@pytest.fixture
def three():
    """ann buys on day 2 (twice) and 9, bob on day 20, cat before and never again."""
    days = [("ann", 2, 500), ("ann", 2, 100), ("ann", 9, 300), ("bob", 20, 700), ("cat", -3, 900)]
    rows = [visit_row(u, datetime(2024, 3, 10 + d, 12, tzinfo=UTC), ["i1"], ["milk"], spend=cents) for u, d, cents in days]
    return history_from(visits_of(rows), make_items(), date(2024, 5, 1), "purchase")


def test_labels_by_hand(three):
    of = (three, np.arange(3), date(2024, 3, 10))
    assert waits(*of).tolist() == [2.5, 20.5, np.inf]
    assert purchase_days(*of, 14).tolist() == [2, 0, 0] and purchase_days(*of, 28).tolist() == [2, 1, 0]
    assert spend(*of, 0, 14).tolist() == [900, 0, 0] and spend(*of, 14, 28).tolist() == [0, 700, 0]


def test_a_window_holds_its_first_instant_and_not_the_one_after_its_last():
    """As dates without an hour are: bought at the as-of, and a fortnight later."""
    rows = [
        visit_row("ann", datetime(2024, 3, day, tzinfo=UTC), ["i1"], ["milk"], spend=cents)
        for day, cents in ((10, 500), (24, 300))
    ]
    of = (history_from(visits_of(rows), make_items(), date(2024, 5, 1), "purchase"), np.arange(1), date(2024, 3, 10))
    assert (waits(*of)[0], purchase_days(*of, 14)[0], purchase_days(*of, 15)[0]) == (0, 1, 2)
    assert (spend(*of, 0, 14)[0], spend(*of, 14, 28)[0], spend(*of, 0, 15)[0]) == (500, 300, 800)


def test_what_each_head_learns_and_of_whom(three):
    wait = waits(three, np.arange(3), date(2024, 3, 10))
    view = View(np.arange(3), np.zeros((3, 1)), NOBODY, date(2024, 3, 10), wait)
    steps = {(0, 14): ([1, 1, 1], [0, 1, 1]), (14, 28): ([0, 1, 1], [0, 0, 1]), (14, 7): ([1, 0, 0], [1, 0, 0]), (7, 1): ([1, 0, 0], [0, 0, 0])}  # fmt: skip
    for (before, day), (rows, did) in steps.items():
        found = step_label(14, before, day)(view)
        assert found[0].tolist() == rows and (found[0] & found[1]).tolist() == [r and d for r, d in zip(rows, did, strict=True)]
    of_buyers = {"purchases": [1, -1, -1], "spend": [900, 0, 0]}
    for what, did in of_buyers.items():
        rows, found = amount_label(three, 14, what, 14)(view)
        assert rows.tolist() == [True, False, False] and found.tolist() == did
    rows, found = amount_label(three, 14, "later spend", 28)(view)
    assert rows.all() and found.tolist() == [0, 700, 0]


def known(purchases: float = 2.0) -> Known:
    summary = Summary(np.array([purchases]), np.array([30.0]), np.array([40.0]), np.array([500.0]))
    return Known(np.arange(1), np.zeros((1, 1)), summary)


def test_amounts_stand_on_the_curve():
    """Without a booster's word (score 0, so 1): of who buys at all, 1 + 1 purchases and 1 cent; the later spend is of everybody."""
    silence, lifetime = Silence((14, 90), np.array([[0.6, 0.25]])), Lifetime(None, None)
    told = {what: expected(Head(what, days, "boosting", None), silence, known(), lifetime, CONFIG)[0]
            for what, days in (("purchases", 90), ("spend", 14), ("later spend", 90))}  # fmt: skip
    assert told == pytest.approx({"purchases": 0.75 * 2, "spend": 0.4 * 1, "later spend": 1})


def test_the_lifetime_model_says_how_many_and_how_much_of_who_buys():
    silence = Silence((14, 90), np.array([[0.6, 0.25]]))
    lifetime = Lifetime(PurchaseModel(1, 10, 1, 60), AmountModel(2, 3, 500))
    c = known().summary
    some = lifetime.bought(c, 90)[0] / (1 - lifetime.silent(c, 90)[0])
    assert some > 1
    of = (silence, known(), lifetime, CONFIG)
    assert expected(Head("purchases", 90, "lifetime", None), *of)[0] == pytest.approx(0.75 * some)
    some = lifetime.bought(c, 14)[0] / (1 - lifetime.silent(c, 14)[0])
    assert expected(Head("spend", 14, "lifetime", None), *of)[0] == pytest.approx(0.4 * some * lifetime.amount(c)[0])
    later = lifetime.spend(c, 90)[0] - lifetime.spend(c, 14)[0]
    assert expected(Head("later spend", 90, "lifetime", None), *of)[0] == pytest.approx(later) and later > 0


def test_the_far_spend_begins_with_the_near_one_and_a_year_goes_on_as_the_lifetime_model_does():
    lifetime = Lifetime(PurchaseModel(1, 10, 1, 60), AmountModel(2, 3, 500))
    c = known().summary
    amounts = {"expected_spend_cents_14d": np.array([30.0]), "expected_spend_cents_90d": np.array([70.0])}
    found = spend_ahead(amounts, lifetime, c, 14, 90)
    growth = {days: lifetime.spend(c, 365)[0] / lifetime.spend(c, days)[0] for days in (14, 90)}
    assert found["expected_spend_cents_90d"].tolist() == [100.0]
    assert found["lifetime_value_cents_365d"][0] == pytest.approx(100 * growth[90])
    near = spend_ahead({"expected_spend_cents_14d": np.array([30.0])}, lifetime, c, 14, 90)
    assert near["lifetime_value_cents_365d"][0] == pytest.approx(30 * growth[14])
    assert spend_ahead({}, lifetime, c, 14, 90)["lifetime_value_cents_365d"] == pytest.approx(lifetime.spend(c, 365))


def test_a_year_never_brings_less_than_the_distance_before_it():
    far, by_lifetime, value = (
        np.array([100.0, 100.0, 100.0, 100.0]),
        np.array([2.0, 0.0, np.nan, 5.0]),
        np.array([6.0, 0.0, np.nan, 4.0]),
    )
    assert longer(far, by_lifetime, value) == pytest.approx([300, 100, np.nan, 100], nan_ok=True)


def tried(boosting: float, **others: float) -> Tried:
    """Rivals that are off by so much of a truth of nothing."""
    truth = np.zeros(2)
    return Tried(90, {}, {by: truth + off for by, off in {"boosting": boosting, **others}.items()}, truth, None)


def test_one_model_serves_all_amounts_of_a_distance():
    """Boosting is 3 times as far off on purchases, the lifetime model 1.25 times on spend: apart each would win one."""
    purchases, money = tried(3.0, lifetime=1.0), tried(4.0, lifetime=5.0)
    assert least_error([purchases]) == "lifetime" and least_error([money]) == "boosting"
    assert least_error([purchases, money]) == "lifetime"
    assert least_error([tried(9.0), money]) == "boosting"  # what one of them lacks serves neither
    gone = Tried(90, {}, {"boosting": np.array([np.nan, 3.0])}, np.array([4.0, 3.0]), None)
    assert least_error([gone]) == "boosting"  # who has none is taken as 0


def test_the_median_is_judged_by_who_came_by_it():
    silence = Silence((14,), np.array([[0.25], [0.25], [0.9]]))  # medians 7, 7 and none
    found = wait_figures(np.array([4.0, np.inf, 3.0]), silence)
    assert found == pytest.approx({"mae": (3 + 7) / 2, "come_by_then": 0.5})


def test_nobody_judges_a_calibration_that_knew_them():
    """Scores that say nothing, of users whose outcome is fitted best by their own: judged on themselves they would look calibrated."""
    rng = np.random.default_rng(3)
    half = rng.random(40) < 0.5
    did = half.copy()  # one half all did, the other none
    chance = judged_apart(np.zeros(40), did, np.ones(40, bool), half)
    assert np.allclose(chance[half], 0.5) and np.allclose(chance[~half], 0.5)  # one value: nothing to fit, the score as it is
    score = rng.normal(size=4000)
    half = np.arange(4000) < 2000
    did = rng.random(4000) < sigmoid(np.where(half, score, -score))  # the halves contradict each other
    chance = judged_apart(score, did, np.ones(4000, bool), half)
    assert auc(did[half], chance[half]) < 0.4 and auc(did[~half], chance[~half]) < 0.4


def learner(shop, limit: date = THROUGH) -> Learner:
    history = history_from(shop["visits"], shop["items"], THROUGH, "purchase")
    return Learner(history, shop["features"], select_columns(shop["features"]), Lifetime(None, None), CONFIG, limit)


def test_a_trial_knows_nothing_of_its_window_or_later(shop):
    """As-ofs are 14 days apart back from 1 April: judged on the latest whose window is over, by those over before it begins."""
    served = learner(shop)
    assert served.as_ofs(14)[-1] == date(2024, 3, 18) and served.as_ofs(28)[-1] == date(2024, 3, 4)
    trial = Trial.of(served, 28)
    assert trial.view.as_of == date(2024, 3, 4) and trial.learner.limit == date(2024, 3, 4)
    assert trial.learner.as_ofs(28) == [date(2024, 1, 22), date(2024, 2, 5)] and trial.learner.as_ofs(14)[-1] == date(
        2024, 2, 19
    )
    later = pl.col("event_date") >= date(2024, 3, 4)
    doubled = pl.concat([shop["visits"], shop["visits"].filter(later).with_columns(spend_cents=pl.lit(9_999_999, pl.Int64))]).sort("user_id", "visit_time")  # fmt: skip
    other = Trial.of(learner(shop | {"visits": doubled}), 28)
    assert np.array_equal(trial.view.inputs, other.view.inputs, equal_nan=True)
    label = amount_label(served.history, 14, "spend", 14)
    assert trial.learner.fit(14, label, "tweedie") == other.learner.fit(
        14, amount_label(other.learner.history, 14, "spend", 14), "tweedie"
    )
    assert Trial.of(served, 90) is None


def test_heads_of_the_shop_are_served_or_say_why_not(trained):
    model, report = trained
    outcome = report.outlook.filter(pl.col("outcome") != "").select("head", "outcome")
    assert set(model.outlook.heads) == {"expected_spend_cents_14d"} and model.outlook.curve.days == (1, 3, 7, 14, 28)
    served = {"expected_spend_cents_14d", "churn_28d", "next_purchase_days"}
    assert set(outcome.filter(pl.col("outcome") == "served")["head"]) == served
    far = outcome.filter(pl.col("head").str.ends_with("_90d"))
    assert len(far) == 3 and all(text.startswith("abstains: too little history") for text in far["outcome"])
    assert {head: f"abstains: {why}" for head, why in model.not_predicted.items() if head in set(far["head"])} == dict(
        far.rows()
    )
    assert report.outlook.filter(pl.col("head") == "churn_28d")["auc"].item() > 0.7
    come_by_then = report.outlook.filter(pl.col("head") == "next_purchase_days")["come_by_then"].item()
    assert come_by_then == pytest.approx(0.5, abs=0.1)
    assert set(report.reliability["head"]) == {"churn_14d", "churn_28d", "category", "item", "department"}


def test_who_comes_often_is_told_a_short_wait_and_more_spend(trained, shop):
    scores = behaviour.score(trained[0], shop["visits"], shop["features"], shop["items"], THROUGH)
    told = scores.amounts.pivot("target", index="user_id", values="value")
    often = shop["visits"].group_by("user_id").len().with_columns(often=pl.col("len") > 15)
    mean = told.join(often, on="user_id").group_by("often").agg(pl.col("^.*_cents_.*$").mean(), pl.col("churn_horizon_days").mean()).sort("often")  # fmt: skip
    assert mean["expected_spend_cents_14d"][1] > 2 * mean["expected_spend_cents_14d"][0]
    assert mean["lifetime_value_cents_365d"][1] > 2 * mean["lifetime_value_cents_365d"][0]
    assert mean["churn_horizon_days"][1] == 14 and mean["churn_horizon_days"][0] > 20
    assert told.filter(pl.col("next_purchase_days") < 7).height > 50 and told["next_purchase_days"].min() >= 0
    alive = scores.predictions.filter(pl.col("target") == "alive_probability")
    assert alive["probability"].is_between(0, 1).all() and alive.height == told.height


def test_who_is_there_buys_by_the_end_of_the_curve_or_is_there_even_so(trained, shop):
    """The curve ends at 28 days: of who does not buy by then, whom the lifetime model takes to be there after 28 more days of silence."""
    scores = behaviour.score(trained[0], shop["visits"], shop["features"], shop["items"], THROUGH)
    told = scores.predictions.pivot("target", index="user_id", values="probability").sort("user_id")
    history = history_from(shop["visits"], shop["items"], THROUGH, CONFIG.outcome_event)
    gone = 1 - trained[0].served.lifetime.alive(purchase_summary(history, THROUGH).later(28))
    assert history.users == told["user_id"].to_list()
    assert told["alive_probability"].to_numpy() == pytest.approx(1 - told["churn_28d"].to_numpy() * gone, abs=1e-12)


def test_nothing_to_learn_is_an_abstention(shop):
    config = replace(CONFIG, outcome_event="return", epochs=1, boost_rounds=2)
    model, report = behaviour.train(**shop, trained_through=THROUGH, config=config)
    assert model.outlook.heads == {} and model.outlook.curve.days == (14,) and not model.calibration.has_churn
    assert report.outlook.filter(pl.col("head") == "churn_28d")["outcome"].item().startswith("abstains: all users did the same")
    for target in ("churn", "churn_14d", "churn_28d", "next_purchase_days", "category_14d", "item_14d"):
        assert model.not_predicted[target] == "all users did the same in the windows it would be learnt from or judged by"
