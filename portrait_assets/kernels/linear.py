"""Ridge-regularised logistic regression, many outputs at once, full batch: deterministic and small."""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F


@dataclass(frozen=True)
class Linear:
    """score = x @ weight + bias; weight (D, K), bias (K,)."""

    weight: np.ndarray
    bias: np.ndarray

    def logits(self, x: np.ndarray) -> np.ndarray:  # (N, D) -> (N, K)
        return x @ self.weight + self.bias


def fit_logistic(x: np.ndarray, y: np.ndarray, strength: float, classes: int = 0, start: np.ndarray | None = None) -> Linear:
    """Minimise sum of log losses + |weight - start|^2 / (2 strength). y: (N, K) yes-or-no columns, or (N,) numbers of `classes`; `start`
    (D,) is what few rows leave the weights near, 0 without it.
    """
    x_, outputs = torch.from_numpy(x.astype(np.float64)), classes or y.shape[1]
    y_ = torch.from_numpy(y.astype(np.int64)) if classes else torch.from_numpy(y.astype(np.float64))
    near = torch.zeros(x.shape[1], outputs, dtype=torch.float64)
    if start is not None:
        near += torch.from_numpy(start)[:, None]
    weight = near.clone().requires_grad_(True)
    bias = torch.zeros(outputs, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=100, tolerance_grad=1e-6, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        logits = x_ @ weight + bias
        loss = (
            F.cross_entropy(logits, y_, reduction="sum")
            if classes
            else F.binary_cross_entropy_with_logits(logits, y_, reduction="sum")
        )
        total = (loss + (weight - near).square().sum() / (2 * strength)) / max(len(x_), 1)
        total.backward()
        return total

    if len(x_):
        optimizer.step(closure)
    return Linear(weight.detach().numpy(), bias.detach().numpy())
