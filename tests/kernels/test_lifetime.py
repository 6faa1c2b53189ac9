"""Customer lifetime: by hand, by what must hold for all customers, and on published data."""

from importlib.util import find_spec

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portrait_assets.bench import cdnow
from portrait_assets.kernels.lifetime import (
    AmountModel,
    PurchaseModel,
    Summary,
    beta_points,
    fit,
    fit_amounts,
    fit_purchases,
    summarise,
)

needs_cdnow = pytest.mark.skipif(
    find_spec("lifetimes") is None, reason="CDNOW comes with lifetimes: pip install -e '.[examples]'"
)


def customer(repeats: float, last: float, age: float, amount: float = np.nan) -> Summary:
    return Summary(*(np.array([value]) for value in (repeats, last, age, amount)))


def test_by_hand():
    ones = PurchaseModel(1.0, 1.0, 1.0, 1.0)
    assert ones.log_likelihood(customer(0, 0, 3))[0] == pytest.approx(-np.log(4))  # alpha / (alpha + T)
    # odds of having left: a / (b + x - 1) ((alpha + T) / (alpha + t_x)) ** (r + x) = 1 / 1 * (4 / 2) ** 2
    assert ones.alive(customer(1, 1, 3))[0] == pytest.approx(1 / 5)
    # p (gamma + x mean) / (p x + q - 1) = 2 (3 + 2 * 6) / (2 * 2 + 2 - 1)
    assert AmountModel(2.0, 2.0, 3.0).amounts(customer(2, 1, 3, 6.0))[0] == pytest.approx(6.0)
    assert AmountModel(2.0, 2.0, 3.0).amounts(customer(0, 0, 3))[0] == pytest.approx(6.0)  # p gamma / (q - 1): the mean of all


def test_means_over_a_beta_distribution():
    points, weights = beta_points(2.0, np.array([3.0, 300.0]))
    assert (points * weights).sum(1) == pytest.approx([2 / 5, 2 / 302])
    assert (points**2 * weights).sum(1) == pytest.approx([2 * 3 / (5 * 6), 2 * 3 / (302 * 303)])


def test_purchases_of_one_day_are_one_and_later_ones_are_unseen():
    user, day = np.array([2, 0, 0, 0, 0, 2]), np.array([5, 0, 4, 4, 9, 10])
    s = summarise(user, day, np.array([1.0, 50.0, 2.0, 4.0, 8.0, 99.0]), users=3, end=10)
    assert s.repeats.tolist()[::2] == [2, 0] and s.last.tolist()[::2] == [9, 0] and s.age.tolist()[::2] == [9, 4]
    assert s.amount[0] == 7.0  # of days 4 and 9: (6 + 8) / 2
    assert np.isnan([s.repeats[1], s.last[1], s.age[1], *s.amount[1:]]).all()


parameter = st.floats(0.05, 20)


@settings(max_examples=60, deadline=None)
@given(
    parameter, parameter, parameter, parameter, st.integers(0, 500), st.floats(0, 1), st.floats(0.1, 400), st.floats(0.5, 100)
)
def test_what_holds_for_any_customer(r, alpha, a, b, repeats, share, age, unit):
    model = PurchaseModel(r, alpha, a, b)
    last = share * age if repeats else 0.0
    s, silent = customer(repeats, last, age), customer(repeats, last, age + 10)
    alive, soon, later = model.alive(s)[0], model.purchases(s, 5.0)[0], model.purchases(s, 50.0)[0]
    assert 0 <= model.alive(silent)[0] <= alive <= 1
    assert 0 <= soon <= later * (1 + 1e-6) + 1e-9 and np.isfinite(later)
    other = PurchaseModel(r, alpha * unit, a, b)  # another unit of time is another alpha
    assert other.alive(customer(repeats, last * unit, age * unit))[0] == pytest.approx(alive, rel=1e-6, abs=1e-9)
    assert other.purchases(customer(repeats, last * unit, age * unit), 5 * unit)[0] == pytest.approx(soon, rel=1e-5, abs=1e-7)


def test_who_never_bought_is_unknown():
    nobody = summarise(np.zeros(0, np.int64), np.zeros(0), np.zeros(0), users=2, end=7)
    model = fit(nobody)
    assert np.isnan(model.purchases.purchases(nobody, 7)).all() and np.isnan(model.spend(nobody, 7)).all()


def test_customers_without_repeats_or_amounts_are_fitted():
    model = fit(summarise(np.arange(50), np.arange(50), np.zeros(50), users=50, end=60))
    s = summarise(np.arange(50), np.arange(50), np.zeros(50), users=50, end=60)
    assert (model.purchases.purchases(s, 14) < 0.1).all() and (model.spend(s, 14) == 0).all()


@needs_cdnow
def test_published_parameters_of_cdnow():
    told = pl.read_csv(cdnow.folder() / "cdnow_customers_summary_with_transactions.csv")
    s = Summary(*(told[name].cast(pl.Float64).to_numpy() for name in ("x", "t_x", "T", "zbar")))
    assert len(told) == 2357
    model = fit_purchases(s)
    assert (model.r, model.alpha, model.a, model.b) == pytest.approx((0.243, 4.414, 0.793, 2.426), abs=0.0005)
    assert model.log_likelihood(s).sum() == pytest.approx(-9582.4, abs=0.05)
    # the worked customer of the authors' spreadsheet note: 1.226 purchases in the next 39 weeks
    assert model.purchases(customer(2, 30.43, 38.86), 39.0)[0] == pytest.approx(1.226, abs=0.0005)
    amounts = fit_amounts(s)
    assert (amounts.p, amounts.q, amounts.gamma) == pytest.approx((6.25, 3.74, 15.45), rel=2e-3)


@needs_cdnow
def test_purchases_are_summarised_as_published():
    bought = cdnow.purchases(cdnow.folder() / "CDNOW_sample.txt", user=1, columns=5)
    told = pl.read_csv(cdnow.folder() / "cdnow_customers_summary.csv")
    s = cdnow.summary(bought, cdnow.MIDDLE)
    for mine, published in ((s.repeats, "frequency"), (s.last, "recency"), (s.age, "T")):
        assert np.abs(mine - told[published].to_numpy()).max() < 0.0051


@needs_cdnow
def test_the_models_beat_going_on_as_before_on_the_master_file():
    table = cdnow.holdout(cdnow.purchases(cdnow.folder() / "CDNOW_master.txt", user=0, columns=4))
    for what in ("purchases", "spend"):
        errors = dict(table.filter(pl.col("told") == what).select("model", "mean absolute error").iter_rows())
        assert errors["BG/NBD and Gamma-Gamma"] < 0.85 * errors["each as before"] < errors["the mean of all"]
