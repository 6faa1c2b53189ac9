"""The threads of the live service: one makes events durable and acknowledges them, some bring portraits up to date, one
looks for a newer generation, one reads what everybody bought. All wait on one condition; what they share is said in `Service.__init__`.
"""

import bisect
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from portrait_assets.errors import PortraitError
from portrait_assets.home import Home
from portrait_assets.serving.arithmetic import Cleaning
from portrait_assets.serving.engine import WORKERS, Engine, Logged
from portrait_assets.serving.events import Line, parse
from portrait_assets.serving.generation import Generation
from portrait_assets.serving.log import Log, Position, Segment
from portrait_assets.serving.recommender import Recommender, Unready

logger = logging.getLogger("portrait")

SEGMENT_SECONDS = 30.0
SEGMENT_BYTES = 64_000_000
LOOK_SECONDS = 1.0
MOST_WAITING = 20_000  # events not yet durable, or durable and not yet in the cards
MOST_SINCE_GENERATION = 1_000_000  # events that the service keeps until a generation includes them
LATENCIES_KEPT = 20_000
PROBLEMS_TOLD = 10


class Busy(Exception):
    """Too much waits already: try again after some seconds."""

    def __init__(self, reason: str, retry_after_seconds: int):
        super().__init__(reason)
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True)
class Receipt:
    """What became of a batch: how many of its events are now durable, how many were before, where the log has the last, and which
    would not land in the batch path, by their places in the batch, and why: they were not taken."""

    accepted: int
    duplicates: int
    position: Position
    refused: dict[int, str]


@dataclass(frozen=True, eq=False)
class Waiting:
    """A batch that waits to be made durable, and who waits for it."""

    lines: list[Line]
    receipt: "Future[Receipt]"


class Service:
    """The live portraits of a home. `start` it, and `stop` it."""

    def __init__(self, home: Home, segment_seconds: float = SEGMENT_SECONDS):
        self.home = home
        self._segment_seconds = segment_seconds
        self._current = home.settings.published_dir / "current"
        self._changed = threading.Condition()  # guards all below
        self._waiting: deque[Waiting] = deque()
        self._waiting_events = 0
        self._since: list[Logged] = []  # all events that the generation does not include, in the log's order
        self._stopping = False
        self._failure: BaseException | None = None
        self._unserved: str | None = None  # why a generation that was published later is not in service
        self._replayed_keys: dict[str, set[str]] = {}  # user -> keys that the log held at the start
        self._keys: dict[str, set[str]] = {}  # the writer's own: of users who sent something, all keys
        self.latencies: deque[float] = deque(maxlen=LATENCIES_KEPT)  # seconds from acknowledgement to the card
        self.accepted = 0

    def start(self) -> None:
        """Load the generation, bring back what the log holds beyond it, and begin; a PortraitError where there is none."""
        if not self._current.exists():
            raise PortraitError(f"nothing is published in {self.home.settings.home_dir} yet; run `portrait run` first")
        began = time.monotonic()
        generation = Generation.load(self._current.resolve(), self.home)
        settings = self.home.settings
        used = [last for _, last in generation.segments]
        self.log = Log(settings.home_dir / "live", settings.landing_dir, used)
        self._since += [
            entry for segment in self.log.segments() if not generation.includes(segment.number) for entry in _entries(segment)
        ]
        for entry in self._since:
            self._replayed_keys.setdefault(entry.line.user_id, set()).add(entry.line.key)
        self._cleaning = Cleaning(self.home)
        self.engine = Engine(self.home, generation)
        self.engine.replay(self._since, self._cleaning)
        logger.info(
            "generation %s: %d users, %d events; %d live events since; %.1f s",
            generation.name, len(generation.rows["portraits"]), len(generation.events.table), len(self._since),
            time.monotonic() - began,
        )  # fmt: skip
        loops = (self._write, *[self._portray] * WORKERS, self._look, self._read_what_everybody_bought)
        self._threads = [threading.Thread(target=self._guarded, args=(loop,), daemon=True) for loop in loops]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Acknowledge what waits, hand the open segment to the batch path, and end."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        self.log.close()
        self.engine.close()
        self._cleaning.close()

    def submit(self, lines: list[Line]) -> "Future[Receipt]":
        """Ask for `lines` to be made durable. Raises Busy rather than let more wait than can be kept."""
        with self._changed:
            if self._failure is not None or self._stopping:
                raise Busy(f"the service is stopping{f': {self._failure}' if self._failure else ''}", 10)
            if self.backlog + len(lines) > MOST_WAITING:
                raise Busy(f"{self.backlog:,} events wait to be shown; send them again a little later", 2)
            if len(self._since) + len(lines) > MOST_SINCE_GENERATION:
                raise Busy(
                    f"{len(self._since):,} events wait for the batch path; run `portrait refresh`, or switch on the landing folder's sensor",
                    60,
                )
            waiting = Waiting(lines, Future())
            self._waiting.append(waiting)
            self._waiting_events += len(lines)
            self._changed.notify_all()
        return waiting.receipt

    @property
    def backlog(self) -> int:
        """Events that wait: not yet durable, or durable and not yet in the cards."""
        return self._waiting_events + self.engine.unshown

    @property
    def is_running(self) -> bool:
        """Whether events are taken."""
        return not self._stopping

    @property
    def problems(self) -> list[str]:
        """What does not go as it should while events are taken: the generation that can't be served, users who can't be portrayed."""
        failed = list(self.engine.failed.items())
        said = [f"user {user_id!r} can not be portrayed: {reason}" for user_id, reason in failed[:PROBLEMS_TOLD]]
        more = [f"{len(failed) - len(said):,} more users can not be portrayed"] if len(failed) > len(said) else []
        return [*([self._unserved] if self._unserved else []), *said, *more]

    @property
    def since_generation(self) -> int:
        """Events that the generation does not include."""
        return len(self._since)

    def _guarded(self, loop: Callable[[], None]) -> None:
        try:
            loop()
        except BaseException as error:
            logger.exception("the live service stops taking events: its %s thread failed", loop.__name__.strip("_"))
            with self._changed:
                self._failure, self._stopping = error, True
                while self._waiting:
                    self._waiting.popleft().receipt.set_exception(Busy(f"the service is stopping: {error}", 10))
                self._changed.notify_all()

    def _write(self) -> None:
        """Take all that waits, make it durable by one fsync, acknowledge it all; close segments that are old or large."""
        opened = time.monotonic()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopping, timeout=self._segment_seconds / 10)
                group, self._waiting = list(self._waiting), deque()
                if not group and self._stopping:
                    return
            if group:
                try:
                    self._commit(group)
                except BaseException as error:
                    for waiting in group:
                        waiting.receipt.set_exception(Busy(f"the service is stopping: {error}", 10))
                    raise
            if self.log.count == 0:
                opened = time.monotonic()
            elif time.monotonic() - opened > self._segment_seconds or self.log.size > SEGMENT_BYTES:
                self.log.close_segment()

    def _commit(self, group: list[Waiting]) -> None:
        sent = [(waiting, place) for waiting in group for place in range(len(waiting.lines))]
        lines = [line for waiting in group for line in waiting.lines]
        raw, reasons = self._cleaning.read([line.text for line in lines])
        places = [place for place, line in enumerate(lines) if place not in reasons and self._is_new(line)]
        fresh = [lines[place] for place in places]
        if fresh:
            number, last = self.log.number, self.log.count
            logged = [Logged((number, place), line) for place, line in enumerate(fresh, last + 1)]
            is_fresh = pc.is_in(raw["row_number"], pa.array([place + 1 for place in places]))
            events = self.engine.clean(raw.filter(is_fresh), self._cleaning)
            try:
                self.log.append([line.text for line in fresh])
            except OSError as error:
                self._refuse(group, fresh, error)
                return
        with self._changed:
            if fresh:
                self._since += logged
                self.engine.add(logged, events, acknowledged=time.monotonic())
                self.accepted += len(logged)
            self._waiting_events -= sum(len(waiting.lines) for waiting in group)
            self._changed.notify_all()
        position = (self.log.number, self.log.count)
        counts = Counter(sent[place][0] for place in places)
        for waiting in group:
            refused = {sent[place][1]: reason for place, reason in reasons.items() if sent[place][0] is waiting}
            duplicates = len(waiting.lines) - counts[waiting] - len(refused)
            waiting.receipt.set_result(Receipt(counts[waiting], duplicates, position, refused))

    def _refuse(self, group: list[Waiting], fresh: list[Line], error: OSError) -> None:
        logger.error("%s can not be written: %s; free space or mend the disk", self.log.path, error.strerror)
        for line in fresh:
            self._keys[line.user_id].discard(line.key)
        with self._changed:
            self._waiting_events -= sum(len(waiting.lines) for waiting in group)
        for waiting in group:
            waiting.receipt.set_exception(
                Busy(f"the log can not be written ({error.strerror}); nothing of this batch was kept", 30)
            )

    def _is_new(self, line: Line) -> bool:
        """Whether the event was never accepted before; remembers it."""
        keys = self._keys.get(line.user_id)
        if keys is None:
            replayed = self._replayed_keys.get(line.user_id, set())
            keys = self._keys[line.user_id] = self.engine.generation.keys_of(line.user_id) | replayed
        if line.key in keys:
            return False
        keys.add(line.key)
        return True

    def _portray(self) -> None:
        """Bring users' portraits up to date, a few at a time, the longest waiting first."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping or self.engine.is_behind)
                if self._stopping:
                    return
                engine = self.engine
            self.latencies.extend(engine.turn() or ())

    def _look(self) -> None:
        """Load each new generation beside the one in service."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping, timeout=LOOK_SECONDS)
                if self._stopping:
                    return
            folder = self._current.resolve()
            if folder.name != self.engine.generation.name:
                self._change_to(folder)
            else:
                self._unserved = None

    def _change_to(self, folder: Path) -> None:
        """Load a generation, bring it up to the end of the log, and put it in the place of the one in service."""
        try:
            generation = Generation.load(folder, self.home)
        except (PortraitError, OSError) as error:
            problem = f"generation {folder.name} can not be served, the one before stays: {error}"
            if problem != self._unserved:
                logger.error(problem)
            self._unserved = problem
            return
        self._unserved = None
        engine, cleaning = Engine(self.home, generation), Cleaning(self.home)
        with self._changed:
            entries = list(self._since)
        engine.replay((entry for entry in entries if not generation.includes(entry.position[0])), cleaning)
        with self._changed:  # what was accepted meanwhile; nobody sees less than before
            through = entries[-1].position if entries else (0, 0)
            engine.replay(self._since[bisect.bisect_right(self._since, through, key=lambda entry: entry.position) :], cleaning)
            before, self.engine = self.engine, engine
            self._since = [entry for entry in self._since if not generation.includes(entry.position[0])]
            self._changed.notify_all()
        before.close()
        cleaning.close()
        logger.info("now serving generation %s; %d live events since", generation.name, len(self._since))

    def _read_what_everybody_bought(self) -> None:
        """Make live lists possible for each generation in service, while all else goes on."""
        engine: Engine | None = None
        while True:
            with self._changed:
                self._changed.wait_for(partial(self._is_other, engine))
                if self._stopping:
                    return
                engine = self.engine
            began = time.monotonic()
            try:
                engine.recommender = Recommender.of(engine.generation, self.home, partial(self._is_other, engine))
                logger.info("live lists of generation %s: %.1f s", engine.generation.name, time.monotonic() - began)
            except (Unready, PortraitError) as error:
                engine.recommender = str(error)
                logger.info("lists are as published: %s", error)
            except Exception as error:  # whatever it is, events and cards go on
                engine.recommender = f"what everybody bought can not be read ({error})"
                logger.exception("lists are as published: what everybody bought can not be read")

    def _is_other(self, engine: Engine | None) -> bool:
        """Whether another engine than this one is in service, or soon none."""
        return self._stopping or self.engine is not engine

    def status(self) -> dict[str, Any]:
        """What /status says."""
        engine = self.engine
        ordered = sorted(self.latencies.copy())
        return {
            "generation": engine.generation.name,
            "as_of": str(engine.generation.export.as_of),
            "live_day": str(engine.day),
            "log": {"segment": self.log.number, "line": self.log.count},
            "accepted": self.accepted,
            "backlog": self.backlog,
            "since_generation": self.since_generation,
            "live_users": len(engine.portraits),
            "live_lists": engine.recommender if isinstance(engine.recommender, str) else "ready",
            "problems": self.problems,
            "visible_ms": {name: _quantile(ordered, share) for name, share in (("p50", 0.5), ("p99", 0.99))},
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }


def _entries(segment: Segment) -> Iterator[Logged]:
    """The events of a closed segment. A line that is none, which this service has not written, is left to the batch path."""
    for number, text in enumerate(segment.lines(), 1):
        try:
            line = parse(text)
        except (ValueError, KeyError, TypeError, AttributeError):
            logger.error("%s, line %d is no event of the live log: it is not shown", segment.path, number)
            continue
        yield Logged((segment.number, number), line)


def _quantile(ordered: list[float], share: float) -> float | None:
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 1) if ordered else None
