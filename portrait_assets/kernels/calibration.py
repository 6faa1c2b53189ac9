"""From raw scores to probabilities: boosted and network scores blended and calibrated in one logistic fit on held-out users."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from portrait_assets.kernels.linear import fit_logistic

WINDOW_SHIFT = 0.3  # log odds by which the level of two windows may differ for no lasting reason
# Variance of the weights about those of the even blend, so that a handful of held-out rows cannot overrule it.
PRIOR_STRENGTH = 0.1
EVEN = np.array([0.5, 0.5])


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Logistic function, safe for large |x|."""
    return 0.5 * (1 + np.tanh(0.5 * np.asarray(x, np.float64)))


@dataclass(frozen=True)
class Blend:
    """score = boosted * a + network * b + shift: log odds for a yes-or-no head, the value for an amount."""

    boosted: float = 0.5
    network: float = 0.5
    shift: float = 0.0

    def apply(self, boosted: np.ndarray, network: np.ndarray) -> np.ndarray:
        """Where the network has no head (NaN), the boosted score stands in for it."""
        return self.boosted * boosted + self.network * np.where(np.isnan(network), boosted, network) + self.shift


def fit_blend(boosted: np.ndarray, network: np.ndarray, truth: np.ndarray, binary: bool) -> Blend:
    """Flat arrays of held-out rows; the even blend where there is nothing to learn from (empty or one value).

    The level of a chance stays that of the boosted scores, which learnt it over many windows, unless it is far off: the level
    of one window (a holiday, a season) says little of the next one's.
    """
    if len(truth) == 0 or truth.min() == truth.max():
        return Blend()
    x = np.stack([boosted, np.where(np.isnan(network), boosted, network)], axis=1).astype(np.float64)
    if binary:
        model = fit_logistic(x, truth.astype(np.float64)[:, None], PRIOR_STRENGTH, start=EVEN)
        a, b = model.weight[:, 0]
        score = x @ model.weight[:, 0]
        shift = kept_level(lambda shift: sigmoid(score + shift), float(sigmoid(boosted).mean()), float(model.bias[0]))
        return Blend(float(a), float(b), shift)
    design = np.column_stack([x, np.ones(len(x))])
    a, b, shift = np.linalg.lstsq(design, truth.astype(np.float64), rcond=None)[0]
    return Blend(float(a), float(b), float(shift))


def kept_level(chance: Callable[[float], np.ndarray], level: float, fitted: float) -> float:
    """The shift, in log odds, at which the mean of `chance` (of a shift, rising with it) is `level`, found by halving; `fitted` where that is
    far from it.
    """
    low, high = -30.0, 30.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if chance(middle).mean() < level else (low, middle)
    kept = (low + high) / 2
    return kept if abs(kept - fitted) < WINDOW_SHIFT else fitted


def fit_temperature(logits: np.ndarray, label: np.ndarray) -> float:
    """The temperature (logits are divided by it) of least log loss on held-out logits (N, K) and class numbers (N,)."""
    grid = np.geomspace(0.25, 8.0, 81)
    losses = [-np.log(softmax(logits / t)[np.arange(len(label)), label] + 1e-12).mean() for t in grid]
    return float(grid[int(np.argmin(losses))])


def softmax(logits: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    e = np.exp(logits - logits.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)
