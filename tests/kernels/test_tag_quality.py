"""The quality of tags, on users few enough to count."""

import numpy as np
import pytest

from portrait_assets.kernels.attributes import AttributeHead
from portrait_assets.kernels.linear import fit_logistic
from portrait_assets.kernels.tag_quality import accuracy, held_out_claims, shared_information
from tests.kernels.conftest import CONFIG


def test_right_told_and_the_baseline_of_four_users():
    said, truth = np.array(["a", "a", "b", "b"]), np.array(["a", "b", "b", "b"])
    found = accuracy(said, truth, np.array([0.9, 0.6, 0.8, 0.7]))
    assert found is not None
    assert (found.users, found.accuracy, found.baseline, found.told) == (4, 0.75, 0.75, 0.75)
    # Each its own bin: off by 0.1, 0.6, 0.2 and 0.3.
    assert found.calibration_error == pytest.approx(0.3)
    assert accuracy(said[:0], truth[:0], np.zeros(0)) is None
    all_wrong = accuracy(np.array(["b", "a", "a"]), np.array(["a", "b", "b"]), np.full(3, 0.5))
    assert all_wrong is not None and (all_wrong.accuracy, all_wrong.baseline) == (0, pytest.approx(2 / 3))


def test_claims_are_of_users_that_the_fit_did_not_see_at_the_heads_temperature():
    """Twenty users whose class is their number's sign, and ten of the first class in the middle."""
    x = np.concatenate([np.tile([[9.0], [-9.0]], (10, 1)), np.zeros((10, 1))])
    y = np.array([0, 1] * 10 + [0] * 10)
    linear = fit_logistic(x, y, 1.0, 2)
    found = {t: held_out_claims(AttributeHead(("a", "b"), linear, t), x, y, CONFIG) for t in (1.0, 2.0)}
    assert found[1.0][0][:4].tolist() == [0, 1, 0, 1]
    odds = {t: np.log(chance / (1 - chance)) for t, (_, chance) in found.items()}
    assert odds[1.0] == pytest.approx(2 * odds[2.0])


def test_shared_information_is_1_for_one_split_of_users_and_0_for_two_that_have_nothing_in_common():
    codes = np.array([[0, 1, 0, 0], [0, 1, 1, 0], [1, 0, 0, 0], [1, 0, 1, 0]])  # the same renamed; across it; the same for all
    shared = shared_information(codes)
    assert shared[0, 1] == pytest.approx(1.0)
    assert shared[0, 2] == shared[1, 2] == pytest.approx(0.0)
    assert not shared[3].any() and np.array_equal(shared, shared.T)


def test_shared_information_of_a_finer_split():
    # Four users in halves and in quarters: mutual information log 2 over sqrt(log 2 * log 4).
    assert shared_information(np.array([[0, 0], [0, 1], [1, 2], [1, 3]]))[0, 1] == pytest.approx(np.sqrt(0.5))
