"""How far tags can be relied on: whether they came true, whether their probabilities are meant, which of them say the same."""

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from portrait_assets.kernels.attributes import AttributeHead, held_out_logits
from portrait_assets.kernels.calibration import softmax
from portrait_assets.kernels.config import BehaviourConfig
from portrait_assets.kernels.metrics import calibration_error


@dataclass(frozen=True)
class Accuracy:
    """Of N users of whom the truth is known: shares right, the mean probability (`told`), and how far that is from being right."""

    users: int
    accuracy: float
    baseline: float
    told: float
    calibration_error: float


def accuracy(said: np.ndarray, truth: np.ndarray, probability: np.ndarray) -> Accuracy | None:
    """Of classes `said` and `truth` (N,), and the probability (N,) given to what was said; None where nothing was said.

    The baseline says the most frequent truth of everybody.
    """
    if not len(said):
        return None
    right = said == truth
    most = np.unique(truth, return_counts=True)[1].max()
    return Accuracy(
        len(said),
        float(right.mean()),
        float(most / len(truth)),
        float(probability.mean()),
        float(calibration_error(right, probability)),
    )


def held_out_claims(
    head: AttributeHead, x: np.ndarray, y: np.ndarray, config: BehaviourConfig
) -> tuple[np.ndarray, np.ndarray]:
    """(N,) the class most likely of each user and its probability, by fits of the head that did not see the user; y (N,) class numbers."""
    with threadpool_limits(1):  # sums in one order, whatever the machine
        p = softmax(held_out_logits(x, y, len(head.classes), config) / head.temperature)
    return p.argmax(1), p.max(1)


def shared_information(codes: np.ndarray) -> np.ndarray:
    """(K, K) normalised mutual information of K tags over N users: 0 is nothing in common, 1 is the same split of users.

    `codes` (N, K) are class numbers from 0, absence a class of its own. The mutual information is over the geometric mean of the two
    entropies (Strehl and Ghosh, JMLR 2002); a tag that is the same for everybody shares nothing.
    """
    count = codes.shape[1]
    entropies = np.array([entropy(np.bincount(codes[:, k])) for k in range(count)])
    shared = np.zeros((count, count))
    for i in range(count):
        for j in range(i):
            if entropies[i] > 0 and entropies[j] > 0:
                both = entropy(np.bincount(codes[:, i] * (codes[:, j].max() + 1) + codes[:, j]))
                mutual = max(entropies[i] + entropies[j] - both, 0.0)
                shared[i, j] = shared[j, i] = mutual / np.sqrt(entropies[i] * entropies[j])
    return shared


def entropy(counts: np.ndarray) -> float:
    """Of a split of users by their counts (C,), in nats."""
    p = counts[counts > 0] / max(counts.sum(), 1)
    return float(-(p * np.log(p)).sum())
