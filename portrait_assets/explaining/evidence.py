"""Which pieces of a history a model's claim rests on: those without which, taken out together, it is held the least."""

from dataclasses import dataclass

import numpy as np

from portrait_assets.explaining.claims import Claim, Unit
from portrait_assets.explaining.rescorer import Rescorer
from portrait_assets.kernels.faithfulness import Without, most_moving

NAMED = 5
POOL = 8  # that move the claim most alone are tried together,
LATEST = 4  # and the latest, of which the second shows nothing before the first is gone


@dataclass(frozen=True)
class Evidence:
    """Of one claim: log odds for it as things are, without each unit alone (U,), the units named, the first first, and without those."""

    full: float
    alone: np.ndarray
    named: list[int]
    without_named: float


def evidence_of(rescorer: Rescorer, claims: list[Claim], units: list[list[Unit]]) -> list[Evidence]:
    """The evidence of each claim, all of them scored together."""

    def score(tries: list[Without]) -> np.ndarray:
        return rescorer.support(claims, units, tries)

    full = score([(n, ()) for n in range(len(claims))])
    singles: list[Without] = [(n, (unit,)) for n, of in enumerate(units) for unit in range(len(of))]
    alone = np.split(score(singles), np.cumsum([len(of) for of in units])[:-1])
    pools = [pool_of(of) for of in alone]
    named = most_moving(score, full, pools, NAMED)
    without = score([(n, tuple(of)) for n, of in enumerate(named)])
    return [Evidence(float(f), a, n, float(w)) for f, a, n, w in zip(full, alone, named, without, strict=True)]


def pool_of(alone: np.ndarray, size: int = POOL) -> list[int]:
    """The units worth trying together, in their order: those without which the claim is held least, and the latest ones."""
    lowest = np.argsort(np.where(np.isnan(alone), np.inf, alone), kind="stable")[:size]
    return sorted({*lowest.tolist(), *range(min(LATEST, len(alone)))})
