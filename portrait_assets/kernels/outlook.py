"""Further ahead than one horizon: the curve of no purchase, and the purchases and spend to come.

Each head learns from every as-of whose window is over and is judged on the latest of them, by what was known before it. What is expected
is built on the curve: purchases are the probability of any times how many there are of who buys at all, never fewer than one; spend the
same with its amount; the far spend is the near one and what comes after it. Amounts have two rivals, boosting and the lifetime model; the
one of least squared error there is served, the same for purchases and spend of one distance: a portrait that expects sixteen shopping
days and no spend is worse than either.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import polars as pl

from portrait_assets.kernels.boosting import fit_booster, raw_scores
from portrait_assets.kernels.calibration import Blend, fit_blend, sigmoid
from portrait_assets.kernels.config import BehaviourConfig
from portrait_assets.kernels.curve import Curve, Silence, Step, composed
from portrait_assets.kernels.lifetime import Lifetime, Summary
from portrait_assets.kernels.lifetime import fit as fit_lifetime
from portrait_assets.kernels.metrics import auc, calibration_error, log_loss
from portrait_assets.kernels.parts import boosted_inputs, feature_rows, purchase_summary, small
from portrait_assets.kernels.selection import Selection
from portrait_assets.kernels.sequences import History, day_number

OBJECTIVES = {"purchases": "poisson", "spend": "tweedie", "later spend": "tweedie"}
SAME = "all users did the same in the windows it would be learnt from or judged by"
SCHEMA = {
    "head": pl.String, "model": pl.String, "outcome": pl.String, "auc": pl.Float64, "log_loss": pl.Float64, "ece": pl.Float64,
    "rmse": pl.Float64, "mae": pl.Float64, "told_over_seen": pl.Float64, "come_by_then": pl.Float64, "users": pl.Int64, "as_of": pl.Date,
}  # fmt: skip

Label = Callable[["View"], tuple[np.ndarray, np.ndarray]]  # which users of a view count (bool), and what they did


@dataclass(frozen=True)
class Head:
    """An amount. `purchases` and `spend` are of who buys within `days`; `later spend` is from the near horizon to `days`, of everybody."""

    what: str  # a key of OBJECTIVES
    days: int
    served_by: str  # boosting or lifetime
    booster: str | None


@dataclass(frozen=True)
class Outlook:
    """What is predicted further ahead than the near horizon."""

    curve: Curve
    heads: dict[str, Head]


@dataclass(frozen=True)
class Known:
    """What is known of N users at an as-of."""

    users: np.ndarray
    inputs: np.ndarray  # (N, I) as `boosted_inputs` gives them
    summary: Summary


@dataclass(frozen=True)
class View(Known):
    """The same of a past as-of, and when they bought next: days, infinite where no purchase is known."""

    as_of: date
    wait: np.ndarray


def heads_wanted(config: BehaviourConfig) -> dict[str, tuple[str, int]]:
    """Name -> what and how far ahead, the near spend before the far one. Money is cents."""
    near, far = config.horizon_days, config.outlook_days[-1]
    return {
        f"expected_spend_cents_{near}d": ("spend", near),
        f"expected_purchases_{far}d": ("purchases", far),
        f"expected_spend_cents_{far}d": ("later spend", far),
    }


def waits(history: History, users: np.ndarray, as_of: date) -> np.ndarray:
    """(N,) days from as_of to the next visit with an outcome; infinite where the history has none."""
    ahead = history.visit_outcome & (history.visit_day >= day_number(as_of))
    wait = np.full(len(history.users), np.inf)
    np.minimum.at(wait, history.visit_user[ahead], history.visit_day[ahead] - day_number(as_of))
    return wait[users]


def purchase_days(history: History, users: np.ndarray, as_of: date, days: int) -> np.ndarray:
    """(N,) days with an outcome in [as_of, as_of + days)."""
    start = day_number(as_of)
    inside = history.visit_outcome & (history.visit_day >= start) & (history.visit_day < start + days)
    of, day = history.visit_user[inside], (history.visit_day[inside] - start).astype(np.int64)
    return np.bincount(np.unique(of * days + day) // days, minlength=len(history.users))[users].astype(float)


def spend(history: History, users: np.ndarray, as_of: date, begin: int, end: int) -> np.ndarray:
    """(N,) cents spent less those paid back in [as_of + begin, as_of + end), never negative."""
    start = day_number(as_of)
    inside = (history.visit_day >= start + begin) & (history.visit_day < start + end)
    net_cents = history.spend_cents[inside] - history.refund_cents[inside]
    cents = np.bincount(history.visit_user[inside], weights=net_cents, minlength=len(history.users))
    return np.maximum(cents, 0)[users]


class Learner:
    """Fits heads on the windows that are over at `limit`."""

    def __init__(
        self,
        history: History,
        features: pl.DataFrame,
        selection: Selection,
        lifetime: Lifetime,
        config: BehaviourConfig,
        limit: date,
    ):
        self.history, self.features, self.selection = history, features, selection
        self.lifetime, self.config, self.limit = lifetime, config, limit
        self._views: dict[date, View] = {}

    def as_ofs(self, days: int) -> list[date]:
        """Those with someone known before and a window of `days` that is over, ascending."""
        known = self.features["as_of"].unique().sort().to_list()
        return [a for a in known if a + timedelta(days=days) <= self.limit and len(self.history.seen_before(a))]

    def is_too_short(self, days: int) -> bool:
        """Whether no window of `days` is over before another one begins: nothing could be judged."""
        over = self.as_ofs(days)
        return not over or over[0] + timedelta(days=days) > over[-1]

    def view(self, as_of: date) -> View:
        """Everyone seen before as_of."""
        if as_of not in self._views:
            users = self.history.seen_before(as_of)
            x = feature_rows(self.history, users, self.features, as_of, self.selection)
            inputs = boosted_inputs(self.history, users, x, self.lifetime, as_of, self.config)
            summary = purchase_summary(self.history, as_of).of(users)
            self._views[as_of] = View(users, inputs, summary, as_of, waits(self.history, users, as_of))
        return self._views[as_of]

    def fit(self, days: int, label: Label, objective: str = "binary") -> str | None:
        """A booster on the latest windows of `days`; None where nobody differed."""
        views = [self.view(a) for a in self.as_ofs(days)[-self.config.windows :]]
        labels = [label(view) for view in views]
        x = [view.inputs[rows] for view, (rows, _) in zip(views, labels, strict=True)]
        y = [did[rows].astype(float) for rows, did in labels]
        return fit_booster(np.concatenate(x), np.concatenate(y), small(self.config), objective) if views else None


def step_label(near: int, before: int, day: int) -> Label:
    """Of the step from the day `before` to `day`. From 0 to `near` it asks what the churn head asks."""

    def label(view: View) -> tuple[np.ndarray, np.ndarray]:
        return (view.wait < before, view.wait < day) if day < near else (view.wait >= before, view.wait >= day)

    return label


def amount_label(history: History, near: int, what: str, days: int) -> Label:
    """Of a head of OBJECTIVES; of purchases, how many there are beyond the first."""

    def label(view: View) -> tuple[np.ndarray, np.ndarray]:
        of = (history, view.users, view.as_of)
        if what == "later spend":
            return np.ones(len(view.users), bool), spend(*of, near, days)
        return view.wait < days, purchase_days(*of, days) - 1 if what == "purchases" else spend(*of, 0, days)

    return label


class Trial:
    """What would have been said at an as-of, the latest whose window of some days is over, by what was known before it."""

    def __init__(self, served: Learner, as_of: date):
        lifetime = fit_lifetime(purchase_summary(served.history, as_of))
        self.learner = Learner(served.history, served.features, served.selection, lifetime, served.config, as_of)
        self.view, self.near = self.learner.view(as_of), served.config.horizon_days
        self.half = np.random.default_rng(served.config.seed).permutation(len(self.view.users)) % 2 == 0
        self.chances: dict[int, np.ndarray] = {}  # day -> (N,) of the step to it, as `Step.chance` gives them
        self.blends: dict[int, Blend] = {}

    @classmethod
    def of(cls, served: Learner, days: int) -> "Trial | None":
        """None without an as-of whose window of `days` is over before the judging one begins, or where the near horizon can't be judged."""
        if served.is_too_short(days):
            return None
        trial = cls(served, served.as_ofs(days)[-1])
        return trial if trial.take(0, trial.near) else None

    def take(self, before: int, day: int) -> bool:
        """Fit, calibrate and judge the step to `day`; False, and nothing is kept, where there is nothing to learn or to judge by."""
        label = step_label(self.near, before, day)
        booster = self.learner.fit(max(before, day), label)
        rows, did = label(self.view)
        if booster is None or did[rows].all() or not did[rows].any():
            return False
        score = raw_scores(booster, self.view.inputs, self.learner.config.threads)
        self.chances[day] = judged_apart(score, did, rows, self.half)
        self.blends[day] = fit_blend(score[rows], score[rows], did[rows], True)
        return True

    @property
    def silence(self) -> Silence:
        """(N, …) the curve as far as it was taken."""
        inward = sorted((day for day in self.chances if day < self.near), reverse=True)
        outward = sorted(day for day in self.chances if day > self.near)
        return composed(self.near, self.chances[self.near], inward, outward, self.chances)


def judged_apart(score: np.ndarray, did: np.ndarray, rows: np.ndarray, half: np.ndarray) -> np.ndarray:
    """(N,) probabilities of scores (N,), calibrated for each half of the users by the other half: nobody judges a fit that knew them."""
    chance = np.zeros(len(score))
    for side in (half, ~half):
        fitted = rows & ~side
        chance[side] = sigmoid(fit_blend(score[fitted], score[fitted], did[fitted], True).apply(score[side], score[side]))
    return chance


def fit_outlook(
    history: History,
    features: pl.DataFrame,
    through: date,
    selection: Selection,
    lifetime: Lifetime,
    config: BehaviourConfig,
) -> tuple[Outlook, pl.DataFrame, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """The outlook; a row of SCHEMA for each head and rival; and for each probability further ahead the labels and probabilities of its
    held-out users.

    A head abstains without two as-ofs whose windows are over, the earlier one before the later one begins.
    """
    served = Learner(history, features, selection, lifetime, config, through)
    near, further = config.horizon_days, config.outlook_days
    trials = {days: Trial.of(served, days) for days in (near, *further)}
    nearest = trials[further[0]] or trials[near]
    outward: list[Step] = []
    for day in further:
        outward += step_to(served, trials[day], [step.day for step in outward], day)
    inward: list[Step] = []
    for day in config.inward_days:
        inward += step_to(served, nearest, [step.day for step in inward], day)
    heads, rows = fit_amounts(served, trials)
    taken = {step.day: trial for step in outward if (trial := trials[step.day])}
    chances = {f"churn_{day}d": (trial.view.wait >= day, trial.silence.before(day)) for day, trial in taken.items()}
    for day in further:
        name = f"churn_{day}d"
        why = "" if name in chances else abstains(too_short(day) if served.is_too_short(day) else SAME)
        found = probability_figures(*chances[name]) | judging(trials[day]) if name in chances else {}
        rows.append({"head": name, "outcome": why or "served", "model": None if why else "boosting"} | found)
    if nearest:
        found = wait_figures(nearest.view.wait, nearest.silence)
        rows.append({"head": "next_purchase_days", "outcome": "served", "model": "boosting"} | found | judging(nearest))
    else:
        rows.append({"head": "next_purchase_days", "outcome": abstains(SAME)})
    return (
        Outlook(Curve(near, tuple(inward), tuple(outward)), heads),
        pl.DataFrame(rows, schema=SCHEMA).sort("head", maintain_order=True),
        chances,
    )


def step_to(served: Learner, trial: Trial | None, before: list[int], day: int) -> list[Step]:
    """The step to `day` from the last of the days `before`, or from the near horizon: judged and calibrated by the trial, learnt from every
    window that is over. None where there is nothing to learn or to judge by.
    """
    if trial is None:
        return []
    path = [trial.near, *before, day]
    if not all(end in trial.chances or trial.take(begin, end) for begin, end in pairwise(path)):
        return []
    booster = served.fit(max(path[-2:]), step_label(trial.near, path[-2], day))
    return [Step(day, booster, trial.blends[day])] if booster else []


@dataclass(frozen=True)
class Tried:
    """An amount's rivals, what each said of the held-out users, and what they did."""

    days: int
    rivals: dict[str, Head]
    said: dict[str, np.ndarray]
    truth: np.ndarray
    trial: Trial


def fit_amounts(served: Learner, trials: dict[int, Trial | None]) -> tuple[dict[str, Head], list[dict]]:
    """Amounts by name, and a row for each rival or abstention. An amount needs the curve as far as it goes itself."""
    tried: dict[str, Tried] = {}
    rows: list[dict] = []
    near_head: Head | None = None
    for name, (what, days) in heads_wanted(served.config).items():
        trial = trials[days]
        one = try_amount(served, trial, what, days, near_head) if trial and days in trial.chances else None
        if one is None:
            rows.append({"head": name, "outcome": abstains(too_short(days) if served.is_too_short(days) else SAME)})
            continue
        tried[name] = one
        if what == "spend":
            near_head = one.rivals[least_error([one])]
    best = {name: least_error([one for one in tried.values() if one.days == tried[name].days]) for name in tried}
    for name, one in tried.items():
        for by, value in one.said.items():
            of = {"head": name, "model": by, "outcome": "served" if by == best[name] else ""}
            rows.append(of | amount_figures(one.truth, value) | judging(one.trial))
    return {name: one.rivals[best[name]] for name, one in tried.items()}, rows


def try_amount(served: Learner, trial: Trial, what: str, days: int, near_head: Head | None) -> Tried | None:
    """None where nobody differed. The far spend is judged whole, beginning with `near_head` as it would have been then."""
    near, learner, view = trial.near, trial.learner, trial.view
    label = amount_label(served.history, near, what, days)
    booster, final = (of.fit(days, label, OBJECTIVES[what]) for of in (learner, served))
    if booster is None or final is None or (what == "later spend" and near_head is None):
        return None
    rivals = {"boosting": Head(what, days, "boosting", booster)}
    if learner.lifetime.purchases and (learner.lifetime.amounts or what == "purchases"):
        rivals["lifetime"] = Head(what, days, "lifetime", None)

    def say(head: Head) -> np.ndarray:
        return expected(head, trial.silence, view, learner.lifetime, learner.config)

    said = {by: say(head) for by, head in rivals.items()}
    of = (served.history, view.users, view.as_of)
    truth = purchase_days(*of, days) if what == "purchases" else spend(*of, 0, days)
    if what == "later spend" and near_head:
        then = learner.fit(near, amount_label(served.history, near, "spend", near), OBJECTIVES["spend"])
        begin = say(Head("spend", near, near_head.served_by if then else "lifetime", then))
        said = {by: begin + value for by, value in said.items()}
    return Tried(days, rivals | {"boosting": Head(what, days, "boosting", final)}, said, truth, trial)


def expected(head: Head, silence: Silence, known: Known, lifetime: Lifetime, config: BehaviourConfig) -> np.ndarray:
    """(N,) what a head expects; NaN where it has no word: the lifetime model of who never bought."""
    if head.served_by == "lifetime":
        if head.what == "later spend":
            return lifetime.spend(known.summary, head.days) - lifetime.spend(known.summary, config.horizon_days)
        value = lifetime.bought_if_any(known.summary, head.days)
        value = value if head.what == "purchases" else value * lifetime.amount(known.summary)
    else:
        value = np.exp(np.clip(raw_scores(head.booster, known.inputs, config.threads), -30, 30))
        if head.what == "later spend":
            return value
        value = 1 + value if head.what == "purchases" else value
    return (1 - silence.before(head.days)) * value


def least_error(group: list[Tried]) -> str:
    """The rival of least squared error, added over the heads of `group` as shares of each head's least."""
    errors = [{by: float(np.mean((np.nan_to_num(value) - one.truth) ** 2)) for by, value in one.said.items()} for one in group]
    common = [by for by in errors[0] if all(by in of_head for of_head in errors)]
    return min(common, key=lambda by: sum(of_head[by] / max(min(of_head.values()), 1e-12) for of_head in errors))


def too_short(days: int) -> str:
    return f"too little history to look {days} days ahead and be judged"


def abstains(why: str) -> str:
    return f"abstains: {why}"


def judging(trial: Trial | None) -> dict:
    return {"users": len(trial.view.users), "as_of": trial.view.as_of} if trial else {}


def probability_figures(label: np.ndarray, chance: np.ndarray) -> dict:
    return {"auc": auc(label, chance), "log_loss": log_loss(label, chance), "ece": calibration_error(label, chance)}


def wait_figures(wait: np.ndarray, silence: Silence) -> dict:
    """Of the median: its mean error, waits beyond the curve counting as its end, and the share that came by it, which should be a half."""
    median = silence.median()
    some = ~np.isnan(median)
    apart = np.abs(np.minimum(wait, silence.days[-1]) - median)[some]
    return {"mae": float(apart.mean()), "come_by_then": float((wait <= median)[some].mean())} if some.any() else {}


def amount_figures(truth: np.ndarray, said: np.ndarray) -> dict:
    """Errors of an amount; who has none is taken as 0."""
    value = np.nan_to_num(said)
    apart = np.abs(value - truth)
    return {
        "rmse": float((apart**2).mean() ** 0.5),
        "mae": float(apart.mean()),
        "told_over_seen": float(value.sum() / max(truth.sum(), 1e-9)),
    }
