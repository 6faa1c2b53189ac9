"""LightGBM, pinned: the same rows give the same model text. Models travel as text, never pickled."""

from functools import lru_cache

import lightgbm
import numpy as np

from portrait_assets.kernels.config import BehaviourConfig


def fit_booster(x: np.ndarray, y: np.ndarray, config: BehaviourConfig, objective: str = "binary") -> str | None:
    """Model text of a booster on x (N, F), NaN allowed; None where y is constant or empty: nothing can be learnt."""
    if len(y) == 0 or y.min() == y.max():
        return None
    parameters = {
        "objective": objective,
        "num_leaves": config.boost_leaves,
        "learning_rate": config.boost_rate,
        "min_data_in_leaf": max(5, min(100, len(y) // 50)),
        "feature_fraction": 0.6,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "lambda_l2": 5.0,
        "max_bin": 127,
        "seed": config.seed,
        "num_threads": config.threads,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    data = lightgbm.Dataset(x, y.astype(np.float32), free_raw_data=True)
    return lightgbm.train(parameters, data, num_boost_round=config.boost_rounds).model_to_string()


def raw_scores(model: str | None, x: np.ndarray, threads: int) -> np.ndarray:
    """(N,) log odds (or the value, for regression); zeros without a model."""
    if model is None or len(x) == 0:
        return np.zeros(len(x))
    return np.asarray(booster_of(model).predict(x, raw_score=True, num_threads=threads))


@lru_cache(maxsize=8)
def booster_of(model: str) -> lightgbm.Booster:
    """Read once: a text of a megabyte takes longer to read than one user's candidates to score."""
    return lightgbm.Booster(model_str=model)
