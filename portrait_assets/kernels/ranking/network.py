"""A small network on the same numbers as the boosters. It errs elsewhere than they do, so that the sum of all ranks better.

Numbers are damped (signed logarithm), standardised and clipped; what is not known is zero, with a flag beside it where that happens often.
It learns whole users at a time: softmax cross entropy of the list (Bruch et al., ICTIR 2019) and log loss.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn import functional as f

HIDDEN = (128, 64)
DROPPED = (0.2, 0.1)  # of each hidden layer, while learning
USERS_AT_ONCE = 48
ROWS_AT_ONCE = 1024  # as many as stay in the cache
RATE, WEIGHT_DECAY = 3e-3, 1e-2
LOG_LOSS = 0.5  # of the log loss, beside the list's
CLIPPED = 4.0  # standard deviations
OFTEN = 0.005


@dataclass(frozen=True, eq=False)
class Network:
    """mean, spread (F,) of damped numbers, flagged (F,) bool, and weights and biases of three layers, all float32."""

    tensors: dict[str, np.ndarray]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Network) and all(np.array_equal(x, other.tensors[name]) for name, x in self.tensors.items())

    def prepared(self, x: np.ndarray) -> torch.Tensor:
        """(N, F + flags) what the first layer reads of x (N, F)."""
        return torch.from_numpy(prepared(x, self.tensors["mean"], self.tensors["spread"], self.tensors["flagged"]))

    def scores(self, z: torch.Tensor) -> np.ndarray:
        """(N,) of what was `prepared`."""
        for k in range(len(HIDDEN) + 1):
            weight, bias = (torch.from_numpy(self.tensors[f"{kind}{k}"]) for kind in ("weight", "bias"))
            z = f.linear(f.silu(z) if k else z, weight, bias)
        return z.squeeze(1).numpy().astype(np.float64)


def mean_scores(networks: tuple[Network, ...], x: np.ndarray) -> np.ndarray:
    """(N,) of x (N, F), by networks that learnt from the same rows: they standardise alike, so numbers are prepared once."""
    parts = [np.zeros(0)]
    for start in range(0, len(x), ROWS_AT_ONCE):
        z = networks[0].prepared(x[start : start + ROWS_AT_ONCE])
        parts.append(np.mean([one.scores(z) for one in networks], axis=0))
    return np.concatenate(parts)


def prepared(x: np.ndarray, mean: np.ndarray, spread: np.ndarray, flagged: np.ndarray) -> np.ndarray:
    """Damped, standardised, clipped; a flag for each of `flagged` that is not known."""
    untold = np.isnan(x)
    z = np.clip((damped(x) - mean) / spread, -CLIPPED, CLIPPED)
    z[untold] = 0.0
    return np.concatenate([z, untold[:, flagged]], axis=1, dtype=np.float32)


def damped(x: np.ndarray) -> np.ndarray:
    return np.sign(x) * np.log1p(np.abs(x))


def fit_network(x: np.ndarray, gain: np.ndarray, group: np.ndarray, epochs: int, seed: int, threads: int) -> Network:
    """x (N, F) with `gain` (N,), 0 for what was not bought; `group` are the numbers of rows of one user after another, each with a gain."""
    torch.set_num_threads(threads)
    y, told = damped(x), ~np.isnan(x)
    count = np.maximum(told.sum(0), 1)
    mean = np.where(told, y, 0).sum(0, dtype=np.float64) / count
    spread = np.sqrt(np.where(told, (y - mean) ** 2, 0).sum(0, dtype=np.float64) / count) + 1e-6
    scale = (mean.astype(np.float32), spread.astype(np.float32), 1 - told.mean(0) > OFTEN)
    z = torch.from_numpy(prepared(x, *scale))
    chance, gains = torch.from_numpy((gain > 0).astype(np.float32)), torch.from_numpy(gain.astype(np.float32))
    draw = torch.Generator().manual_seed(seed)  # its own: another training may run beside this one
    weights = started([z.shape[1], *HIDDEN, 1], draw)
    end = np.cumsum(group)
    batch = min(USERS_AT_ONCE, len(group))
    steps = epochs * (len(group) // batch)
    optimizer = torch.optim.AdamW(weights, RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps + 1, pct_start=0.1)
    for _ in range(epochs):
        order = torch.randperm(len(group), generator=draw).numpy()
        for start in range(0, len(order) - batch + 1, batch):
            users = order[start : start + batch]
            rows = torch.from_numpy(np.concatenate([np.arange(end[u] - group[u], end[u]) for u in users]))
            of = torch.from_numpy(np.repeat(np.arange(batch), group[users]))
            score = forward(z[rows], weights, draw)
            loss = list_loss(score, gains[rows], of, batch) + LOG_LOSS * f.binary_cross_entropy_with_logits(score, chance[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    names = [f"{kind}{k}" for k in range(len(HIDDEN) + 1) for kind in ("weight", "bias")]
    learnt = {name: w.detach().numpy().copy() for name, w in zip(names, weights, strict=True)}
    return Network({"mean": scale[0], "spread": scale[1], "flagged": scale[2]} | learnt)


def started(sizes: list[int], draw: torch.Generator) -> list[nn.Parameter]:
    """Weights and biases of each layer, uniform within one over the root of what it reads."""
    made = []
    for inside, outside in pairwise(sizes):
        for shape in ((outside, inside), (outside,)):
            made.append(nn.Parameter((2 * torch.rand(shape, generator=draw) - 1) / inside**0.5))
    return made


def forward(z: torch.Tensor, weights: list[nn.Parameter], draw: torch.Generator) -> torch.Tensor:
    """(N,) scores while learning: parts of the hidden layers are dropped."""
    for k in range(len(HIDDEN) + 1):
        if k:
            z = f.silu(z)
            z = z * (torch.rand(z.shape, generator=draw) >= DROPPED[k - 1]) / (1 - DROPPED[k - 1])
        z = f.linear(z, weights[2 * k], weights[2 * k + 1])
    return z.squeeze(1)


def list_loss(score: torch.Tensor, gain: torch.Tensor, of: torch.Tensor, users: int) -> torch.Tensor:
    """Mean over `users` of the cross entropy between the shares of gain and the softmax of the scores of their rows; `of` (N,) whose."""
    most = torch.full((users,), -torch.inf).scatter_reduce(0, of, score.detach(), "amax")
    total = torch.log(torch.zeros(users).index_add(0, of, torch.exp(score - most[of]))) + most
    share = gain / torch.zeros(users).index_add(0, of, gain)[of]
    return ((total[of] - score) * share).sum() / users
