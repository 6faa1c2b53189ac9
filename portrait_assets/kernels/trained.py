"""A trained behaviour model as a value, and what both its training and its scoring read."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from portrait_assets.kernels.attributes import AttributeHead
from portrait_assets.kernels.behaviour_model import LEVELS
from portrait_assets.kernels.config import BehaviourConfig
from portrait_assets.kernels.evaluation import Calibration, blended
from portrait_assets.kernels.fusion import Fusion, unfold
from portrait_assets.kernels.outlook import Outlook
from portrait_assets.kernels.parts import Parts, RawScores
from portrait_assets.kernels.ranking.ranker import Ranker
from portrait_assets.kernels.rhythm import Rhythm
from portrait_assets.kernels.sequences import History, history_from

COUNTS_WEIGHT = 0.4  # of standardised features beside the vector's blocks: some attributes show in the counts alone


@dataclass(frozen=True)
class TrainedModel:
    """`served` learnt from every window before `trained_through`; `rehearsal` from all but the last, which judged it.

    `examples` are the targets of each level that some known user bought in a training window and some did not: no other is predicted. `rhythm`
    is None where hardly anybody buys twice. `not_predicted` says why of a target, or of a kind of targets, that has no predictions.
    """

    config: BehaviourConfig
    trained_through: date
    served: Parts
    rehearsal: Parts
    calibration: Calibration
    examples: dict[str, list[str]]
    vector_targets: dict[str, list[str]]
    fusion: Fusion
    attribute_heads: dict[str, AttributeHead]
    outlook: Outlook
    rhythm: Rhythm | None
    not_predicted: dict[str, str]
    centres: np.ndarray  # (K, LENGTH) of the segments
    ranker: Ranker | None = None  # none where there was too little to learn from


@dataclass(frozen=True)
class Source:
    """The frames a training or a scoring reads, and how to cut them."""

    visits: pl.DataFrame
    features: pl.DataFrame
    items: pl.DataFrame
    config: BehaviourConfig

    def before(self, as_of: date) -> History:
        return history_from(self.visits, self.items, as_of, self.config.outcome_event)


def popular_targets(history: History, as_of: date, count: int, config: BehaviourConfig) -> dict[str, list[str]]:
    return {level: history.popular(level, as_of, config.popular_days, count) for level in LEVELS}


def block_inputs(raw: RawScores, calibration: Calibration) -> dict[str, np.ndarray]:
    """The raw columns of each block of the vector: blended scores, selected features, network state."""
    scores = blended(raw, calibration.blends)
    return (
        {"user_scores": scores["user"]}
        | {f"{level}_scores": scores[level] for level in LEVELS}
        | {"features": raw.features, "state": raw.state}
    )


def attribute_inputs(vectors: np.ndarray, features: np.ndarray) -> np.ndarray:
    """(N, D) what the attribute heads read: the vector's blocks, scaled as in the vector, and the selected features (N, F) lightly."""
    return np.concatenate([*unfold(vectors).values(), COUNTS_WEIGHT * features], axis=1)
