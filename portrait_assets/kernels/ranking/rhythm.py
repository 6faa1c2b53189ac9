"""How often, how lately and how regularly: the same numbers for a user's item, type, category or maker.

A *run* is the visits of one user that had one thing, in time order. All functions take many runs lying one after another.
"""

from dataclasses import dataclass

import numpy as np

NEVER_DAYS = 400.0
HALF_LIVES = (14.0, 45.0, 120.0, 300.0)
SHORTEST_GAP = 0.5  # days: two visits of one day are no rhythm
GAP_HALF_LIFE = 60.0
LONGEST_GAP = 4095.0
BLOCK = 64  # a power of two


@dataclass(frozen=True)
class Runs:
    """R runs over E rows sorted by key: where each starts, ends, and which run a row is of."""

    key: np.ndarray  # (R,) ascending
    start: np.ndarray  # (R,)
    length: np.ndarray  # (R,)
    of: np.ndarray  # (E,)

    @property
    def end(self) -> np.ndarray:
        """(R,) the last row of each run."""
        return self.start + self.length - 1

    def sum(self, x: np.ndarray) -> np.ndarray:
        """(R,) sums of (E,)."""
        return np.add.reduceat(x.astype(np.float64), self.start) if len(self.start) else np.zeros(0)

    def find(self, key: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N,) the run of each key, and whether there is one."""
        if not len(self.key):
            return np.zeros(len(key), np.int64), np.zeros(len(key), bool)
        place = np.minimum(np.searchsorted(self.key, key), len(self.key) - 1)
        return place, self.key[place] == key


def runs_of(key: np.ndarray) -> Runs:
    """Runs of equal values of a sorted (E,) array."""
    new = np.ones(len(key), bool)
    new[1:] = key[1:] != key[:-1]
    start = np.flatnonzero(new)
    return Runs(key[start], start, np.diff(np.append(start, len(key))), np.cumsum(new) - 1)


def rhythm(runs: Runs, day: np.ndarray, number: np.ndarray, visits: np.ndarray, now: float) -> dict[str, np.ndarray]:
    """Named numbers (R,). `day` (E,) of each visit, `number` (E,) which of the user's it is; `visits` (R,) the user made before `now`."""
    age, times = now - day, runs.length.astype(np.float64)
    gap, follows = gaps_of(runs, day)
    often = times > 1
    first, last = day[runs.start], day[runs.end]
    since, mean_gap = now - last, np.where(often, (last - first) / np.maximum(times - 1, 1), NEVER_DAYS)
    weight = np.where(follows, 2.0 ** (-age / GAP_HALF_LIFE), 0.0)
    late_gap = np.where(often, runs.sum(weight * gap) / np.maximum(runs.sum(weight), 1e-12), NEVER_DAYS)
    spread = runs.sum(gap**2) / np.maximum(times - 1, 1) - np.where(often, mean_gap, 0.0) ** 2
    visits_since = visits - number[runs.end]
    visit_gap = np.where(often, (number[runs.end] - number[runs.start]) / np.maximum(times - 1, 1), NEVER_DAYS)
    numbers = {f"visits_decayed_{half:.0f}d": runs.sum(2.0 ** (-age / half)) for half in HALF_LIVES}
    numbers |= {
        "visits": times,
        "since_days": since,
        "known_days": now - first,
        "gap_days": mean_gap,
        "due": since / np.maximum(mean_gap, SHORTEST_GAP),
        "late_gap_days": late_gap,
        "late_due": since / np.maximum(late_gap, SHORTEST_GAP),
        "gap_variation": np.where(times > 2, np.sqrt(np.maximum(spread, 0)) / np.maximum(mean_gap, SHORTEST_GAP), np.nan),
        "last_gap_days": np.where(often, gap[runs.end], NEVER_DAYS),
        "visits_since": visits_since,
        "visit_share": times / np.maximum(visits, 1),
        "visit_share_since_first": times / np.maximum(visits - number[runs.start] + 1, 1),
        "visits_due": visits_since / np.maximum(visit_gap, SHORTEST_GAP),
    }
    return numbers


def gaps_of(runs: Runs, day: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(E,) days since the row before in its run, 0 for the first; (E,) whether there is one before."""
    follows = np.ones(len(day), bool)
    follows[runs.start] = False
    gap = np.zeros(len(day))
    gap[1:] = np.diff(day)
    gap[~follows] = 0.0
    return gap, follows


@dataclass(frozen=True)
class Ascending:
    """Values in order, then BLOCK infinite ones; and every BLOCK-th: so few that they stay in the cache from one search to the next."""

    values: np.ndarray
    every: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> "Ascending":
        """Of (G,) values in any order."""
        ordered = np.append(np.sort(values), np.full(BLOCK, np.inf))
        return cls(ordered, ordered[:-BLOCK:BLOCK].copy())

    def __len__(self) -> int:
        return len(self.values) - BLOCK

    def up_to(self, asked: np.ndarray) -> np.ndarray:
        """(N,) how many values are no larger than each of `asked`, as `searchsorted` from the right says, some times faster."""
        found = np.maximum((np.searchsorted(self.every, asked, side="right") - 1) * BLOCK + 1, 0)
        step = BLOCK // 2
        while step:
            found += step * (self.values[found + step - 1] <= asked)
            step //= 2
        return found


@dataclass(frozen=True)
class Waits:
    """How long all users waited between two visits with a thing of a kind."""

    by_kind: Ascending  # kind * (LONGEST_GAP + 1) + days
    ends: np.ndarray  # (kinds,) where in `by_kind` each kind ends
    days: Ascending  # whatever the kind

    def return_chance(self, kind: np.ndarray, waited: np.ndarray, horizon: float, prior: float) -> np.ndarray:
        """(N,) the share of waits of a kind longer than `waited` days that end within `horizon` more.

        A kind seldom seen leans to all kinds together, worth `prior` waits.
        """
        waited = np.minimum(waited, LONGEST_GAP - horizon - 1)
        here, there = (self.days.up_to(days) for days in (waited, waited + horizon))
        base = (there - here) / np.maximum(len(self.days) - here, 1)
        kind = np.minimum(kind, len(self.ends) - 1)
        here, there = (self.by_kind.up_to(kind * (LONGEST_GAP + 1) + days) for days in (waited, waited + horizon))
        return (there - here + prior * base) / (self.ends[kind] - here + prior)


def waits_of(kind: np.ndarray, gap: np.ndarray) -> Waits:
    """`kind` and `gap` (G,) are observed."""
    gap, kinds = np.minimum(gap, LONGEST_GAP), int(kind.max(initial=-1)) + 2  # the last is any that nobody waited for
    ends = np.cumsum(np.bincount(kind, minlength=kinds))
    return Waits(Ascending.of(kind * (LONGEST_GAP + 1) + gap), ends, Ascending.of(gap))
