"""What the network is trained with: device, precision, how a batch is cut, how many processes. Chosen here and nowhere else.

It decides nothing of what is learnt beyond rounding and which values dropout leaves out; config.py decides the rest. The default is
one process on the CPU in float32. Whatever trained a model, it is served on the CPU in float32.
"""

import os
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import distributed, nn

from portrait_assets.kernels.config import BehaviourConfig


@dataclass(frozen=True)
class Machine:
    device: str = "cpu"  # or cuda
    precision: str = "float32"  # or bfloat16: products of matrices only; weights, sums and losses stay float32
    pieces: int = 1  # a batch is computed in so many parts, one after another, and their gradients added: less memory
    processes: int = 1  # that share each batch; torchrun starts them (several.py)
    checkpoints: Path | None = None  # a folder: after each epoch all that is needed to go on is written there

    def __post_init__(self) -> None:
        if self.processes > 1 and self.checkpoints is None:
            raise ValueError("several processes hand their model over by a checkpoint: name a folder for it")

    def as_dict(self) -> dict:
        """What may move the last bits of the outcome; JSON-ready."""
        return {name: value for name, value in asdict(self).items() if name != "checkpoints"}

    def pin(self, config: BehaviourConfig) -> None:
        """The same seed on the same machine gives the same weights. On a GPU, torch warns of what it cannot do the same way twice."""
        if self.device == "cuda":
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        torch.manual_seed(config.seed)
        torch.set_num_threads(config.threads)
        torch.use_deterministic_algorithms(True, warn_only=self.device == "cuda")

    def autocast(self) -> AbstractContextManager:
        """Inside, products of matrices are in `precision`."""
        return torch.autocast(self.device, torch.bfloat16, enabled=self.precision == "bfloat16")

    def share(self, users: np.ndarray) -> list[np.ndarray]:
        """The parts of a batch that this process computes, without empty ones."""
        parts = np.array_split(users, self.pieces * world())[rank() :: world()]
        return [part for part in parts if len(part)]


ALONE = Machine()


def machine_of(size: str, pieces: int, processes: int, checkpoints: Path | None) -> Machine:
    """A size named gpu… is trained on a GPU, in bfloat16, where there is one that can; all else on the CPU in float32."""
    has_gpu = size.startswith("gpu") and torch.cuda.is_available()
    precision = "bfloat16" if has_gpu and torch.cuda.is_bf16_supported() else "float32"
    return Machine("cuda" if has_gpu else "cpu", precision, pieces, processes, checkpoints)


def rank() -> int:
    """Which of the processes this one is, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def world() -> int:
    """How many processes there are."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def draw_apart(config: BehaviourConfig, epoch: int) -> None:
    """Of several processes, each drops other values; the first goes on with the random numbers that it would have had alone."""
    if rank():
        torch.manual_seed(config.seed + 1000 * rank() + epoch)


def add_up_gradients(model: nn.Module) -> None:
    """Each parameter's gradient becomes its sum over all processes; one that had no part in this one's share counts zero here."""
    if world() == 1:
        return
    parameters = list(model.parameters())
    flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in parameters])
    distributed.all_reduce(flat)
    for p, gradient in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
        p.grad = gradient.view_as(p)


def added_up(number: float, device: str) -> float:
    """The sum of a number over all processes."""
    if world() == 1:
        return number
    total = torch.tensor(number, dtype=torch.float64, device=device)
    distributed.all_reduce(total)
    return total.item()
