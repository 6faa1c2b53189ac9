"""The lines before an as-of, the pairs they make and the visits of each user: what every feature is counted from."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from portrait_assets.kernels.ranking.lines import Lines
from portrait_assets.kernels.ranking.rhythm import Runs, runs_of
from portrait_assets.kernels.sequences import day_number


@dataclass(frozen=True)
class Known:
    """K lines before an as-of, in the order of `lines`."""

    lines: Lines
    now: float
    horizon: float
    at: np.ndarray  # (K,) places in `lines`
    user: np.ndarray  # (K,)
    item: np.ndarray
    day: np.ndarray
    age: np.ndarray
    pairs: Runs
    visits: np.ndarray  # (U,) visits of each user
    visit_user: np.ndarray  # visits before the as-of
    visit_age: np.ndarray


def known_at(lines: Lines, as_of: date, horizon: float) -> Known:
    """Cut `lines` at as_of."""
    now, at = float(day_number(as_of)), np.flatnonzero(lines.before(as_of))
    past = lines.visit_day < now
    user, day = lines.user[at], lines.day[at]
    return Known(
        lines=lines,
        now=now,
        horizon=horizon,
        at=at,
        user=user,
        item=lines.item[at],
        day=day,
        age=now - day,
        pairs=runs_of(lines.pair[at]),
        visits=np.bincount(lines.visit_user[past], minlength=len(lines.users)),
        visit_user=lines.visit_user[past],
        visit_age=now - lines.visit_day[past],
    )


def visits_with(known: Known, group: str) -> tuple[Runs, np.ndarray]:
    """Runs of (user, code of `group`) over the lines (E',) that are the first of their kind in a visit, and those lines' places."""
    lines, code = known.lines, known.lines.groups[group]
    order = lines.by_group[group]
    order = order[(lines.day[order] < known.now) & (code[lines.item[order]] >= 0)]
    key, visit = lines.user[order] * lines.width(group) + code[lines.item[order]], lines.visit[order]
    first = np.ones(len(order), bool)
    first[1:] = (key[1:] != key[:-1]) | (visit[1:] != visit[:-1])
    return runs_of(key[first]), order[first]
