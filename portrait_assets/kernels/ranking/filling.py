"""A list of every user being filled place by place: best first, made more diverse where asked for, a place drawn where asked for.

Diversity is maximal marginal relevance (Carbonell, Goldstein, SIGIR 1998): what is placed next is best by its score less its likeness to
the nearest item placed before it. What a place is worth can so only fall from one to the next.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from portrait_assets.kernels.ranking.candidates import Candidates
from portrait_assets.kernels.ranking.lines import Lines
from portrait_assets.kernels.ranking.rhythm import Runs, runs_of

ALIKE = (("item_type", 0.5), ("category", 0.3), ("department", 0.2))  # what being of one name adds to a likeness

Cap = tuple[np.ndarray, int]
"""(N,) the group of each candidate, -1 for none, and the most of one group."""

Levels = list[tuple[np.ndarray, float]]
"""(I,) codes of items at a level, and what sharing one weighs in a likeness."""


@dataclass
class Filling:
    """Lists of `length` places of the users of N candidates; what is `taken` stands in one, by its `value`."""

    item: np.ndarray  # (N,)
    runs: Runs  # of each user's candidates
    length: int
    diversity: float
    levels: Levels
    value: np.ndarray  # (N,) what a candidate's next place is worth, or was when it was placed
    score: np.ndarray  # (N,)
    nearest: np.ndarray  # (N,) likeness to the nearest item placed so far
    taken: np.ndarray  # (N,) bool
    placed: np.ndarray  # (R,) places filled
    chance: np.ndarray  # (N,) of having been drawn, NaN for what was not

    @classmethod
    def of(cls, lines: Lines, candidates: Candidates, score: np.ndarray, length: int, diversity: float) -> "Filling":
        """Nothing placed yet."""
        count, runs = len(score), runs_of(candidates.user)
        return cls(
            item=candidates.item,
            runs=runs,
            length=length,
            diversity=diversity,
            levels=levels_of(lines),
            value=score.astype(np.float64),
            score=score,
            nearest=np.zeros(count),
            taken=np.zeros(count, bool),
            placed=np.zeros(len(runs.key), np.int64),
            chance=np.full(count, np.nan),
        )

    def pick(self, pool: np.ndarray, count: int, caps: Sequence[Cap] = ()) -> None:
        """Place up to `count` more of `pool` (N,) bool for each user, best first, never more of a group than its cap."""
        groups = [(np.unique(group, return_inverse=True)[1], group >= 0, most) for group, most in caps]
        for _ in range(min(count, self.length)):
            open_ = self._open(pool)
            for group, is_told, most in groups:
                held = np.bincount(group[self.taken], minlength=int(group.max(initial=-1)) + 1)
                open_ &= (held[group] < most) | ~is_told
            at = self._best(open_, self.value)
            if not len(at):
                return
            self._place(at)

    def draw(self, pool: np.ndarray, count: int, keys: np.ndarray) -> None:
        """Place up to `count` more of `pool` for each user, those of the least `keys` (N,): each as likely as any other."""
        for _ in range(count):
            open_ = self._open(pool)
            at = self._best(open_, -keys)
            if not len(at):
                return
            self.chance[at] = 1 / self.runs.sum(open_)[self.runs.of[at]]
            self._place(at)

    def _open(self, pool: np.ndarray) -> np.ndarray:
        """(N,) bool: what of `pool` may take the next place."""
        return pool & ~self.taken & (self.placed < self.length)[self.runs.of]

    def _best(self, open_: np.ndarray, by: np.ndarray) -> np.ndarray:
        """The place of each user's best among `open_`, for users who have one; ties to the first item."""
        if not open_.any():
            return np.zeros(0, np.int64)
        worth = np.where(open_, by, -np.inf)
        best = np.maximum.reduceat(worth, self.runs.start)
        hits = np.flatnonzero(open_ & (worth == best[self.runs.of]))
        return hits[np.unique(self.runs.of[hits], return_index=True)[1]]

    def _place(self, at: np.ndarray) -> None:
        run = self.runs.of[at]
        self.taken[at] = True
        self.placed[run] += 1
        if not self.diversity:
            return
        newest = np.full(len(self.runs.key), -1)
        newest[run] = self.item[at]
        free = np.flatnonzero((newest[self.runs.of] >= 0) & ~self.taken)
        like = likeness(self.levels, self.item[free], newest[self.runs.of[free]])
        self.nearest[free] = np.maximum(self.nearest[free], like)
        self.value[free] = self.score[free] - self.diversity * self.nearest[free]


def levels_of(lines: Lines) -> Levels:
    """Those of ALIKE."""
    return [(lines.groups[name], weight) for name, weight in ALIKE]


def likeness(levels: Levels, item: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(M,) 0 to 1: how much of the hierarchy two items share."""
    like = np.zeros(len(item))
    for code, weight in levels:
        like += weight * ((code[item] == code[other]) & (code[item] >= 0))
    return like


def draw_keys(lines: Lines, candidates: Candidates, pool: np.ndarray, as_of: date) -> np.ndarray:
    """(N,) evenly spread over 0 to 1 in `pool`, by a hash of day, user and item: the same on every run, whoever else is there."""
    keys = np.ones(len(candidates.user))
    for k in np.flatnonzero(pool):
        text = f"{as_of}\t{lines.users[candidates.user[k]]}\t{lines.items[candidates.item[k]]}"
        keys[k] = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest()) / 2**48
    return keys
