"""What a trained model says at an as-of: the vector and the predictions; and the vector before there is a model."""

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import polars as pl

from portrait_assets.errors import PortraitError
from portrait_assets.kernels.attributes import AttributeHead
from portrait_assets.kernels.behaviour_model import LEVELS
from portrait_assets.kernels.config import BehaviourConfig
from portrait_assets.kernels.fusion import LENGTH, fit_fusion
from portrait_assets.kernels.pairs import with_wholes
from portrait_assets.kernels.parts import RawScores, read_parts
from portrait_assets.kernels.predicting import Predicted, predict
from portrait_assets.kernels.segments import nearest
from portrait_assets.kernels.selection import select_columns
from portrait_assets.kernels.sequences import History, history_from
from portrait_assets.kernels.trained import TrainedModel, attribute_inputs, block_inputs, popular_targets


@dataclass(frozen=True)
class Scores:
    """embeddings: user_id, embedding (list of float32). clusters: user_id, cluster. predictions: user_id, target, probability.

    amounts: user_id, target, value.
    """

    embeddings: pl.DataFrame
    predictions: pl.DataFrame
    amounts: pl.DataFrame
    clusters: pl.DataFrame


def score(model: TrainedModel, visits: pl.DataFrame, features: pl.DataFrame, items: pl.DataFrame, as_of: date) -> Scores:
    """Vector and predictions of everyone seen before as_of, from events before it only."""
    return score_history(model, history_from(visits, items, as_of, model.config.outcome_event), features, as_of)


def score_history(model: TrainedModel, history: History, features: pl.DataFrame, as_of: date) -> Scores:
    """The same of a history that ends at as_of."""
    if as_of < model.trained_through:
        raise PortraitError(
            f"behaviour model trained through {model.trained_through}: it has seen the future of {as_of}; "
            f"use a model trained through {as_of} or earlier"
        )
    config = model.config
    if not history.users:
        nobody = prediction_frame([], "", np.zeros(0))
        return Scores(
            embedding_frame([], np.zeros((0, LENGTH))),
            nobody,
            nobody.rename({"probability": "value"}),
            cluster_frame([], np.zeros(0)),
        )
    served = {
        level: [name for name in names if name in set(model.examples[level])]
        for level, names in popular_targets(history, as_of, config.targets, config).items()
    }
    wanted = {
        level: model.vector_targets[level] + [name for name in served[level] if name not in set(model.vector_targets[level])]
        for level in LEVELS
    }
    raw = read_parts(model.served, history, features, as_of, with_wholes(history, wanted), config)
    ids = [history.users[i] for i in raw.users]
    vectors = model.fusion.vectors(block_inputs(vector_part(raw, model.vector_targets), model.calibration))
    said = predict(model, history, raw, as_of)
    chances = said.chances | target_chances(said, raw.targets, served, config)
    frames = [prediction_frame(ids, target, chance) for target, chance in chances.items()]
    frames += attribute_predictions(ids, attribute_inputs(vectors, raw.features), model.attribute_heads)
    values = [prediction_frame(ids, target, value).rename({"probability": "value"}) for target, value in said.amounts.items()]
    predictions, amounts = (pl.concat(of).drop_nans().sort("user_id", "target") for of in (frames, values))
    return Scores(embedding_frame(ids, vectors), predictions, amounts, cluster_frame(ids, nearest(model.centres, vectors)))


def vector_part(raw: RawScores, targets: dict[str, list[str]]) -> RawScores:
    """The columns of the vector's own targets, which stand first in `raw`."""
    cut = {level: len(names) for level, names in targets.items()}
    boosted = {level: table[:, : cut[level]] for level, table in raw.boosted.items()}
    network = {level: table[:, : cut[level]] for level, table in raw.network.items()}
    wholes = {level: names[: cut[level]] for level, names in raw.wholes.items() if level in cut}
    return replace(raw, targets=targets, boosted=boosted, network=network, wholes=wholes)


def target_chances(
    said: Predicted, targets: dict[str, list[str]], served: dict[str, list[str]], config: BehaviourConfig
) -> dict[str, np.ndarray]:
    """Target -> (N,) probabilities of the served categories and items."""
    return {
        f"{level}_{config.horizon_days}d={name}": said.parts[level][:, targets[level].index(name)]
        for level in ("category", "item")
        if level in said.parts
        for name in served[level]
    }


def attribute_predictions(ids: list[str], x: np.ndarray, heads: dict[str, AttributeHead]) -> list[pl.DataFrame]:
    frames = []
    for name, head in heads.items():
        p = head.probabilities(x)
        frames += [prediction_frame(ids, f"{name}={value}", p[:, k]) for k, value in enumerate(head.classes)]
    return frames


def prediction_frame(ids: list[str], target: str, probability: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame(
        {"user_id": ids, "target": [target] * len(ids), "probability": probability.astype(np.float64)},
        schema_overrides={"user_id": pl.String, "target": pl.String},
    )


def cluster_frame(ids: list[str], clusters: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame({"user_id": pl.Series(ids, dtype=pl.String), "cluster": pl.Series(clusters, dtype=pl.Int64)})


def embedding_frame(ids: list[str], vectors: np.ndarray) -> pl.DataFrame:
    embedding = pl.Series(vectors.astype(np.float32).tolist(), dtype=pl.List(pl.Float32))
    return pl.DataFrame({"user_id": pl.Series(ids, dtype=pl.String), "embedding": embedding})


def blocks_only(features: pl.DataFrame) -> pl.DataFrame:
    """The vector before the first model: the feature block of the users at one as-of, scaled among themselves; else zeros."""
    if features.is_empty():
        return embedding_frame([], np.zeros((0, LENGTH)))
    features = features.sort("user_id")
    inputs = {"features": select_columns(features).transform(features)}
    return embedding_frame(features["user_id"].to_list(), fit_fusion(inputs).vectors(inputs))
