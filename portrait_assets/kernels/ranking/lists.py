"""Three lists a user: *buy again*, *discover* (never bought by this user), and one blended list with a stated policy."""

from dataclasses import dataclass

import numpy as np

from portrait_assets.kernels.ranking.candidates import Candidates
from portrait_assets.kernels.ranking.lines import Lines
from portrait_assets.kernels.ranking.measures import top
from portrait_assets.kernels.ranking.rhythm import runs_of


@dataclass(frozen=True)
class Policy:
    """What may be shown, and how many of a kind. A rule names a level (item, item_type, category, department, brand, maker) and a name."""

    length: int = 20
    most_of_a_type: int = 6  # items of one type in the blended list
    discover_places: int = 3  # of the blended list are for what the user never bought, whatever the scores say
    exclude: tuple[tuple[str, str], ...] = ()  # never offered
    boost: tuple[tuple[str, str, float], ...] = ()  # scores rise by so much, in standard deviations
    cool_down: tuple[tuple[str, str, float], ...] = ()  # not offered for so many days after a purchase of its level and name


@dataclass(frozen=True)
class Lists:
    """Places in the candidates and ranks from 1: name -> (M,), (M,)."""

    again: tuple[np.ndarray, np.ndarray]
    discover: tuple[np.ndarray, np.ndarray]
    blended: tuple[np.ndarray, np.ndarray]


def make_lists(lines: Lines, candidates: Candidates, score: np.ndarray, allowed: np.ndarray, policy: Policy) -> Lists:
    """From the score of each candidate and whether the policy allows it, both (N,)."""
    again = candidates.by["again"] & allowed
    fresh = ~candidates.by["again"] & allowed
    blended = blend(lines, candidates, score, again, fresh, policy)
    return Lists(best_of(candidates, score, again, policy.length), best_of(candidates, score, fresh, policy.length), blended)


def best_of(candidates: Candidates, score: np.ndarray, of: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The `count` best of each user among the candidates in `of` (N,) bool."""
    at = np.flatnonzero(of)
    best, rank = top(candidates.user[at], candidates.item[at], score[at], count)
    return at[best], rank + 1


def blend(
    lines: Lines, candidates: Candidates, score: np.ndarray, again: np.ndarray, fresh: np.ndarray, policy: Policy
) -> tuple[np.ndarray, np.ndarray]:
    """Best first, at most `most_of_a_type` of an item type; `discover_places` are kept for what is new to the user."""
    kind = lines.groups["item_type"][candidates.item]
    of_type = candidates.user * (int(kind.max(initial=-1)) + 2) + kind + 1
    both = again | fresh
    fits = both & ((place_in(of_type, candidates, score, both) < policy.most_of_a_type) | (kind < 0))
    main, _ = best_of(candidates, score, fits, policy.length - policy.discover_places)
    taken = np.zeros(len(score), bool)
    taken[main] = True
    new, _ = best_of(candidates, score, fits & fresh & ~taken, policy.discover_places)
    taken[new] = True
    for pool in (fits, both):  # where there is not enough that is new, or the types run out, what is next takes the places
        room = policy.length - np.bincount(candidates.user[taken], minlength=len(lines.users))
        taken |= place_in(candidates.user, candidates, score, pool & ~taken) < room[candidates.user]
    return best_of(candidates, score, taken, policy.length)


def place_in(group: np.ndarray, candidates: Candidates, score: np.ndarray, of: np.ndarray) -> np.ndarray:
    """(N,) from 0, the place of each candidate in `of` among those of its group, best first; infinite for the others."""
    place, at = np.full(len(score), np.inf), np.flatnonzero(of)
    order = at[np.lexsort((candidates.item[at], -score[at], group[at]))]
    runs = runs_of(group[order])
    place[order] = np.arange(len(order)) - runs.start[runs.of] if len(order) else 0
    return place
