"""What a trained model says of histories as they might have been, as log odds: what explanations compare."""

from datetime import date

import numpy as np
import polars as pl

from portrait_assets.errors import PortraitError
from portrait_assets.kernels.behaviour_model import LEVELS
from portrait_assets.kernels.pairs import with_wholes
from portrait_assets.kernels.parts import read_parts
from portrait_assets.kernels.predicting import predict
from portrait_assets.kernels.scoring import vector_part
from portrait_assets.kernels.sequences import History, history_from
from portrait_assets.kernels.trained import TrainedModel, attribute_inputs, block_inputs

LEAST = 1e-9  # a probability is told apart from 0 and 1 by so much


def rescored(
    model: TrainedModel,
    world: History | None,
    visits: pl.DataFrame,
    features: pl.DataFrame,
    items: pl.DataFrame,
    as_of: date,
    targets: list[str],
) -> tuple[list[str], np.ndarray]:
    """The users of `visits`, and (N, len(targets)) log odds of predictions as `score` names them: `churn_14d`, `category_14d=…`, `age=…`.

    `world` is everybody's real history before as_of: what is popular and alike does not change with the histories asked about. A
    target that is about the user alone needs none. PortraitError for a target the model has no head for.
    """
    config, days = model.config, model.config.horizon_days
    history = history_from(visits, items, as_of, config.outcome_event)
    names = [target.partition("=") for target in targets]
    attributes = {name for name, _, _ in names if name in model.attribute_heads}
    wanted: dict[str, list[str]] = {}
    for level in LEVELS:
        first = model.vector_targets[level] if attributes else []
        asked = [of for name, _, of in names if name == f"{level}_{days}d"]
        wanted[level] = [*first, *(name for name in dict.fromkeys(asked) if name not in first)]
    wanted = with_wholes(world or history, wanted) if any(wanted.values()) else {}
    raw = read_parts(model.served, history, features, as_of, wanted, config, world)
    said = predict(model, history, raw, as_of)
    chances = dict(said.chances)
    for level, of_level in said.parts.items():
        chances |= {f"{level}_{days}d={name}": of_level[:, k] for k, name in enumerate(wanted[level])}
    if attributes:
        vectors = model.fusion.vectors(block_inputs(vector_part(raw, model.vector_targets), model.calibration))
        x = attribute_inputs(vectors, raw.features)
        for name in sorted(attributes):
            of_classes, classes = model.attribute_heads[name].probabilities(x), model.attribute_heads[name].classes
            chances |= {f"{name}={value}": of_classes[:, k] for k, value in enumerate(classes)}
    told = {target: log_odds(chances[target]) for target in targets if target in chances}
    if missing := sorted(set(targets) - told.keys()):
        raise PortraitError(f"model trained through {model.trained_through} has no head for {missing[0]}")
    return [history.users[i] for i in raw.users], np.stack([told[target] for target in targets], axis=1)


def log_odds(probability: np.ndarray) -> np.ndarray:
    """Of probabilities (N,), finite at 0 and 1."""
    p = np.clip(probability, LEAST, 1 - LEAST)
    return np.log(p) - np.log1p(-p)
