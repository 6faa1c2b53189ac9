"""How long a silence has to be before it says anything: twice the usual gap between purchase days, of the source and of the user.

A fixed fortnight is a grocer's. Twice the usual gap is what passes between seven purchases of eight where they come at random.
"""

from dataclasses import dataclass

import numpy as np

from portrait_assets.kernels.lifetime import LEAST_REPEATERS, Summary

GAPS = 2.0  # the horizon, in usual gaps
PRIOR_GAPS = 2.0  # of the source's usual length that every user is taken to have had besides their own
LEAST_SHARE = 0.05  # of buyers who bought on a second day: below it there is no rhythm
WEEK = 7


@dataclass(frozen=True)
class Rhythm:
    """The source's usual gap, and the horizons that there may be, in days."""

    gap_days: float
    least_days: int
    most_days: int

    def horizons(self, c: Summary) -> np.ndarray:
        """(N,) days, whole weeks: twice the user's usual gap, which is the source's as far as they have few of their own."""
        gaps, passed = np.nan_to_num(c.repeats), np.nan_to_num(c.last)
        usual = (passed + PRIOR_GAPS * self.gap_days) / (gaps + PRIOR_GAPS)
        return np.clip(np.ceil(GAPS * usual / WEEK) * WEEK, self.least_days, self.most_days)


def fit_rhythm(c: Summary, least_days: int, last_day: int) -> Rhythm | None:
    """Of customers (N,) with time in days: the median of their mean gaps; None where hardly anybody buys twice. `last_day` is as far as the curve goes."""
    repeaters = c.repeats > 0
    buyers = np.count_nonzero(~np.isnan(c.repeats))
    if np.count_nonzero(repeaters) < max(LEAST_REPEATERS, LEAST_SHARE * buyers):
        return None
    gap = float(np.median(c.last[repeaters] / c.repeats[repeaters]))
    return Rhythm(gap, least_days, max(last_day // WEEK * WEEK, least_days))
