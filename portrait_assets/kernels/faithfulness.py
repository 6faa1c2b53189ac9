"""Whether the events that an explanation names are what the score came from: a deletion test.

A case is one score explained by a few events. The score is made again without them, without as many others of the same user
matched on type and age, and without the best as many that a search finds. Named events that matter change the score much more than
matched ones, and nearly as much as the best. Source: the comprehensiveness of DeYoung et al., ERASER (ACL 2020), with controls.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

DRAWS = 2000
NEAR_DAYS, NEAR_SHARE = 3.0, 0.25  # an event is of like age within so many days, or so much of the age if that is more

Without = tuple[int, tuple[int, ...]]  # a case, and the events of its user that are taken out
Score = Callable[[list[Without]], np.ndarray]


@dataclass(frozen=True)
class Deletions:
    """(N,) scores of N cases: of the whole history, and of the history without some of its events."""

    full: np.ndarray
    named: np.ndarray
    matched: np.ndarray
    best: np.ndarray


@dataclass(frozen=True)
class Ratio:
    """A ratio of two mean changes, and its 95 % interval over resampled cases."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Faithfulness:
    """Of N cases: the share whose score falls without the named events, mean absolute changes, and their ratios."""

    cases: int
    falls_share: float
    named_change: float
    matched_change: float
    best_change: float
    over_matched: Ratio
    of_best: Ratio


def faithfulness(scores: Deletions, seed: int = 0) -> Faithfulness:
    """The deletion test of `scores`; ValueError without a case."""
    if not len(scores.full):
        raise ValueError("faithfulness: no case was scored; there is nothing to test")
    named, matched, best = (np.abs(scores.full - without) for without in (scores.named, scores.matched, scores.best))
    return Faithfulness(
        cases=len(named),
        falls_share=float((scores.named < scores.full).mean()),
        named_change=float(named.mean()),
        matched_change=float(matched.mean()),
        best_change=float(best.mean()),
        over_matched=ratio(named, matched, seed),
        of_best=ratio(named, best, seed),
    )


def ratio(above: np.ndarray, below: np.ndarray, seed: int = 0) -> Ratio:
    """Mean of `above` (N,) over mean of `below` (N,), cases resampled together; infinite over nothing, NaN of nothing over nothing."""
    drawn = np.random.default_rng(seed).integers(0, len(above), (DRAWS, len(above)))
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.divide(above.mean(), below.mean())
        low, high = np.quantile(np.divide(above[drawn].mean(1), below[drawn].mean(1)), [0.025, 0.975], method="nearest")
    return Ratio(float(value), float(low), float(high))


def matched_events(event_type: np.ndarray, age_days: np.ndarray, named: list[int], seed: int | list[int]) -> list[int]:
    """For each of the `named` indices of a user's events (E,), another one, not named, of its type and about its age.

    Drawn among those of like age; where there is none, the nearest in age of that type. An event without a partner has none, so the
    answer may be shorter than `named`.
    """
    rng = np.random.default_rng(seed)
    free = np.ones(len(event_type), bool)
    free[named] = False
    found = []
    for event in named:
        alike = np.flatnonzero(free & (event_type == event_type[event]))
        if not len(alike):
            continue
        apart = np.abs(age_days[alike] - age_days[event])
        near = alike[apart <= max(NEAR_DAYS, NEAR_SHARE * age_days[event])]
        partner = int(rng.choice(near)) if len(near) else int(alike[apart.argmin()])
        free[partner] = False
        found.append(partner)
    return found


def most_moving(score: Score, full: np.ndarray, candidates: list[list[int]], size: int) -> list[list[int]]:
    """For each of N cases, up to `size` of its candidates whose removal together lowers the score `full` (N,) most, the first first.

    Greedy: each step removes, beside what is gone, the one candidate that lowers the score most (ties to the first named), and stops where none
    lowers it. `score` is called once a step for all cases; it gives the score of each case without the events named.
    """
    gone: list[list[int]] = [[] for _ in candidates]
    lowest = np.array(full, float)
    going = set(range(len(candidates)))
    for _ in range(size):
        tries: list[Without] = [
            (n, (*gone[n], event)) for n in sorted(going) for event in candidates[n] if event not in gone[n]
        ]
        if not tries:
            break
        best: dict[int, tuple[float, int]] = {}
        for (n, events), value in zip(tries, score(tries), strict=True):
            if value < best.get(n, (lowest[n], -1))[0]:
                best[n] = (float(value), events[-1])
        for n, (value, event) in best.items():
            gone[n].append(event)
            lowest[n] = value
        going = set(best)
    return gone
