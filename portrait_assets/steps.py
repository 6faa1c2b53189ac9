"""Which step of how many a command has come to, said in the terminal as the step begins."""

import logging
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from portrait_assets.partitions import Window

if TYPE_CHECKING:
    from dagster import EventLogEntry

logger = logging.getLogger("portrait")


class Steps:
    """The assets of the jobs that a command goes through, in this order. Those of a job with nothing to do count as done."""

    def __init__(self, *jobs: str):
        self._jobs = jobs

    @cached_property
    def _of(self) -> dict[str, dict[str, bool]]:
        """Job -> its steps, and whether they are of days."""
        from portrait_assets.automation import JOBS, LANDED_TABLES
        from portrait_assets.definitions import ASSETS

        keys = {job.name: job.selection.resolve(ASSETS) - (LANDED_TABLES if job.name != "land" else set()) for job in JOBS}
        return {
            job: {each.node_def.name: each.partitions_def is not None for each in ASSETS if each.keys & keys[job]}
            for job in self._jobs
        }

    def listener(self, job: str, partitions: Window | str | None) -> "Callable[[EventLogEntry], None]":
        """What says of a run of `job` over `partitions` which step begins, from Dagster's events."""
        steps, total = self._of[job], sum(map(len, self._of.values()))
        begun = sum(len(self._of[before]) for before in self._jobs[: self._jobs.index(job)])
        days = f", {len(partitions):,} day{'s' * (len(partitions) != 1)}" if isinstance(partitions, Window) else ""

        def listen(entry: Any) -> None:
            nonlocal begun
            event = entry.dagster_event
            if event is not None and event.is_step_start and event.step_key in steps:
                begun += 1
                name = event.step_key.replace("__", ".")
                logger.info("step %d of %d: %s%s", begun, total, name, days if steps[event.step_key] else "")

        return listen
