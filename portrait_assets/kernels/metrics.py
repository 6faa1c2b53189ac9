"""Measures of probabilities against what happened. All take flat arrays; a measure that is undefined is NaN."""

import numpy as np
import polars as pl
from scipy.stats import rankdata

TINY_PROBABILITY = 1e-6


def auc(label: np.ndarray, score: np.ndarray) -> float:
    """Area under the ROC curve, ties half; NaN with one class only."""
    label = np.asarray(label, bool)
    yes, no = int(label.sum()), int((~label).sum())
    if yes == 0 or no == 0:
        return float("nan")
    return float((rankdata(score)[label].sum() - yes * (yes + 1) / 2) / (yes * no))


def mean_auc(labels: np.ndarray, scores: np.ndarray, least: int = 20) -> float:
    """Mean AUC over the columns of (N, K) with at least `least` users of either class; NaN where there is none."""
    count = labels.sum(0)
    columns = [k for k in range(labels.shape[1]) if least <= count[k] <= len(labels) - least]
    return float(np.mean([auc(labels[:, k], scores[:, k]) for k in columns])) if columns else float("nan")


def log_loss_each(label: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Negative log likelihood of each label, nats."""
    p = np.clip(probability, TINY_PROBABILITY, 1 - TINY_PROBABILITY)
    return -np.where(np.asarray(label, bool), np.log(p), np.log1p(-p))


def log_loss(label: np.ndarray, probability: np.ndarray) -> float:
    """Mean of `log_loss_each`; NaN when empty."""
    return float(log_loss_each(label, probability).mean()) if np.size(label) else float("nan")


def calibration_error(label: np.ndarray, probability: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error: |mean label - mean probability| in equally filled bins, weighted by size; NaN when empty."""
    label, probability = np.ravel(label).astype(float), np.ravel(probability)
    if label.size == 0:
        return float("nan")
    order = np.argsort(probability, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return float(sum(len(p) * abs(label[p].mean() - probability[p].mean()) for p in parts) / label.size)


def reliability(chances: dict[str, tuple[np.ndarray, np.ndarray]], bins: int = 10) -> pl.DataFrame:
    """head, told, seen, count: mean chance and share that came true in equally filled bins of each head's (labels, chances)."""
    rows = []
    for head, (label, chance) in chances.items():
        order = np.argsort(chance, kind="stable")
        rows += [(head, chance[p].mean(), label[p].mean(), len(p)) for p in np.array_split(order, bins) if len(p)]
    return pl.DataFrame(
        rows, schema={"head": pl.String, "told": pl.Float64, "seen": pl.Float64, "count": pl.Int64}, orient="row"
    )


def paired_bootstrap(difference: np.ndarray, draws: int = 1000, seed: int = 0) -> tuple[float, float, float]:
    """Mean of per-user differences (N,) and the 5th and 95th percentile of its bootstrap over users."""
    rng = np.random.default_rng(seed)
    means = difference[rng.integers(0, len(difference), (draws, len(difference)))].mean(1)
    low, high = np.percentile(means, [5, 95])
    return float(difference.mean()), float(low), float(high)
