"""Heads for declared attributes: who users say they are, predicted from behaviour. They read the finished vector and the counts, and shape neither."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from portrait_assets.kernels.calibration import fit_temperature, softmax
from portrait_assets.kernels.config import BehaviourConfig
from portrait_assets.kernels.linear import Linear, fit_logistic
from portrait_assets.kernels.metrics import auc, calibration_error

FOLDS = 5
STRENGTH = 0.02


@dataclass(frozen=True)
class AttributeHead:
    """Multinomial logistic head: classes in name order, logits divided by `temperature`."""

    classes: tuple[str, ...]
    linear: Linear
    temperature: float

    def probabilities(self, x: np.ndarray) -> np.ndarray:  # (N, D) -> (N, classes)
        return softmax(self.linear.logits(x) / self.temperature)


def fit_attribute_heads(
    attributes: pl.DataFrame, user_ids: list[str], x: np.ndarray, counts: np.ndarray, config: BehaviourConfig
) -> tuple[dict[str, AttributeHead], pl.DataFrame]:
    """A head for each attribute with enough labelled users (else it abstains, saying why), and cross-validated figures.

    `counts` (N, F) are the windowed counts that the rival reads: the same regression without the model.
    """
    place = {user: i for i, user in enumerate(user_ids)}
    heads: dict[str, AttributeHead] = {}
    rows: list[tuple] = []
    for name in attributes["attribute"].drop_nulls().unique().sort().to_list():
        told = attributes.filter((pl.col("attribute") == name) & pl.col("value").is_not_null()).unique(
            "user_id", keep="first", maintain_order=True
        )
        told = told.filter(pl.col("user_id").is_in(user_ids)).sort("user_id")
        frequent = told["value"].value_counts().filter(pl.col("count") >= config.attribute_min_class)["value"].sort().to_list()
        told = told.filter(pl.col("value").is_in(frequent))
        if len(frequent) < 2 or told.height < config.attribute_min_users:
            rows.append((name, told.height, len(frequent), "abstains: too few labelled users or classes", None, None, None))
            continue
        y = told["value"].replace_strict(frequent, range(len(frequent)), return_dtype=pl.Int64).to_numpy()
        rows_of = [place[u] for u in told["user_id"]]
        heads[name], found, error = fit_one(x[rows_of], y, tuple(frequent), config)
        rival = macro_auc(held_out_logits(counts[rows_of], y, len(frequent), config), y)
        rows.append((name, told.height, len(frequent), "served", found, rival, error))
    schema = {
        "attribute": pl.String,
        "users": pl.Int64,
        "classes": pl.Int64,
        "outcome": pl.String,
        "auc": pl.Float64,
        "counts_auc": pl.Float64,
        "ece": pl.Float64,
    }
    return heads, pl.DataFrame(rows, schema=schema, orient="row")


def fit_one(
    x: np.ndarray, y: np.ndarray, classes: tuple[str, ...], config: BehaviourConfig
) -> tuple[AttributeHead, float, float]:
    """Head on all labelled users; its temperature, macro AUC and ECE from out-of-fold logits."""
    logits = held_out_logits(x, y, len(classes), config)
    temperature = fit_temperature(logits, y)
    p = softmax(logits / temperature)
    head = AttributeHead(classes, fit_logistic(x, y, STRENGTH, len(classes)), temperature)
    return head, macro_auc(logits / temperature, y), calibration_error(np.eye(len(classes))[y], p)


def held_out_logits(x: np.ndarray, y: np.ndarray, classes: int, config: BehaviourConfig) -> np.ndarray:
    """(N, classes) from FOLDS fits, each asked about the users it did not include."""
    fold = np.random.default_rng(config.seed).permutation(len(y)) % FOLDS
    logits = np.zeros((len(y), classes))
    for k in range(FOLDS):
        logits[fold == k] = fit_logistic(x[fold != k], y[fold != k], STRENGTH, classes).logits(x[fold == k])
    return logits


def macro_auc(logits: np.ndarray, y: np.ndarray) -> float:
    """Mean over classes of one against the rest; logits (N, K), class numbers (N,)."""
    p = softmax(logits)
    return float(np.nanmean([auc(y == k, p[:, k]) for k in range(p.shape[1])]))
