"""Measures, on numbers small enough to check by eye."""

import numpy as np
import pytest

from portrait_assets.kernels.metrics import auc, calibration_error, log_loss, mean_auc, paired_bootstrap, reliability


def test_auc_counts_ordered_pairs_and_half_of_the_ties():
    # yes: 0.9, 0.4; no: 0.4, 0.1 -> pairs: (0.9 > both) 2, (0.4 = 0.4) 1/2, (0.4 > 0.1) 1 = 3.5 of 4
    assert auc(np.array([1, 1, 0, 0]), np.array([0.9, 0.4, 0.4, 0.1])) == pytest.approx(3.5 / 4)


def test_auc_of_a_constant_label_is_undefined():
    assert np.isnan(auc(np.ones(3), np.arange(3)))


def test_mean_auc_leaves_out_columns_with_too_few_of_either_class():
    labels = np.array([[1, 1], [0, 1], [0, 1], [1, 1]])
    scores = np.array([[0.9, 0], [0.1, 0], [0.2, 0], [0.8, 0]])
    assert mean_auc(labels, scores, least=1) == 1.0
    assert np.isnan(mean_auc(labels, scores, least=3))


def test_log_loss_is_the_mean_surprise():
    assert log_loss(np.array([1, 0]), np.array([0.5, 0.75])) == pytest.approx((np.log(2) + np.log(4)) / 2)


def test_certain_and_wrong_is_finite():
    assert np.isfinite(log_loss(np.array([1]), np.array([0.0])))


def test_calibration_error_is_the_weighted_gap_of_equally_filled_bins():
    # bins {0.1, 0.1} and {0.8, 0.8}: happened 0 and 1/2 -> gaps 0.1 and 0.3, halves each
    assert calibration_error(np.array([0, 0, 1, 0]), np.array([0.1, 0.1, 0.8, 0.8]), bins=2) == pytest.approx(0.2)


def test_measures_of_nothing_are_undefined():
    assert np.isnan(calibration_error(np.zeros(0), np.zeros(0))) and np.isnan(log_loss(np.zeros(0), np.zeros(0)))


def test_bootstrap_of_a_constant_difference_has_no_width():
    assert paired_bootstrap(np.full(50, 0.3)) == pytest.approx((0.3, 0.3, 0.3))


def test_the_same_differences_have_the_same_interval():
    difference = np.arange(50.0)
    found = paired_bootstrap(difference)
    assert found == paired_bootstrap(difference) and found[1] < found[0] < found[2]
    assert paired_bootstrap(difference, seed=1) != found


def test_reliability_by_hand():
    """Ten users in two bins of five: told 0.1 and 0.9, of whom one and four did it."""
    chance = np.array([0.1, 0.9] * 5)
    label = np.array([1, 0, 0, 1, 0, 1, 0, 1, 0, 1], bool)
    bins = reliability({"churn": (label, chance)}, bins=2)
    assert bins.rows() == [
        ("churn", pytest.approx(0.1), pytest.approx(0.2), 5),
        ("churn", pytest.approx(0.9), pytest.approx(0.8), 5),
    ]
