"""One user's probability of no purchase by each of several days ahead, as one curve that never rises.

At the near horizon the curve is what the churn head says. From there it goes step by step: outward by the probability that who has not
bought by one day has not bought by the next either, inward by the probability that who buys by one day does so by an earlier one. Each step
is a calibrated head of its own, and a product of probabilities can't rise. Between the days the rate is constant. So no purchase
in 28 days is never likelier than in 14, and the median is a point of the same curve.
"""

from dataclasses import dataclass

import numpy as np

from portrait_assets.kernels.boosting import raw_scores
from portrait_assets.kernels.calibration import Blend, sigmoid

LEAST = 1e-12  # a probability whose logarithm is taken


@dataclass(frozen=True)
class Step:
    """To `day` from the day of the curve before it (further from 0 where the step goes inward)."""

    day: int
    booster: str
    blend: Blend

    def chance(self, inputs: np.ndarray, threads: int) -> np.ndarray:
        """(N,) of no purchase by `day` given none by the day before; inward, of one by `day` given one by the day after."""
        score = raw_scores(self.booster, inputs, threads)
        return sigmoid(self.blend.apply(score, score))


@dataclass(frozen=True)
class Silence:
    """(N, K) probability of no purchase before each of `days`, ascending."""

    days: tuple[int, ...]
    chance: np.ndarray

    def before(self, day: float | np.ndarray) -> np.ndarray:
        """(N,) of no purchase before a day, or before each user's own (N,); NaN beyond the last of `days`."""
        wanted = np.broadcast_to(np.asarray(day, float), len(self.chance))
        knots, log = self._logs()
        place = np.clip(np.searchsorted(knots, wanted, side="left"), 1, len(knots) - 1)
        rows, begin, end = np.arange(len(log)), knots[place - 1], knots[place]
        share = (wanted - begin) / (end - begin)
        found = np.exp(log[rows, place - 1] * (1 - share) + log[rows, place] * share)
        most, least = np.where(place > 1, self.chance[rows, place - 2], 1.0), self.chance[rows, place - 1]
        found = np.where(share == 1, least, np.clip(found, least, most))  # to the last bit
        return np.where(wanted > knots[-1], np.nan, found)

    def median(self) -> np.ndarray:
        """(N,) days until a purchase is as likely as not to have come; NaN where that is beyond the last of `days`."""
        knots, log = self._logs()
        half = np.log(0.5)
        place = np.clip((log > half).sum(1), 1, len(knots) - 1)
        rows = np.arange(len(log))
        begin, end = log[rows, place - 1], log[rows, place]
        share = (begin - half) / np.maximum(begin - end, LEAST)
        return np.where(log[:, -1] > half, np.nan, knots[place - 1] + share * (knots[place] - knots[place - 1]))

    def _logs(self) -> tuple[np.ndarray, np.ndarray]:
        """The days from 0, and (N, K + 1) logarithms at them."""
        log = np.log(np.maximum(self.chance, LEAST))
        return np.array([0, *self.days], float), np.concatenate([np.zeros((len(log), 1)), log], axis=1)


@dataclass(frozen=True)
class Curve:
    """`near` is the churn head's horizon; `inward` steps go from it to earlier days, `outward` ones to later days, in that order."""

    near: int
    inward: tuple[Step, ...] = ()
    outward: tuple[Step, ...] = ()

    @property
    def days(self) -> tuple[int, ...]:
        """The days of the curve, ascending."""
        return tuple(sorted((self.near, *(step.day for step in (*self.inward, *self.outward)))))

    def silence(self, churn: np.ndarray, inputs: np.ndarray, threads: int) -> Silence:
        """From the churn head's probability (N,) and what user-level boosters read (N, I)."""
        chances = {step.day: step.chance(inputs, threads) for step in (*self.inward, *self.outward)}
        return composed(self.near, churn, [s.day for s in self.inward], [s.day for s in self.outward], chances)


def composed(near: int, churn: np.ndarray, inward: list[int], outward: list[int], chances: dict[int, np.ndarray]) -> Silence:
    """The curve of the steps' probabilities (N,), by the day each leads to."""
    silent, so_far, bought = {near: churn}, churn, 1 - churn
    for day in inward:  # what is added is never negative, so that not even a last bit falls
        so_far = np.minimum(so_far + bought * (1 - chances[day]), 1.0)
        silent[day], bought = so_far, bought * chances[day]
    so_far = churn
    for day in outward:
        so_far = so_far * chances[day]
        silent[day] = so_far
    days = tuple(sorted(silent))
    return Silence(days, np.stack([silent[day] for day in days], axis=1))
