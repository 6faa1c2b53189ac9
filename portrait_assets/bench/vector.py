"""What a user's vector costs, made anew from the whole history: step by step for everybody of a home, and for one user alone.

    PORTRAIT_HOME=var .venv/bin/python -m portrait_assets.bench.vector

Reads the home as it is, at the end of its last day, by the model in force then; writes nothing.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from portrait_assets.assets.training import ITEMS, VISITS, Frames, features_at
from portrait_assets.errors import PortraitError
from portrait_assets.home import Home, open_home
from portrait_assets.kernels import storage
from portrait_assets.kernels.parts import feature_rows, network_at, read_parts
from portrait_assets.kernels.sequences import History
from portrait_assets.kernels.trained import Source, TrainedModel, block_inputs
from portrait_assets.lineage import models_in_force
from portrait_assets.partitions import Window, as_of_of

NETWORK = "of these, the network"
ALONE = 9  # users who are scored alone, from the one of fewest to the one of most visits


@dataclass
class Clock:
    """Step -> seconds of CPU, all threads of this process: what else runs on the machine does not count."""

    seconds: dict[str, float] = field(default_factory=dict)

    def of(self, step: str, work: Callable[[], Any]) -> Any:
        start = time.process_time()
        done = work()
        self.seconds[step] = time.process_time() - start
        return done


def everybody(clock: Clock, model: TrainedModel, frames: Frames, as_of: date) -> History:
    """Time the model's part of everybody's vectors; returns their histories."""
    source = Source(frames.visits, frames.features, frames.items, model.config)
    history = clock.of("visits as arrays", lambda: source.before(as_of))
    raw = clock.of(
        "boosters and network",
        lambda: read_parts(model.served, history, frames.features, as_of, model.vector_targets, model.config),
    )
    clock.of("blocks, scaled and rotated", lambda: model.fusion.vectors(block_inputs(raw, model.calibration)))
    x = feature_rows(history, raw.users, frames.features, as_of, model.served.selection)
    clock.of(NETWORK, lambda: network_at(model.served, history, x, as_of, model.config))
    return history


def alone(model: TrainedModel, frames: Frames, as_of: date, crowd: History) -> list[tuple[int, float]]:
    """Visits and seconds of each of ALONE users scored by themselves; what is popular and alike still comes from the crowd."""
    counts = frames.visits.group_by("user_id").len("visits").sort("visits", "user_id")
    chosen = counts[np.linspace(0, len(counts) - 1, ALONE).round().astype(int).tolist()]
    found = []
    for user, visits in chosen.iter_rows():
        of_user, clock = pl.col("user_id") == user, Clock()
        source = Source(frames.visits.filter(of_user), frames.features.filter(of_user), frames.items, model.config)

        def vector(source: Source = source) -> np.ndarray:
            history = source.before(as_of)
            raw = read_parts(model.served, history, source.features, as_of, model.vector_targets, model.config, crowd)
            return model.fusion.vectors(block_inputs(raw, model.calibration))

        clock.of("vector", vector)
        found.append((visits, clock.seconds["vector"]))
    return found


@dataclass(frozen=True)
class Measured:
    """`seconds` of each step for everybody, NETWORK being a part of what scores; `alone` as that function gives it."""

    version: str
    users: int
    visits: int
    seconds: dict[str, float]
    alone: list[tuple[int, float]]

    @property
    def total(self) -> float:
        return sum(seconds for step, seconds in self.seconds.items() if step != NETWORK)


def measured(home: Home) -> Measured:
    """At the end of the home's last day; PortraitError where no model is in force then."""
    clock, day = Clock(), home.days.end
    with home.warehouse.open("measure vectors") as session:
        version = models_in_force(session, Window(day, day))[day]
        if version is None:
            raise PortraitError(f"no model is in force on {day} in {home.settings.home_dir}; `portrait run` trains one")
        visits = clock.of("visits, read", lambda: session.frame(VISITS, as_of=as_of_of(day)))
        features = clock.of("features, derived", lambda: features_at(session, home, [day]))
        frames = Frames(visits, features, session.frame(ITEMS), pl.DataFrame())
    model = storage.load(home.settings.models_dir / version)[0]
    crowd = everybody(clock, model, frames, as_of_of(day))
    return Measured(version, len(crowd.users), len(visits), clock.seconds, alone(model, frames, as_of_of(day), crowd))


def main() -> None:
    home = open_home()
    found, console = measured(home), Console(highlight=False, soft_wrap=True)
    table = Table("step", "CPU seconds", "ms a user", "share", box=None, pad_edge=False)
    for step, seconds in [*found.seconds.items(), ("all", found.total)]:
        table.add_row(step, f"{seconds:.2f}", f"{1000 * seconds / found.users:.2f}", f"{seconds / found.total:.0%}")
    console.print(f"{found.users:,} users at the end of {home.days.end}, {found.visits:,} visits, model {found.version}")
    console.print(table)
    console.print("One user alone: " + ", ".join(f"{seconds:.2f} s of {visits} visits" for visits, seconds in found.alone))


if __name__ == "__main__":
    try:
        main()
    except PortraitError as error:
        sys.exit(f"portrait: {error}")
