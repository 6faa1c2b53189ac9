"""Several processes train one network: torchrun starts them, each computes its share of every batch, their gradients are added.

The lesson goes to them as a file of tensors, and their outcome comes back as the checkpoint of the last epoch, from which `fit_network` in
the process that asked goes on with nothing left to learn. Run by torchrun, this module is what each of them does.
"""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from safetensors.torch import save_file
from torch import distributed

from portrait_assets.errors import PortraitError
from portrait_assets.kernels.behaviour_model import BehaviourModel, Shape
from portrait_assets.kernels.checkpoints import told_and_tensors
from portrait_assets.kernels.config import BehaviourConfig
from portrait_assets.kernels.lessons import Lesson
from portrait_assets.kernels.machine import Machine, rank
from portrait_assets.kernels.training import checkpoint_file, fit_network


def train_together(lesson: Lesson, config: BehaviourConfig, machine: Machine) -> None:
    """Train on `machine.processes` processes of this computer and leave the checkpoint; PortraitError where one of them fails."""
    job = checkpoint_file(lesson, config, machine).with_suffix(".job")
    job.parent.mkdir(parents=True, exist_ok=True)
    told = {"config": config.as_dict(), "shape": asdict(lesson.shape), "machine": machine.as_dict()}
    save_file(lesson.tensors(), job, {"told": json.dumps(told)})
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(machine.processes), "-m", __name__)
    try:
        environment = os.environ | {"OMP_NUM_THREADS": str(config.threads)}
        code = subprocess.run([sys.executable, *torchrun, str(job)], env=environment, check=False).returncode
    finally:
        job.unlink()
    if code:
        raise PortraitError(
            f"{machine.processes} processes that trained the network ended with code {code}, for the reason they give above; "
            "train again, and they go on from their last whole epoch; PORTRAIT_TRAINING_PROCESSES=1 does without them"
        )


def work(job: Path) -> None:
    """One of the processes that torchrun starts."""
    told, tensors = told_and_tensors(job)
    machine = Machine(**(told["machine"] | {"checkpoints": job.parent}))
    distributed.init_process_group("nccl" if machine.device == "cuda" else "gloo")

    def tell(_: BehaviourModel, epoch: int, loss: float) -> None:
        if rank() == 0:
            print(f"epoch {epoch}  loss {loss:.4f}  on {machine.processes} processes", file=sys.stderr, flush=True)

    try:
        fit_network(Lesson.of(tensors, Shape(**told["shape"])), BehaviourConfig.of(told["config"]), tell, machine)
    finally:
        distributed.destroy_process_group()


if __name__ == "__main__":
    work(Path(sys.argv[1]))
