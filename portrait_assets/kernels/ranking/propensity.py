"""The chance that a user buys any of a set of items within the horizon: one booster for any user and any set.

It learns from sets drawn out of the hierarchy of items, as campaigns draw theirs, over the windows that end at the as-of and before it;
so the set asked for need never have been a campaign. It is propensity, who buys anyway: nobody was left untreated at random, so what a
campaign would change is not known.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import lightgbm
import numpy as np

from portrait_assets.errors import PortraitError
from portrait_assets.kernels.boosting import raw_scores
from portrait_assets.kernels.calibration import sigmoid
from portrait_assets.kernels.ranking.lines import Lines, before
from portrait_assets.kernels.ranking.sets import Stand, bought_any, set_features, stand_at
from portrait_assets.kernels.sequences import day_number

WINDOWS = 3
SETS = 50  # drawn a window
LEVELS = ("item", "item_type", "make", "category", "maker")  # what sets are made of
LARGEST = 3  # groups in a set, and four times as many single items
NOT_BOUGHT = 0.35  # share of the pairs kept that came to nothing, weighing so much more
BOOSTER = {
    "objective": "binary", "num_leaves": 31, "learning_rate": 0.08, "min_data_in_leaf": 200, "feature_fraction": 0.5,
    "bagging_fraction": 0.7, "bagging_freq": 1, "lambda_l2": 5.0, "max_bin": 63, "num_threads": 1, "deterministic": True,
    "force_col_wise": True, "verbosity": -1,
}  # fmt: skip
ROUNDS = 150


@dataclass(frozen=True)
class Propensity:
    """A LightGBM text over `set_features`, learnt from lines before an as-of."""

    text: str

    def chances(self, stand: Stand, in_set: np.ndarray) -> np.ndarray:
        """(U,) of buying any of the set (I,) bool within the horizon; whoever is unknown at the as-of gets a number too."""
        return self.chances_of(set_features(stand, in_set)[0])

    def chances_of(self, x: np.ndarray) -> np.ndarray:
        """(N,) of rows of `set_features`."""
        return sigmoid(raw_scores(self.text, x, 1))


def fit_propensity(lines: Lines, as_of: date, horizon_days: int, seed: int = 7) -> Propensity:
    """The same lines before as_of give the same booster. PortraitError where no window before it has buyers known before."""
    past = before(lines, as_of)
    parts = [
        part
        for k in range(1, WINDOWS + 1)
        if (part := window_rows(past, as_of - timedelta(days=horizon_days * k), horizon_days, seed)) is not None
    ]
    if not parts:
        raise PortraitError(
            f"campaign, as of {as_of}: no window of {horizon_days} days before it has buyers known before; choose a later date or "
            "ingest earlier events"
        )
    x, y, weight = (np.concatenate([part[k] for part in parts]) for k in range(3))
    parameters = BOOSTER | {"seed": seed, "min_data_in_leaf": max(5, min(200, len(y) // 100))}
    data = lightgbm.Dataset(x, y.astype(np.float32), weight=weight)
    return Propensity(lightgbm.train(parameters, data, num_boost_round=ROUNDS).model_to_string())


def window_rows(lines: Lines, as_of: date, horizon_days: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """x (R, F), whether any of the set was bought (R,), and weights, of SETS drawn sets and the users known before as_of."""
    if not lines.before(as_of).any():
        return None
    rng = np.random.default_rng([seed, day_number(as_of)])
    stand, parts = stand_at(lines, as_of, horizon_days), []
    known = stand.seen
    for in_set in drawn_sets(lines, as_of, rng):
        bought = bought_any(lines, as_of, horizon_days, in_set)[known]
        keep = bought | (rng.random(len(known)) < NOT_BOUGHT)
        x, _ = set_features(stand, in_set)
        parts.append((x[known[keep]], bought[keep], np.where(bought, 1.0, 1 / NOT_BOUGHT)[keep]))
    if not any(bought.any() for _, bought, _ in parts):
        return None
    return tuple(np.concatenate([part[k] for part in parts]) for k in range(3))  # type: ignore[return-value]


def drawn_sets(lines: Lines, as_of: date, rng: np.random.Generator) -> list[np.ndarray]:
    """SETS of (I,) bool: unions of a few groups of a level, or of parts of them; what sells more is drawn more."""
    sold = np.sqrt(np.bincount(lines.item[lines.before(as_of)], minlength=len(lines.items)))
    chance, found = sold / sold.sum(), []
    for number in range(SETS):
        level = LEVELS[number % len(LEVELS)]
        single = level == "item" or (lines.groups[level] < 0).all()
        in_set = np.zeros(len(lines.items), bool)
        drawn = rng.choice(len(lines.items), int(rng.integers(1, (4 if single else 1) * LARGEST + 1)), p=chance)
        in_set[drawn] = True
        if not single:
            code = lines.groups[level]
            in_set |= np.isin(code, code[drawn][code[drawn] >= 0]) & (
                rng.random(len(in_set)) < rng.choice([1.0, rng.uniform(0.1, 0.9)])
            )
        found.append(in_set)
    return found
