"""The vector's blocks: weights that survive a standardising reader, and a way back."""

import numpy as np
import pytest

from portrait_assets.kernels.fusion import BLOCKS, LENGTH, fit_block, fit_fusion, rotate, unfold


@pytest.fixture
def inputs() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    sizes = {"user_scores": 5, "category_scores": 80, "item_scores": 70, "department_scores": 3, "features": 20, "state": 16}
    return {name: rng.normal(2, 3, (400, size)) for name, size in sizes.items()}


def test_blocks_fit_into_the_vector():
    assert sum(slots for slots, _ in BLOCKS.values()) <= LENGTH


def test_rotation_is_its_own_inverse_and_keeps_distances():
    x = np.random.default_rng(1).normal(size=(5, LENGTH))
    assert rotate(rotate(x)) == pytest.approx(x)
    assert np.linalg.norm(rotate(x), axis=1) == pytest.approx(np.linalg.norm(x, axis=1))


def test_every_number_carries_an_even_mixture_so_that_standardising_changes_little():
    strong_and_weak = np.random.default_rng(2).normal(size=(4000, LENGTH)) * np.geomspace(10, 0.01, LENGTH)
    spread = rotate(strong_and_weak).std(0)
    assert spread.max() / spread.min() < 1.5


def test_each_block_has_its_share_of_the_variance(inputs):
    blocks = unfold(fit_fusion(inputs).vectors(inputs).astype(np.float64))
    for name, (_, share) in BLOCKS.items():
        assert blocks[name].var(0).sum() == pytest.approx(share, rel=1e-3)


def test_other_blocks_hold_nothing_that_the_user_scores_say(inputs):
    inputs["category_scores"] += 10 * inputs["user_scores"][:, :1]
    blocks = unfold(fit_fusion(inputs).vectors(inputs).astype(np.float64))
    assert np.abs(np.corrcoef(blocks["user_scores"].T, blocks["category_scores"].T)[:5, 5:]).max() < 1e-3


def test_absent_blocks_are_zeros_and_the_length_stays(inputs):
    only = {"features": inputs["features"]}
    vectors = fit_fusion(only).vectors(only)
    blocks = unfold(vectors.astype(np.float64))
    assert vectors.shape == (400, LENGTH) and vectors.dtype == np.float32
    assert np.abs(blocks["item_scores"]).max() < 1e-6 and blocks["features"].var() > 0


def test_constant_and_empty_blocks_are_zeros_not_errors():
    odd = {"user_scores": np.ones((4, 5)), "category_scores": np.zeros((4, 0)), "features": np.ones((4, 3))}
    assert not fit_fusion(odd).vectors(odd).any()


def test_a_block_keeps_its_strongest_directions_at_its_share_of_variance():
    """Columns of deviation 3, 1 and 0.1 into one slot of variance 4: two thirds of the first column, whatever its sign was."""
    x = np.random.default_rng(0).normal(size=(500, 3))
    x = np.linalg.qr(x - x.mean(0))[0] * np.sqrt(500) * np.array([3.0, 1.0, 0.1]) + 7
    block = fit_block(x, np.zeros((500, 0)), slots=1, share=4.0, scale=False)
    assert block.basis == pytest.approx(np.array([[2 / 3], [0], [0]]), abs=1e-9)
    assert block.apply(x, np.zeros((500, 0)))[:, 0] == pytest.approx((x[:, 0] - 7) * 2 / 3)
