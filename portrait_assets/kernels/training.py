"""Train the network and read it: one screen each."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from portrait_assets.kernels.batches import Reading, make_batch, user_batches
from portrait_assets.kernels.behaviour_model import BehaviourModel, Shape, joint_loss
from portrait_assets.kernels.config import BehaviourConfig

Log = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class Outputs:
    """What the network says of R rows: state (R, C), user logits (R, USER_TARGETS), level -> logits (R, targets)."""

    state: np.ndarray
    user: np.ndarray
    levels: dict[str, np.ndarray]


def pin(config: BehaviourConfig) -> None:
    """The same seed on the same machine gives the same weights."""
    torch.manual_seed(config.seed)
    torch.set_num_threads(config.threads)
    torch.use_deterministic_algorithms(True)


def fit_network(
    reading: Reading,
    shape: Shape,
    outcomes: np.ndarray,
    bought: dict[str, np.ndarray],
    config: BehaviourConfig,
    each_epoch: Callable[[BehaviourModel, int, float], None],
) -> BehaviourModel:
    """Adam with warm-up and cosine over all as-of points of all users; `each_epoch(model, epoch, loss)` looks on."""
    pin(config)
    model = BehaviourModel(shape, config)
    outcomes_, bought_ = torch.from_numpy(outcomes), {level: torch.from_numpy(table) for level, table in bought.items()}
    start_at_base_rates(model, bought)
    users = user_batches(reading, config)
    optimizer = torch.optim.AdamW(parameter_groups(model, config), lr=config.learning_rate, betas=(0.9, 0.98))
    steps = config.epochs * len(users)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.learning_rate, total_steps=max(steps, 2), pct_start=0.15)
    order = np.random.default_rng(config.seed)
    for epoch in range(config.epochs):
        model.train()
        total = 0.0
        for i in order.permutation(len(users)):
            batch = make_batch(reading, users[i], config)
            known = batch.row >= 0
            rows = batch.row[known]
            _, user, levels = model(batch)
            said, did = {k: v[known] for k, v in levels.items()}, {k: v[rows].float() for k, v in bought_.items()}
            loss = joint_loss(user[known], said, outcomes_[rows], did)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item()
        each_epoch(model.eval(), epoch, total / len(users))
    return model.eval()


@torch.no_grad()
def start_at_base_rates(model: BehaviourModel, bought: dict[str, np.ndarray]) -> None:
    """Each target's bias starts at its log odds, so that no epoch is spent on learning that most things are not bought."""
    for level, table in bought.items():
        rate = (table.sum(0) + 0.5) / (len(table) + 1)
        model.target_heads.get_parameter(f"{level}.bias").copy_(torch.from_numpy(np.log(rate / (1 - rate))))


def parameter_groups(model: BehaviourModel, config: BehaviourConfig) -> list[dict]:
    """Weight decay on matrices and embeddings only, not on biases, norms and fadings."""
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    others = [p for p in model.parameters() if p.dim() < 2]
    return [{"params": matrices, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]


@torch.no_grad()
def run_network(model: BehaviourModel, reading: Reading, config: BehaviourConfig) -> Outputs:
    """The network's word on every row of `reading`."""
    torch.set_num_threads(config.threads)
    rows = len(reading.features)
    state = np.zeros((rows, config.width), np.float32)
    user = np.zeros((rows, model.user_head.out_features), np.float32)
    levels = {level: np.zeros((rows, table.shape[1]), np.float32) for level, table in reading.habits.items()}
    for users in user_batches(reading, config):
        batch = make_batch(reading, users, config)
        known = batch.row >= 0
        place = batch.row[known].numpy()
        state_, user_, levels_ = model(batch)
        state[place], user[place] = state_[known].numpy(), user_[known].numpy()
        for level, logits in levels_.items():
            levels[level][place] = logits[known].numpy()
    return Outputs(state, user, levels)
