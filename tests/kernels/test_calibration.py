"""Blending and calibrating."""

import numpy as np
import pytest

from portrait_assets.kernels.calibration import Blend, fit_blend, fit_temperature, sigmoid, softmax
from portrait_assets.kernels.evaluation import Truth, chances_of, fit_calibration, judged_chances
from portrait_assets.kernels.labels import USER_TARGETS
from portrait_assets.kernels.metrics import auc, calibration_error
from portrait_assets.kernels.parts import RawScores
from tests.kernels.conftest import CONFIG


def overconfident(rows: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Log odds three times too large, and labels drawn from the true ones."""
    rng = np.random.default_rng(0)
    true = rng.normal(-1, 1, rows)
    return 3 * true, rng.random(rows) < sigmoid(true)


def test_blend_undoes_overconfidence():
    said, happened = overconfident()
    blend = fit_blend(said, said, happened, binary=True)
    assert blend.boosted + blend.network == pytest.approx(1 / 3, abs=0.03)
    assert calibration_error(happened, sigmoid(said)) > 0.1
    assert calibration_error(happened, sigmoid(blend.apply(said, said))) < 0.03


def test_blend_of_amounts_recovers_weights():
    a, b = np.random.default_rng(1).normal(size=(2, 200))
    blend = fit_blend(a, b, 0.7 * a + 0.1 * b + 2, binary=False)
    assert (blend.boosted, blend.network, blend.shift) == pytest.approx((0.7, 0.1, 2.0))


@pytest.mark.parametrize("truth", [np.zeros(0), np.ones(5)])
def test_nothing_to_learn_from_gives_the_even_blend(truth):
    assert fit_blend(np.zeros(len(truth)), np.zeros(len(truth)), truth, binary=True) == Blend()


def test_a_target_without_network_head_is_told_by_boosting_alone():
    assert Blend(0.5, 0.5, 0.0).apply(np.array([2.0]), np.array([np.nan])) == pytest.approx([2.0])


def test_temperature_of_overconfident_logits_is_above_one():
    said, happened = overconfident()
    logits = np.stack([np.zeros_like(said), said], axis=1)
    assert fit_temperature(logits, happened.astype(int)) == pytest.approx(3, rel=0.1)


def test_temperature_of_timid_logits_is_below_one():
    said, happened = overconfident()
    timid = said / 9  # a third of the true ones
    assert fit_temperature(np.stack([np.zeros_like(timid), timid], axis=1), happened.astype(int)) == pytest.approx(
        1 / 3, rel=0.1
    )


def test_a_handful_of_rows_leaves_the_blend_near_the_even_one():
    """Of three rows the one of least score alone came true: likelier stays likelier."""
    score = np.array([-2.0, 0.0, 1.0])
    blend = fit_blend(score, score, np.array([True, False, False]), binary=True)
    assert 0.3 < blend.boosted + blend.network < 1


def test_the_level_is_that_of_the_boosted_scores():
    """The network, learnt from one window, says all is likelier by one."""
    rng = np.random.default_rng(2)
    true = rng.normal(-1, 1, 20_000)
    happened = rng.random(len(true)) < sigmoid(true + 0.1)
    blend = fit_blend(true, true + 1, happened, binary=True)
    assert sigmoid(blend.apply(true, true + 1)).mean() == pytest.approx(sigmoid(true).mean(), abs=1e-6)


def test_held_out_users_are_judged_by_what_others_were_fitted_on():
    """The halves that are drawn contradict each other: in one the likely churn and buy, in the other the unlikely. Fitted on themselves, they would look
    good; judged by the other half's fit they look worse than chance, in every head.
    """
    users, rng = 3000, np.random.default_rng(4)
    half = np.random.default_rng(CONFIG.seed).permutation(users) % 2 == 0
    score, sign = rng.normal(0, 2, users), np.where(half, 1, -1)
    churned = rng.random(users) < sigmoid(sign * score)
    milk = ~churned & (rng.random(users) < sigmoid(-sign * score))  # less likely where churn is likelier
    names = {"department": ["food"], "category": ["milk"], "item": ["i1"]}
    tables = dict.fromkeys(names, score[:, None])
    user = np.repeat(score[:, None], len(USER_TARGETS), axis=1)
    wholes = {"department": [""], "category": [""], "item": [""]}
    none = np.zeros((users, 0))
    raw = RawScores(np.arange(users), user, user, names, tables, tables, wholes, none, none, none)
    outcomes = np.zeros((users, len(USER_TARGETS)))
    outcomes[:, 0] = churned
    truth = Truth(outcomes, dict.fromkeys(names, milk[:, None]), np.ones(users, bool))
    judged = judged_chances(raw, truth, CONFIG)
    assert set(judged) == {"churn", *names}
    for head, did in {"churn": churned, "category": milk, "item": milk, "department": milk}.items():
        assert all(auc(did[rows], judged[head][rows, 0]) < 0.45 for rows in (half, ~half)), head
    itself = chances_of(raw, fit_calibration(raw, truth, half))
    assert auc(churned[half], itself["churn"][half, 0]) > 0.7


def test_what_one_half_of_the_users_does_not_show_is_not_judged():
    """All who bought the item are in one half."""
    users = 200
    half = np.random.default_rng(CONFIG.seed).permutation(users) % 2 == 0
    even = np.arange(users) % 2 == 0
    names = {"department": ["food"], "category": ["milk"], "item": ["i1"]}
    tables, none = {level: np.zeros((users, 1)) for level in names}, np.zeros((users, 0))
    user, wholes = np.zeros((users, len(USER_TARGETS))), {"department": [""], "category": ["food"], "item": ["milk"]}
    raw = RawScores(np.arange(users), user, user, names, tables, tables, wholes, none, none, none)
    outcomes = np.zeros((users, len(USER_TARGETS)))
    outcomes[:, 0] = ~even
    did = {"department": even[:, None], "category": even[:, None], "item": (even & half)[:, None]}
    judged = judged_chances(raw, Truth(outcomes, did, np.ones(users, bool)), CONFIG)
    assert set(judged) == {"churn", "department", "category"}


def test_softmax_and_sigmoid_survive_large_numbers():
    assert softmax(np.array([[1000.0, 0.0]])) == pytest.approx(np.array([[1.0, 0.0]]))
    assert sigmoid(np.array([-1000.0, 0.0, 1000.0])) == pytest.approx([0.0, 0.5, 1.0])


def test_one_windows_level_is_not_taken_for_the_next_ones():
    """Scores calibrated over many windows, held out in one where everything is a little likelier."""
    rng = np.random.default_rng(2)
    true = rng.normal(-1, 1, 20_000)
    happened = rng.random(len(true)) < sigmoid(true + 0.2)
    blend = fit_blend(true, true, happened, binary=True)
    assert sigmoid(blend.apply(true, true)).mean() == pytest.approx(sigmoid(true).mean(), abs=1e-6)
    far = fit_blend(true - 1, true - 1, happened, binary=True)
    assert sigmoid(far.apply(true - 1, true - 1)).mean() == pytest.approx(happened.mean(), abs=1e-3)
