"""How a user stands to a set of items, such as those of a coupon: the numbers from which the chance of buying any of them is predicted.

Of the user and the set together: the rhythm of visits with any of the set, the same of what is of its item types and its categories but not
in it, what users alike buy of it; of the set: how many buy it lately; of the user: how often they come.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np

from portrait_assets.kernels.ranking.everyone import Block
from portrait_assets.kernels.ranking.features import placed, rhythm_of, user_block
from portrait_assets.kernels.ranking.known import Known, known_at
from portrait_assets.kernels.ranking.lines import Lines
from portrait_assets.kernels.ranking.neighbours import Neighbourhood, Neighbours, neighbourhood_at, neighbours_of
from portrait_assets.kernels.ranking.rhythm import Runs, gaps_of, runs_of, waits_of
from portrait_assets.kernels.sequences import day_number

TOLD = (
    "visits", "visits_decayed_14d", "visits_decayed_45d", "visits_decayed_120d", "since_days", "gap_days", "due", "late_due",
    "visit_share", "visits_since", "visits_due",
)  # fmt: skip
TOLD_OF_KIN = ("visits_decayed_45d", "visits_decayed_120d", "since_days", "visit_share")
LATELY_DAYS = (14, 28, 84)
EVERYBODY = (
    "user_visits_28d",
    "user_visits_84d",
    "user_since_days",
    "user_visits",
    "user_basket",
    "user_items",
    "user_visits_expected",
)


@dataclass(frozen=True)
class Stand:
    """All users at an as-of: what sets are read against."""

    lines: Lines
    known: Known
    near: Neighbours
    users: Block  # EVERYBODY, (U,)
    at: np.ndarray  # (K,) places of the known lines, by (user, visit)
    item: np.ndarray  # (K,) of these
    sold: np.ndarray  # (I,) bool: bought by anybody before
    seen: np.ndarray  # users known before, ascending


def stand_at(lines: Lines, as_of: date, horizon: float, hood: Neighbourhood | None = None) -> Stand:
    """From lines before as_of only; `hood` where it is made already."""
    known = known_at(lines, as_of, horizon)
    users = user_block(known, np.arange(len(lines.users)))
    order = np.lexsort((lines.visit[known.at], known.user))
    at, item = known.at[order], known.item[order]
    sold = np.bincount(item, minlength=len(lines.items)) > 0
    near = neighbours_of(hood or neighbourhood_at(lines, as_of), lines, as_of)
    return Stand(lines, known, near, {name: users[name] for name in EVERYBODY}, at, item, sold, np.unique(known.user))


def set_features(stand: Stand, in_set: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """(U, F) float32, NaN where nothing is known, and the F names; `in_set` (I,) bool."""
    known, lines = stand.known, stand.lines
    users, size = np.arange(len(lines.users)), len(lines.users)
    runs, at = visits_with_any(stand, in_set)
    own = rhythm_of(runs, known, at)
    gap, follows = gaps_of(runs, lines.day[at])
    waits = waits_of(np.zeros(int(follows.sum()), np.int64), gap[follows])
    numbers = {name: own[name] for name in TOLD}
    numbers["return_chance"] = waits.return_chance(np.zeros(len(runs.key), np.int64), own["since_days"], known.horizon, 20.0)
    run, found = runs.find(users)
    block = placed(numbers, run, found, "set")
    visits_45d = np.bincount(known.visit_user, weights=2.0 ** (-known.visit_age / 45), minlength=size)
    share = np.clip(block["set_visits_decayed_45d"] / np.maximum(visits_45d, 1e-9), 0, 1)
    block["set_chance"] = 1 - (1 - share) ** stand.users["user_visits_expected"]
    mine = in_set[known.item]
    user, age = known.user[mine], known.age[mine]
    block["set_lines_84d"] = np.bincount(user[age <= 84], minlength=size).astype(float)
    left = in_set
    for level in ("item_type", "category"):
        kin, left = kin_of(lines, in_set, left, level)
        runs, at = visits_with_any(stand, kin)
        found_kin = rhythm_of(runs, known, at)
        block |= placed({name: found_kin[name] for name in TOLD_OF_KIN}, *runs.find(users), f"{level}_kin")
    chosen = in_set.astype(np.float64)
    block["alike"] = np.asarray(stand.near.alike @ chosen).ravel()
    block["goes_with"] = np.asarray(stand.near.goes_with @ chosen).ravel()
    for days in LATELY_DAYS:
        buyers = len(np.unique(user[age <= days]))
        block[f"set_buyers_{days}d"] = np.full(size, buyers / max(len(stand.seen), 1))
    block["set_items"] = np.full(size, np.log1p((in_set & stand.sold).sum()))
    block |= stand.users
    return np.stack([np.asarray(block[name], np.float32) for name in block], axis=1), list(block)


def visits_with_any(stand: Stand, items: np.ndarray) -> tuple[Runs, np.ndarray]:
    """Runs of each user's visits with any of `items` (I,) bool, and of each visit the place of one line."""
    lines, at = stand.lines, stand.at[items[stand.item]]
    visit = lines.visit[at]
    first = np.ones(len(at), bool)
    first[1:] = visit[1:] != visit[:-1]
    return runs_of(lines.user[at[first]]), at[first]


def kin_of(lines: Lines, in_set: np.ndarray, but: np.ndarray, level: str) -> tuple[np.ndarray, np.ndarray]:
    """(I,) bool: what shares a name with the set at a level, `but` for some; and the two together."""
    code = lines.groups[level]
    shared = np.zeros(int(code.max(initial=-1)) + 2, bool)
    shared[code[in_set] + 1] = True
    shared[0] = False
    kin = shared[code + 1] & ~but
    return kin, kin | but


def bought_any(lines: Lines, as_of: date, horizon_days: int, in_set: np.ndarray) -> np.ndarray:
    """(U,) bool: who bought any of the set in the horizon from as_of."""
    now = day_number(as_of)
    inside = (lines.day >= now) & (lines.day < now + horizon_days) & in_set[lines.item]
    return np.bincount(lines.user[inside], minlength=len(lines.users)) > 0
