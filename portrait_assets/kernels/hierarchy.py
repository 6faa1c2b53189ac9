"""No part is likelier than its whole: a purchase of an item is one of its category, that one of its department, that a purchase.

A part's probability is its whole's times the probability of the part given the whole, which is fitted on held-out users who bought the
whole. So the order holds for every user, whatever the scores are.
"""

from dataclasses import dataclass

import numpy as np

from portrait_assets.kernels.calibration import PRIOR_STRENGTH, sigmoid
from portrait_assets.kernels.linear import fit_logistic
from portrait_assets.kernels.pairs import WHOLES
from portrait_assets.kernels.parts import RawScores

# A part of log odds b alone has the probability e^b where that is small: given its whole of probability w, e^(b - log w).
START = np.array([1.0, 0.0, -1.0])
LEAST = 1e-9


@dataclass(frozen=True)
class Link:
    """Log odds of a part given its whole: boosted * a + network * b + whole * log P(whole) + shift."""

    boosted: float
    network: float
    whole: float
    shift: float

    def chance(self, boosted: np.ndarray, network: np.ndarray, whole: np.ndarray) -> np.ndarray:
        """Of a part, given its scores and the probability of its whole: never above that."""
        a, b, c = columns(boosted, network, whole)
        return whole * sigmoid(self.boosted * a + self.network * b + self.whole * c + self.shift)


def columns(boosted: np.ndarray, network: np.ndarray, whole: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the log odds are made of; where the network has no head (NaN), the boosted score stands in for it."""
    return boosted, np.where(np.isnan(network), boosted, network), np.log(np.maximum(whole, LEAST))


def fit_link(boosted: np.ndarray, network: np.ndarray, whole: np.ndarray, did: np.ndarray) -> Link | None:
    """Flat arrays of held-out rows whose whole came true; None where none of the parts did."""
    if not did.any():
        return None
    if did.all():  # wherever the whole was bought the part was: a category of one item
        return Link(0.0, 0.0, 0.0, float(np.log(2 * len(did) + 1)))
    x = np.stack(columns(boosted, network, whole), axis=1).astype(np.float64)
    found = fit_logistic(x, did.astype(np.float64)[:, None], PRIOR_STRENGTH, start=START)
    a, b, c = (float(value) for value in found.weight[:, 0])
    return Link(a, b, c, float(found.bias[0]))


def of_wholes(level: str, raw: RawScores, parts: dict[str, np.ndarray], top: np.ndarray) -> np.ndarray:
    """(N, T) what `parts` (level -> (N, T)) hold of the whole of each target of `level`; `top` (N,) where the whole is not among them."""
    above = WHOLES[level]
    if above is None or above not in parts:
        return np.broadcast_to(top[:, None], (len(top), len(raw.targets[level])))
    place = {name: k for k, name in enumerate(raw.targets[above])}
    return np.concatenate([parts[above], top[:, None]], axis=1)[:, [place.get(name, -1) for name in raw.wholes[level]]]


def fit_links(
    raw: RawScores, any_purchase: np.ndarray, did_any: np.ndarray, did: dict[str, np.ndarray], rows: np.ndarray
) -> dict[str, Link]:
    """A link for each level that has something to be fitted on, from the users in `rows` (bool) and what they did (N,) and (N, T)."""
    links: dict[str, Link] = {}
    chances: dict[str, np.ndarray] = {}
    for level in WHOLES:
        whole = of_wholes(level, raw, chances, any_purchase)
        fitted = of_wholes(level, raw, {above: did[above] for above in chances}, did_any) & rows[:, None]
        scores = (raw.boosted[level][fitted], raw.network[level][fitted], whole[fitted])
        if (link := fit_link(*scores, did[level][fitted])) is not None:
            links[level] = link
            chances[level] = link.chance(raw.boosted[level], raw.network[level], whole)
    return links


def linked(raw: RawScores, links: dict[str, Link], any_purchase: np.ndarray) -> dict[str, np.ndarray]:
    """level -> (N, T) probabilities, of the levels that have links."""
    chances: dict[str, np.ndarray] = {}
    for level in WHOLES:
        if level in links and level in raw.targets:
            whole = of_wholes(level, raw, chances, any_purchase)
            chances[level] = links[level].chance(raw.boosted[level], raw.network[level], whole)
    return chances
