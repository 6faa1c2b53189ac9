"""No part is likelier than its whole: a purchase of an item is one of its category, that one of its department, that a purchase.

A part's probability is its whole's times the probability of the part given the whole. That starts at the ratio of what the part's own scores
say to the whole, kept below 1, and is fitted on held-out users who bought the whole. So the order holds for every user, whatever the scores.
"""

from dataclasses import dataclass, replace

import numpy as np

from portrait_assets.kernels.calibration import EVEN, PRIOR_STRENGTH, kept_level, sigmoid
from portrait_assets.kernels.linear import fit_logistic
from portrait_assets.kernels.pairs import WHOLES
from portrait_assets.kernels.parts import RawScores

# Of the cap on a ratio: chosen among 2 to 64 by log loss on a window that the project's reported figures do not use.
SHARPNESS = 16
LEAST = 1e-9


@dataclass(frozen=True)
class Link:
    """Log odds of a part given its whole: odds(boosted) * a + odds(network) * b + shift."""

    boosted: float
    network: float
    shift: float

    def chance(self, boosted: np.ndarray, network: np.ndarray, whole: np.ndarray) -> np.ndarray:
        """Of a part, given its scores and the probability of its whole: never above that."""
        a, b = odds(boosted, network, whole)
        return whole * sigmoid(self.boosted * a + self.network * b + self.shift)


def odds(boosted: np.ndarray, network: np.ndarray, whole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log odds of the part given its whole by each score alone; where the network has no head (NaN), the boosted score stands in for it.

    With p the probability a score says and w the whole's, the ratio is p / w where that is well below 1, and less than 1 always.
    """
    found = []
    for score in (boosted, np.where(np.isnan(network), boosted, network)):
        over = sigmoid(score) / np.maximum(whole, LEAST)
        ratio = np.clip(over / (1 + over**SHARPNESS) ** (1 / SHARPNESS), LEAST, 1 - LEAST)
        found.append(np.log(ratio / (1 - ratio)))
    return found[0], found[1]


def fit_link(boosted: np.ndarray, network: np.ndarray, whole: np.ndarray, did: np.ndarray) -> Link | None:
    """Flat arrays of held-out rows whose whole came true; None where none of the parts did."""
    if not did.any():
        return None
    if did.all():  # wherever the whole was bought the part was: a category of one item
        return Link(0.0, 0.0, float(np.log(2 * len(did) + 1)))
    x = np.stack(odds(boosted, network, whole), axis=1)
    found = fit_logistic(x, did.astype(np.float64)[:, None], PRIOR_STRENGTH, start=EVEN)
    of_boosted, of_network = (float(value) for value in found.weight[:, 0])
    return Link(of_boosted, of_network, float(found.bias[0]))


def levelled(link: Link, boosted: np.ndarray, network: np.ndarray, whole: np.ndarray) -> Link:
    """The link whose mean probability over held-out rows is that of the boosted scores, unless it is far off: as `fit_blend` does."""
    level = float(sigmoid(boosted).mean())
    return replace(
        link, shift=kept_level(lambda shift: replace(link, shift=shift).chance(boosted, network, whole), level, link.shift)
    )


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
            links[level] = levelled(link, raw.boosted[level][rows], raw.network[level][rows], whole[rows])
            chances[level] = links[level].chance(raw.boosted[level], raw.network[level], whole)
    return links


def linked(raw: RawScores, links: dict[str, Link], any_purchase: np.ndarray) -> dict[str, np.ndarray]:
    """level -> (N, T) probabilities, of the levels that have links."""
    chances: dict[str, np.ndarray] = {}
    for level in WHOLES:
        if level in links and level in raw.targets:
            whole = of_wholes(level, raw, chances, any_purchase)
            chances[level] = links[level].chance(raw.boosted[level], raw.network[level], whole)
    return chances
