"""How long a silence has to be, by the rhythm of the source and of the user."""

import numpy as np
import pytest

from portrait_assets.kernels.lifetime import Summary
from portrait_assets.kernels.rhythm import Rhythm, fit_rhythm


def customers(*of: tuple[float, float]) -> Summary:
    """(repeats, days from the first to the last purchase) of each."""
    repeats, last = (np.array([one[k] for one in of]) for k in (0, 1))
    return Summary(repeats, last, last + 30, np.full(len(of), np.nan))


def test_horizons_by_hand():
    """Usual gap of the source 20 days, counted twice; twice the usual gap, rounded up to weeks, between 14 and 84 days."""
    rhythm = Rhythm(20.0, 14, 84)
    assert rhythm.horizons(customers((np.nan, np.nan), (0, 0), (8, 24), (6, 264), (10, 440))).tolist() == [
        42,  # who never bought: 2 * 20 = 40 days
        42,  # who bought once
        14,  # (24 + 40) / 10 = 6.4 days: 12.8
        77,  # (264 + 40) / 8 = 38 days: 76
        84,  # (440 + 40) / 12 = 40 days: 80
    ]
    assert rhythm.horizons(customers((20, 1000))).tolist() == [84]  # 94.5, and the curve ends before
    assert rhythm.horizons(customers((40, 40))).tolist() == [14]


def test_the_source_has_the_middling_customers_gap():
    """Ten customers of mean gaps 1 to 9 and 100 days count alike, however often they came; those of one purchase do not."""
    repeaters = [(n, n * float(gap)) for n, gap in zip(range(30, 20, -1), (1, 2, 3, 4, 5, 6, 7, 8, 9, 100), strict=True)]
    rhythm = fit_rhythm(customers(*repeaters, (0, 0), (np.nan, np.nan)), 14, 90)
    assert rhythm == Rhythm(5.5, 14, 84)
    assert fit_rhythm(customers(*repeaters), 14, 14) == Rhythm(5.5, 14, 14)


@pytest.mark.parametrize(("repeaters", "once", "has_one"), [(9, 0, False), (10, 0, True), (10, 190, True), (10, 191, False)])
def test_where_hardly_anybody_buys_twice_there_is_no_rhythm(repeaters, once, has_one):
    """Ten at least, and one buyer in twenty."""
    found = fit_rhythm(customers(*[(3, 60.0)] * repeaters, *[(0, 0.0)] * once), 14, 90)
    assert (found is not None) == has_one
