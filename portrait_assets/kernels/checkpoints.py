"""A training of the network that was stopped goes on from its last whole epoch, to the bit.

One safetensors file: weights, Adam's moments, the state of the random numbers; and in its header, as JSON, the loss of each epoch and
where optimizer and schedule stand. Nothing is pickled.
"""

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from portrait_assets.errors import PortraitError
from portrait_assets.kernels.behaviour_model import BehaviourModel

Value = TypeVar("Value")

logger = logging.getLogger("portrait")


@dataclass(frozen=True)
class Learner:
    """What changes while the network learns."""

    model: BehaviourModel
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    losses: list[float]  # of each whole epoch


def write(learner: Learner, file: Path) -> None:
    """Replace the file; stopped meanwhile, the former one stays."""
    adam = learner.optimizer.state_dict()
    tensors: dict[str, Tensor] = {f"model.{name}": value for name, value in learner.model.state_dict().items()}
    tensors |= {f"adam.{i}.{name}": value for i, moments in adam["state"].items() for name, value in moments.items()}
    tensors |= {f"random.{device}": state for device, state in random_states().items()}
    told = {"losses": learner.losses, "groups": adam["param_groups"], "schedule": learner.schedule.state_dict()}
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(f".{os.getpid()}.tmp")
    save_file({name: value.contiguous() for name, value in tensors.items()}, draft, {"told": json.dumps(told)})
    draft.replace(file)


def resume(learner: Learner, file: Path) -> None:
    """Bring the learner to where the file left off; without a file it stays as it is. PortraitError where it is no checkpoint."""
    if not file.exists():
        return
    try:
        told, tensors = told_and_tensors(file)
        learner.model.load_state_dict(part(tensors, "model."))
        moments = {i: part(tensors, f"adam.{i}.") for i in range(len(list(learner.model.parameters())))}
        learner.optimizer.load_state_dict({"state": {i: m for i, m in moments.items() if m}, "param_groups": told["groups"]})
        learner.schedule.load_state_dict(told["schedule"])
        learner.losses[:] = told["losses"]
        torch.set_rng_state(tensors["random.cpu"])
        if "random.cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random.cuda"])
    except (OSError, SafetensorError, TypeError, KeyError, ValueError, RuntimeError) as error:
        raise PortraitError(
            f"{file}: not a checkpoint of this training ({type(error).__name__}: {error}); delete it and train again"
        ) from error
    logger.info("the network goes on after its epoch %d, by %s", len(learner.losses) - 1, file)


def told_and_tensors(file: Path) -> tuple[dict, dict[str, Tensor]]:
    """The JSON under `told` in a safetensors file's header, and its tensors."""
    with safe_open(file, "pt") as opened:
        names = list(opened.keys())
        return json.loads(opened.metadata()["told"]), {name: opened.get_tensor(name) for name in names}


def part(tensors: dict[str, Value], prefix: str) -> dict[str, Value]:
    """Those whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def random_states() -> dict[str, Tensor]:
    """Of each device whose random numbers were drawn."""
    states = {"cpu": torch.get_rng_state()}
    return states | ({"cuda": torch.cuda.get_rng_state()} if torch.cuda.is_initialized() else {})
