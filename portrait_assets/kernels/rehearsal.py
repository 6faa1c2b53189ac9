"""The last window before `trained_through`: it judges the network by epoch, the blended heads, and champion and challenger."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import polars as pl

from portrait_assets.kernels.calibration import Blend, sigmoid
from portrait_assets.kernels.evaluation import (
    baseline_scores,
    fit_blends,
    head_scores,
    held_out_scores,
    metrics_frame,
    rivals_of,
    truth_at,
    user_losses,
)
from portrait_assets.kernels.labels import USER_TARGETS
from portrait_assets.kernels.metrics import auc, mean_auc
from portrait_assets.kernels.outlook import Rehearsed
from portrait_assets.kernels.parts import Parts, RawScores, feature_rows, network_at, read_parts
from portrait_assets.kernels.sequences import History
from portrait_assets.kernels.trained import Source, TrainedModel, popular_targets

Log = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class Validation:
    blends: dict[str, Blend]
    metrics: pl.DataFrame
    losses: pl.DataFrame
    rehearsed: Rehearsed
    chances: dict[str, tuple[np.ndarray, np.ndarray]]  # head -> labels and held-out chances of the active users


def validate(source: Source, history: History, parts: Parts, as_ofs: list[date]) -> Validation:
    """Judge parts that learnt from as_ofs[:-1] on the window of the last one; `history` reaches its end."""
    config, raw = source.config, rehearse(source, history, parts, as_ofs[-1])
    truth = truth_at(history, raw.users, as_ofs[-1], raw.targets, config)
    held_out = held_out_scores(raw, truth, config)
    baseline = baseline_scores(history, source.features, as_ofs, parts.selection, raw.targets, config)
    metrics = metrics_frame(rivals_of(raw, held_out, baseline), truth)
    blends = fit_blends(raw, truth, np.ones(len(raw.users), bool))
    rehearsed = Rehearsed(as_ofs[-1], raw.users, held_out["user"][:, USER_TARGETS.index("log_spend")])
    heads = head_scores(held_out, truth)
    chances = {
        name: (label[truth.active].ravel(), sigmoid(logit[truth.active]).ravel()) for name, (label, logit) in heads.items()
    }
    return Validation(blends, metrics, user_losses(history, raw, held_out, truth), rehearsed, chances)


def rehearse(source: Source, history: History, parts: Parts, as_of: date) -> RawScores:
    """What `parts` say at as_of of the popular targets then; users as indices of the longer `history`."""
    past = source.before(as_of)
    raw = read_parts(
        parts, past, source.features, as_of, popular_targets(past, as_of, source.config.targets, source.config), source.config
    )
    return replace(raw, users=np.searchsorted(history.users, [past.users[i] for i in raw.users]))


def validation_losses(
    model: TrainedModel, visits: pl.DataFrame, features: pl.DataFrame, items: pl.DataFrame, as_of: date
) -> pl.DataFrame:
    """The champion's side of the gate: user_id, head, loss of its rehearsal parts in the window from as_of, blended afresh."""
    source = Source(visits, features, items, model.config)
    history = source.before(as_of + timedelta(days=model.config.horizon_days))
    raw = rehearse(source, history, model.rehearsal, as_of)
    truth = truth_at(history, raw.users, as_of, raw.targets, model.config)
    return user_losses(history, raw, held_out_scores(raw, truth, model.config), truth)


@dataclass
class Watch:
    """Looks on while the network learns: its loss, and in the rehearsal its own AUC on the validation window."""

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
        found |= {f"{level}_auc": mean_auc(truth.levels[level], said.levels[level]) for level in parts.targets}
        self.note("rehearsal", epoch, {"loss": loss} | found)

    def served(self, parts: Parts, epoch: int, loss: float) -> None:
        self.note("served", epoch, {"loss": loss})

    def note(self, stage: str, epoch: int, found: dict[str, float]) -> None:
        self.curves.append({"stage": stage, "epoch": epoch} | found)
        if self.log:
            self.log(epoch, {f"{stage}/{name}": value for name, value in found.items()})
