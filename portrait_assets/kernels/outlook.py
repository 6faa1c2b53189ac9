"""Further ahead than one horizon: churn at several distances, purchases and spend to come, the wait for the next purchase.

Each head learns from every as-of whose window is over and is judged on the latest of them, by what was known before it. Amounts have
rivals (boosting, the lifetime model, the blended network head); the one of least squared error there is served, the same for purchases
and spend of one distance: a portrait that expects sixteen shopping days and no spend is worse than either.
"""

from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import polars as pl

from portrait_assets.kernels.boosting import fit_booster, raw_scores
from portrait_assets.kernels.calibration import Blend, fit_blend, sigmoid
from portrait_assets.kernels.config import BehaviourConfig
from portrait_assets.kernels.lifetime import Lifetime, Summary
from portrait_assets.kernels.lifetime import fit as fit_lifetime
from portrait_assets.kernels.metrics import auc, calibration_error, log_loss
from portrait_assets.kernels.parts import boosted_inputs, feature_rows, purchase_summary, small
from portrait_assets.kernels.selection import Selection
from portrait_assets.kernels.sequences import History, day_number

AMOUNTS = ("purchases", "spend")
OBJECTIVES = {"churn": "binary", "purchases": "poisson", "spend": "tweedie", "wait": "regression_l1"}
SCHEMA = {
    "head": pl.String, "model": pl.String, "outcome": pl.String, "auc": pl.Float64, "log_loss": pl.Float64, "ece": pl.Float64,
    "rmse": pl.Float64, "mae": pl.Float64, "told_over_seen": pl.Float64, "come_by_then": pl.Float64, "users": pl.Int64, "as_of": pl.Date,
}  # fmt: skip


@dataclass(frozen=True)
class Head:
    """One quantity of the next `days`. `blend` calibrates a chance; `scale` makes an amount of the blended log spend."""

    what: str  # a key of OBJECTIVES
    days: int
    served_by: str  # boosting, lifetime or network
    booster: str | None
    blend: Blend
    scale: float


@dataclass(frozen=True)
class Tried:
    """A head's rivals, what each said of the held-out users and what they did."""

    what: str
    days: int
    rivals: dict[str, Head]
    said: dict[str, np.ndarray]
    truth: np.ndarray


@dataclass(frozen=True)
class View:
    """What is known of N users at an as-of."""

    users: np.ndarray
    inputs: np.ndarray  # (N, I) as `boosted_inputs` gives them
    summary: Summary
    log_spend: np.ndarray  # (N,) the blended head's, of the near horizon


@dataclass(frozen=True)
class Rehearsed:
    """The near horizon's held-out window: its as-of, and the blended log spend of its users."""

    as_of: date
    users: np.ndarray
    log_spend: np.ndarray


def heads_wanted(config: BehaviourConfig) -> dict[str, tuple[str, int]]:
    """Name -> what and how far ahead. Amounts of money are cents, a wait is days."""
    near, (middle, far) = config.horizon_days, config.outlook_days
    return {
        f"churn_{middle}d": ("churn", middle),
        f"churn_{far}d": ("churn", far),
        f"expected_purchases_{far}d": ("purchases", far),
        f"expected_spend_cents_{near}d": ("spend", near),
        f"expected_spend_cents_{far}d": ("spend", far),
        "next_purchase_days": ("wait", middle),
    }


def seen_ahead(history: History, users: np.ndarray, as_of: date, what: str, days: int) -> np.ndarray:
    """(N,) what `users` did in [as_of, as_of + days); the wait of who did not come is `days`."""
    start, size = day_number(as_of), len(history.users)
    inside = (history.visit_day >= start) & (history.visit_day < start + days)
    if what == "spend":
        return np.bincount(history.visit_user[inside], weights=history.spend_cents[inside], minlength=size)[users]
    inside &= history.visit_outcome
    of, day = history.visit_user[inside], history.visit_day[inside] - start
    if what == "wait":
        wait = np.full(size, float(days))
        np.minimum.at(wait, of, day)
        return wait[users]
    purchases = np.bincount(np.unique(of * days + day.astype(np.int64)) // days, minlength=size)[users]
    return (purchases == 0) if what == "churn" else purchases.astype(float)


def tell(head: Head, lifetime: Lifetime, view: View, threads: int) -> np.ndarray:
    """(N,) the head's word; NaN where it has none: a lifetime before a first purchase, a wait longer than its window."""
    if head.served_by == "lifetime":
        ahead = lifetime.bought if head.what == "purchases" else lifetime.spend
        return ahead(view.summary, head.days)
    if head.served_by == "network":
        return head.scale * amount_of(view.log_spend)
    score = raw_scores(head.booster, view.inputs, threads)
    if head.what == "churn":
        return sigmoid(head.blend.apply(score, score))
    if head.what == "wait":
        return np.where(np.expm1(score) < head.days - 0.5, np.maximum(np.expm1(score), 0.0), np.nan)
    return np.exp(np.clip(score, -30, 30))


def amount_of(log_spend: np.ndarray) -> np.ndarray:
    """Cents of log(1 + units)."""
    return 100 * np.expm1(np.maximum(log_spend, 0.0))


def fit_outlook(
    history: History,
    features: pl.DataFrame,
    through: date,
    selection: Selection,
    rehearsed: Rehearsed,
    config: BehaviourConfig,
) -> tuple[dict[str, Head], pl.DataFrame, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Heads; a row of SCHEMA for each head and rival; and for each chance the labels and chances of its held-out users.

    A head abstains without two as-ofs whose windows are over, the earlier one before the later one begins.
    """
    as_ofs = [a for a in features["as_of"].unique().sort().to_list() if len(history.seen_before(a))]
    tried: dict[str, Tried] = {}
    rows: list[dict] = []
    for name, (what, days) in heads_wanted(config).items():
        over = [a for a in as_ofs if a + timedelta(days=days) <= through]
        before = [a for a in over if a + timedelta(days=days) <= over[-1]]
        if not before:
            rows.append({"head": name, "outcome": f"abstains: too little history to look {days} days ahead and be judged"})
            continue
        lifetime = fit_lifetime(purchase_summary(history, over[-1]))
        booster = fit_head(history, features, before, what, days, selection, lifetime, config)
        if booster is None:
            rows.append({"head": name, "outcome": "abstains: it was the same for everybody, so there is nothing to learn"})
            continue
        view = view_at(history, features, over[-1], selection, lifetime, config, rehearsed)
        truth = seen_ahead(history, view.users, over[-1], what, days)
        rivals = rivals_of(Head(what, days, "boosting", booster, Blend(), 1.0), view, truth, lifetime, config)
        said = {by: tell(head, lifetime, view, config.threads) for by, head in rivals.items()}
        final = fit_head(history, features, over, what, days, selection, lifetime, config)
        tried[name] = Tried(what, days, {by: replace(head, booster=final) for by, head in rivals.items()}, said, truth)
        rows += [figures(what, truth, value) | {"head": name, "model": by, "outcome": "", "users": len(truth), "as_of": over[-1]}
                 for by, value in said.items()]  # fmt: skip
    best = {name: by for group in together(tried) for name, by in served_by(group).items()}
    for row in rows:
        if row["head"] in best and row["model"] == best[row["head"]]:
            row["outcome"] = "served"
    heads = {name: one.rivals[best[name]] for name, one in tried.items()}
    chances = {name: (one.truth, one.said[best[name]]) for name, one in tried.items() if one.what == "churn"}
    return heads, pl.DataFrame(rows, schema=SCHEMA), chances


def together(tried: dict[str, Tried]) -> list[dict[str, Tried]]:
    """Heads that one model has to serve: amounts of one distance; every other head stands alone."""
    groups: dict[object, dict[str, Tried]] = {}
    for name, one in tried.items():
        groups.setdefault(one.days if one.what in AMOUNTS else name, {})[name] = one
    return list(groups.values())


def served_by(group: dict[str, Tried]) -> dict[str, str]:
    """The model of least squared error, added over the heads of `group` as shares of each head's least."""
    errors = [{by: squared_error(value, one.truth) for by, value in one.said.items()} for one in group.values()]
    common = [by for by in errors[0] if all(by in of_head for of_head in errors)]
    best = min(common, key=lambda by: sum(of_head[by] / max(min(of_head.values()), 1e-12) for of_head in errors))
    return dict.fromkeys(group, best)


def rivals_of(head: Head, view: View, truth: np.ndarray, lifetime: Lifetime, config: BehaviourConfig) -> dict[str, Head]:
    """Who could serve a head: boosting for all, the lifetime model for amounts if it has any, the blended network for the near spend."""
    if head.what == "churn":
        score = raw_scores(head.booster, view.inputs, config.threads)
        return {"boosting": replace(head, blend=fit_blend(score, score, truth, True))}
    rivals = {"boosting": head}
    if head.what in AMOUNTS and lifetime.purchases and (lifetime.amounts or head.what == "purchases"):
        rivals["lifetime"] = replace(head, served_by="lifetime")
    if head.what == "spend" and np.isfinite(view.log_spend).all():
        scale = float(truth.sum() / max(amount_of(view.log_spend).sum(), 1e-9))
        rivals["network"] = replace(head, served_by="network", scale=scale)
    return rivals


def view_at(
    history: History,
    features: pl.DataFrame,
    as_of: date,
    selection: Selection,
    lifetime: Lifetime,
    config: BehaviourConfig,
    rehearsed: Rehearsed | None = None,
) -> View:
    """Everyone seen before as_of; log spend is NaN but at the rehearsed as-of."""
    users = history.seen_before(as_of)
    x = feature_rows(history, users, features, as_of, selection)
    log_spend = np.full(len(users), np.nan)
    if rehearsed and rehearsed.as_of == as_of:
        log_spend = rehearsed.log_spend[np.searchsorted(rehearsed.users, users)]
    inputs = boosted_inputs(history, users, x, lifetime, as_of, config)
    return View(users, inputs, purchase_summary(history, as_of).of(users), log_spend)


def fit_head(
    history: History,
    features: pl.DataFrame,
    as_ofs: list[date],
    what: str,
    days: int,
    selection: Selection,
    lifetime: Lifetime,
    config: BehaviourConfig,
) -> str | None:
    """A booster on the windows of the latest `windows` of `as_ofs`; waits are learnt as logs, so that a day counts more when near."""
    views = [view_at(history, features, a, selection, lifetime, config) for a in as_ofs[-config.windows :]]
    truths = [seen_ahead(history, v.users, a, what, days) for v, a in zip(views, as_ofs[-config.windows :], strict=True)]
    y = np.maximum(np.concatenate(truths), 0)
    return fit_booster(
        np.concatenate([v.inputs for v in views]), np.log1p(y) if what == "wait" else y, small(config), OBJECTIVES[what]
    )


def squared_error(said: np.ndarray, truth: np.ndarray) -> float:
    """Mean over users; who is told nothing is told 0."""
    return float(np.mean((np.nan_to_num(said) - truth) ** 2))


def figures(what: str, truth: np.ndarray, said: np.ndarray) -> dict[str, float | None]:
    """What a person wants to know of a rival: of a chance AUC, log loss and ECE, of an amount its errors."""
    if what == "churn":
        return {"auc": auc(truth, said), "log_loss": log_loss(truth, said), "ece": calibration_error(truth, said)}
    told = ~np.isnan(said)
    found = {"mae": float(np.abs(said - truth)[told].mean()) if told.any() else None}
    if what == "wait":  # a median: half of the users it is told of should have come by then
        return found | {"come_by_then": float((truth <= said)[told].mean()) if told.any() else None}
    return found | {
        "rmse": squared_error(said, truth) ** 0.5,
        "told_over_seen": float(np.nansum(said) / max(truth.sum(), 1e-9)),
    }
