"""Train the network and read it: one screen each."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from portrait_assets.kernels.batches import Reading, make_batch, user_batches
from portrait_assets.kernels.behaviour_model import BehaviourModel, joint_loss
from portrait_assets.kernels.checkpoints import Learner, resume, write
from portrait_assets.kernels.config import BehaviourConfig
from portrait_assets.kernels.lessons import Lesson
from portrait_assets.kernels.machine import ALONE, Machine, add_up_gradients, added_up, draw_apart, rank

EachEpoch = Callable[[BehaviourModel, int, float], None]  # (model, epoch, loss)
Labels = tuple[Tensor, dict[str, Tensor]]


@dataclass(frozen=True)
class Outputs:
    """What the network says of R rows: state (R, C), user logits (R, USER_TARGETS), level -> logits (R, targets)."""

    state: np.ndarray
    user: np.ndarray
    levels: dict[str, np.ndarray]


def fit_network(lesson: Lesson, config: BehaviourConfig, each_epoch: EachEpoch, machine: Machine = ALONE) -> BehaviourModel:
    """AdamW with warm-up and cosine over all as-of points of all users; `each_epoch` looks on. With checkpoints, it goes on after the
    last whole epoch of a training like this one, and `each_epoch` is called for that one again.
    """
    machine.pin(config)
    users = user_batches(lesson.reading, config)
    learner = started(lesson, config, machine, config.epochs * len(users))
    file = checkpoint_file(lesson, config, machine) if machine.checkpoints else None
    if file:
        resume(learner, file)
    learnt_before = len(learner.losses)
    order, labels = np.random.default_rng(config.seed), labels_on(machine.device, lesson)
    for epoch in range(config.epochs):
        turn = order.permutation(len(users))
        if epoch >= learnt_before:
            learner.model.train()
            draw_apart(config, epoch)
            total = sum(learn(learner, lesson, users[i], labels, config, machine) for i in turn)
            learner.losses.append(added_up(total, machine.device) / len(users))
            if file and rank() == 0:
                write(learner, file)
        if epoch >= learnt_before - 1:
            each_epoch(learner.model.eval(), epoch, learner.losses[epoch])
    return learner.model.cpu().eval()


def learn(
    learner: Learner, lesson: Lesson, users: np.ndarray, labels: Labels, config: BehaviourConfig, machine: Machine
) -> float:
    """One step on a batch of users, computed in pieces and shared by processes; this process's part of its loss."""
    (outcomes, bought), total = labels, 0.0
    all_rows = int((lesson.reading.row[users] >= 0).sum())
    learner.optimizer.zero_grad()
    for piece in machine.share(users):
        batch = make_batch(lesson.reading, piece, config).to(machine.device)
        known = batch.row >= 0
        rows = batch.row[known]
        with machine.autocast():
            _, user, levels = learner.model(batch)
        said, did = {k: v[known].float() for k, v in levels.items()}, {k: v[rows].float() for k, v in bought.items()}
        loss = joint_loss(user[known].float(), said, outcomes[rows], did) * (len(rows) / all_rows)
        loss.backward()
        total += loss.item()
    add_up_gradients(learner.model)
    torch.nn.utils.clip_grad_norm_(learner.model.parameters(), 1.0)
    learner.optimizer.step()
    learner.schedule.step()
    return total


def started(lesson: Lesson, config: BehaviourConfig, machine: Machine, steps: int) -> Learner:
    """A network that has learnt nothing yet, and how it will learn in `steps` steps."""
    model = BehaviourModel(lesson.shape, config)
    start_at_base_rates(model, lesson.bought)
    model.to(machine.device)
    optimizer = torch.optim.AdamW(parameter_groups(model, config), lr=config.learning_rate, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.learning_rate, total_steps=max(steps, 2), pct_start=0.15)
    return Learner(model, optimizer, schedule, [])


def checkpoint_file(lesson: Lesson, config: BehaviourConfig, machine: Machine) -> Path:
    """Its name tells trainings apart, so that none goes on from another's."""
    assert machine.checkpoints is not None
    return machine.checkpoints / f"{lesson.fingerprint(config, machine)}.safetensors"


def labels_on(device: str, lesson: Lesson) -> Labels:
    """Outcomes (R, USER_TARGETS) and level -> (R, targets), on the device."""
    bought = {level: torch.from_numpy(table).to(device) for level, table in lesson.bought.items()}
    return torch.from_numpy(lesson.outcomes).to(device), bought


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
    """The network's word on every row of `reading`, in float32 on the device the model is on."""
    torch.set_num_threads(config.threads)
    device = str(next(model.parameters()).device)
    rows = len(reading.features)
    state = np.zeros((rows, config.width), np.float32)
    user = np.zeros((rows, model.user_head.out_features), np.float32)
    levels = {level: np.zeros((rows, table.shape[1]), np.float32) for level, table in reading.habits.items()}
    for users in user_batches(reading, config):
        batch = make_batch(reading, users, config).to(device)
        known = batch.row >= 0
        place = batch.row[known].cpu().numpy()
        state_, user_, levels_ = model(batch)
        state[place], user[place] = state_[known].cpu().numpy(), user_[known].cpu().numpy()
        for level, logits in levels_.items():
            levels[level][place] = logits[known].cpu().numpy()
    return Outputs(state, user, levels)
