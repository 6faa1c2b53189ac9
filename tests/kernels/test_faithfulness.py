"""The deletion test of explanations, on cases small enough to check by eye."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_assets.kernels.faithfulness import Deletions, faithfulness, matched_events, most_moving, ratio


def test_changes_and_ratios_of_two_cases():
    found = faithfulness(
        Deletions(
            full=np.array([2.0, 1.0]),
            named=np.array([0.5, 1.5]),  # falls by 1.5; rises by 0.5
            matched=np.array([1.75, 1.25]),
            best=np.array([0.0, 0.5]),
        )
    )
    assert (found.cases, found.falls_share) == (2, 0.5)
    assert (found.named_change, found.matched_change, found.best_change) == (1.0, 0.25, 1.25)
    assert (found.over_matched.value, found.of_best.value) == (4.0, 0.8)
    # Resampling two cases gives one of them twice, or both: the ratios are 6, 4 or 2.
    assert (found.over_matched.low, found.over_matched.high) == (2.0, 6.0)


def test_a_score_that_stays_has_not_fallen():
    """Of four cases one falls, one rises, two stay as they are."""
    full = np.array([1.0, 1.0, 1.0, 0.0])
    found = faithfulness(Deletions(full, named=np.array([0.9, 1.1, 1.0, 0.0]), matched=full, best=full - 0.1))
    assert found.falls_share == 0.25 and found.named_change == pytest.approx(0.05)


def test_over_nothing_a_ratio_is_infinite_and_without_a_case_there_is_no_test():
    assert ratio(np.ones(3), np.zeros(3)).value == np.inf
    assert np.isnan(ratio(np.zeros(3), np.zeros(3)).value)
    with pytest.raises(ValueError, match="no case"):
        faithfulness(Deletions(*(np.zeros(0),) * 4))


def test_a_partner_is_another_event_of_the_same_type_and_about_the_same_age():
    types = np.array(["buy", "buy", "view", "buy", "buy"])
    ages = np.array([1.0, 2.0, 1.0, 40.0, 90.0])
    assert matched_events(types, ages, [0], seed=1) == [1]  # the view is of like age, of another type
    assert matched_events(types, ages, [0, 1], seed=1) == [3, 4]  # none is near: the nearest in age, each once
    assert matched_events(types, ages, [2], seed=1) == []


@pytest.mark.parametrize(("named", "near"), [(2.0, {1.0, 5.0}), (100.0, {75.0, 110.0})])
def test_of_like_age_is_within_three_days_or_a_quarter_of_the_age(named: float, near: set[float]):
    """Of 100 days: 75 to 125; of 2 days: up to 5. The farther of two is drawn as well as the nearer; beyond there is none."""
    ages = np.array([named, *sorted(near), 5.5 if named < 10 else 74.5])
    drawn = {float(ages[matched_events(np.full(4, "buy"), ages, [0], seed)[0]]) for seed in range(30)}
    assert drawn == near


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 400)), min_size=1, max_size=30),
    st.data(),
)
def test_partners_are_never_named_never_twice_and_the_same_every_time(events, data):
    types, ages = np.array([t for t, _ in events]), np.array([a for _, a in events], float)
    named = data.draw(st.lists(st.integers(0, len(events) - 1), unique=True, max_size=5))
    found = matched_events(types, ages, named, seed=[3, 4])
    assert found == matched_events(types, ages, named, seed=[3, 4])
    assert len(set(found)) == len(found) and not set(found) & set(named)
    assert Counter(types[found]) <= Counter(types[named])


def test_the_search_takes_what_lowers_the_score_most_beside_what_is_gone():
    # Case 0: 1 and 2 are two tellings of one thing: alone each says 3, together 4; 0 says 2 on its own. Case 1: 0 speaks against.
    def score(tries):
        told = []
        for case, gone in tries:
            if case == 0:
                told.append(10.0 - 2 * (0 in gone) - 3 * (1 in gone or 2 in gone) - (1 in gone and 2 in gone))
            else:
                told.append(1.0 + (0 in gone))
        return np.array(told)

    full = np.array([10.0, 1.0])
    assert most_moving(score, full, [[0, 1, 2], [0]], size=2) == [[1, 0], []]
    assert most_moving(score, full, [[0, 1, 2], [0]], size=5) == [[1, 0, 2], []]
    assert most_moving(score, full, [[], []], size=5) == [[], []]
