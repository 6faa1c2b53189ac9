"""All that a model predicts of users at an as-of, so that it agrees: one curve of no purchase, parts within their wholes, amounts on the curve."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from portrait_assets.errors import PortraitError
from portrait_assets.kernels.evaluation import chances_of
from portrait_assets.kernels.lifetime import Lifetime, Summary
from portrait_assets.kernels.outlook import Known, expected
from portrait_assets.kernels.parts import RawScores, purchase_summary
from portrait_assets.kernels.sequences import History
from portrait_assets.kernels.trained import TrainedModel

VALUE_DAYS = 365  # a customer's value is the spend to expect of a year


@dataclass(frozen=True)
class Predicted:
    """Of N users: target -> (N,) probabilities or amounts, NaN for users of whom nothing is predicted; level -> (N, T) of its targets."""

    chances: dict[str, np.ndarray]
    amounts: dict[str, np.ndarray]
    parts: dict[str, np.ndarray]


def predict(model: TrainedModel, history: History, raw: RawScores, as_of: date) -> Predicted:
    """Of the users of `raw`, which was read from `history`. PortraitError where a score is not a number."""
    config, lifetime = model.config, model.served.lifetime
    known = Known(raw.users, raw.inputs, purchase_summary(history, as_of).of(raw.users))
    parts = chances_of(raw, model.calibration)
    broken = [head for head, chance in parts.items() if not np.isfinite(chance).all()]
    if broken:
        raise PortraitError(
            f"model trained through {model.trained_through}: its scores of {', '.join(broken)} are not numbers; `portrait models rollback` "
            "puts the one before it in force"
        )
    if not model.calibration.has_churn:
        chances = {"alive_probability": lifetime.alive(known.summary)}
        return Predicted(chances, {value_name(): lifetime.spend(known.summary, VALUE_DAYS)}, {})
    silence = model.outlook.curve.silence(parts.pop("churn")[:, 0], raw.inputs, config.threads)
    chances = {
        f"churn_{day}d": silence.before(day) for day in (config.horizon_days, *config.outlook_days) if day in silence.days
    }
    last = silence.days[-1]  # there is who buys by then, and of who does not, whom the lifetime model takes to be there even so
    chances["alive_probability"] = 1 - silence.before(last) * (1 - lifetime.alive(known.summary.later(last)))
    amounts = {"next_purchase_days": silence.median()}
    if model.rhythm is not None:
        amounts["churn_horizon_days"] = model.rhythm.horizons(known.summary)
        chances["churn"] = silence.before(amounts["churn_horizon_days"])
    amounts |= {name: expected(head, silence, known, lifetime, config) for name, head in model.outlook.heads.items()}
    return Predicted(
        chances, amounts | spend_ahead(amounts, lifetime, known.summary, config.horizon_days, config.outlook_days[-1]), parts
    )


def spend_ahead(amounts: dict[str, np.ndarray], lifetime: Lifetime, c: Summary, near: int, far: int) -> dict[str, np.ndarray]:
    """Of the far distance, what the near one brings and what comes after it; of a year, the farthest of them gone on with as the lifetime
    model goes on from its own.
    """
    begin, later = (amounts.get(f"expected_spend_cents_{days}d") for days in (near, far))
    if begin is None:
        return {value_name(): lifetime.spend(c, VALUE_DAYS)}
    if later is None:
        return {value_name(): longer(begin, lifetime.spend(c, near), lifetime.spend(c, VALUE_DAYS))}
    whole = begin + later
    value = longer(whole, lifetime.spend(c, far), lifetime.spend(c, VALUE_DAYS))
    return {f"expected_spend_cents_{far}d": whole, value_name(): value}


def value_name() -> str:
    return f"lifetime_value_cents_{VALUE_DAYS}d"


def longer(far: np.ndarray, far_by_lifetime: np.ndarray, value: np.ndarray) -> np.ndarray:
    """(N,) what is expected of the far distance, gone on with as the lifetime model goes on from its own; NaN where that one is silent."""
    grown = np.divide(value, far_by_lifetime, out=np.ones_like(value), where=far_by_lifetime > 0)
    return np.where(np.isnan(value), np.nan, far * np.fmax(grown, 1.0))
