"""How good the model would have been: trained as on a past day, asked about the days after it, beside everything simpler.

Two questions. *Heads*: how good are the model's own predictions, and those of its rivals. *Profile*: how much does a
fixed standardised logistic head learn from a vector, by folds over users; there each block of the vector is left out in turn.
"""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
from sklearn.decomposition import TruncatedSVD

from portrait_assets.kernels import habits
from portrait_assets.kernels.behaviour import TrainedModel, train
from portrait_assets.kernels.boosting import raw_scores
from portrait_assets.kernels.config import BehaviourConfig
from portrait_assets.kernels.evaluation import (
    Truth,
    as_chances,
    baseline_scores,
    chances_of,
    head_labels,
    metrics_frame,
    truth_at,
)
from portrait_assets.kernels.fusion import BLOCKS, rotate, unfold
from portrait_assets.kernels.labels import USER_TARGETS, user_outcomes
from portrait_assets.kernels.linear import fit_logistic
from portrait_assets.kernels.machine import ALONE, Machine
from portrait_assets.kernels.metrics import auc, log_loss, mean_auc
from portrait_assets.kernels.pairs import fit_pairs, pair_features, with_wholes
from portrait_assets.kernels.parts import RawScores, feature_rows, fit_user_boosters, read_parts
from portrait_assets.kernels.scoring import score
from portrait_assets.kernels.sequences import History, day_number
from portrait_assets.kernels.trained import Source, block_inputs, popular_targets

FOLDS = 5
HEAD_STRENGTH = 0.02
PROFILE_TARGETS = 50  # categories, and items, that the fixed head is asked for
LSA_SIZE = 128
NEW_DAYS, ACTIVE_DAYS = 28, 90
BASKETS = (5, 20, 60)


@dataclass(frozen=True)
class Assessment:
    """Frames of one cutoff. heads: head, model, auc, log_loss, ece. profile: vector, task, auc. slices: slice, users, head, model, auc,
    log_loss. leaks: test, figure, expected.
    """

    heads: pl.DataFrame
    profile: pl.DataFrame
    slices: pl.DataFrame
    leaks: pl.DataFrame


@dataclass(frozen=True)
class Scene:
    """A cutoff: what was known before it, what came after, and the model trained on the former."""

    source: Source
    as_of: date
    past: History
    model: TrainedModel
    raw: RawScores  # of everyone seen before; `users` index `past`
    targets: dict[str, list[str]]  # that are judged; `raw` has what they are part of as well
    truth: Truth

    @property
    def config(self) -> BehaviourConfig:
        return self.model.config


def assess(
    visits: pl.DataFrame,
    features: pl.DataFrame,
    items: pl.DataFrame,
    attributes: pl.DataFrame,
    as_of: date,
    config: BehaviourConfig,
    champion: TrainedModel | None = None,
    machine: Machine = ALONE,
) -> Assessment:
    """`visits` reach a horizon past `as_of`, `features` hold it and as-ofs a horizon apart before it. The model learns from events
    before `as_of` only, as it would have on that day. `champion`, where it saw nothing later than that either, is one more rival.
    """
    source = Source(visits, features, items, config)
    model, _ = train(visits, features, items, attributes, as_of, config, machine=machine)
    past, whole = source.before(as_of), source.before(as_of + timedelta(days=config.horizon_days))
    targets = popular_targets(past, as_of, config.targets, config)
    raw = read_parts(model.served, past, features, as_of, with_wholes(past, targets), config)
    users = np.searchsorted(whole.users, [past.users[i] for i in raw.users])
    scene = Scene(source, as_of, past, model, raw, targets, truth_at(whole, users, as_of, targets, config))
    told = rivals(scene, champion)
    profile = profile_table(scene)
    return Assessment(metrics_frame(told, scene.truth), profile, slices(scene, told), leaks(scene, told["served"]))


def rivals(scene: Scene, champion: TrainedModel | None) -> dict[str, dict[str, np.ndarray]]:
    """Model -> probabilities by head."""
    raw, config = scene.raw, scene.config
    as_ofs = learnt_as_ofs(scene)
    history = scene.source.before(scene.as_of)
    told = {
        "served": chances_of(raw, scene.model.calibration),
        "boosting alone": as_chances(raw.boosted_user, raw.boosted),
        "network alone": as_chances(raw.network_user, raw.network),
        "boosting on counts": boosted_counts(scene, history, as_ofs),
        "windowed counts": baseline_scores(
            history, scene.source.features, [*as_ofs, scene.as_of], scene.model.served.selection, scene.targets, config
        ),
    }
    if champion is not None and champion.trained_through <= scene.as_of and champion.config.horizon_days == config.horizon_days:
        before = read_parts(champion.served, scene.past, scene.source.features, scene.as_of, raw.targets, config)
        told["last champion"] = chances_of(before, champion.calibration)
    return told


def learnt_as_ofs(scene: Scene) -> list[date]:
    """The as-ofs whose windows were over at the cutoff, ascending."""
    limit = scene.as_of - timedelta(days=scene.config.horizon_days)
    known = scene.source.features["as_of"].unique().sort().to_list()
    return [a for a in known if a <= limit and len(scene.past.seen_before(a))][-scene.config.windows - 1 :]


def boosted_counts(scene: Scene, history: History, as_ofs: list[date]) -> dict[str, np.ndarray]:
    """Gradient boosting on hand-made counts, recency and popularity alone: what a good engineer would try first."""
    plain, raw = replace(scene.config, affinity_items=0), scene.raw
    selection, features = scene.model.served.selection, scene.source.features
    users = [history.seen_before(a) for a in as_ofs]
    x = np.concatenate([feature_rows(history, u, features, a, selection) for u, a in zip(users, as_ofs, strict=True)])
    y = [user_outcomes(history, u, day_number(a), plain.horizon_days) for u, a in zip(users, as_ofs, strict=True)]
    boosters = fit_user_boosters(x, np.concatenate(y), plain)
    user = np.stack([raw_scores(boosters[n], raw.features, plain.threads) for n in USER_TARGETS], axis=1)
    levels = {}
    for level, names in scene.targets.items():
        booster = fit_pairs(history, level, as_ofs[-plain.boost_windows :], plain)
        pairs = pair_features(scene.past, level, names, raw.users, scene.as_of, plain) if names else np.zeros((0, 1))
        levels[level] = raw_scores(booster, pairs, plain.threads).reshape(len(raw.users), len(names))
    return as_chances(user, levels)


def profile_table(scene: Scene) -> pl.DataFrame:
    """vector, task, auc: a fixed head on the vector, on it without each block, on counts, on LSA and on both."""
    active = scene.truth.active
    vectors = scene.model.fusion.vectors(block_inputs(vector_scores(scene), scene.model.calibration))[active]
    counts, lsa = scene.raw.features[active], latent(scene)[active]
    told = {"vector": vectors} | {f"vector without {name}": without(vectors, name) for name in BLOCKS}
    told |= {"windowed counts": counts, "LSA": lsa, "windowed counts and LSA": np.concatenate([counts, lsa], axis=1)}
    tasks = profile_tasks(scene.truth, active)
    rows = [
        (name, task, fixed_head_auc(x, labels, scene.config.seed)) for name, x in told.items() for task, labels in tasks.items()
    ]
    return pl.DataFrame(rows, schema={"vector": pl.String, "task": pl.String, "auc": pl.Float64}, orient="row").fill_nan(None)


def vector_scores(scene: Scene) -> RawScores:
    """Both kinds' scores of the vector's own targets."""
    return read_parts(
        scene.model.served, scene.past, scene.source.features, scene.as_of, scene.model.vector_targets, scene.config
    )


def without(vectors: np.ndarray, block: str) -> np.ndarray:
    """Vectors with one block's numbers at zero, rotated as before."""
    blocks = unfold(vectors)
    blocks[block] = np.zeros_like(blocks[block])
    flat = np.concatenate(list(blocks.values()), axis=1)
    return rotate(np.pad(flat, ((0, 0), (0, vectors.shape[1] - flat.shape[1]))))


def latent(scene: Scene) -> np.ndarray:
    """(N, LSA_SIZE) truncated SVD of the decayed user-item matrix."""
    names = scene.past.popular("item", scene.as_of, 10_000, scene.config.item_vocabulary)
    codes, half_life = scene.past.recode("item", names), scene.config.half_lives_days[1:2]
    table = habits.decayed_counts(scene.past, codes, len(names), scene.as_of, half_life)[scene.raw.users, :, 0]
    size = min(LSA_SIZE, min(table.shape) - 1)
    return TruncatedSVD(size, random_state=scene.config.seed).fit_transform(table) if size > 0 else np.zeros((len(table), 1))


def profile_tasks(truth: Truth, active: np.ndarray, least: int = 20) -> dict[str, np.ndarray]:
    """Task -> (N, K) bool of the active users; targets that fewer than `least` did, or did not do, are left out."""
    tasks = {"churn": truth.outcomes[active][:, [USER_TARGETS.index("churn")]] > 0}
    for level in ("category", "item"):
        labels = truth.levels[level][active][:, :PROFILE_TARGETS]
        count = labels.sum(0)
        tasks[level] = labels[:, (count >= least) & (count <= len(labels) - least)]
    return {task: labels for task, labels in tasks.items() if labels.shape[1]}


def fixed_head_auc(x: np.ndarray, labels: np.ndarray, seed: int) -> float:
    """Mean AUC over targets of a standardised logistic head, out of fold."""
    deviation = x.std(0)
    x = (x - x.mean(0)) / np.where(deviation > 1e-9, deviation, 1.0)
    fold = np.random.default_rng(seed).permutation(len(x)) % FOLDS
    scores = np.zeros(labels.shape)
    for k in range(FOLDS):
        scores[fold == k] = fit_logistic(x[fold != k], labels[fold != k], HEAD_STRENGTH).logits(x[fold == k])
    return mean_auc(labels, scores, least=1)


def slices(scene: Scene, told: dict[str, dict[str, np.ndarray]]) -> pl.DataFrame:
    """Figures of some users alone, over all their targets together: few and many baskets, new, and long silent users."""
    day, past = day_number(scene.as_of), scene.past
    baskets = np.bincount(past.visit_user[past.visit_outcome], minlength=len(past.users))[scene.raw.users]
    first = np.full(len(past.users), np.inf)
    np.minimum.at(first, past.visit_user, past.visit_day)
    fresh = day - first[scene.raw.users] <= NEW_DAYS
    edges = (-1, *BASKETS, np.inf)
    groups = {
        f"{low + 1} to {high} baskets" if high < np.inf else f"more than {low} baskets": (baskets > low) & (baskets <= high)
        for low, high in pairwise(edges)
    } | {f"new: first seen in the last {NEW_DAYS} days": fresh, f"silent for {ACTIVE_DAYS} days or more": ~scene.truth.active}
    rows = []
    for group, of in {"everybody": np.ones(len(baskets), bool), **groups}.items():
        for model in ("served", "windowed counts"):
            for head, label in head_labels(scene.truth).items():
                if head not in told[model]:
                    continue
                seen, chance = label[of].ravel(), told[model][head][of, : label.shape[1]].ravel()
                rows.append((group, int(of.sum()), head, model, auc(seen, chance), log_loss(seen, chance)))
    schema = {
        "slice": pl.String, "users": pl.Int64, "head": pl.String, "model": pl.String, "auc": pl.Float64, "log_loss": pl.Float64,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row").fill_nan(None)


def leaks(scene: Scene, served: dict[str, np.ndarray]) -> pl.DataFrame:
    """Two ways in which a look ahead would show: scores that change when the future is cut off, and skill on shuffled truth."""
    source = scene.source
    frames = (source.features.filter(pl.col("as_of") == scene.as_of), source.items, scene.as_of)
    seen = score(scene.model, source.visits, *frames).predictions
    cut = score(scene.model, source.visits.filter(pl.col("event_date") < scene.as_of), *frames).predictions
    both = (
        seen.join(cut, on=["user_id", "target"], how="full", suffix="_cut")
        .select("probability", "probability_cut")
        .fill_null(0)
    )
    moved = float(np.abs(both["probability"].to_numpy() - both["probability_cut"].to_numpy()).max(initial=0.0))
    order = np.random.default_rng(scene.config.seed).permutation(len(scene.raw.users))
    rows = [("scores move when the future is cut off, at most", moved, 0.0)]
    for head, label in head_labels(scene.truth).items():
        if head in served:
            chance = served[head][:, : label.shape[1]]
            rows.append((f"AUC of {head} against other users' truth", mean_auc(label[order], chance, least=1), 0.5))
    return pl.DataFrame(rows, schema={"test": pl.String, "figure": pl.Float64, "expected": pl.Float64}, orient="row").fill_nan(
        None
    )
