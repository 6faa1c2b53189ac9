"""A generation with the live events over it: whose portrait is newer than what was published, and what it is now."""

import dataclasses
import json
import logging
import queue
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from portrait_assets.home import Home
from portrait_assets.kernels.ranking.context import Context
from portrait_assets.partitions import DAY, as_of_of
from portrait_assets.reading.card import card
from portrait_assets.serving.arithmetic import Cleaning, Portraying
from portrait_assets.serving.events import Line
from portrait_assets.serving.generation import ByUser, Generation, UserExport
from portrait_assets.serving.log import Position
from portrait_assets.serving.recommender import Recommender, answer
from portrait_assets.settings import CORES

logger = logging.getLogger("portrait")

WORKERS = max(1, CORES // 2)  # a turn keeps a core busy; what is sent, asked for and logged needs the others
USERS_A_TURN = 32
EVENTS_AT_ONCE = 2000
LIVE = ("behaviour", "preference", "lifecycle")
MODELLED = ("risk", "social", "recommendations")


@dataclass(frozen=True)
class Logged:
    """A durable event and where the log has it."""

    position: Position
    line: Line


@dataclass
class LiveUser:
    """A user's events since the generation, clean, where the log has the last of them, and which were acknowledged when."""

    events: list[pa.Table]
    first_day: date
    through: Position
    unshown: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class LivePortrait:
    """What the live events made of a user: rows as an export has them, as of the end of `day`."""

    day: date
    through: Position
    portrait: dict[str, Any]
    tags: list[dict[str, Any]]
    cuts_of: date | None


class Engine:
    """One generation and its live users. One thread adds events, up to WORKERS take turns, any reads."""

    def __init__(self, home: Home, generation: Generation):
        self.generation = generation
        self._home = home
        self.day = generation.last_day
        self.through: Position = (0, 0)  # where the log has the last event that was added
        self.portraits: dict[str, LivePortrait] = {}
        self.recommender: Recommender | str = (
            "what everybody bought is still being read, ask again in some seconds"  # or why there is none
        )
        self.unshown = 0  # events added and not yet in a portrait
        self.failed: dict[str, str] = {}  # user -> why their events are not in their portrait
        self._lock = threading.Lock()  # guards the four below, and what they hold
        self._users: dict[str, LiveUser] = {}
        self._dirty: dict[str, None] = {}  # whose portrait lacks events, in order of need
        self._busy: set[str] = set()  # whose turn it is
        self._idle: queue.SimpleQueue[Portraying] = queue.SimpleQueue()
        for _ in range(WORKERS):
            self._idle.put(Portraying(home))

    def close(self) -> None:
        """Wait for turns under way, then let go of everything."""
        for _ in range(WORKERS):
            self._idle.get().close()

    def replay(self, logged: Iterable[Logged], cleaning: Cleaning) -> None:
        """Add events of which the generation may hold some already, and bring every portrait up to date."""
        entries = list(logged)
        held = {user_id: self.generation.keys_of(user_id) for user_id in {entry.line.user_id for entry in entries}}
        fresh = [entry for entry in entries if entry.line.key not in held[entry.line.user_id]]
        for start in range(0, len(fresh), EVENTS_AT_ONCE):
            some = fresh[start : start + EVENTS_AT_ONCE]
            raw, refused = cleaning.read([entry.line.text for entry in some])
            for place, reason in refused.items():
                logger.error("live event %d.%d will be in quarantine after the next refresh: %s", *some[place].position, reason)
            self.add([entry for place, entry in enumerate(some) if place not in refused], self.clean(raw, cleaning))
        while self.turn() is not None:
            pass

    def clean(self, raw: pa.Table, cleaning: Cleaning) -> pa.Table:
        """Rows of raw.events as rows of clean.events, by user."""
        return cleaning.clean(raw, self.generation.described(sorted(set(raw["item_id"].to_pylist()) - {None})))

    def add(self, logged: list[Logged], events: pa.Table, acknowledged: float | None = None) -> None:
        """Add durable events that are new, with what `clean` made of them; turns then bring their users up to date.

        `acknowledged` is when they were, by the monotonic clock, if how long they take is to be reported.
        """
        if not logged:
            return
        by_user = ByUser(events)
        with self._lock:
            for entry in logged:
                user = self._users.setdefault(entry.line.user_id, LiveUser([], entry.line.day, entry.position))
                user.first_day, user.through = min(user.first_day, entry.line.day), max(user.through, entry.position)
                if acknowledged is not None:
                    user.unshown.append(acknowledged)
                    self.unshown += 1
                self._dirty[entry.line.user_id] = None
            for user_id in by_user.users():
                self._users[user_id].events.append(by_user.of(user_id))
            newest = min(max(entry.line.day for entry in logged), datetime.now(UTC).date())
            if newest > self.day:
                self.day = newest
                self._dirty |= dict.fromkeys(self._users)
            self.through = max(self.through, logged[-1].position)

    @property
    def is_behind(self) -> bool:
        """Whether a turn would find somebody."""
        return any(user_id not in self._busy for user_id in list(self._dirty))

    def turn(self) -> list[float] | None:
        """Bring the portraits of the next few users up to date; returns for each event that then shows the seconds since its
        acknowledgement. None where nobody waits."""
        portraying = self._idle.get()
        try:
            with self._lock:
                users = self._next_users()
                if not users:
                    return None
                live = {user_id: self._take(user_id) for user_id in users}
                day = self.day
            try:
                portraying = self._portray_apart(portraying, day, live)
            finally:
                with self._lock:
                    self._busy.difference_update(users)
                    self.unshown -= sum(len(user.unshown) for user in live.values())
        finally:
            self._idle.put(portraying)
        now = time.monotonic()
        return [now - moment for user_id, user in live.items() if user_id not in self.failed for moment in user.unshown]

    def _next_users(self) -> list[str]:
        """Those who wait longest. A late event needs more of the past, so the two kinds take turns of their own."""
        waiting = [user_id for user_id in self._dirty if user_id not in self._busy]
        late = [self._users[user_id].first_day <= self.generation.last_day for user_id in waiting]
        return [user_id for user_id, is_late in zip(waiting, late, strict=True) if is_late == late[0]][:USERS_A_TURN]

    def _take(self, user_id: str) -> LiveUser:
        """The user as now known, whose turn it is."""
        del self._dirty[user_id]
        self._busy.add(user_id)
        user = self._users[user_id]
        if len(user.events) > 1:
            user.events = [pa.concat_tables(user.events).combine_chunks()]
        taken = dataclasses.replace(user)
        user.unshown = []
        return taken

    def _portray_apart(self, portraying: Portraying, day: date, live: dict[str, LiveUser]) -> Portraying:
        """Portray all of `live` but those for whom that fails, who are entered in `failed`. Returns what goes on portraying."""
        try:
            self._portray(portraying, day, live)
            for user_id in live:
                self.failed.pop(user_id, None)
            return portraying
        except Exception as error:  # whatever it is, it must not stop the portraits of others
            reason = str(error).partition("\n")[0]
        if not portraying.is_usable:
            portraying.close()
            portraying = Portraying(self._home)
        if len(live) > 1:
            for user_id, user in live.items():
                portraying = self._portray_apart(portraying, day, {user_id: user})
        else:
            [user_id] = live
            self.failed[user_id] = reason
            logger.error("the live portrait of user %r can't be made, the one before stays: %s", user_id, reason)
        return portraying

    def _portray(self, portraying: Portraying, day: date, live: dict[str, LiveUser]) -> None:
        generation, users = self.generation, list(live)
        first_day = min(user.first_day for user in live.values())
        known = generation.events.of_all(users, since=first_day - DAY)
        cut_points, cuts_of = generation.cut_points_of(day)
        predictions = generation.predictions.of_all(users)
        rows = portraying.portray(
            day,
            first_day,
            {
                "events": pa.concat_tables([known, *(table for user in live.values() for table in user.events)]),
                "user_state": generation.state_of(users, first_day, day),
                "interest_days": generation.interest_days.of_all(users),
                "interests": generation.interests_of(users, first_day - DAY),
                "users": generation.attributes.of_all(users),
                "cut_points": cut_points,
                "predictions": predictions.set_column(0, "event_date", pa.array([day] * len(predictions), pa.date32())),
                "tags": self._known_tags(users, portraying.schemas["tags"]),
            },
        )
        for row in rows:
            del row["event_date"]
            user_id = row["user_id"]
            tags = [{"user_id": user_id, **tag, "valid_from": tag["valid_from"] or day} for tag in row.pop("tags") or []]
            self.portraits[user_id] = LivePortrait(day, live[user_id].through, row, tags, cuts_of)

    def _known_tags(self, users: list[str], schema: pa.Schema) -> pa.Table:
        """Each user's tags as last known, from which a tag that keeps its value has its date."""
        rows = [
            {name: tag[name] for name in ("user_id", "tag_id", "value", "valid_from")} | {"valid_to": None}
            for user_id in users
            for tag in self._tags_of(user_id)
        ]
        return pa.Table.from_pylist(rows, schema)

    def _tags_of(self, user_id: str) -> list[dict[str, Any]]:
        live = self.portraits.get(user_id)
        return live.tags if live else self.generation.rows["tags"].of(user_id).to_pylist()

    def knows(self, user_id: str) -> bool:
        """Whether there is a portrait of the user."""
        return user_id in self.portraits or user_id in self.generation.rows["portraits"]

    def card(self, user_id: str) -> dict[str, Any]:
        """The card as `portrait show --json` prints it, with `freshness` by group of fields, and `live`: the generation under it
        and the position through which the log's events of this user are in it."""
        # In this order: what was added before is waiting, having its turn, or portrayed.
        through = self.through
        is_behind = user_id in self._dirty or user_id in self._busy or user_id in self.failed
        live, export = self.portraits.get(user_id), self.generation.export
        rows = {
            name: table.of(user_id).to_pylist()
            for name, table in self.generation.rows.items()
            if not (live and name == "portraits")
        }
        if live:
            rows["changes"] += _changes(rows["tags"], live)
            rows |= {"portraits": [live.portrait], "tags": live.tags}
        as_of = as_of_of(live.day) if live else export.as_of
        shown = card(UserExport(export.folder, export.manifest, as_of, rows), user_id, self._home.pack)
        shows = (live.through if live else (0, 0)) if is_behind else through
        return vars(shown) | {
            "freshness": self._freshness(live, user_id in self.failed),
            "live": {"generation": self.generation.name, "through": f"{shows[0]}.{shows[1]}"}
            | ({"problem": self.failed[user_id]} if user_id in self.failed else {}),
        }

    def live_events(self, user_id: str) -> pa.Table | None:
        """The user's clean events since the generation; None where there is none."""
        with self._lock:
            user = self._users.get(user_id)
            return pa.concat_tables(user.events) if user and user.events else None

    def recommendations(self, user_id: str, which: str, context: Context) -> dict[str, Any]:
        """One list, of now where the user did something since the generation or a context is given: see `answer`. `through` is the
        position through which the log's events of this user are in it."""
        through, live_events = self.through, self.live_events(user_id)
        told = answer(self.generation, self.recommender, user_id, live_events, as_of_of(self.day), which, context)
        through = through if told["live"] or live_events is None else (0, 0)
        return told | {"through": f"{through[0]}.{through[1]}"}

    def _freshness(self, live: LivePortrait | None, has_failed: bool) -> dict[str, dict[str, Any]]:
        """Group of fields -> as of when, and whether something has happened or time has passed since that it does not show."""
        published = self.generation.last_day
        days = dict.fromkeys((*LIVE, "value"), live.day if live else published) | dict.fromkeys(MODELLED, published)
        stale = {group: day < self.day or (live is not None and group in MODELLED) for group, day in days.items()}
        if live and live.cuts_of != live.day.replace(day=1):
            stale["value"] = True  # measured by the cut points of an earlier month
        return {group: {"as_of": str(as_of_of(day)), "stale": stale[group] or has_failed} for group, day in days.items()}


def to_json(value: Any) -> str:
    """Cards and what they hold as JSON: dates as ISO texts."""
    return json.dumps(
        value, ensure_ascii=False, default=lambda held: vars(held) if dataclasses.is_dataclass(held) else str(held)
    )


def _changes(published: list[dict[str, Any]], live: LivePortrait) -> list[dict[str, Any]]:
    """The tags that took another value since the generation, as rows of changes."""
    before = {tag["tag_id"]: tag["value"] for tag in published}
    after = {tag["tag_id"]: tag for tag in live.tags}
    return [
        {
            "user_id": live.portrait["user_id"],
            "event_date": after[tag_id]["valid_from"] if tag_id in after else live.day,
            "tag_id": tag_id,
            "from_value": before.get(tag_id),
            "to_value": after[tag_id]["value"] if tag_id in after else None,
            "cause": "event",
        }
        for tag_id in sorted(before.keys() | after.keys())
        if before.get(tag_id) != (after[tag_id]["value"] if tag_id in after else None)
    ]
