"""What users did in [as_of, as_of + horizon): the labels of every head."""

import numpy as np

from portrait_assets.kernels.sequences import History

USER_TARGETS = ("churn", "coupon", "log_spend", "log_visits", "log_new_categories")
BINARY_TARGETS = 2  # the first two are yes or no, the others amounts


def bought(history: History, users: np.ndarray, start: int, days: int, codes: np.ndarray, count: int) -> np.ndarray:
    """(N, count) bool: whether each of `users` (N,) has an outcome line of each target in [start, start + days)."""
    day, user = history.line_day(), history.line_user()
    keep = history.line_outcome & (day >= start) & (day < start + days) & (codes >= 0)
    table = np.zeros((len(history.users), count), bool)
    table[user[keep], codes[keep]] = True
    return table[users]


def user_outcomes(history: History, users: np.ndarray, start: int, days: int) -> np.ndarray:
    """(N, len(USER_TARGETS)) float32 in that order, of the window [start, start + days)."""
    inside = (history.visit_day >= start) & (history.visit_day < start + days)
    of, size = history.visit_user, len(history.users)
    visits = np.bincount(of[inside & history.visit_outcome], minlength=size)
    net_cents = history.spend_cents[inside] - history.refund_cents[inside]
    spend = np.bincount(of[inside], weights=net_cents, minlength=size) / 100
    coupon = np.bincount(of[inside & history.has_coupon], minlength=size) > 0
    columns = [
        visits == 0,
        coupon,
        np.log1p(np.maximum(spend, 0)),
        np.log1p(visits),
        np.log1p(new_categories(history, start, days)),
    ]
    return np.stack(columns, axis=1).astype(np.float32)[users]


def new_categories(history: History, start: int, days: int) -> np.ndarray:
    """(U,) categories bought in the window and never before it."""
    code, day = history.codes["category"], history.line_day()
    width = max(len(history.names["category"]), 1)
    pair = history.line_user() * width + code
    known = history.line_outcome & (code >= 0)
    before = np.unique(pair[known & (day < start)])
    inside = np.unique(pair[known & (day >= start) & (day < start + days)])
    return np.bincount(np.setdiff1d(inside, before, assume_unique=True) // width, minlength=len(history.users))
