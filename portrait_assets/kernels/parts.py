"""The learnt parts of the behaviour model and the two things done with them: fit on as-of points, and read at one."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import polars as pl

from portrait_assets.kernels import habits
from portrait_assets.kernels.batches import read
from portrait_assets.kernels.behaviour_model import BAGS, LEVELS, BehaviourModel, Shape
from portrait_assets.kernels.boosting import fit_booster, raw_scores
from portrait_assets.kernels.config import BehaviourConfig
from portrait_assets.kernels.labels import BINARY_TARGETS, USER_TARGETS, bought, user_outcomes
from portrait_assets.kernels.lessons import Lesson
from portrait_assets.kernels.lifetime import Lifetime, Summary, summarise
from portrait_assets.kernels.lifetime import fit as fit_lifetime
from portrait_assets.kernels.machine import ALONE, Machine
from portrait_assets.kernels.pairs import fit_pairs, pair_features, wholes_of
from portrait_assets.kernels.selection import Selection, select_columns
from portrait_assets.kernels.sequences import History, day_number
from portrait_assets.kernels.several import train_together
from portrait_assets.kernels.training import Outputs, fit_network, run_network


@dataclass(frozen=True)
class Parts:
    """Everything learnt from one set of as-of points."""

    selection: Selection
    lifetime: Lifetime  # of purchases before the last of the as-of points
    user_boosters: dict[str, str | None]  # USER_TARGETS -> LightGBM text
    pair_boosters: dict[str, str | None]  # LEVELS -> LightGBM text
    network: BehaviourModel
    shape: Shape
    vocabulary: dict[str, list[str]]  # bag -> names; code = place + 1
    targets: dict[str, list[str]]  # level -> names the network has a head for


@dataclass(frozen=True)
class RawScores:
    """Uncalibrated word of both kinds on N users (`users`: their indices in the history). Log odds, or amounts."""

    users: np.ndarray
    boosted_user: np.ndarray  # (N, USER_TARGETS)
    network_user: np.ndarray
    targets: dict[str, list[str]]
    boosted: dict[str, np.ndarray]  # level -> (N, T)
    network: dict[str, np.ndarray]  # NaN where the network has no head for the target
    wholes: dict[str, list[str]]  # level -> the whole of each target, by name; empty where it is not known
    state: np.ndarray  # (N, C)
    inputs: np.ndarray  # (N, I) what user-level boosters see
    features: np.ndarray  # (N, D) selected, standardised


def feature_rows(history: History, users: np.ndarray, features: pl.DataFrame, as_of: date, selection: Selection) -> np.ndarray:
    """(N, D): the features of `users` at as_of; a user without a row there gets the mean."""
    ids = pl.DataFrame({"user_id": pl.Series([history.users[i] for i in users], dtype=pl.String)})
    at = features.filter(pl.col("as_of") == as_of).unique("user_id", keep="first", maintain_order=True)
    return selection.transform(ids.join(at, on="user_id", how="left", maintain_order="left"))


def boosted_inputs(
    history: History, users: np.ndarray, features: np.ndarray, lifetime: Lifetime, as_of: date, config: BehaviourConfig
) -> np.ndarray:
    """(N, D + activity + rhythm + lifetime): what the user-level boosters see."""
    activity = habits.user_activity(history, as_of, config.half_lives_days)[users]
    rhythm = habits.visit_rhythm(history, as_of, config.horizon_days)[users]
    s = purchase_summary(history, as_of).of(users)
    outlook = [lifetime.alive(s), lifetime.bought(s, config.horizon_days), lifetime.amount(s)]
    return np.concatenate([features, activity, rhythm, np.stack(outlook, axis=1)], axis=1)


def purchase_summary(history: History, as_of: date) -> Summary:
    """Of every user of the history, from purchases before as_of; days and cents.

    What was paid back by then is taken off each purchase of its user in proportion; who has nothing left bought nothing.
    """
    stayed = stayed_share(history, as_of)[history.visit_user]
    bought = history.visit_outcome & (stayed > 0)
    day, cents = np.floor(history.visit_day[bought]).astype(np.int64), (history.spend_cents * stayed)[bought]
    return summarise(history.visit_user[bought], day, cents, len(history.users), day_number(as_of))


def stayed_share(history: History, as_of: date) -> np.ndarray:
    """(U,) of what each user had paid before as_of, the share that was not paid back by then; 1 where no amount is known."""
    past = history.visit_day < day_number(as_of)
    user, size = history.visit_user[past], len(history.users)
    paid, back = (np.bincount(user, weights=x[past], minlength=size) for x in (history.spend_cents, history.refund_cents))
    return np.where(paid > 0, np.clip(1 - back / np.maximum(paid, 1), 0, 1), 1.0)


def fit_parts(
    history: History,
    features: pl.DataFrame,
    as_ofs: list[date],
    config: BehaviourConfig,
    look: Callable[["Parts", int, float], None],
    machine: Machine = ALONE,
) -> Parts:
    """Learn from the windows [a, a + horizon) of `as_ofs` (ascending); `look(parts, epoch, loss)` after each epoch."""
    end = as_ofs[-1]
    selection = select_columns(features.filter(pl.col("as_of").is_in(as_ofs)))
    users = [history.seen_before(a) for a in as_ofs]
    x = [feature_rows(history, u, features, a, selection) for u, a in zip(users, as_ofs, strict=True)]
    y = [user_outcomes(history, u, day_number(a), config.horizon_days) for u, a in zip(users, as_ofs, strict=True)]
    lifetime = fit_lifetime(purchase_summary(history, end))
    pairs = {level: fit_pairs(history, level, as_ofs[-config.boost_windows :], config) for level in LEVELS}
    rows = [boosted_inputs(history, u, f, lifetime, a, config) for u, f, a in zip(users, x, as_ofs, strict=True)]
    boosters = fit_user_boosters(np.concatenate(rows), np.concatenate(y), config)
    vocabulary = {bag: history.popular(bag, end, 10_000, config.item_vocabulary) for bag in BAGS}
    popular = {level: history.popular(level, end, config.popular_days, config.network_targets) for level in LEVELS}
    targets = {level: names for level, names in popular.items() if names}
    shape = Shape(
        {bag: len(names) + 1 for bag, names in vocabulary.items()},
        len(selection.columns),
        {level: len(t) for level, t in targets.items()},
    )
    reading = read(history, vocabulary, targets, as_ofs, np.concatenate(x), config)
    labels = {level: window_labels(history, level, names, users, as_ofs, config) for level, names in targets.items()}

    def each_epoch(network: BehaviourModel, epoch: int, loss: float) -> None:
        look(Parts(selection, lifetime, boosters, pairs, network, shape, vocabulary, targets), epoch, loss)

    lesson = Lesson(reading, shape, np.concatenate(y), labels)
    if machine.processes > 1:
        train_together(lesson, config, machine)
    network = fit_network(lesson, config, each_epoch, machine)
    return Parts(selection, lifetime, boosters, pairs, network, shape, vocabulary, targets)


def window_labels(
    history: History, level: str, targets: list[str], users: list[np.ndarray], as_ofs: list[date], config: BehaviourConfig
) -> np.ndarray:
    """(R, T) bool over all as-of points, in the rows' order."""
    codes = history.recode(level, targets)
    return np.concatenate(
        [
            bought(history, u, day_number(a), config.horizon_days, codes, len(targets))
            for u, a in zip(users, as_ofs, strict=True)
        ]
    )


def fit_user_boosters(x: np.ndarray, y: np.ndarray, config: BehaviourConfig) -> dict[str, str | None]:
    """One small booster for each user-level target."""
    kinds = ["binary" if j < BINARY_TARGETS else "regression" for j in range(len(USER_TARGETS))]
    return {name: fit_booster(x, y[:, j], small(config), kinds[j]) for j, name in enumerate(USER_TARGETS)}


def small(config: BehaviourConfig) -> BehaviourConfig:
    """The configuration of a booster of users, not of pairs."""
    return replace(config, boost_leaves=config.user_leaves, boost_rate=config.user_rate, boost_rounds=config.user_rounds)


def network_at(parts: Parts, history: History, features: np.ndarray, as_of: date, config: BehaviourConfig) -> Outputs:
    """The network's word on everyone seen before as_of, in user order; `features` (N, D) as `feature_rows` gives them."""
    return run_network(parts.network, read(history, parts.vocabulary, parts.targets, [as_of], features, config), config)


def read_parts(
    parts: Parts,
    history: History,
    features: pl.DataFrame,
    as_of: date,
    targets: dict[str, list[str]],
    config: BehaviourConfig,
    crowd: History | None = None,
) -> RawScores:
    """Both kinds' scores of everyone seen before as_of. `history` must be cut at as_of: the network reads its latest visits.

    `crowd` as in `pair_features`.
    """
    users = history.seen_before(as_of)
    x = feature_rows(history, users, features, as_of, parts.selection)
    outputs = network_at(parts, history, x, as_of, config)
    inputs = boosted_inputs(history, users, x, parts.lifetime, as_of, config)
    boosted_user = np.stack([raw_scores(parts.user_boosters[name], inputs, config.threads) for name in USER_TARGETS], axis=1)
    boosted, network, wholes = {}, {}, {}
    for level, names in targets.items():
        pairs = pair_features(history, level, names, users, as_of, config, crowd) if names else np.zeros((0, 1))
        boosted[level] = raw_scores(parts.pair_boosters[level], pairs, config.threads).reshape(len(users), len(names))
        told = outputs.levels.get(level, np.zeros((len(users), 0)))
        network[level] = take_columns(told, parts.targets.get(level, []), names)
        wholes[level] = wholes_of(crowd or history, level, names)
    return RawScores(users, boosted_user, outputs.user, targets, boosted, network, wholes, outputs.state, inputs, x)


def take_columns(table: np.ndarray, have: list[str], want: list[str]) -> np.ndarray:
    """(N, len(want)): the columns of `table` by name, NaN where it has none."""
    place = {name: i for i, name in enumerate(have)}
    padded = np.concatenate([table, np.full((len(table), 1), np.nan, table.dtype)], axis=1)
    return padded[:, [place.get(name, len(have)) for name in want]]
