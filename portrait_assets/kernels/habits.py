"""Hand-made numbers of a user and a target at an as-of: how often, how lately, how regularly; and how popular the target is.

They serve twice: as the inputs of the boosted pair heads, and (their decayed counts) as the network's memory of habits.
"""

from datetime import date

import numpy as np

from portrait_assets.kernels.sequences import History, day_number

NEVER_DAYS = 400.0
RHYTHM_WEEKS = 12


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


def visit_rhythm(history: History, as_of: date, horizon_days: int) -> np.ndarray:
    """(U, RHYTHM_WEEKS + 8) float32: outcome visits of each of the last weeks, how often a window of `horizon_days` had none,
    how the silence since the last visit compares with the user's own gaps (days), and their longest gaps.
    """
    now, size = day_number(as_of), len(history.users)
    keep = history.visit_outcome & (history.visit_day < now)
    user, day = history.visit_user[keep], history.visit_day[keep]
    ago, days = np.floor(now - day).astype(np.int64), RHYTHM_WEEKS * 7
    late = ago < days
    came = np.zeros((size, days + 1))
    came[user[late], ago[late] + 1] = 1
    weeks = np.bincount(user[late] * RHYTHM_WEEKS + ago[late] // 7, minlength=size * RHYTHM_WEEKS).reshape(size, -1)
    summed = np.cumsum(came, axis=1)
    windows = summed[:, horizon_days:] - summed[:, :-horizon_days]  # (U, days - horizon + 1), the latest first
    oldest = np.full(size, -1)
    np.maximum.at(oldest, user, ago)
    known = horizon_days + np.arange(windows.shape[1]) <= oldest[:, None]
    empty = (windows == 0) & known
    columns = [empty[:, :reach].sum(1) / np.maximum(known[:, :reach].sum(1), 1) for reach in (2 * horizon_days, days)]
    return np.concatenate([weeks, np.stack([*columns, *gaps(user, day, now, size, horizon_days)], axis=1)], axis=1).astype(
        np.float32
    )


def gaps(user: np.ndarray, day: np.ndarray, now: int, size: int, horizon_days: int) -> list[np.ndarray]:
    """Six columns (U,) from visits (N,) by user and time: the share of a user's gaps longer than the silence so far, that of gaps
    longer than a horizon, the chance by those gaps that the silence lasts a horizon more and how many did, the longest, and lately.
    """
    same = user[1:] == user[:-1]
    gap, of, ends = np.diff(day)[same], user[1:][same], day[1:][same]
    last = np.full(size, -np.inf)
    last[user] = day
    silence = (now - last)[of]
    count = np.maximum(np.bincount(of, minlength=size), 1)
    longer, much_longer, long = (
        np.bincount(of, weights=gap > least, minlength=size) for least in (silence, silence + horizon_days, horizon_days)
    )
    longest, lately = np.zeros(size), np.zeros(size)
    np.maximum.at(longest, of, gap)
    np.maximum.at(lately, of[ends > now - 90], gap[ends > now - 90])
    return [longer / count, long / count, (much_longer + 0.25) / (longer + 1), much_longer, longest, lately]
