"""What a process did: the windows in which it held the warehouse, what lay between them, and the memory at its peak in each.

The windows are read from what the warehouse logs. Peak memory is the kernel's own high-water mark, read and set back some twenty times a
second, so that no peak between two readings is missed. Linux alone has it.
"""

import logging
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

TICK_SECONDS = 0.05
TRAINING, BETWEEN, CHECKS, LOOKS = "training", "between the steps", "checks", "look for what is stale"
BEFORE_TRAINING, AFTER_TRAINING = "read for training", "record the model"


@dataclass(frozen=True)
class Span:
    """A window of the warehouse: what for, and from when to when (monotonic seconds)."""

    purpose: str
    began: float
    ended: float

    @property
    def step(self) -> str:
        """What it is counted under: checks together, and looks together."""
        first = self.purpose.partition(" ")[0]
        return {"check": CHECKS, "look": LOOKS}.get(first, self.purpose)


@dataclass(frozen=True)
class Cost:
    """Of a step: seconds, all its windows together, and bytes of the process at the peak."""

    seconds: float
    peak: int


@dataclass
class Timeline:
    """Spans in order, none within another, and readings (moment, bytes at the peak since the reading before)."""

    began: float
    ended: float = 0.0
    spans: list[Span] = field(default_factory=list)
    readings: list[tuple[float, int]] = field(default_factory=list)

    def costs(self) -> dict[str, Cost]:
        """Step -> its cost, in the order in which they first came. The seconds of all are those of the whole."""
        seconds: dict[str, float] = {}
        peaks: dict[str, int] = {}
        ends, readings = 0, sorted(self.readings)
        for step, began, ended in self._stretches():
            seconds[step] = seconds.get(step, 0.0) + ended - began
            while ends < len(readings) and readings[ends][0] <= ended:
                peaks[step] = max(peaks.get(step, 0), readings[ends][1])
                ends += 1
        return {step: Cost(spent, peaks.get(step, 0)) for step, spent in seconds.items()}

    def _stretches(self) -> Iterator[tuple[str, float, float]]:
        """Every moment from the beginning to the end, once: the spans and what lies between them."""
        reached, before = self.began, ""
        for span in sorted(self.spans, key=lambda span: span.began):
            is_training = (before, span.purpose) == (BEFORE_TRAINING, AFTER_TRAINING)
            yield TRAINING if is_training else BETWEEN, reached, span.began
            yield span.step, span.began, span.ended
            reached, before = span.ended, span.purpose
        yield BETWEEN, reached, self.ended


def peak_of(costs: Iterable[Cost]) -> int:
    """Bytes at the peak of several steps."""
    return max(cost.peak for cost in costs)


@contextmanager
def watched() -> Iterator[Timeline]:
    """Watch this process; the timeline is whole when the context is left."""
    timeline, stop = Timeline(time.monotonic()), threading.Event()
    reading = threading.Lock()

    def read() -> None:
        with reading:
            timeline.readings.append((time.monotonic(), _peak_since_last()))

    def tick() -> None:
        while not stop.wait(TICK_SECONDS):
            read()

    class Windows(logging.Handler):
        """Hears of each window when it closes."""

        def emit(self, record: logging.LogRecord) -> None:
            if purpose := getattr(record, "purpose", None):
                read()
                timeline.spans.append(Span(purpose, record.began, record.ended))  # type: ignore[attr-defined]

    logger, handler, thread = logging.getLogger("portrait"), Windows(logging.DEBUG), threading.Thread(target=tick, daemon=True)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    _peak_since_last()
    thread.start()
    try:
        yield timeline
    finally:
        stop.set()
        thread.join()
        read()
        timeline.ended = timeline.readings[-1][0]
        logger.removeHandler(handler)
        logger.setLevel(level)


def _peak_since_last() -> int:
    """Bytes of this process at the peak since this was last asked."""
    [kilobytes] = [
        line.split()[1] for line in Path("/proc/self/status").read_text("ascii").splitlines() if line.startswith("VmHWM:")
    ]
    Path("/proc/self/clear_refs").write_text("5", "ascii")
    return int(kilobytes) * 1024
