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


ONES = PurchaseModel(1.0, 1.0, 1.0, 1.0)


def test_likelihood_by_hand():
    """Still there: B(a, b + x + 1) / B(a, b) (alpha + T)^-(r + x); dropped out: B(a + 1, b + x) / B(a, b) (alpha + t_x)^-(r + x)."""
    assert np.exp(ONES.log_likelihood(customer(0, 0, 3))[0]) == pytest.approx(1 / 2 / 4 + 1 / 2)
    assert np.exp(ONES.log_likelihood(customer(1, 1, 3))[0]) == pytest.approx(1 / 3 / 16 + 1 / 6 / 4)
    # x = 2 brings the factor r (r + 1) = 2
    assert np.exp(ONES.log_likelihood(customer(2, 3, 3))[0]) == pytest.approx(2 * (1 / 4 / 64 + 1 / 12 / 64))
    other = PurchaseModel(2.0, 1.0, 2.0, 3.0)  # b / (a + b) (alpha / (alpha + T))^r + a / (a + b)
    assert np.exp(other.log_likelihood(customer(0, 0, 1))[0]) == pytest.approx(3 / 5 / 4 + 2 / 5)


def test_alive_by_hand():
    """The odds of having dropped out are a / (b + x) ((alpha + T) / (alpha + t_x))^(r + x)."""
    assert ONES.alive(customer(1, 1, 3))[0] == pytest.approx(1 / (1 + 1 / 2 * 2**2))
    assert ONES.alive(customer(2, 3, 3))[0] == pytest.approx(
        1 / (1 + 1 / 3)
    )  # bought on the last day: after it one may drop out
    assert PurchaseModel(2.0, 1.0, 2.0, 3.0).alive(customer(0, 0, 1))[0] == pytest.approx(1 / (1 + 2 / 3 * 2**2))


def test_who_bought_once_long_ago_has_probably_left():
    """Odds of 361: hardly anybody; the day after the purchase as likely as not."""
    assert ONES.alive(customer(0, 0, 360))[0] == pytest.approx(1 / 362)
    assert ONES.alive(customer(0, 0, 0.1))[0] == pytest.approx(1 / 2.1)
    assert ONES.purchases(customer(0, 0, 360), 365)[0] < 0.003


def test_expected_purchases_by_hand():
    """Of r + x = 1 and k = t / (alpha + T): the mean of k / (1 + p k) over beta(1, 2), times alive."""
    assert ONES.alive(customer(0, 0, 0))[0] == 0.5
    assert ONES.purchases(customer(0, 0, 0), 1.0)[0] == pytest.approx(0.5 * 2 * (2 * np.log(2) - 1))
    # k = 3: 2 (4 / 3 ln 4 - 1)
    assert ONES.purchases(customer(0, 0, 0), 3.0)[0] == pytest.approx(0.5 * 2 * (4 / 3 * np.log(4) - 1))


def test_silence_by_hand():
    """The likelihood of the same purchases two days on, over that of today."""
    assert ONES.silent(customer(0, 0, 1), 2.0)[0] == pytest.approx((1 / 8 + 1 / 2) / (1 / 4 + 1 / 2))
    # at least one is expected, of who makes any at all
    some = 1 - (1 / 4 + 1 / 2) / 1.0  # T from 0 to 1
    assert Lifetime(ONES, None).bought_if_any(customer(0, 0, 0), 1.0)[0] == pytest.approx((2 * np.log(2) - 1) / some)


def test_who_buys_at_all_buys_once_at_least():
    """Also of who has left as good as surely, where the chance of any purchase is too small to divide by."""
    long_gone = Summary(np.array([30.0]), np.array([30.0]), np.array([3e5]), np.array([100.0]))
    lifetime = Lifetime(PurchaseModel(0.8, 10, 0.8, 2.5), None)
    assert lifetime.bought(long_gone, 14)[0] < 1e-10 and lifetime.bought_if_any(long_gone, 14).tolist() == [1.0]


def test_means_over_a_beta_distribution():
    points, weights = beta_points(2.0, np.array([3.0, 300.0]))
    assert (points * weights).sum(1) == pytest.approx([2 / 5, 2 / 302])
    assert (points**2 * weights).sum(1) == pytest.approx([2 * 3 / (5 * 6), 2 * 3 / (302 * 303)])


def test_amounts_by_hand():
    # p (gamma + x mean) / (p x + q - 1) = 2 (3 + 2 * 6) / (2 * 2 + 2 - 1)
    assert AmountModel(2.0, 2.0, 3.0).amounts(customer(2, 1, 3, 6.0))[0] == pytest.approx(6.0)
    assert AmountModel(2.0, 2.0, 3.0).amounts(customer(0, 0, 3))[0] == pytest.approx(6.0)  # p gamma / (q - 1): the mean of all
    both = Lifetime(ONES, AmountModel(2.0, 2.0, 3.0))
    assert both.spend(customer(0, 0, 0), 1.0)[0] == pytest.approx((2 * np.log(2) - 1) * 6.0)


def test_a_fit_finds_what_the_customers_were_drawn_from():
    """3,000 customers of gamma(1.5, rate 10) purchases a day who leave after one with a chance of beta(1, 3), watched for up to 200 days."""
    rng, people = np.random.default_rng(5), 3000
    rate, leaves, age = rng.gamma(1.5, 1 / 10, people), rng.beta(1.0, 3.0, people), rng.uniform(50, 200, people)
    repeats = rng.geometric(leaves) - 1  # purchases after the first until the one after which they leave
    times = [np.cumsum(rng.exponential(1 / r, n)) for r, n in zip(rate, np.minimum(repeats, 500), strict=True)]
    seen = [t[t < end] for t, end in zip(times, age, strict=True)]
    last = np.array([t[-1] if len(t) else 0.0 for t in seen])
    c = Summary(np.array([len(t) for t in seen], float), last, age, np.full(people, np.nan))
    model = fit_purchases(c)
    assert (model.r, model.alpha) == pytest.approx((1.5, 10), rel=0.1)
    assert (model.a, model.b) == pytest.approx((1.0, 3.0), rel=0.15)
    there = np.array([len(t) for t in seen]) < repeats
    assert model.alive(c).mean() == pytest.approx(there.mean(), abs=0.02)
    assert model.alive(c)[~there].mean() < 0.3 < 0.6 < model.alive(c)[there].mean()


def test_where_most_buy_once_and_never_again_they_are_not_said_to_be_there():
    """400 of 600 customers never come back; 200 buy about every 20 days. A rate near nothing would explain the former as well."""
    rng = np.random.default_rng(6)
    bought = rng.poisson(9, 200).astype(float)
    c = Summary(
        np.concatenate([np.zeros(400), bought]),
        np.concatenate([np.zeros(400), 190 * bought / np.maximum(bought, 1)]),
        np.concatenate([rng.uniform(0, 360, 400), np.full(200, 200.0)]),
        np.full(600, np.nan),
    )
    alive = fit_purchases(c).alive(c)
    assert alive[:400][c.age[:400] > 100].max() < 0.05 and alive[400:].mean() > 0.9


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
    c, silent = customer(repeats, last, age), customer(repeats, last, age + 50)
    alive, soon, later = model.alive(c)[0], model.purchases(c, 5.0)[0], model.purchases(c, 50.0)[0]
    assert 0 <= model.alive(silent)[0] <= alive + 1e-9 <= 1 + 1e-9
    assert 0 <= soon <= later * (1 + 1e-6) + 1e-9 and np.isfinite(later)
    none_soon, none_later = model.silent(c, 5.0)[0], model.silent(c, 50.0)[0]
    assert 1 - alive <= none_later + 1e-9 and none_later <= none_soon + 1e-9 <= 1 + 2e-9
    assert soon >= 1 - none_soon - 1e-9  # at least one purchase is expected at least as often
    # Who is there buys within the time, or is there after it.
    assert alive == pytest.approx(1 - none_later * (1 - model.alive(silent)[0]), abs=1e-7)
    other = PurchaseModel(r, alpha * unit, a, b)  # another unit of time is another alpha
    assert other.alive(customer(repeats, last * unit, age * unit))[0] == pytest.approx(alive, rel=1e-6, abs=1e-9)
    assert other.purchases(customer(repeats, last * unit, age * unit), 5 * unit)[0] == pytest.approx(soon, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize(
    ("model", "c"),
    [
        (PurchaseModel(0.05, 0.01, 0.01, 1e5), customer(3000, 2999, 4000)),
        (PurchaseModel(9e3, 4e5, 6e-4, 3e-4), customer(0, 0, 360)),
        (PurchaseModel(0.01, 1e-4, 200.0, 1e-3), customer(5, 1e-3, 1e4)),
        (PurchaseModel(1e-5, 1e5, 1e5, 1e5), customer(1, 0.5, 1)),
        (PurchaseModel(1.0, 1.0, 1.0, 1.0), customer(0, 0, 0)),  # bought on the last day
    ],
)
def test_numbers_at_the_edge_stay_numbers(model, c):
    found = [model.log_likelihood(c), model.alive(c), model.purchases(c, 365.0), model.silent(c, 365.0)]
    assert np.isfinite(found).all() and 0 <= found[1][0] <= 1 and 0 <= found[3][0] <= 1


def test_who_never_bought_is_unknown():
    nobody = summarise(np.zeros(0, np.int64), np.zeros(0), np.zeros(0), users=2, end=7)
    model = fit(nobody)
    assert model == Lifetime(None, None)
    ahead = (model.bought, model.spend, model.silent)
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
    """MBG/NBD as the R package BTYDplus estimates it, .525, 6.183, .891, 1.614; Gamma-Gamma as Fader and Hardie: 6.25, 3.74, 15.45."""
    told = pl.read_csv(cdnow.folder() / "cdnow_customers_summary_with_transactions.csv")
    c = Summary(*(told[name].cast(pl.Float64).to_numpy() for name in ("x", "t_x", "T", "zbar")))
    assert len(told) == 2357
    model = fit_purchases(c)
    assert (model.r, model.alpha, model.a, model.b) == pytest.approx((0.525, 6.183, 0.891, 1.614), abs=0.0005)
    assert model.log_likelihood(c).sum() == pytest.approx(-9582.1, abs=0.05)
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
        assert errors["MBG/NBD and Gamma-Gamma"] < errors["BG/NBD"]
        assert errors["MBG/NBD and Gamma-Gamma"] < 0.85 * errors["each as before"] < errors["the mean of all"]
    alive = dict(table.filter(pl.col("of") == "purchases").select("model", "one purchase: alive").drop_nulls().iter_rows())
    assert alive["MBG/NBD and Gamma-Gamma"] < 0.5 and alive["BG/NBD"] == 1
