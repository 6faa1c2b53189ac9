"""How good the heads are on the held-out window, beside simpler rivals; and who of two models is better, user by user."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from portrait_assets.kernels.behaviour_model import LEVELS
from portrait_assets.kernels.calibration import Blend, fit_blend, sigmoid
from portrait_assets.kernels.config import BehaviourConfig
from portrait_assets.kernels.labels import BINARY_TARGETS, USER_TARGETS, bought, user_outcomes
from portrait_assets.kernels.linear import fit_logistic
from portrait_assets.kernels.metrics import auc, calibration_error, log_loss, log_loss_each, mean_auc, paired_bootstrap
from portrait_assets.kernels.parts import RawScores, feature_rows
from portrait_assets.kernels.selection import Selection
from portrait_assets.kernels.sequences import History, day_number

BASELINE_STRENGTH = 0.02
BASELINE_WINDOWS = 2
NOISE_FLOOR = 0.002  # relative loss below which a worse head is not held against a challenger


@dataclass(frozen=True)
class Truth:
    """What N users did: outcomes (N, USER_TARGETS), level -> (N, T) bool; `active` (N,) were seen in the 90 days before."""

    outcomes: np.ndarray
    levels: dict[str, np.ndarray]
    active: np.ndarray


def truth_at(history: History, users: np.ndarray, as_of: date, targets: dict[str, list[str]], config: BehaviourConfig) -> Truth:
    """`history` must reach as_of + horizon."""
    day = day_number(as_of)
    lately = np.unique(history.visit_user[(history.visit_day < day) & (history.visit_day >= day - 90)])
    levels = {
        level: bought(history, users, day, config.horizon_days, history.recode(level, names), len(names))
        for level, names in targets.items()
    }
    return Truth(user_outcomes(history, users, day, config.horizon_days), levels, np.isin(users, lately))


def fit_blends(raw: RawScores, truth: Truth, rows: np.ndarray) -> dict[str, Blend]:
    """A blend for each user target and each level, from the users in `rows` (bool)."""
    blends = {}
    for j, name in enumerate(USER_TARGETS):
        blends[name] = fit_blend(
            raw.boosted_user[rows, j], raw.network_user[rows, j], truth.outcomes[rows, j], j < BINARY_TARGETS
        )
    for level in LEVELS:
        blends[level] = fit_blend(
            raw.boosted[level][rows].ravel(), raw.network[level][rows].ravel(), truth.levels[level][rows].ravel(), True
        )
    return blends


def blended(raw: RawScores, blends: dict[str, Blend]) -> dict[str, np.ndarray]:
    """ "user" -> (N, USER_TARGETS) log odds or amounts, and level -> (N, T) log odds."""
    user = [blends[name].apply(raw.boosted_user[:, j], raw.network_user[:, j]) for j, name in enumerate(USER_TARGETS)]
    return {"user": np.stack(user, axis=1)} | {
        level: blends[level].apply(raw.boosted[level], raw.network[level]) for level in raw.targets
    }


def held_out_scores(raw: RawScores, truth: Truth, config: BehaviourConfig) -> dict[str, np.ndarray]:
    """Blended scores of the validation window, each half of the users blended by the other half's fit."""
    half = np.random.default_rng(config.seed).permutation(len(raw.users)) % 2 == 0
    first, second = blended(raw, fit_blends(raw, truth, ~half)), blended(raw, fit_blends(raw, truth, half))
    return {name: np.where(half[:, None], first[name], second[name]) for name in first}


def head_scores(scores: dict[str, np.ndarray], truth: Truth) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Head -> (labels, log odds), (N, K) each."""
    churn = USER_TARGETS.index("churn")
    out = {"churn": (truth.outcomes[:, [churn]] > 0, scores["user"][:, [churn]])}
    return out | {level: (truth.levels[level], scores[level]) for level in LEVELS}


def metrics_frame(rivals: dict[str, dict[str, np.ndarray]], truth: Truth) -> pl.DataFrame:
    """One row per head and rival over the active users: mean AUC of its targets, log loss, calibration error."""
    rows = []
    for rival, scores in rivals.items():
        for head, (label, logit) in head_scores(scores, truth).items():
            label, p = label[truth.active], sigmoid(logit[truth.active])
            value = auc(label[:, 0], p[:, 0]) if head == "churn" else mean_auc(label, p)
            rows.append((head, rival, value, log_loss(label, p), calibration_error(label, p)))
    schema = {"head": pl.String, "model": pl.String, "auc": pl.Float64, "log_loss": pl.Float64, "ece": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row").fill_nan(None)


def rivals_of(
    raw: RawScores, held_out: dict[str, np.ndarray], baseline: dict[str, np.ndarray]
) -> dict[str, dict[str, np.ndarray]]:
    """The served blend, its two halves alone, and the windowed-count baseline."""
    boosted = {"user": raw.boosted_user} | raw.boosted
    network = {"user": raw.network_user} | {level: np.nan_to_num(raw.network[level], nan=-9.0) for level in raw.network}
    return {"served": held_out, "boosting": boosted, "network": network, "windowed counts": baseline}


def baseline_scores(
    history: History,
    features: pl.DataFrame,
    as_ofs: list[date],
    selection: Selection,
    targets: dict[str, list[str]],
    config: BehaviourConfig,
) -> dict[str, np.ndarray]:
    """Logistic regression on the selected feature columns: fitted on the as-ofs before the last, told for the last."""
    users = [history.seen_before(a) for a in as_ofs]
    x = [feature_rows(history, u, features, a, selection) for u, a in zip(users, as_ofs, strict=True)]
    past = range(max(0, len(as_ofs) - 1 - BASELINE_WINDOWS), len(as_ofs) - 1)
    truths = [truth_at(history, users[i], as_ofs[i], targets, config) for i in past]
    labels = np.concatenate(
        [np.concatenate([t.outcomes[:, :BINARY_TARGETS] > 0, *(t.levels[level] for level in LEVELS)], axis=1) for t in truths]
    )
    logits = fit_logistic(np.concatenate([x[i] for i in past]), labels, BASELINE_STRENGTH).logits(x[-1])
    cuts = np.cumsum([BINARY_TARGETS] + [len(targets[level]) for level in LEVELS])
    parts = np.split(logits, cuts[:-1], axis=1)
    return {"user": parts[0]} | dict(zip(LEVELS, parts[1:], strict=True))


def user_losses(history: History, raw: RawScores, scores: dict[str, np.ndarray], truth: Truth) -> pl.DataFrame:
    """user_id, head, loss: mean log loss of each user's targets. What the gate compares."""
    ids = [history.users[i] for i in raw.users]
    frames = []
    for head, (label, logit) in head_scores(scores, truth).items():
        if label.shape[1]:
            frames.append(
                pl.DataFrame({"user_id": ids, "head": [head] * len(ids), "loss": log_loss_each(label, sigmoid(logit)).mean(1)})
            )
    return pl.concat(frames).sort("head", "user_id")


@dataclass(frozen=True)
class Verdict:
    """Whether the challenger becomes champion, why, and the figures: head, champion, challenger, difference, low, high."""

    promoted: bool
    reasons: tuple[str, ...]
    figures: pl.DataFrame


def gate(challenger: pl.DataFrame, champion: pl.DataFrame | None) -> Verdict:
    """Paired bootstrap over users of `user_losses` on one window. Promoted if no head is worse beyond noise and the whole is better:
    the mean over heads of the loss relative to the champion's, so that each head counts alike.
    """
    schema = {
        "head": pl.String,
        "champion": pl.Float64,
        "challenger": pl.Float64,
        "difference": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
    }
    if champion is None:
        return Verdict(True, ("first model: there is no champion to compare with",), pl.DataFrame(schema=schema))
    both = champion.join(challenger, on=["user_id", "head"], how="inner", suffix="_challenger").sort("head", "user_id")
    rows, reasons = [], []
    for (head,), part in both.group_by("head", maintain_order=True):
        old, new = part["loss"].to_numpy(), part["loss_challenger"].to_numpy()
        mean, low, high = paired_bootstrap(new - old)
        rows.append((head, old.mean(), new.mean(), mean, low, high))
        if low > 0 and mean > NOISE_FLOOR * old.mean():
            reasons.append(
                f"{head}: log loss {new.mean():.4f} against the champion's {old.mean():.4f}, "
                f"worse by {mean:.4f} (90 % interval {low:.4f} to {high:.4f})"
            )
    if not rows:
        return Verdict(False, ("no user was scored by both models",), pl.DataFrame(schema=schema))
    overall = float(np.mean([mean / max(old, 1e-12) for _, old, _, mean, _, _ in rows]))
    if not reasons and overall >= 0:
        reasons.append(f"no better overall: the heads' log loss is {100 * overall:.2f} % above the champion's on average")
    good = (f"no head is worse than the champion's beyond noise, and log loss is {-100 * overall:.2f} % lower on average",)
    return Verdict(not reasons, tuple(reasons) or good, pl.DataFrame(rows, schema=schema, orient="row"))
