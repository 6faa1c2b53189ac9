"""Boosted pair heads: one LightGBM per level says whether a user will buy a target, any target, seen in training or not."""

from datetime import date, timedelta

import numpy as np

from portrait_assets.kernels import habits
from portrait_assets.kernels.affinity import affinity
from portrait_assets.kernels.boosting import fit_booster
from portrait_assets.kernels.config import BehaviourConfig
from portrait_assets.kernels.labels import bought
from portrait_assets.kernels.sequences import History, day_number

PARENTS = {"item": ("item_type", "category"), "category": ("department",), "department": ()}
EVER_DAYS = 10_000
WHOLES = {
    "department": None,
    "category": "department",
    "item": "category",
}  # what a target is part of, from the top down; None is any purchase


def pair_features(
    history: History,
    level: str,
    targets: list[str],
    users: np.ndarray,
    as_of: date,
    config: BehaviourConfig,
    crowd: History | None = None,
) -> np.ndarray:
    """(N * T, F) float32 by user, then target: habit and rhythm of the pair and its parent, what alike users
    buy, popularity, the user's activity.

    `crowd` is whose company says what is popular and alike: the history's own users, or others where it is of users that never were.
    """
    codes, count = history.recode(level, targets), len(targets)
    blocks = [
        habits.decayed_counts(history, codes, count, as_of, config.half_lives_days)[users],
        habits.pair_rhythm(history, codes, count, as_of)[users],
    ]
    for parent in PARENTS[level]:
        names, place = parents_of(crowd or history, level, targets, parent)
        parent_codes = history.recode(parent, names)
        counts = habits.decayed_counts(history, parent_codes, len(names), as_of, config.half_lives_days)[users]
        rhythm = habits.pair_rhythm(history, parent_codes, len(names), as_of)[users]
        blocks += [counts[:, place], rhythm[:, place]]
    if config.affinity_items:
        blocks.append(affinity(history, level, targets, as_of, config, crowd)[users])
    of_crowd = codes if crowd is None else crowd.recode(level, targets)
    popularity = habits.popularity(crowd or history, of_crowd, count, as_of)
    blocks.append(np.broadcast_to(popularity, (len(users), *popularity.shape)))
    activity = habits.user_activity(history, as_of, config.half_lives_days)[users]
    blocks.append(np.broadcast_to(activity[:, None], (len(users), count, activity.shape[1])))
    return np.concatenate(blocks, axis=2).reshape(len(users) * count, -1)


def parents_of(history: History, level: str, targets: list[str], parent: str) -> tuple[list[str], np.ndarray]:
    """Names at level `parent` above the targets, and (T,) the place of each target's own (most frequent, ties by name)."""
    codes, above, names = history.recode(level, targets), history.codes[parent], [*history.names[parent], ""]
    keep = codes >= 0
    lines = np.bincount((codes * len(names) + above % len(names))[keep], minlength=len(targets) * len(names))  # -1: the last
    used, place = np.unique(lines.reshape(len(targets), len(names)).argmax(1), return_inverse=True)
    return [names[i] for i in used], place


def wholes_of(history: History, level: str, targets: list[str]) -> list[str]:
    """The whole of each target, by name; empty where it is not known, or any purchase."""
    above = WHOLES[level]
    if above is None or not targets:
        return [""] * len(targets)
    names, place = parents_of(history, level, targets, above)
    return [names[k] for k in place]


def with_wholes(history: History, targets: dict[str, list[str]]) -> dict[str, list[str]]:
    """The targets of each level, and after them what wholes of theirs are missing."""
    wanted = {level: list(targets.get(level, [])) for level in WHOLES}
    for level in reversed(WHOLES):
        if (above := WHOLES[level]) is not None:
            known = {"", *wanted[above]}
            wanted[above] += [name for name in dict.fromkeys(wholes_of(history, level, wanted[level])) if name not in known]
    return wanted


def examples(
    history: History, as_ofs: list[date], config: BehaviourConfig
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """level -> the names that some user known at one of `as_ofs` bought in the window after it and some did not, of the most bought ever;
    and those that all of them bought. Of others there is no example to learn from.
    """
    users = {as_of: history.seen_before(as_of) for as_of in as_ofs}
    rows = sum(len(of) for of in users.values())
    shown, always = {}, {}
    for level in WHOLES:
        names = history.popular(level, as_ofs[-1] + timedelta(days=config.horizon_days), EVER_DAYS, config.item_vocabulary)
        codes, count = history.recode(level, names), np.zeros(len(names), np.int64)
        day, user = history.line_day(), history.line_user()
        for as_of, known in users.items():
            start = day_number(as_of)
            keep = (
                history.line_outcome
                & (day >= start)
                & (day < start + config.horizon_days)
                & (codes >= 0)
                & np.isin(user, known)
            )
            pairs = np.unique(user[keep] * max(len(names), 1) + codes[keep])
            count += np.bincount(pairs % max(len(names), 1), minlength=len(names))
        shown[level] = [name for name, n in zip(names, count, strict=True) if 0 < n < rows]
        always[level] = [name for name, n in zip(names, count, strict=True) if n == rows]
    return shown, always


def fit_pairs(history: History, level: str, as_ofs: list[date], config: BehaviourConfig) -> str | None:
    """Train on every (user seen, popular target) of each as-of; rows are thinned evenly to `pair_rows`."""
    rows, labels = [], []
    for i, as_of in enumerate(as_ofs):
        targets = history.popular(level, as_of, config.popular_days, config.targets)
        users = history.seen_before(as_of)
        if not targets or not len(users):
            continue
        x = pair_features(history, level, targets, users, as_of, config)
        y = bought(
            history, users, day_number(as_of), config.horizon_days, history.recode(level, targets), len(targets)
        ).reshape(-1)
        share = min(1.0, config.pair_rows / len(as_ofs) / len(y))
        keep = np.random.default_rng([config.seed, i]).random(len(y)) < share
        rows.append(x[keep])
        labels.append(y[keep])
    return fit_booster(np.concatenate(rows), np.concatenate(labels), config) if rows else None
