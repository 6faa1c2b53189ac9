"""`portrait replay`: a source's past delivered again day by day, so that one can watch portraits move.

A home that is replayed knows only what was delivered to it. It begins with the history before a day; then each day's events
are delivered, as one file in the landing folder or posted to the live service. They are canonical events under the keys that
landing the source's own files would give them (to which the service adds the user), so in the end the home holds what one that
landed them all at once holds.
"""

import json
import logging
import os
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from portrait_assets import columns as c
from portrait_assets import operations, sources
from portrait_assets.errors import PortraitError
from portrait_assets.home import Home, Replay, replaying, source_days
from portrait_assets.partitions import DAY, Window
from portrait_assets.resources.session import Session
from portrait_assets.sources.planning import CANONICAL

logger = logging.getLogger("portrait")

POSTED_AT_ONCE = 500
PATIENCE_SECONDS = 600.0
BUSY = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
# An event as the service takes it: its key, money and quantities in units, times in ISO 8601.
POSTED = (
    pl.col("event_key").alias("event_id"),
    pl.col("event_time").dt.strftime("%Y-%m-%dT%H:%M:%S.%6fZ"),
    pl.when(~pl.col("has_time")).then(False).alias("has_time"),
    "user_id", "event_type", "item_id", "session_id",
    (pl.col("quantity_milli") / 1000).alias("quantity"),
    (pl.col("amount_cents") / 100).alias("amount"),
    (pl.col("discount_cents") / 100).alias("discount"),
    (pl.col("coupon_cents") / 100).alias("coupon"),
    "rating", "text", "place_id", "campaign_id",
)  # fmt: skip
DELIVERED = "select * exclude (delivery_date, sequence, is_late) from deliveries where delivery_date = $day order by sequence"


class Target(Protocol):
    """Where the events of a day go."""

    def deliver(self, day: date, events: pl.DataFrame) -> None:
        """Hand over `events`, canonical ones; all of them, or a PortraitError."""


@dataclass(frozen=True)
class LandingFolder:
    """One file of NDJSON a day, whole from the moment it can be seen."""

    folder: Path

    def deliver(self, day: date, events: pl.DataFrame) -> None:
        if events.is_empty():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f"{CANONICAL}-{day}.ndjson"
        draft = self.folder / f".{file.name}"
        events.write_ndjson(draft)
        # As old as it claims to be: nobody has to wait whether more will be written.
        closing = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() + DAY.total_seconds()
        os.utime(draft, (closing, closing))
        draft.replace(file)


@dataclass(frozen=True)
class LiveService:
    """The service's `POST /events`: a JSON list of events, each with its key as `event_id`, learnt when they are posted."""

    address: str

    def deliver(self, day: date, events: pl.DataFrame) -> None:
        if corrections := events.filter(pl.col("is_deletion") | (pl.col("event_version") > 0)).height:
            raise PortraitError(
                f"{corrections} of the events of {day} take others back or are new versions of them, which the service does not "
                "take; replay this source into the landing folder, in a new home"
            )
        for some in events.select(POSTED).iter_slices(POSTED_AT_ONCE):
            self._post(day, json.dumps([_said(event) for event in some.iter_rows(named=True)]).encode())

    def _post(self, day: date, body: bytes) -> None:
        """Post, and again for as long as the service asks to come back later."""
        url = f"{self.address.rstrip('/')}/events"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="POST")
        patience = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    rejected = json.load(answer).get("rejected")
                if rejected:
                    raise PortraitError(f"{url} did not take {len(rejected)} events of {day}, the first because {rejected[0]}")
                return
            except urllib.error.HTTPError as error:
                if error.code not in BUSY or time.monotonic() > patience:
                    said = error.read(300).decode(errors="replace").strip()
                    raise PortraitError(
                        f"{url} refused events of {day} ({error.code}): {said}; mend that, then `portrait replay` goes on with this day"
                    ) from None
                time.sleep(_seconds_asked(error.headers.get("Retry-After")))
            except (OSError, ValueError) as error:
                reason = getattr(error, "reason", error)
                raise PortraitError(
                    f"{url} does not answer as the service does ({reason}); is the service running? `portrait replay` goes on with {day}"
                ) from None


def target_of(home: Home, to: str) -> Target:
    """The landing folder of the home, or the live service at an http address; anything else is a PortraitError."""
    if to == "landing":
        return LandingFolder(home.settings.landing_dir)
    if to.startswith(("http://", "https://")):
        return LiveService(to)
    raise PortraitError(f"--to '{to}' is neither 'landing' nor an address such as http://127.0.0.1:8000")


def _said(event: dict[str, Any]) -> dict[str, Any]:
    """What an event says, without what it leaves open."""
    return {name: value for name, value in event.items() if value is not None}


def _seconds_asked(retry_after: str | None) -> float:
    return float(retry_after) if retry_after and retry_after.isdigit() else 1.0


def plan(home: Home, first: date | None, last: date | None, **lateness: Any) -> Home:
    """The home with the stretch to deliver recorded in it: a new one, the next one, or the rest of one that was cut short.

    `first` begins a replay in an empty home; later it is the day after the last one delivered, which is also the default.
    `last` is by default the source's. `lateness` may give late_share, late_days and seed. What does not fit is a PortraitError.
    """
    asked = {name: value for name, value in {"last": last, **lateness}.items() if value is not None}
    if home.replay and home.replay.delivered < home.replay.last:
        _refuse_other_plan(home.replay, first, asked)
        return home
    days = source_days(home.source)
    if home.replay:
        start = home.replay.delivered + DAY
        if first not in (None, start):
            raise PortraitError(f"this home was replayed through {home.replay.delivered}; the next day is {start}, not {first}")
    else:
        _refuse_landed(home)
        start = _beginning(first, days)
    stretch = _within(start, last or days.end, days)
    begun = Replay(stretch.start, stretch.end, delivered=start - DAY)
    return replaying(home, replace(begun, **asked))


def _refuse_other_plan(replay: Replay, first: date | None, asked: dict) -> None:
    differs = [name for name, value in asked.items() if getattr(replay, name) != value]
    if differs or first not in (None, replay.delivered + DAY):
        raise PortraitError(
            f"the replay from {replay.first} through {replay.last} stopped after {replay.delivered}: `portrait replay` without --from, "
            "--through, --late-share, --late-days and --seed goes on with it as it was begun"
        )


def _refuse_landed(home: Home) -> None:
    with home.warehouse.open("look for landed files") as session:
        if session.count(c.RAW_BATCHES):
            raise PortraitError(
                f"{home.settings.home_dir} already holds events of '{home.source.name}'; a replay begins in an empty home: "
                "set PORTRAIT_HOME to a new folder"
            )


def _beginning(first: date | None, days: Window) -> date:
    if first is None:
        raise PortraitError(
            "say where the replay begins with --from DAY: what happened before it is landed at once, as history"
        )
    if not days.start < first <= days.end:
        raise PortraitError(
            f"--from {first} leaves no history or no day to deliver; choose a day after {days.start}, up to {days.end}"
        )
    return first


def _within(start: date, last: date, days: Window) -> Window:
    if start > days.end:
        raise PortraitError(f"everything is delivered: the source ends on {days.end}")
    if not start <= last <= days.end:
        raise PortraitError(f"--through {last} is not one of the days left to deliver, {start} to {days.end}")
    return Window(start, last)


def replay(home: Home, target: Target, pace_seconds: float, refresh: bool) -> Home:
    """Deliver what is left of the planned stretch, a day every `pace_seconds` or slower; returns the home as it then is.

    The history is landed first, if it is not there yet. With `refresh` the home is brought up to date after each day, and
    before the first one, if nothing is published, with a model trained on the history.
    """
    stretch = home.replay
    assert stretch is not None
    with _told_by_source(home) as told:
        _land_history(home, told)
        if refresh and not (home.settings.published_dir / "current").exists():
            operations.run(home)
        _stage(told, stretch)
        for day in Window(stretch.delivered + DAY, stretch.last):
            began = time.monotonic()
            target.deliver(day, told.frame(DELIVERED, day=day))
            home = replaying(home, replace(stretch, delivered=day))
            logger.info("[bold]%s[/bold] delivered: %s", day, _counted(told, day), extra={"markup": True})
            if refresh:
                operations.refresh(home)
            if day < stretch.last:
                time.sleep(max(0.0, pace_seconds - (time.monotonic() - began)))
    return home


@contextmanager
def _told_by_source(home: Home) -> Iterator[Session]:
    """A warehouse that is thrown away, with the source's own files landed whole: the keys and values they give."""
    with (
        tempfile.TemporaryDirectory(prefix="portrait-replay-", dir=home.settings.home_dir) as folder,
        home.warehouse_in(Path(folder) / "told.duckdb").open("read the source") as session,
    ):
        batches = sources.land(session.connection, home.source, datetime.now(UTC))
        if rejected := sum(batch.rows_rejected for batch in batches):
            logger.info(
                "%s rows that the mapping rejects are not delivered; `portrait sources check` shows why", f"{rejected:,}"
            )
        yield session


def _land_history(home: Home, told: Session) -> None:
    """Items, users and the events before the replay into the home, unless events have landed there before."""
    assert home.replay is not None
    with home.warehouse.open("landing") as session:
        if session.scalar("select count(*) from raw.events"):
            return
        sources.land(session.connection, home.landed_whole, datetime.now(UTC))
    yesterday = home.replay.first - DAY
    _stage(told, Replay(date.min, yesterday, delivered=yesterday))
    with tempfile.TemporaryDirectory(prefix="portrait-replay-", dir=home.settings.home_dir) as folder:
        file = Path(folder) / f"{CANONICAL}-before-{home.replay.first}.parquet"
        history = "select * exclude (delivery_date, is_late, sequence) from deliveries order by sequence"
        told.execute(f"copy ({history}) to '{str(file).replace(chr(39), chr(39) * 2)}' (format parquet)")
        operations.ingest(home, [file])


def _stage(told: Session, stretch: Replay) -> None:
    told.stage(
        "deliveries", "replay/deliveries.sql", first=stretch.first, last=stretch.last,
        late_share=stretch.late_share, late_days=stretch.late_days, seed=stretch.seed,
    )  # fmt: skip


def _counted(told: Session, day: date) -> str:
    events, late = told.rows(
        "select count(*), count(*) filter (where is_late) from deliveries where delivery_date = $day", day=day
    )[0]
    return f"{events:,} events, {late:,} of them late"
