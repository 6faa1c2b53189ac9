"""The last window before `trained_through`: it judges the network by epoch, the blended heads, and champion and challenger."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import polars as pl

from portrait_assets.kernels.evaluation import (
    Calibration,
    as_chances,
    baseline_scores,
    fit_calibration,
    head_labels,
    judged_chances,
    metrics_frame,
    truth_at,
    user_losses,
)
from portrait_assets.kernels.metrics import auc, mean_auc
from portrait_assets.kernels.pairs import with_wholes
from portrait_assets.kernels.parts import Parts, RawScores, feature_rows, network_at, read_parts
from portrait_assets.kernels.sequences import History
from portrait_assets.kernels.trained import Source, TrainedModel, popular_targets

Log = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class Validation:
    calibration: Calibration
    metrics: pl.DataFrame
    losses: pl.DataFrame
    chances: dict[str, tuple[np.ndarray, np.ndarray]]  # head -> labels and held-out probabilities of the active users


def validate(source: Source, history: History, parts: Parts, as_ofs: list[date]) -> Validation:
    """Judge parts that learnt from as_ofs[:-1] on the window of the last one; `history` reaches its end.

    What can't be judged is not predicted: a head needs who did and who did not in either half of the users.
    """
    config, as_of = source.config, as_ofs[-1]
    raw, asked = rehearse(source, history, parts, as_of)
    everything = truth_at(history, raw.users, as_of, raw.targets, config)
    judged = judged_chances(raw, everything, config)
    fitted = fit_calibration(raw, everything, np.ones(len(raw.users), bool))
    links = {level: link for level, link in fitted.links.items() if level in judged}
    truth = truth_at(history, raw.users, as_of, asked, config)
    rivals = {
        "served": judged,
        "boosting": as_chances(raw.boosted_user, raw.boosted),
        "network": as_chances(raw.network_user, raw.network),
        "windowed counts": baseline_scores(history, source.features, as_ofs, parts.selection, asked, config),
    }
    labels = {head: label[truth.active] for head, label in head_labels(truth).items() if head in judged}
    chances = {name: (y.ravel(), judged[name][truth.active, : y.shape[1]].ravel()) for name, y in labels.items()}
    ids = [history.users[i] for i in raw.users]
    return Validation(
        replace(fitted, links=links, has_churn="churn" in judged),
        metrics_frame(rivals, truth),
        user_losses(ids, judged, truth),
        chances,
    )


def rehearse(source: Source, history: History, parts: Parts, as_of: date) -> tuple[RawScores, dict[str, list[str]]]:
    """What `parts` say at as_of of the popular targets then and what these are part of, users as indices of the longer `history`; and the
    popular ones.
    """
    past = source.before(as_of)
    asked = popular_targets(past, as_of, source.config.targets, source.config)
    raw = read_parts(parts, past, source.features, as_of, with_wholes(past, asked), source.config)
    return replace(raw, users=np.searchsorted(history.users, [past.users[i] for i in raw.users])), asked


def validation_losses(
    model: TrainedModel, visits: pl.DataFrame, features: pl.DataFrame, items: pl.DataFrame, as_of: date
) -> pl.DataFrame:
    """The champion's side of the gate: user_id, head, loss of its rehearsal parts in the window from as_of, calibrated afresh."""
    source = Source(visits, features, items, model.config)
    history = source.before(as_of + timedelta(days=model.config.horizon_days))
    raw, asked = rehearse(source, history, model.rehearsal, as_of)
    judged = judged_chances(raw, truth_at(history, raw.users, as_of, raw.targets, model.config), model.config)
    truth = truth_at(history, raw.users, as_of, asked, model.config)
    return user_losses([history.users[i] for i in raw.users], judged, truth)


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
