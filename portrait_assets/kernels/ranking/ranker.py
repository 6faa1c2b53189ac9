"""The ranker: boosters of two kinds and small networks on the same rows, each kind learnt with several seeds and averaged.

The first kind learns whether a pair is bought within the horizon (log loss), the second the order of a user's candidates (LambdaRank:
Burges 2010), networks both. Their standardised sum ranks; the first, calibrated on the window that none learnt from, is the probability.
"""

import logging
from dataclasses import dataclass, replace
from datetime import date, timedelta

import lightgbm
import numpy as np
from threadpoolctl import threadpool_limits

from portrait_assets.errors import PortraitError
from portrait_assets.kernels.boosting import raw_scores
from portrait_assets.kernels.calibration import sigmoid
from portrait_assets.kernels.linear import fit_logistic
from portrait_assets.kernels.ranking.candidates import Candidates, candidates_of
from portrait_assets.kernels.ranking.everyone import Everyone, everyone_at
from portrait_assets.kernels.ranking.features import pair_features
from portrait_assets.kernels.ranking.lines import Lines
from portrait_assets.kernels.ranking.measures import Measured, measure, targets_of
from portrait_assets.kernels.ranking.neighbours import Neighbours, neighbours_of
from portrait_assets.kernels.ranking.network import Network, fit_network, mean_scores
from portrait_assets.kernels.ranking.rhythm import runs_of
from portrait_assets.kernels.sequences import day_number
from portrait_assets.settings import CORES

GAINS = np.array([0.0, 1.0, 1.7])  # of the grades
LAMBDARANK = {"objective": "lambdarank", "lambdarank_truncation_level": 20, "label_gain": GAINS.tolist()}
NETWORK_WEIGHT = 1.0  # beside one for each booster
NO_PAIRS = np.zeros(0, np.int64)

logger = logging.getLogger("portrait")


class UnusableRanker(PortraitError):
    """There was enough to learn from, and what was learnt is of no use."""


@dataclass(frozen=True)
class RankerConfig:
    """Everything that decides a ranker besides its data."""

    horizon_days: int = 14
    windows: int = 5  # the latest is held out: it calibrates and measures; learning from it too won nothing
    rows_per_window: int = 60_000  # of pairs that were not bought; all that were are kept
    rounds: int = 160
    leaves: int = 31
    rate: float = 0.08
    epochs: int = 6  # of a network
    seeds: int = 2  # of each kind
    seed: int = 7
    threads: int = 1


CPU = RankerConfig()
TINY = RankerConfig(windows=3, rows_per_window=5_000, rounds=20, leaves=7, epochs=2)
RANKERS = {
    "tiny": TINY,
    "cpu": CPU,
    "gpu": CPU,
    "gpu-large": CPU,
}  # a GPU would have nothing to do: the boosters are what takes time


@dataclass(frozen=True)
class Ranker:
    """`chance` and `order` are LightGBM texts; `centre`, `spread` (3,) standardise the mean raw scores of each kind; the rest calibrates."""

    config: RankerConfig
    names: tuple[str, ...]
    chance: tuple[str, ...]
    order: tuple[str, ...]
    network: tuple[Network, ...]
    centre: tuple[float, ...]
    spread: tuple[float, ...]
    slope: float
    shift: float

    def scores(self, x: np.ndarray, threads: int = CORES) -> tuple[np.ndarray, np.ndarray]:
        """(N,) what to rank by, and (N,) the probability of buying within the horizon; `x` (N, F) as `pair_features` gives it.

        A row's score is the same on any number of threads.
        """
        if not len(x):
            return np.zeros(0), np.zeros(0)
        raw = raw_of(self.chance, self.order, self.network, x, threads)
        parts = [(r - c) / s for r, c, s in zip(raw, self.centre, self.spread, strict=True)]
        return parts[0] + parts[1] + NETWORK_WEIGHT * parts[2], sigmoid(self.slope * raw[0] + self.shift)


def raw_of(
    chance: tuple[str, ...], order: tuple[str, ...], network: tuple[Network, ...], x: np.ndarray, threads: int
) -> list[np.ndarray]:
    """(N,) of each of the three kinds."""
    boosted = [np.mean([raw_scores(text, x, threads) for text in kind], axis=0) for kind in (chance, order)]
    return [*boosted, mean_scores(network, x)]


@dataclass(frozen=True)
class Read:
    """What the ranker sees at an as-of: N candidates with their features."""

    as_of: date
    candidates: Candidates
    near: Neighbours
    x: np.ndarray
    names: list[str]


def read_at(lines: Lines, as_of: date, horizon: float) -> Read:
    """Candidates and features of all users from lines before as_of."""
    with threadpool_limits(1):  # sums in one order, whatever the machine
        return read_of(everyone_at(lines, as_of, horizon), lines)


def read_of(everyone: Everyone, lines: Lines, also: np.ndarray = NO_PAIRS) -> Read:
    """Candidates, and pairs to be read `also`, with features, of the users of `lines`: few, new or copies; coded as everyone's."""
    near = neighbours_of(everyone.near, lines, everyone.as_of)
    candidates = candidates_of(everyone, lines, near, also)
    x, names = pair_features(everyone, lines, candidates, near)
    return Read(everyone.as_of, candidates, near, x, names)


@dataclass(frozen=True)
class Examples:
    """x (R, F), grades (R,) and how many rows each user of each window has, to learn from; the window held out, and what was bought in it."""

    x: np.ndarray
    grade: np.ndarray
    group: np.ndarray
    held_out: Read
    bought: np.ndarray


def fit_ranker(lines: Lines, trained_through: date, config: RankerConfig) -> tuple[Ranker, Measured]:
    """Learn from the windows before the last one, calibrate and measure on the last, which ends at `trained_through`.

    Raises PortraitError where fewer than two windows have buyers who were known before them, UnusableRanker where what was learnt gives no
    numbers.
    """
    examples = examples_of(lines, trained_through, config)
    ranker = fit_on(examples, config)
    # As many threads as it was fitted on: LightGBM has one number of them for the process, and another training may be under way.
    pairs, (score, chance) = examples.held_out.candidates, ranker.scores(examples.held_out.x, config.threads)
    if not (np.isfinite(score).all() and np.isfinite(chance).all()):
        raise UnusableRanker(
            f"ranker, trained through {trained_through}: scores that are not numbers; the model it belongs to is refused, report this"
        )
    return ranker, measure(lines, examples.held_out.as_of, config.horizon_days, pairs.user, pairs.item, score)


def examples_of(lines: Lines, trained_through: date, config: RankerConfig) -> Examples:
    """Of the windows that end at `trained_through` and a horizon, two horizons … before it. PortraitError as `fit_ranker`."""
    horizon = timedelta(days=config.horizon_days)
    as_ofs = [trained_through - horizon * k for k in range(1, config.windows + 1)]
    parts = []
    for as_of in as_ofs[1:]:
        rows = training_rows(lines, as_of, config)
        if rows is not None:
            parts.append(rows)
            logger.info("ranker: %d pairs of %s, %d of them bought", len(rows[0]), as_of, int((rows[1] > 0).sum()))
    held_out = read_at(lines, as_ofs[0], config.horizon_days)
    bought = grades(lines, held_out, config.horizon_days) > 0
    if not parts or not bought.any():
        raise PortraitError(
            f"ranker, trained through {trained_through}: fewer than two windows of {config.horizon_days} days have buyers known "
            "before; choose a later date or ingest earlier events"
        )
    x, grade, group = (np.concatenate([part[k] for part in parts]) for k in range(3))
    return Examples(x, grade, group, held_out, bought)


def fit_on(examples: Examples, config: RankerConfig) -> Ranker:
    """The same examples and config give the same ranker."""
    x, grade, held_out = examples.x, examples.grade, examples.held_out
    each = [replace(config, seed=config.seed + 100 * k) for k in range(config.seeds)]
    chance = tuple(fit(x, grade > 0, one, {"objective": "binary"}, None) for one in each)
    order = tuple(fit(x, grade, one, LAMBDARANK, examples.group) for one in each)
    network = tuple(fit_network(x, GAINS[grade], examples.group, one.epochs, one.seed, one.threads) for one in each)
    raw = raw_of(chance, order, network, held_out.x, config.threads)
    calibration = fit_logistic(raw[0][:, None], examples.bought.astype(np.float64)[:, None], 100.0)
    return Ranker(
        config,
        tuple(held_out.names),
        chance,
        order,
        network,
        tuple(float(r.mean()) for r in raw),
        tuple(float(max(r.std(), 1e-9)) for r in raw),
        float(calibration.weight[0, 0]),
        float(calibration.bias[0]),
    )


def grades(lines: Lines, read: Read, horizon_days: int) -> np.ndarray:
    """(N,) 0 where a candidate was not bought in the horizon after the as-of, 1 where it was, 2 on the first visit of it."""
    pair, targets = read.candidates.user * len(lines.items) + read.candidates.item, targets_of(lines, read.as_of, horizon_days)
    return np.isin(pair, targets["window"]).astype(np.int64) + np.isin(pair, targets["basket"])


def training_rows(lines: Lines, as_of: date, config: RankerConfig) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """x (R, F), grades (R,), rows of each user in order; of users who bought a candidate; pairs not bought are thinned."""
    if not lines.before(as_of).any():
        return None
    read = read_at(lines, as_of, config.horizon_days)
    grade = grades(lines, read, config.horizon_days)
    bought = grade > 0
    if not bought.any():
        return None
    buyers = np.isin(read.candidates.user, read.candidates.user[bought])
    share = min(1.0, config.rows_per_window / max(int((buyers & ~bought).sum()), 1))
    draw = np.random.default_rng(day_number(as_of)).random(len(bought))
    keep = buyers & (bought | (draw < share))
    return read.x[keep], grade[keep], runs_of(read.candidates.user[keep]).length


def fit(x: np.ndarray, y: np.ndarray, config: RankerConfig, objective: dict, group: np.ndarray | None) -> str:
    """LightGBM text; the same rows give the same text."""
    parameters = objective | {
        "num_leaves": config.leaves,
        "learning_rate": config.rate,
        "min_data_in_leaf": max(5, min(100, len(y) // 100)),
        "feature_fraction": 0.4,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "lambda_l2": 5.0,
        "max_bin": 63,
        "seed": config.seed,
        "num_threads": config.threads,
        "deterministic": True,
        "force_col_wise": True,
        "verbosity": -1,
    }
    data = lightgbm.Dataset(x, y.astype(np.float32), group=group)
    return lightgbm.train(parameters, data, num_boost_round=config.rounds).model_to_string()
