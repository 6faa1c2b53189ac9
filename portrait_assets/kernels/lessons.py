"""What the network learns from, as one value of named tensors: it can be written, read by another process, and known again by its hash."""

import hashlib
import json
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from portrait_assets.kernels.batches import Reading
from portrait_assets.kernels.behaviour_model import BAGS, Shape
from portrait_assets.kernels.config import BehaviourConfig
from portrait_assets.kernels.machine import Machine
from portrait_assets.reached import reached

LEARNING = "kernels.training:fit_network"  # what turns a lesson into weights


@dataclass(frozen=True)
class Lesson:
    """R rows, one for each user at each as-of point: what was known then, and what came of it."""

    reading: Reading
    shape: Shape
    outcomes: np.ndarray  # (R, USER_TARGETS) float32
    bought: dict[str, np.ndarray]  # level -> (R, targets) bool

    def tensors(self) -> dict[str, Tensor]:
        """Everything but the shape, in the names' order."""
        reading = self.reading
        arrays = {name: getattr(reading, name) for name in ("visit_day", "visit_numbers", "first_line", "first_visit")}
        arrays |= {"as_of_days": reading.as_of_days, "row": reading.row, "outcomes": self.outcomes}
        arrays |= {f"lines.{bag}": codes for bag, codes in reading.lines.items()}
        arrays |= {f"bought.{level}": table for level, table in self.bought.items()}
        found = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
        found |= {"features": reading.features} | {f"habits.{level}": table for level, table in reading.habits.items()}
        return dict(sorted(found.items()))

    @classmethod
    def of(cls, tensors: dict[str, Tensor], shape: Shape) -> "Lesson":
        """The inverse of `tensors`."""
        reading = Reading(
            tensors["visit_day"].numpy(),
            tensors["visit_numbers"].numpy(),
            {bag: tensors[f"lines.{bag}"].numpy() for bag in BAGS},
            tensors["first_line"].numpy(),
            tensors["first_visit"].numpy(),
            tensors["as_of_days"].numpy(),
            tensors["row"].numpy(),
            tensors["features"],
            {level: tensors[f"habits.{level}"] for level in shape.targets},
        )
        bought = {level: tensors[f"bought.{level}"].numpy() for level in shape.targets}
        return cls(reading, shape, tensors["outcomes"].numpy(), bought)

    def fingerprint(self, config: BehaviourConfig, machine: Machine) -> str:
        """Sixteen hex digits, the same where data, sizes, seed, machine and code are: two such trainings have the same outcome."""
        how = [config.as_dict(), asdict(self.shape), machine.as_dict(), torch.__version__]
        digest = hashlib.sha256(json.dumps(how).encode())
        digest.update(reached(LEARNING).fingerprint().encode())
        for name, tensor in self.tensors().items():
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype} ".encode())
            digest.update(tensor.contiguous().numpy().data)
        return digest.hexdigest()[:16]
