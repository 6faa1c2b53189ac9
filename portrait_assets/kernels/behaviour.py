"""The behaviour model as the project uses it: train, score, and the vector before there is a model. See README.md."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import polars as pl

from portrait_assets.errors import PortraitError
from portrait_assets.kernels.attributes import AttributeHead, fit_attribute_heads
from portrait_assets.kernels.behaviour_model import LEVELS
from portrait_assets.kernels.calibration import Blend, sigmoid
from portrait_assets.kernels.config import BehaviourConfig
from portrait_assets.kernels.evaluation import (
    baseline_scores, blended, fit_blends, held_out_scores, metrics_frame, rivals_of, truth_at, user_losses,
)  # fmt: skip
from portrait_assets.kernels.fusion import Fusion, fit_fusion, unfold
from portrait_assets.kernels.labels import USER_TARGETS
from portrait_assets.kernels.metrics import auc, mean_auc
from portrait_assets.kernels.parts import Parts, RawScores, feature_rows, fit_parts, network_at, read_parts
from portrait_assets.kernels.selection import select_columns
from portrait_assets.kernels.sequences import History, history_from

Log = Callable[[int, dict[str, float]], None]
VECTOR_TARGETS = 100  # of each level, whose scores the vector condenses


@dataclass(frozen=True)
class TrainedModel:
    """`served` learnt from every window before `trained_through`; `rehearsal` from all but the last, which judged it and still judges it in the gate."""

    config: BehaviourConfig
    trained_through: date
    served: Parts
    rehearsal: Parts
    blends: dict[str, Blend]
    vector_targets: dict[str, list[str]]
    fusion: Fusion
    attribute_heads: dict[str, AttributeHead]


@dataclass(frozen=True)
class Report:
    """What training found, as frames to show and log."""

    trained_through: date
    validation_as_of: date
    metrics: pl.DataFrame  # head, model, auc, log_loss, ece on the validation window
    curves: pl.DataFrame  # stage, epoch, loss, churn_auc, category_auc, item_auc
    attributes: pl.DataFrame  # attribute, users, classes, outcome, auc, ece
    selection: pl.DataFrame  # column, outcome, duplicate_of, correlation
    fusion: pl.DataFrame  # block, columns, slots, used_slots, variance_share
    losses: pl.DataFrame  # user_id, head, loss on the validation window, for the gate


@dataclass(frozen=True)
class Scores:
    """embeddings: user_id, embedding (list of float32). predictions: user_id, target, probability."""

    embeddings: pl.DataFrame
    predictions: pl.DataFrame


@dataclass(frozen=True)
class Source:
    """The frames a training or a scoring reads, and how to cut them."""

    visits: pl.DataFrame
    features: pl.DataFrame
    items: pl.DataFrame
    config: BehaviourConfig

    def before(self, as_of: date) -> History:
        return history_from(self.visits, self.items, as_of, self.config.outcome_event)


def train(visits: pl.DataFrame, features: pl.DataFrame, items: pl.DataFrame, attributes: pl.DataFrame, trained_through: date,
          config: BehaviourConfig, log: Log | None = None) -> tuple[TrainedModel, Report]:  # fmt: skip
    """Learn from events before `trained_through` only; the last horizon before it validates, blends and calibrates, then is learnt too.

    `features` holds as-ofs a horizon apart (older than that, any), and `trained_through` itself if it can: the vector is scaled there.
    Raises PortraitError where fewer than three as-ofs have both a past and a whole window of future.
    """
    source = Source(visits, features, items, config)
    history = source.before(trained_through)
    as_ofs = training_as_ofs(history, features, trained_through, config)
    watch = Watch(source, history, as_ofs[-1], log)
    rehearsal = fit_parts(history, features, as_ofs[:-1], config, watch.rehearsal)
    verdict = validate(source, history, rehearsal, as_ofs)
    served = fit_parts(history, features, as_ofs, config, watch.served)
    now = max(a for a in features["as_of"].unique() if a <= trained_through)
    past = source.before(now)
    raw = read_parts(served, past, features, now, popular_targets(past, now, VECTOR_TARGETS, config), config)
    inputs = block_inputs(raw, verdict.blends)
    fusion = fit_fusion(inputs)
    heads, found = fit_attribute_heads(attributes, [past.users[i] for i in raw.users], attribute_inputs(fusion.vectors(inputs)), config)
    model = TrainedModel(config, trained_through, served, rehearsal, verdict.blends, raw.targets, fusion, heads)
    report = Report(
        trained_through, as_ofs[-1], verdict.metrics, pl.DataFrame(watch.curves), found, served.selection.outcome, fusion.outcome(), verdict.losses
    )  # fmt: skip
    return model, report


def training_as_ofs(history: History, features: pl.DataFrame, trained_through: date, config: BehaviourConfig) -> list[date]:
    """The latest as-ofs of `features`, ascending and a horizon apart at least, whose windows end by trained_through and that someone was seen before."""
    limit, chosen = trained_through - timedelta(days=config.horizon_days), []
    for as_of in features["as_of"].unique().sort(descending=True).to_list():
        if as_of <= limit and len(history.seen_before(as_of)) and len(chosen) <= config.windows:
            chosen.append(as_of)
            limit = as_of - timedelta(days=config.horizon_days)
    if len(chosen) < 3:
        raise PortraitError(
            f"behaviour model, trained through {trained_through}: {len(chosen)} as-of points have events before them and "
            f"{config.horizon_days} days after them; 3 are needed: choose a later date or ingest earlier events"
        )
    return chosen[::-1]


def popular_targets(history: History, as_of: date, count: int, config: BehaviourConfig) -> dict[str, list[str]]:
    return {level: history.popular(level, as_of, config.popular_days, count) for level in LEVELS}


@dataclass(frozen=True)
class Validation:
    blends: dict[str, Blend]
    metrics: pl.DataFrame
    losses: pl.DataFrame


def validate(source: Source, history: History, parts: Parts, as_ofs: list[date]) -> Validation:
    """Judge parts that learnt from as_ofs[:-1] on the window of the last one; `history` reaches its end."""
    config, raw = source.config, rehearse(source, history, parts, as_ofs[-1])
    truth = truth_at(history, raw.users, as_ofs[-1], raw.targets, config)
    held_out = held_out_scores(raw, truth, config)
    baseline = baseline_scores(history, source.features, as_ofs, parts.selection, raw.targets, config)
    metrics = metrics_frame(rivals_of(raw, held_out, baseline), truth)
    blends = fit_blends(raw, truth, np.ones(len(raw.users), bool))
    return Validation(blends, metrics, user_losses(history, raw, held_out, truth))


def rehearse(source: Source, history: History, parts: Parts, as_of: date) -> RawScores:
    """What `parts` say at as_of of the popular targets then; users as indices of the longer `history`."""
    past = source.before(as_of)
    raw = read_parts(parts, past, source.features, as_of, popular_targets(past, as_of, source.config.targets, source.config), source.config)
    return replace(raw, users=np.searchsorted(history.users, [past.users[i] for i in raw.users]))


def validation_losses(model: TrainedModel, visits: pl.DataFrame, features: pl.DataFrame, items: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """The champion's side of the gate: user_id, head, loss of its rehearsal parts in [as_of, as_of + horizon)."""
    source = Source(visits, features, items, model.config)
    history = source.before(as_of + timedelta(days=model.config.horizon_days))
    raw = rehearse(source, history, model.rehearsal, as_of)
    truth = truth_at(history, raw.users, as_of, raw.targets, model.config)
    return user_losses(history, raw, blended(raw, model.blends), truth)


@dataclass
class Watch:
    """Looks on while the network learns: loss each epoch, and in the rehearsal the network's own AUC on the validation window."""

    source: Source
    history: History
    validation: date
    log: Log | None

    def __post_init__(self) -> None:
        self.curves: list[dict] = []
        self.past = self.source.before(self.validation)
        self.users = np.searchsorted(self.history.users, self.past.users)

    def rehearsal(self, parts: Parts, epoch: int, loss: float) -> None:
        config, seen = self.source.config, self.past.seen_before(self.validation)
        rows = feature_rows(self.past, seen, self.source.features, self.validation, parts.selection)
        said = network_at(parts, self.past, rows, self.validation, config)
        truth = truth_at(self.history, self.users[seen], self.validation, parts.targets, config)
        found = {"churn_auc": auc(truth.outcomes[:, 0], said.user[:, 0])}
        found |= {f"{level}_auc": mean_auc(truth.levels[level], said.levels[level]) for level in LEVELS}
        self.note("rehearsal", epoch, {"loss": loss} | found)

    def served(self, parts: Parts, epoch: int, loss: float) -> None:
        self.note("served", epoch, {"loss": loss})

    def note(self, stage: str, epoch: int, found: dict[str, float]) -> None:
        self.curves.append({"stage": stage, "epoch": epoch} | found)
        if self.log:
            self.log(epoch, {f"{stage}/{name}": value for name, value in found.items()})


def block_inputs(raw: RawScores, blends: dict[str, Blend]) -> dict[str, np.ndarray]:
    """The raw columns of each block of the vector: blended scores, selected features, network state."""
    scores = blended(raw, blends)
    return {"user_scores": scores["user"]} | {f"{level}_scores": scores[level] for level in LEVELS} | {"features": raw.features, "state": raw.state}


def attribute_inputs(vectors: np.ndarray) -> np.ndarray:
    """(N, D) what the attribute heads read: the vector's blocks, each slot standardised within them by the vector's own scaling."""
    return np.concatenate(list(unfold(vectors).values()), axis=1)


def score(model: TrainedModel, visits: pl.DataFrame, features: pl.DataFrame, items: pl.DataFrame, as_of: date) -> Scores:
    """Vector and predictions of everyone seen before as_of, from events before it only."""
    if as_of < model.trained_through:
        raise PortraitError(
            f"behaviour model trained through {model.trained_through}: it has seen the future of {as_of}; use a model trained through {as_of} or earlier"
        )
    source = Source(visits, features, items, model.config)
    history, config = source.before(as_of), model.config
    served = popular_targets(history, as_of, config.targets, config)
    wanted = {level: model.vector_targets[level] + [t for t in served[level] if t not in set(model.vector_targets[level])] for level in LEVELS}
    raw = read_parts(model.served, history, features, as_of, wanted, config)
    ids = [history.users[i] for i in raw.users]
    vectors = model.fusion.vectors(block_inputs(vector_part(raw, model.vector_targets), model.blends))
    parts = head_predictions(ids, blended(raw, model.blends), raw.targets, served, config)
    parts += attribute_predictions(ids, attribute_inputs(vectors), model.attribute_heads)
    return Scores(embedding_frame(ids, vectors), pl.concat(parts).sort("user_id", "target"))


def vector_part(raw: RawScores, targets: dict[str, list[str]]) -> RawScores:
    """The columns of the vector's own targets, which stand first in `raw`."""
    cut = {level: len(names) for level, names in targets.items()}
    boosted = {level: table[:, : cut[level]] for level, table in raw.boosted.items()}
    network = {level: table[:, : cut[level]] for level, table in raw.network.items()}
    return replace(raw, targets=targets, boosted=boosted, network=network)


def head_predictions(ids: list[str], scores: dict[str, np.ndarray], targets: dict[str, list[str]], served: dict[str, list[str]], config: BehaviourConfig) -> list[pl.DataFrame]:
    """user_id, target, probability of churn and of the served categories and items."""
    days = config.horizon_days
    frames = [prediction_frame(ids, f"churn_{days}d", sigmoid(scores["user"][:, USER_TARGETS.index("churn")]))]
    for level in ("category", "item"):
        place = {name: i for i, name in enumerate(targets[level])}
        frames += [prediction_frame(ids, f"{level}_{days}d={name}", sigmoid(scores[level][:, place[name]])) for name in served[level]]
    return frames


def attribute_predictions(ids: list[str], x: np.ndarray, heads: dict[str, AttributeHead]) -> list[pl.DataFrame]:
    frames = []
    for name, head in heads.items():
        p = head.probabilities(x)
        frames += [prediction_frame(ids, f"{name}={value}", p[:, k]) for k, value in enumerate(head.classes)]
    return frames


def prediction_frame(ids: list[str], target: str, probability: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame({"user_id": ids, "target": [target] * len(ids), "probability": probability.astype(np.float64)}, schema_overrides={"user_id": pl.String})


def embedding_frame(ids: list[str], vectors: np.ndarray) -> pl.DataFrame:
    schema = {"user_id": pl.String, "embedding": pl.List(pl.Float32)}
    return pl.DataFrame({"user_id": ids, "embedding": vectors.astype(np.float32).tolist()}, schema=schema)


def blocks_only(features: pl.DataFrame) -> pl.DataFrame:
    """The vector before the first model: the feature block of the users in `features` (one as-of), scaled among themselves; the rest zeros."""
    features = features.sort("user_id")
    inputs = {"features": select_columns(features).transform(features)}
    return embedding_frame(features["user_id"].to_list(), fit_fusion(inputs).vectors(inputs))
