"""Hand-made numbers of a user and a target at an as-of: how often, how lately, how regularly; and how popular the target is.

They serve twice: as the inputs of the boosted pair heads, and (their decayed counts) as the network's memory of habits.
"""

from datetime import date

import numpy as np

from portrait_assets.kernels.sequences import History, day_number

NEVER_DAYS = 400.0


def decayed_counts(history: History, codes: np.ndarray, count: int, as_of: date, half_lives: tuple[float, ...]) -> np.ndarray:
    """(U, count, H + 1) float32 log1p of outcome lines before as_of, halved every half-life; the last is undecayed."""
    now, day = day_number(as_of), history.line_day()
    keep = history.line_outcome & (day < now) & (codes >= 0)
    cell, age = history.line_user()[keep] * count + codes[keep], now - day[keep]
    size = len(history.users) * count
    weights = [2.0 ** (-age / half_life) for half_life in half_lives] + [np.ones_like(age)]
    sums = [np.bincount(cell, weights=w, minlength=size) for w in weights]
    return np.log1p(np.stack(sums, axis=1)).reshape(len(history.users), count, len(sums)).astype(np.float32)


def pair_rhythm(history: History, codes: np.ndarray, count: int, as_of: date) -> np.ndarray:
    """(U, count, 5) float32 of each pair: days since its last line, its mean gap in days, the first over the second,
    the user's visits since, and the share of the user's visits that had it. What never was is NEVER_DAYS ago.
    """
    now, day, users = day_number(as_of), history.line_day(), len(history.users)
    keep = history.line_outcome & (day < now) & (codes >= 0)
    cell, visit = history.line_user()[keep] * count + codes[keep], history.line_visit[keep]
    size = users * count
    last, first, last_visit = np.full(size, -np.inf), np.full(size, np.inf), np.zeros(size)
    np.maximum.at(last, cell, day[keep])
    np.minimum.at(first, cell, day[keep])
    number, visits = visit_numbers_before(history, now)
    np.maximum.at(last_visit, cell, number[visit])
    once = np.unique(cell * len(history.visit_user) + visit) // max(len(history.visit_user), 1)
    times, of_user = np.bincount(once, minlength=size), np.repeat(visits, count)
    since = np.where(times > 0, now - last, NEVER_DAYS)
    gap = np.where(times > 1, (last - first) / np.maximum(times - 1, 1), NEVER_DAYS)
    visits_since = np.where(times > 0, of_user - last_visit, NEVER_DAYS)
    columns = [since, gap, since / np.maximum(gap, 1.0), visits_since, times / np.maximum(of_user, 1)]
    return np.stack(columns, axis=1).reshape(users, count, len(columns)).astype(np.float32)


def visit_numbers_before(history: History, now: int) -> tuple[np.ndarray, np.ndarray]:
    """(V,) which of its user's outcome visits before `now` each visit is, from 1, and (U,) how many there are."""
    past = history.visit_outcome & (history.visit_day < now)
    visits = np.bincount(history.visit_user[past], minlength=len(history.users))
    before_user = np.concatenate([[0], np.cumsum(visits)[:-1]]).astype(np.int64)
    return np.cumsum(past) - before_user[history.visit_user], visits


def popularity(history: History, codes: np.ndarray, count: int, as_of: date) -> np.ndarray:
    """(count, 3) float32: log share of lately active users with the target in the last 14, 28 and 84 days (half added)."""
    now, day, user = day_number(as_of), history.line_day(), history.line_user()
    columns = []
    for days in (14, 28, 84):
        keep = history.line_outcome & (day < now) & (day >= now - days)
        active = len(np.unique(user[keep]))
        pairs = np.unique(user[keep & (codes >= 0)] * count + codes[keep & (codes >= 0)])
        columns.append(np.log((np.bincount(pairs % count, minlength=count) + 0.5) / (active + 1)))
    return np.stack(columns, axis=1).astype(np.float32)


def user_activity(history: History, as_of: date, half_lives: tuple[float, ...]) -> np.ndarray:
    """(U, 2H + 5) float32: decayed visits and lines, days since the last two visits, tenure, lines a visit, mean gap."""
    now, size = day_number(as_of), len(history.users)
    keep = history.visit_outcome & (history.visit_day < now)
    user, day = history.visit_user[keep], history.visit_day[keep]
    lines = np.bincount(history.line_visit[history.line_outcome], minlength=len(keep))[keep]
    columns = []
    for half_life in half_lives:
        weight = 2.0 ** (-(now - day) / half_life)
        columns += [np.log1p(np.bincount(user, weights=w, minlength=size)) for w in (weight, weight * lines)]
    visits = np.bincount(user, minlength=size)
    first, last, before = np.full(size, now - NEVER_DAYS), np.full(size, now - NEVER_DAYS), np.full(size, now - NEVER_DAYS)
    last[user] = day  # visits are in time order, so the last write is the latest
    second = np.flatnonzero(user[:-1] == user[1:])
    before[user[second]] = day[second]
    first[user[::-1]] = day[::-1]
    gap = np.where(visits > 1, (last - first) / np.maximum(visits - 1, 1), NEVER_DAYS)
    columns += [
        now - last,
        now - before,
        now - first,
        np.bincount(user, weights=lines, minlength=size) / np.maximum(visits, 1),
        gap,
    ]
    return np.stack(columns, axis=1).astype(np.float32)
