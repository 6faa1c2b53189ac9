"""How good the heads are on the held-out window, beside simpler rivals; and who of two models is better, user by user."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from portrait_assets.kernels.behaviour_model import LEVELS
from portrait_assets.kernels.calibration import Blend, fit_blend, sigmoid
from portrait_assets.kernels.config import BehaviourConfig
from portrait_assets.kernels.hierarchy import Link, fit_links, linked
from portrait_assets.kernels.labels import BINARY_TARGETS, USER_TARGETS, bought, user_outcomes
from portrait_assets.kernels.linear import fit_logistic
from portrait_assets.kernels.metrics import auc, calibration_error, log_loss, log_loss_each, mean_auc, paired_bootstrap
from portrait_assets.kernels.parts import RawScores, feature_rows
from portrait_assets.kernels.selection import Selection
from portrait_assets.kernels.sequences import History, day_number

BASELINE_STRENGTH = 0.02
BASELINE_WINDOWS = 2
CHURN = USER_TARGETS.index("churn")
NO_HEAD = -9.0  # log odds of what a rival has no head for
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


@dataclass(frozen=True)
class Calibration:
    """What makes probabilities of raw scores. A level without a link is not predicted, and nothing is where `has_churn` is false."""

    blends: dict[str, Blend]
    links: dict[str, Link]
    has_churn: bool


def fit_calibration(raw: RawScores, truth: Truth, rows: np.ndarray) -> Calibration:
    """From the users in `rows` (bool)."""
    blends = fit_blends(raw, truth, rows)
    churned = truth.outcomes[:, CHURN] > 0
    has_churn = bool(churned[rows].any() and not churned[rows].all())
    links = fit_links(raw, 1 - churn_of(raw, blends), ~churned, truth.levels, rows) if has_churn else {}
    return Calibration(blends, links, has_churn)


def churn_of(raw: RawScores, blends: dict[str, Blend]) -> np.ndarray:
    """(N,) probability of no purchase in the near horizon."""
    return sigmoid(blends["churn"].apply(raw.boosted_user[:, CHURN], raw.network_user[:, CHURN]))


def chances_of(raw: RawScores, calibration: Calibration) -> dict[str, np.ndarray]:
    """ "churn" -> (N, 1) and level -> (N, T): the probabilities of what is predicted; none of what is not."""
    if not calibration.has_churn:
        return {}
    churn = churn_of(raw, calibration.blends)
    return {"churn": churn[:, None]} | linked(raw, calibration.links, 1 - churn)


def judged_chances(raw: RawScores, truth: Truth, config: BehaviourConfig) -> dict[str, np.ndarray]:
    """`chances_of` the validation window, those of each half of the users by what the other half was fitted on; only what both halves show."""
    half = np.random.default_rng(config.seed).permutation(len(raw.users)) % 2 == 0
    first, second = (chances_of(raw, fit_calibration(raw, truth, rows)) for rows in (~half, half))
    return {head: np.where(half[:, None], first[head], second[head]) for head in first if head in second}


def head_labels(truth: Truth) -> dict[str, np.ndarray]:
    """Head -> (N, K) bool."""
    return {"churn": truth.outcomes[:, [CHURN]] > 0} | {level: truth.levels[level] for level in LEVELS}


def as_chances(user: np.ndarray, levels: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Log odds of the user targets (N, U) and of each level as probabilities by head; a target without a score is unlikely."""
    return {"churn": sigmoid(user[:, [CHURN]])} | {
        level: sigmoid(np.nan_to_num(of, nan=NO_HEAD)) for level, of in levels.items()
    }


def metrics_frame(rivals: dict[str, dict[str, np.ndarray]], truth: Truth) -> pl.DataFrame:
    """One row per head and rival over the active users: mean AUC of its targets, log loss, calibration error. `rivals` are probabilities by
    head; those of more targets than `truth` has are cut.
    """
    rows = []
    for rival, chances in rivals.items():
        for head, label in head_labels(truth).items():
            if head in chances:
                label, p = label[truth.active], chances[head][truth.active, : label.shape[1]]
                value = auc(label[:, 0], p[:, 0]) if head == "churn" else mean_auc(label, p)
                rows.append((head, rival, value, log_loss(label, p), calibration_error(label, p)))
    schema = {"head": pl.String, "model": pl.String, "auc": pl.Float64, "log_loss": pl.Float64, "ece": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row").fill_nan(None)


def baseline_scores(
    history: History,
    features: pl.DataFrame,
    as_ofs: list[date],
    selection: Selection,
    targets: dict[str, list[str]],
    config: BehaviourConfig,
) -> dict[str, np.ndarray]:
    """Probabilities by head, by logistic regression on the selected feature columns: fitted on the as-ofs before the last, of the last."""
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
    return as_chances(parts[0], dict(zip(LEVELS, parts[1:], strict=True)))


def user_losses(ids: list[str], chances: dict[str, np.ndarray], truth: Truth) -> pl.DataFrame:
    """user_id, head, loss: mean log loss of each user's targets. What the gate compares."""
    frames = [pl.DataFrame(schema={"user_id": pl.String, "head": pl.String, "loss": pl.Float64})]
    for head, label in head_labels(truth).items():
        if head in chances and label.shape[1]:
            loss = log_loss_each(label, chances[head][:, : label.shape[1]]).mean(1)
            frames.append(pl.DataFrame({"user_id": ids, "head": [head] * len(ids), "loss": loss}))
    return pl.concat(frames).sort("head", "user_id")


@dataclass(frozen=True)
class Verdict:
    """Whether the challenger becomes champion, why, and the figures: head, champion, challenger, difference, low, high."""

    promoted: bool
    reasons: tuple[str, ...]
    figures: pl.DataFrame


def gate(challenger: pl.DataFrame, champion: pl.DataFrame | None) -> Verdict:
    """Paired bootstrap over users of `user_losses` on one window. Promoted if no head is worse beyond noise and the whole is better:
    the mean over heads of the loss relative to the champion's, so that each head counts alike. Scores that are no numbers are never promoted.
    """
    schema = {
        "head": pl.String,
        "champion": pl.Float64,
        "challenger": pl.Float64,
        "difference": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
    }
    broken = challenger.filter(~pl.col("loss").is_finite())
    if len(broken):
        reason = f"{', '.join(broken['head'].unique().sort())}: not a number for {broken['user_id'].n_unique():,} users"
        return Verdict(False, (reason,), pl.DataFrame(schema=schema))
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
