"""A year of which every day's portrait is kept, and one more day: `portrait run` and `portrait refresh` as they are, step by step."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from portrait_assets import columns as c
from portrait_assets import operations
from portrait_assets.bench.timeline import TRAINING, Cost, Timeline, peak_of, watched
from portrait_assets.home import open_home
from portrait_assets.settings import Settings

YEARS = {"6014": 6_014, "16700": 16_700}  # households
COMMANDS = {"run": "The year's run", "refresh": "One more day"}
GIB = 2**30


@dataclass(frozen=True)
class Year:
    """A year measured: events and days with portraits in the end, and what each of COMMANDS did."""

    events: int
    portrait_days: int
    households: int
    commands: dict[str, Timeline]

    @property
    def figures(self) -> dict[str, float | int]:
        """By flat names."""
        whole: dict[str, float | int] = {
            "events": self.events,
            "households": self.households,
            "portrait_days": self.portrait_days,
        }
        for command, timeline in self.commands.items():
            whole |= _figures(command, timeline)
        return whole


def measure(mapping: Path, day: Path, folder: Path, households: int) -> Year:
    """Run the source of `mapping` in a home in `folder`, all its days; then land the file `day` and refresh."""
    home = open_home(Settings(home=folder), source=str(mapping))
    with watched() as run:
        operations.run(home)
    home.settings.landing_dir.mkdir(parents=True)
    shutil.copy2(day, home.settings.landing_dir)  # with its time: it counts as settled
    with watched() as refresh:
        home, _ = operations.refresh(open_home(home.settings))
    with home.warehouse.open("count what is kept") as session:
        events = session.count(c.CLEAN_EVENTS)
        days = session.scalar("select count(distinct event_date) from portraits.snapshots")
    return Year(events, int(days), households, {"run": run, "refresh": refresh})


def _figures(command: str, timeline: Timeline) -> dict[str, float | int]:
    costs = timeline.costs()
    apart = {step: cost for step, cost in costs.items() if step != TRAINING}
    seconds, training = sum(cost.seconds for cost in costs.values()), costs.get(TRAINING, Cost(0.0, 0))
    return {
        f"{command}_minutes": round(seconds / 60, 1),
        f"{command}_training_minutes": round(training.seconds / 60, 1),
        f"{command}_peak_gib": round(peak_of(apart.values()) / GIB, 2),
        f"{command}_training_peak_gib": round(training.peak / GIB, 2),
        **dict(_steps(command, costs)),
    }


def _steps(command: str, costs: dict[str, Cost]) -> Iterator[tuple[str, float]]:
    for step, cost in costs.items():
        name = re.sub(r"\W+", "_", step)
        yield f"{command}_step_{name}_seconds", round(cost.seconds, 1)
        yield f"{command}_step_{name}_gib", round(cost.peak / GIB, 2)
