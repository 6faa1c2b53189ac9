"""Why something is not predicted, for a person: each reason goes after the target and a colon."""

import polars as pl

from portrait_assets.kernels.config import BehaviourConfig
from portrait_assets.kernels.evaluation import Calibration
from portrait_assets.kernels.lifetime import LEAST_REPEATERS, Lifetime
from portrait_assets.kernels.outlook import SAME
from portrait_assets.kernels.rhythm import LEAST_SHARE, Rhythm

LEVELS = ("category", "item")  # that are predicted one by one
NOBODY = "nobody known before bought it in a training window"
EVERYBODY = "everybody known before bought it in every training window"
TOO_FEW = f"fewer than {LEAST_REPEATERS} customers bought on a second day"
NO_RHYTHM = f"fewer than {LEAST_SHARE:.0%} of buyers bought on a second day, so there is no rhythm to judge a silence by"


def not_predicted(
    calibration: Calibration,
    lifetime: Lifetime,
    rhythm: Rhythm | None,
    outlook: pl.DataFrame,
    attributes: pl.DataFrame,
    config: BehaviourConfig,
) -> dict[str, str]:
    """Target -> why, of every kind of target; `outlook` and `attributes` as `fit_outlook` and `fit_attribute_heads` report."""
    near = config.horizon_days
    reasons = dict(_abstaining(outlook, "head")) | dict(_abstaining(attributes, "attribute"))
    if rhythm is None:
        reasons["churn"] = NO_RHYTHM
    if lifetime.purchases is None:
        reasons |= dict.fromkeys(("alive_probability", "lifetime_value_cents_365d"), TOO_FEW)
    reasons |= {f"{level}_{near}d": SAME for level in LEVELS if level not in calibration.links}
    if not calibration.has_churn:
        built_on_it = (*outlook["head"].unique(), *(f"{level}_{near}d" for level in LEVELS), "churn", f"churn_{near}d")
        reasons |= dict.fromkeys(built_on_it, SAME)
    return reasons


def without_example(
    popular: dict[str, list[str]], shown: dict[str, list[str]], always: dict[str, list[str]], config: BehaviourConfig
) -> dict[str, str]:
    """Target -> why, of the popular targets that no training window has an example of, or that none is without."""
    return {
        f"{level}_{config.horizon_days}d={name}": EVERYBODY if name in always[level] else NOBODY
        for level in LEVELS
        for name in popular[level]
        if name not in set(shown[level])
    }


def _abstaining(report: pl.DataFrame, name: str) -> list[tuple[str, str]]:
    found = report.filter(pl.col("outcome").str.starts_with("abstains: "))
    return found.select(name, pl.col("outcome").str.strip_prefix("abstains: ")).rows()
