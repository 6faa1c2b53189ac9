"""Three lists a user: *buy again*, *discover* (never bought nor otherwise seen by this user), and one blended list with a stated policy."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from portrait_assets.kernels.ranking.candidates import Candidates
from portrait_assets.kernels.ranking.filling import Filling, draw_keys
from portrait_assets.kernels.ranking.lines import Lines
from portrait_assets.kernels.ranking.measures import top
from portrait_assets.kernels.ranking.rhythm import runs_of
from portrait_assets.kernels.ranking.seen import NOTHING, Seen


@dataclass(frozen=True)
class Policy:
    """What may be shown, and how many of a kind. A rule names a level (item, item_type, category, department, brand, maker) and a name.

    Caps and places are of the blended list. A full list comes before a cap: what is beyond one is shown where nothing else is left.
    """

    length: int = 20
    most_of_a_type: int = 6
    most_of_a_category: int | None = None  # None: no cap
    most_of_a_brand: int | None = None
    most_of_a_maker: int | None = None
    discover_places: int = 3  # are for what the user never bought, whatever the scores say
    explore_places: int = 0  # of these so many are drawn from what the scores would not show
    diversity: float = 0.0  # standard deviations of score that an item loses which is just like one placed before it
    exclude: tuple[tuple[str, str], ...] = ()  # never offered
    out_of_stock: frozenset[str] = frozenset()  # items, never offered
    boost: tuple[tuple[str, str, float], ...] = ()  # scores rise by so much, in standard deviations
    cool_down: tuple[tuple[str, str, float], ...] = ()  # not offered for so many days after a purchase of its level and name

    @property
    def caps(self) -> dict[str, int]:
        """Level -> most items of one name."""
        caps = {
            "item_type": self.most_of_a_type,
            "category": self.most_of_a_category,
            "brand": self.most_of_a_brand,
            "maker": self.most_of_a_maker,
        }
        return {level: most for level, most in caps.items() if most is not None}


@dataclass(frozen=True)
class Lists:
    """Places in the candidates and ranks from 1: name -> (M,), (M,).

    `value` (N,) is what the blended list is ordered by: the score, less what likeness to earlier places takes away. `chance` (N,) is
    that of being drawn, NaN where nothing was drawn.
    """

    again: tuple[np.ndarray, np.ndarray]
    discover: tuple[np.ndarray, np.ndarray]
    blended: tuple[np.ndarray, np.ndarray]
    value: np.ndarray
    chance: np.ndarray


def make_lists(
    lines: Lines,
    candidates: Candidates,
    score: np.ndarray,
    allowed: np.ndarray,
    policy: Policy,
    as_of: date,
    seen: Seen = NOTHING,
) -> Lists:
    """From the score of each candidate and whether the policy allows it, both (N,). What is drawn hangs on user, item and `as_of` alone.

    `seen` holds what the users of `lines` know without having bought it.
    """
    looked_at, judged, gone = seen.among(candidates, len(lines.items))
    again = candidates.by["again"] & allowed & ~gone
    fresh = ~candidates.by["again"] & allowed & ~judged
    filling = blend(lines, candidates, score, again, fresh, policy, as_of)
    return Lists(
        best_of(candidates, score, again, policy.length),
        best_of(candidates, score, fresh & ~looked_at, policy.length),
        best_of(candidates, filling.value, filling.taken, policy.length),
        filling.value,
        filling.chance,
    )


def best_of(candidates: Candidates, score: np.ndarray, of: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The `count` best of each user among the candidates in `of` (N,) bool."""
    at = np.flatnonzero(of)
    best, rank = top(candidates.user[at], candidates.item[at], score[at], count)
    return at[best], rank + 1


def blend(
    lines: Lines,
    candidates: Candidates,
    score: np.ndarray,
    again: np.ndarray,
    fresh: np.ndarray,
    policy: Policy,
    as_of: date,
) -> Filling:
    """Best first within the caps; `discover_places` are kept for what is new to the user, and `explore_places` of them for a draw."""
    both, fits, capped = again | fresh, again | fresh, {}
    for level, most in policy.caps.items():
        code = codes_of(lines, level)[candidates.item]
        group = np.where(code < 0, -1, candidates.user * (int(code.max(initial=-1)) + 1) + code)
        fits &= (place_in(group, candidates, score, both) < most) | (group < 0)
        capped[level] = group, most
    filling = Filling.of(lines, candidates, score, policy.length, policy.diversity)
    filling.pick(fits, policy.length - policy.discover_places)
    filling.pick(fits & fresh, policy.discover_places - policy.explore_places)
    if policy.explore_places:
        filling.draw(fits & fresh, policy.explore_places, draw_keys(lines, candidates, fits & fresh, as_of))
    # Where there is not enough that is new, or the caps leave places empty, what is next takes them.
    filling.pick(fits, policy.length)
    filling.pick(both, policy.length, list(capped.values()) if len(capped) > 1 else [])
    filling.pick(both, policy.length)
    return filling


def codes_of(lines: Lines, level: str) -> np.ndarray:
    """(I,) the code of each item at a level that lists are capped by."""
    return lines.brand if level == "brand" else lines.groups[level]


def place_in(group: np.ndarray, candidates: Candidates, score: np.ndarray, of: np.ndarray) -> np.ndarray:
    """(N,) from 0, the place of each candidate in `of` among those of its group, best first; infinite for the others."""
    place, at = np.full(len(score), np.inf), np.flatnonzero(of)
    order = at[np.lexsort((candidates.item[at], -score[at], group[at]))]
    runs = runs_of(group[order])
    place[order] = np.arange(len(order)) - runs.start[runs.of] if len(order) else 0
    return place
