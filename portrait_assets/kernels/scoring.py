"""What a trained model says at an as-of: the vector and the predictions; and the vector before there is a model."""

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import polars as pl

from portrait_assets.errors import PortraitError
from portrait_assets.kernels.attributes import AttributeHead
from portrait_assets.kernels.behaviour_model import LEVELS
from portrait_assets.kernels.calibration import sigmoid
from portrait_assets.kernels.config import BehaviourConfig
from portrait_assets.kernels.evaluation import blended
from portrait_assets.kernels.fusion import LENGTH, fit_fusion
from portrait_assets.kernels.labels import USER_TARGETS
from portrait_assets.kernels.outlook import View, tell
from portrait_assets.kernels.parts import RawScores, purchase_summary, read_parts
from portrait_assets.kernels.segments import nearest
from portrait_assets.kernels.selection import select_columns
from portrait_assets.kernels.sequences import History
from portrait_assets.kernels.trained import Source, TrainedModel, attribute_inputs, block_inputs, popular_targets

VALUE_DAYS = 365  # a customer's value is what the lifetime model expects of a year


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
    if as_of < model.trained_through:
        raise PortraitError(
            f"behaviour model trained through {model.trained_through}: it has seen the future of {as_of}; "
            f"use a model trained through {as_of} or earlier"
        )
    source = Source(visits, features, items, model.config)
    history, config = source.before(as_of), model.config
    if not history.users:
        nobody = prediction_frame([], "", np.zeros(0))
        return Scores(
            embedding_frame([], np.zeros((0, LENGTH))),
            nobody,
            nobody.rename({"probability": "value"}),
            cluster_frame([], np.zeros(0)),
        )
    served = popular_targets(history, as_of, config.targets, config)
    wanted = {
        level: model.vector_targets[level] + [t for t in served[level] if t not in set(model.vector_targets[level])]
        for level in LEVELS
    }
    raw = read_parts(model.served, history, features, as_of, wanted, config)
    ids = [history.users[i] for i in raw.users]
    vectors = model.fusion.vectors(block_inputs(vector_part(raw, model.vector_targets), model.blends))
    parts = head_predictions(ids, blended(raw, model.blends), raw.targets, served, config)
    parts += attribute_predictions(ids, attribute_inputs(vectors, raw.features), model.attribute_heads)
    chances, amounts = outlook_of(model, history, raw, as_of)
    predictions = pl.concat([*parts, *(prediction_frame(ids, target, p) for target, p in chances.items())])
    values = pl.concat([prediction_frame(ids, target, v).rename({"probability": "value"}) for target, v in amounts.items()])
    known = values.filter(pl.col("value").is_not_nan()).sort("user_id", "target")
    clusters = cluster_frame(ids, nearest(model.centres, vectors))
    return Scores(embedding_frame(ids, vectors), predictions.drop_nans().sort("user_id", "target"), known, clusters)


def outlook_of(
    model: TrainedModel, history: History, raw: RawScores, as_of: date
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Chances and amounts (N,) told further ahead than one horizon; NaN where nothing is told."""
    config, lifetime = model.config, model.served.lifetime
    summary = purchase_summary(history, as_of).of(raw.users)
    log_spend = blended(raw, model.blends)["user"][:, USER_TARGETS.index("log_spend")]
    view = View(raw.users, raw.inputs, summary, log_spend)
    told = {name: tell(head, lifetime, view, config.threads) for name, head in model.outlook.items()}
    chances = {name: value for name, value in told.items() if model.outlook[name].what == "churn"}
    chances["alive_probability"] = lifetime.alive(summary)
    amounts = {name: value for name, value in told.items() if name not in chances}
    amounts["churn_horizon_days"] = np.full(len(raw.users), float(config.horizon_days))
    near, far = (f"expected_spend_cents_{days}d" for days in (config.horizon_days, config.outlook_days[-1]))
    value = lifetime.spend(summary, VALUE_DAYS)
    if far in amounts:
        if near in amounts:  # a longer time never brings less
            amounts[far] = np.fmax(amounts[far], amounts[near])
        value = longer(amounts[far], lifetime.spend(summary, config.outlook_days[-1]), value)
    amounts[f"lifetime_value_cents_{VALUE_DAYS}d"] = value
    return chances, amounts


def longer(far: np.ndarray, far_by_lifetime: np.ndarray, value: np.ndarray) -> np.ndarray:
    """(N,) what is expected of the far distance, gone on with as the lifetime model goes on from its own; NaN where that one is silent."""
    grown = np.divide(value, far_by_lifetime, out=np.ones_like(value), where=far_by_lifetime > 0)
    return np.where(np.isnan(value), np.nan, far * np.fmax(grown, 1.0))


def vector_part(raw: RawScores, targets: dict[str, list[str]]) -> RawScores:
    """The columns of the vector's own targets, which stand first in `raw`."""
    cut = {level: len(names) for level, names in targets.items()}
    boosted = {level: table[:, : cut[level]] for level, table in raw.boosted.items()}
    network = {level: table[:, : cut[level]] for level, table in raw.network.items()}
    return replace(raw, targets=targets, boosted=boosted, network=network)


def head_predictions(
    ids: list[str],
    scores: dict[str, np.ndarray],
    targets: dict[str, list[str]],
    served: dict[str, list[str]],
    config: BehaviourConfig,
) -> list[pl.DataFrame]:
    """user_id, target, probability of churn and of the served categories and items."""
    days = config.horizon_days
    churn = sigmoid(scores["user"][:, USER_TARGETS.index("churn")])
    frames = [prediction_frame(ids, target, churn) for target in ("churn", f"churn_{days}d")]
    for level in ("category", "item"):
        place = {name: i for i, name in enumerate(targets[level])}
        frames += [
            prediction_frame(ids, f"{level}_{days}d={name}", sigmoid(scores[level][:, place[name]])) for name in served[level]
        ]
    return frames


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
