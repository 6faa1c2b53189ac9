"""How well propensity finds who buys from a campaign's coupons and who redeems them, at campaigns that came after all it learnt from.

Beside it what is simpler: how often the user bought of the set before, and how often the user came. And what those who got the campaign
bought more than others of the same propensity: observed, not caused, because who got it was not drawn.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from portrait_assets.kernels.metrics import auc, calibration_error
from portrait_assets.kernels.ranking.lines import Lines
from portrait_assets.kernels.ranking.propensity import Propensity
from portrait_assets.kernels.ranking.sets import Stand, bought_any, set_features

TARGETED = 0.1  # of the users, whom a campaign reaches
LEAST = 10  # buyers, or redeemers, from which a set is judged
STRATA = 10
DRAWS = 1000
SCORES = ("propensity", "bought before", "activity")
RIVALS = {"truth": pl.String, "score": pl.String, "sets": pl.Int64, "users": pl.Int64} | dict.fromkeys(
    ("share", "auc", "lift"), pl.Float64
)
UPLIFT = {"recipients": pl.Int64} | dict.fromkeys(
    ("bought", "others bought", "alike bought", "difference", "low", "high"), pl.Float64
)


@dataclass(frozen=True)
class Campaign:
    """`coupons` (C of (I,) bool); `received` and `redeemed` (U,) bool."""

    campaign_id: str
    starts: date
    coupons: list[np.ndarray]
    received: np.ndarray
    redeemed: np.ndarray


@dataclass(frozen=True)
class Tested:
    """rivals: campaign x truth x score: sets judged, users, share that came true, AUC, lift at TARGETED, mean over the sets.

    calibration: mean chance (`told`), share that came true, calibration error, over users and coupons. uplift: what recipients bought more.
    """

    rivals: pl.DataFrame
    calibration: pl.DataFrame
    uplift: pl.DataFrame


def judge_campaign(lines: Lines, stand: Stand, model: Propensity, campaign: Campaign, horizon_days: int) -> Tested:
    """`stand` is as of the campaign's start; `lines` reach a horizon beyond it. Users who were known before count, others do not."""
    known = stand.seen
    told = [
        (scores_of(stand, model, in_set), bought_any(lines, campaign.starts, horizon_days, in_set))
        for in_set in campaign.coupons
    ]
    whole = np.logical_or.reduce(campaign.coupons)
    scores = scores_of(stand, model, whole)
    got = known[campaign.received[known]]
    rows = []
    for name in SCORES:
        rows.append(("bought", name, *judged([(one[name][known], bought[known]) for one, bought in told])))
        rows.append(("redeemed", name, *judged([(scores[name][got], campaign.redeemed[got])])))
    rivals = pl.DataFrame(rows, schema=RIVALS, orient="row")
    chance = np.concatenate([one["propensity"][known] for one, _ in told])
    truth = np.concatenate([bought[known] for _, bought in told])
    calibration = pl.DataFrame(
        {"told": [chance.mean()], "came true": [truth.mean()], "calibration error": [calibration_error(truth, chance)]}
    )
    outcome = bought_any(lines, campaign.starts, horizon_days, whole)
    uplift = uplift_frame(scores["propensity"][known], campaign.received[known], outcome[known])
    first = (pl.lit(campaign.campaign_id).alias("campaign"), pl.lit(campaign.starts).alias("starts"))
    return Tested(*(frame.select(*first, pl.all()) for frame in (rivals, calibration, uplift)))


def scores_of(stand: Stand, model: Propensity, in_set: np.ndarray) -> dict[str, np.ndarray]:
    """(U,) by each of SCORES; visits with the set are set apart by how lately they were."""
    x, names = set_features(stand, in_set)
    number = {name: x[:, k].astype(np.float64) for k, name in enumerate(names)}
    lately = 1 / (1 + np.nan_to_num(number["set_since_days"], nan=np.inf))
    return {
        "propensity": model.chances_of(x),
        "bought before": number["set_visits"] + 0.5 * lately,
        "activity": number["user_visits_28d"] + 0.5 / (1 + number["user_since_days"]),
    }


def judged(sets: list[tuple[np.ndarray, np.ndarray]]) -> tuple[int, int, float | None, float | None, float | None]:
    """Sets judged, users of one, share that came true, AUC and lift at TARGETED, means over the sets with LEAST of either kind."""
    fit = [(score, truth) for score, truth in sets if LEAST <= truth.sum() <= len(truth) - LEAST]
    if not fit:
        return 0, len(sets[0][0]) if sets else 0, None, None, None
    means = np.mean([(truth.mean(), auc(truth, score), lift(truth, score)) for score, truth in fit], axis=0)
    return len(fit), len(fit[0][0]), float(means[0]), float(means[1]), float(means[2])


def lift(truth: np.ndarray, score: np.ndarray) -> float:
    """How many times as many came true among the best TARGETED as among all; ties in the users' order."""
    best = np.argsort(-score, kind="stable")[: max(round(TARGETED * len(score)), 1)]
    return float(truth[best].mean() / truth.mean())


def uplift_frame(chance: np.ndarray, received: np.ndarray, bought: np.ndarray) -> pl.DataFrame:
    """UPLIFT, one row, none without recipients and others: recipients, the share of them who bought, of others, of others as likely to, the difference to these and its 95 % interval.

    Others are weighed to be as many in each tenth of the recipients' propensity as these; a tenth without others is left out. Intervals by a
    bootstrap over users. Whoever chose the recipients may have known more than propensity does: an association, not an effect.
    """
    if received.all() or not received.any():
        return pl.DataFrame(schema=UPLIFT)
    stratum = np.searchsorted(np.quantile(chance[received], np.linspace(0, 1, STRATA + 1)[1:-1]), chance, side="right")
    rng, size = np.random.default_rng(0), len(chance)
    observed, alike = compared(stratum, received, bought)
    drawn = [compared(stratum[at], received[at], bought[at]) for at in rng.integers(0, size, (DRAWS, size))]
    low, high = np.nanpercentile([a - b for a, b in drawn], [2.5, 97.5])
    row = (int(received.sum()), observed, float(bought[~received].mean()), alike, observed - alike, float(low), float(high))
    return pl.DataFrame([row], schema=UPLIFT, orient="row")


def compared(stratum: np.ndarray, received: np.ndarray, bought: np.ndarray) -> tuple[float, float]:
    """Shares of recipients, and of others in the same strata, who bought; NaN where no stratum has both."""
    count = {is_one: np.bincount(stratum[received == is_one], minlength=STRATA) for is_one in (True, False)}
    share = {
        is_one: np.bincount(stratum[received == is_one], weights=bought[received == is_one], minlength=STRATA)
        / np.maximum(n, 1)
        for is_one, n in count.items()
    }
    weight = np.where(count[False] > 0, count[True], 0)
    if not weight.sum():
        return float("nan"), float("nan")
    return float(np.average(share[True], weights=weight)), float(np.average(share[False], weights=weight))
