"""The curve of no purchase: composed and read by hand, and never rising whatever its steps say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_assets.kernels.boosting import fit_booster
from portrait_assets.kernels.calibration import Blend
from portrait_assets.kernels.curve import Curve, Silence, Step, composed
from tests.kernels.conftest import CONFIG


def one(near: float, **steps: float) -> Silence:
    """The curve of one user with a churn of `near` at 14 days; `d7=0.5` is a step."""
    chances = {int(name[1:]): np.array([value]) for name, value in steps.items()}
    inward, outward = sorted((d for d in chances if d < 14), reverse=True), sorted(d for d in chances if d > 14)
    return composed(14, np.array([near]), inward, outward, chances)


def test_steps_are_conditional_probabilities():
    """Churn 0.4: of the 0.6 who buy in 14 days half do in 7, of these a third in 3; of the 0.4 who do not, 0.8 do not in 28 and 0.5 of those not in 90."""
    silence = one(0.4, d7=0.5, d3=1 / 3, d28=0.8, d90=0.5)
    assert silence.days == (3, 7, 14, 28, 90)
    assert silence.chance[0] == pytest.approx([1 - 0.1, 1 - 0.3, 0.4, 0.32, 0.16])


def test_between_the_days_the_rate_is_constant():
    silence = one(0.25, d28=0.25)  # 1, then 1/4 at 14 and 1/16 at 28
    assert silence.before(14)[0] == 0.25 and silence.before(28)[0] == 0.0625  # to the last bit
    assert silence.before(7)[0] == pytest.approx(0.5)
    assert silence.before(21)[0] == pytest.approx(0.125)
    assert silence.before(0)[0] == 1 and np.isnan(silence.before(29)[0])
    two = Silence((14, 28), np.array([[0.25, 0.0625], [0.5, 0.25]]))
    assert two.before(np.array([21.0, 28.0])) == pytest.approx([0.125, 0.25])  # a day of each user's own


def test_the_median_is_where_the_curve_is_a_half():
    assert one(0.25).median()[0] == pytest.approx(7)
    assert one(0.8, d28=0.5).median()[0] == pytest.approx(14 + 14 * np.log(0.8 / 0.5) / np.log(2))
    assert np.isnan(one(0.8, d28=0.9).median()[0])  # beyond the last day it is not known
    assert one(0.5).median()[0] == pytest.approx(14)
    assert one(0.0).median()[0] < 1


probability = st.floats(0, 1)


@given(probability, st.lists(probability, min_size=5, max_size=5))
def test_it_never_rises_and_the_median_lies_on_it(near, steps):
    names = ("d7", "d3", "d1", "d28", "d90")
    silence = one(near, **dict(zip(names, steps, strict=True)))
    days = np.array([0, 0.5, 1, 2, 3, 5, 7, 10, 14, 20, 28, 60, 90])
    chance = np.array([silence.before(day)[0] for day in days])
    assert ((chance >= 0) & (chance <= 1)).all() and (np.diff(chance) <= 0).all()
    assert silence.before(14)[0] == near
    median = silence.median()[0]
    if np.isnan(median):
        assert chance[-1] > 0.5
    else:
        assert (chance[days < median - 1e-9] >= 0.5 - 1e-9).all() and (chance[days > median + 1e-9] <= 0.5 + 1e-9).all()


def test_a_curve_of_heads_asks_each_step_of_its_booster():
    """One number tells: whoever has a 1 does not come between 14 and 28 days."""
    x = np.tile([[0.0], [1.0]], (100, 1))
    booster = fit_booster(x, x[:, 0], CONFIG)
    curve = Curve(14, outward=(Step(28, booster, Blend(1.0, 0.0, 0.0)),))
    assert curve.days == (14, 28)
    silence = curve.silence(np.array([0.6, 0.6]), np.array([[0.0], [1.0]]), threads=1)
    assert silence.chance[:, 0].tolist() == [0.6, 0.6]
    assert silence.chance[0, 1] < 0.2 and silence.chance[1, 1] > 0.4
    moved = Curve(14, outward=(Step(28, booster, Blend(0.0, 0.0, 0.0)),))  # a blend that says an even chance of all
    assert moved.silence(np.array([0.6]), np.array([[1.0]]), 1).chance[0, 1] == pytest.approx(0.3)
