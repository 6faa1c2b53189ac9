"""Heads for declared attributes: who users say they are, told from behaviour. They read the finished vector, never shape it."""

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
    attributes: pl.DataFrame, user_ids: list[str], x: np.ndarray, config: BehaviourConfig
) -> tuple[dict[str, AttributeHead], pl.DataFrame]:
    """A head for each attribute with enough labelled users (else it abstains, saying why), and cross-validated figures."""
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
            rows.append((name, told.height, len(frequent), "abstains: too few labelled users or classes", None, None))
            continue
        y = told["value"].replace_strict(frequent, range(len(frequent)), return_dtype=pl.Int64).to_numpy()
        heads[name], macro_auc, error = fit_one(x[[place[u] for u in told["user_id"]]], y, tuple(frequent), config)
        rows.append((name, told.height, len(frequent), "served", macro_auc, error))
    schema = {
        "attribute": pl.String,
        "users": pl.Int64,
        "classes": pl.Int64,
        "outcome": pl.String,
        "auc": pl.Float64,
        "ece": pl.Float64,
    }
    return heads, pl.DataFrame(rows, schema=schema, orient="row")


def fit_one(
    x: np.ndarray, y: np.ndarray, classes: tuple[str, ...], config: BehaviourConfig
) -> tuple[AttributeHead, float, float]:
    """Head on all labelled users; its temperature, macro AUC and ECE from out-of-fold logits."""
    fold = np.random.default_rng(config.seed).permutation(len(y)) % FOLDS
    logits = np.zeros((len(y), len(classes)))
    for k in range(FOLDS):
        part = fit_logistic(x[fold != k], y[fold != k], STRENGTH, len(classes))
        logits[fold == k] = part.logits(x[fold == k])
    temperature = fit_temperature(logits, y)
    p = softmax(logits / temperature)
    truth = np.eye(len(classes))[y]
    macro = float(np.nanmean([auc(truth[:, k], p[:, k]) for k in range(len(classes))]))
    head = AttributeHead(classes, fit_logistic(x, y, STRENGTH, len(classes)), temperature)
    return head, macro, calibration_error(truth, p)
