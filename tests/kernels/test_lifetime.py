"""Customer lifetime: by hand, by what must hold for all customers, on customers drawn from the model, and on published data."""

from importlib.util import find_spec

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portrait_assets.bench import cdnow
from portrait_assets.kernels.lifetime import (
    AmountModel,
    Lifetime,
    PurchaseModel,
    Summary,
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


ONES = PurchaseModel(1.0, 1.0, 1.0, 1.0)


def test_likelihood_by_hand():
    """r = alpha = s = beta = 1: (1 + T)^-1 (1 + T)^-(1 + x), plus the integral of (1 + u)^-(3 + x) from the last purchase to T."""
    assert np.exp(ONES.log_likelihood(customer(0, 0, 1))[0]) == pytest.approx(1 / 4 + (1 - 1 / 4) / 2)
    assert np.exp(ONES.log_likelihood(customer(1, 1, 3))[0]) == pytest.approx(1 / 64 + (1 / 8 - 1 / 64) / 3)
    # x = 2 brings the factor r (r + 1) = 2; last seen on the last day, nobody has left since
    assert np.exp(ONES.log_likelihood(customer(2, 3, 3))[0]) == pytest.approx(2 * (1 / 4) * (1 / 64))
    # alpha and beta 2, s 3: 2 (2 / 3)^3 / 3, plus 3 * 8 * 2 times the integral of (2 + u)^-5 from 0 to 1
    other = PurchaseModel(1.0, 2.0, 3.0, 2.0)
    assert np.exp(other.log_likelihood(customer(0, 0, 1))[0]) == pytest.approx(16 / 81 + 48 * (1 / 16 - 1 / 81) / 4)


def test_alive_by_hand():
    assert ONES.alive(customer(0, 0, 1))[0] == pytest.approx((1 / 4) / (5 / 8))
    assert ONES.alive(customer(1, 1, 3))[0] == pytest.approx((1 / 64) / (1 / 64 + 7 / 192))  # 3 / 10
    assert ONES.alive(customer(2, 3, 3))[0] == 1.0


def test_who_bought_once_long_ago_has_probably_left():
    """1 / 361^2 against half of 1 - 1 / 361^2: hardly anybody; the day after, more likely than not."""
    assert ONES.alive(customer(0, 0, 360))[0] == pytest.approx(2 / (361**2 + 1))
    assert ONES.alive(customer(0, 0, 0.1))[0] == pytest.approx(2 / (1.1**2 + 1))
    assert ONES.purchases(customer(0, 0, 360), 365)[0] < 0.002


def test_expected_purchases_by_hand():
    """s = 2: alive (r + x) (beta + T) / (alpha + T) (1 - (beta + T) / (beta + T + t)); s = 1: the logarithm in its place."""
    two = PurchaseModel(1.0, 1.0, 2.0, 3.0)
    c = customer(1, 1, 1)  # seen on the last day: alive
    assert two.purchases(c, 4.0)[0] == pytest.approx(2 * 4 / 2 * (1 - 4 / 8))
    assert ONES.purchases(c, 2.0)[0] == pytest.approx(2 * 2 / 2 * np.log(2))
    near = PurchaseModel(1.0, 1.0, 1.0 + 1e-7, 1.0)
    assert near.purchases(c, 2.0)[0] == pytest.approx(ONES.purchases(c, 2.0)[0], rel=1e-6)


def test_silence_by_hand():
    """The likelihood of the same purchases three days on, over that of today: (1 / 16 + 15 / 32) / (5 / 8)."""
    assert ONES.silent(customer(0, 0, 1), 2.0)[0] == pytest.approx((1 / 16 + 15 / 32) / (5 / 8))
    # Of that, 3 / 8 is of those who had left by today.
    assert ONES.left_if_silent(customer(0, 0, 1), 2.0)[0] == pytest.approx((3 / 8) / (1 / 16 + 15 / 32))


def test_amounts_by_hand():
    # p (gamma + x mean) / (p x + q - 1) = 2 (3 + 2 * 6) / (2 * 2 + 2 - 1)
    assert AmountModel(2.0, 2.0, 3.0).amounts(customer(2, 1, 3, 6.0))[0] == pytest.approx(6.0)
    assert AmountModel(2.0, 2.0, 3.0).amounts(customer(0, 0, 3))[0] == pytest.approx(6.0)  # p gamma / (q - 1): the mean of all
    assert Lifetime(ONES, AmountModel(2.0, 2.0, 3.0)).spend(customer(1, 1, 1, 6.0), 2.0)[0] == pytest.approx(
        2 * np.log(2) * 2 * (3 + 6) / (2 + 2 - 1)
    )


def test_a_fit_finds_what_the_customers_were_drawn_from():
    """2,000 customers of gamma(1.5, rate 10) purchases and gamma(1, rate 60) leaving a day, watched for up to 200 days."""
    rng = np.random.default_rng(5)
    rate, age = rng.gamma(1.5, 1 / 10, 2000), rng.uniform(50, 200, 2000)
    stays = np.minimum(rng.exponential(1 / rng.gamma(1.0, 1 / 60, 2000)), age)
    times = [np.cumsum(rng.exponential(1 / r, 400)) for r in rate]
    made = [t[t < stay] for t, stay in zip(times, stays, strict=True)]
    c = Summary(
        np.array([len(t) for t in made], float), np.array([t[-1] if len(t) else 0.0 for t in made]), age, np.full(2000, np.nan)
    )
    model = fit_purchases(c)
    assert (model.r, model.alpha, model.s, model.beta) == pytest.approx((1.5, 10, 1.0, 60), rel=0.2)
    gone = stays < age
    assert model.alive(c)[gone].mean() < 0.25 < 0.75 < model.alive(c)[~gone].mean()
    assert model.alive(c).mean() == pytest.approx((~gone).mean(), abs=0.02)


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
def test_what_holds_for_any_customer(r, alpha, s, beta, repeats, share, age, unit):
    model = PurchaseModel(r, alpha, s, beta)
    last = share * age if repeats else 0.0
    c, silent = customer(repeats, last, age), customer(repeats, last, age + 10)
    alive, soon, later = model.alive(c)[0], model.purchases(c, 5.0)[0], model.purchases(c, 50.0)[0]
    assert 0 <= model.alive(silent)[0] <= alive + 1e-9 <= 1 + 1e-9
    assert 0 <= soon <= later * (1 + 1e-6) + 1e-9 and np.isfinite(later)
    none_soon, none_later = model.silent(c, 5.0)[0], model.silent(c, 50.0)[0]
    assert 1 - alive <= none_later + 1e-9 and none_later <= none_soon + 1e-9 <= 1 + 2e-9
    assert soon >= 1 - none_soon - 1e-9  # at least one purchase is expected at least as often
    assert alive == pytest.approx(1 - none_later * model.left_if_silent(c, 50.0)[0], abs=1e-7)
    other = PurchaseModel(r, alpha * unit, s, beta * unit)  # another unit of time is another alpha and beta
    assert other.alive(customer(repeats, last * unit, age * unit))[0] == pytest.approx(alive, rel=1e-6, abs=1e-9)
    assert other.purchases(customer(repeats, last * unit, age * unit), 5 * unit)[0] == pytest.approx(soon, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize(
    ("model", "c"),
    [
        (PurchaseModel(0.05, 0.01, 0.01, 1e5), customer(3000, 2999, 4000)),
        (PurchaseModel(600.0, 4000.0, 600.0, 5e6), customer(0, 0, 360)),
        (PurchaseModel(0.01, 1e-4, 200.0, 1e-3), customer(5, 1e-3, 1e4)),
        (PurchaseModel(1e-5, 1e5, 1e5, 1e5), customer(1, 0.5, 1)),
        (PurchaseModel(1.0, 1.0, 1.0, 1.0), customer(0, 0, 0)),  # bought on the last day
    ],
)
def test_numbers_at_the_edge_stay_numbers(model, c):
    found = [
        model.log_likelihood(c),
        model.alive(c),
        model.purchases(c, 365.0),
        model.silent(c, 365.0),
        model.left_if_silent(c, 9.0),
    ]
    assert np.isfinite(found).all() and 0 <= found[1][0] <= 1 and 0 <= found[3][0] <= 1


def test_who_never_bought_is_unknown():
    nobody = summarise(np.zeros(0, np.int64), np.zeros(0), np.zeros(0), users=2, end=7)
    model = fit(nobody)
    assert model == Lifetime(None, None)
    ahead = (model.bought, model.spend, model.silent, model.left_if_silent)
    assert np.isnan([model.alive(nobody), *(of(nobody, 7) for of in ahead)]).all()


def bought(repeaters: int, amount: float) -> Summary:
    """Fifty customers buy on days 0 to 49; the first `repeaters` of them again the day after."""
    user = np.concatenate([np.arange(50), np.arange(repeaters)])
    day = np.concatenate([np.arange(50), np.arange(repeaters) + 1])
    return summarise(user, day, np.full(len(user), amount), users=50, end=60)


def test_where_hardly_anybody_buys_twice_nobody_is_said_to_be_there():
    assert fit(bought(9, 100.0)) == Lifetime(None, None)
    enough = fit(bought(10, 100.0))
    assert enough.purchases is not None and enough.amounts is not None
    assert np.isfinite(enough.spend(bought(10, 100.0), 14)).all()


def test_without_amounts_no_spend_is_expected():
    """A source without money: how often is known, how much is not."""
    model = fit(bought(20, 0.0))
    assert model.amounts is None and np.isfinite(model.bought(bought(20, 0.0), 14)).all()
    assert np.isnan(model.spend(bought(20, 0.0), 14)).all()


@needs_cdnow
def test_published_parameters_of_cdnow():
    """Fader and Hardie's: Pareto/NBD .553, 10.578 (10.580), .606, 11.669 at -9595.0; Gamma-Gamma 6.25, 3.74, 15.45."""
    told = pl.read_csv(cdnow.folder() / "cdnow_customers_summary_with_transactions.csv")
    c = Summary(*(told[name].cast(pl.Float64).to_numpy() for name in ("x", "t_x", "T", "zbar")))
    assert len(told) == 2357
    model = fit_purchases(c)
    assert (model.r, model.alpha, model.s, model.beta) == pytest.approx((0.553, 10.578, 0.606, 11.669), rel=5e-4)
    assert model.log_likelihood(c).sum() == pytest.approx(-9595.0, abs=0.05)
    amounts = fit_amounts(c)
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
        errors = dict(table.filter(pl.col("of") == what).select("model", "mean absolute error").iter_rows())
        assert errors["Pareto/NBD and Gamma-Gamma"] < 0.85 * errors["each as before"] < errors["the mean of all"]
    errors = dict(table.filter(pl.col("of") == "purchases").select("model", "root mean squared error").iter_rows())
    assert errors["Pareto/NBD and Gamma-Gamma"] < min(errors["BG/NBD"], errors["MBG/NBD"])
