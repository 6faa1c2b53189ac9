"""A generation with the live events over it: whose portrait is newer than what was published, and what it is now."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from portrait_assets.home import Home
from portrait_assets.packs import Pack
from portrait_assets.partitions import DAY, as_of_of
from portrait_assets.reading.card import card
from portrait_assets.serving.arithmetic import Arithmetic
from portrait_assets.serving.events import Line
from portrait_assets.serving.generation import Generation, UserExport
from portrait_assets.serving.log import Position

USERS_A_TURN = 32
EVENTS_A_TAKE = 2000
LIVE = ("behaviour", "preference", "lifecycle")
MODELLED = ("risk", "social", "recommendations")


@dataclass(frozen=True)
class Logged:
    """A durable event and where the log has it."""

    position: Position
    line: Line


@dataclass
class LiveUser:
    """A user's events since the generation, clean, and where the log has the last of them."""

    events: pa.Table
    first_day: date
    through: Position


@dataclass(frozen=True)
class LivePortrait:
    """What the live events made of a user: rows as an export has them, as of the end of `day`."""

    day: date
    through: Position
    portrait: dict[str, Any]
    tags: list[dict[str, Any]]
    cuts_of: date | None


class Engine:
    """One generation and its live users. One thread feeds it; any thread reads."""

    def __init__(self, home: Home, generation: Generation):
        self.generation = generation
        self.pack: Pack = home.pack
        self.day = generation.last_day
        self.portraits: dict[str, LivePortrait] = {}
        self.through: Position = (0, 0)  # where the log has the last event that was taken
        self._arithmetic = Arithmetic(home)
        self._users: dict[str, LiveUser] = {}
        self._dirty: dict[str, None] = {}  # in order of need

    def close(self) -> None:
        self._arithmetic.close()

    def replay(self, logged: Iterable[Logged]) -> None:
        """Take events of which the generation may hold some already, and bring every portrait up to date."""
        entries = list(logged)
        held = {user_id: self.generation.keys_of(user_id) for user_id in {entry.line.user_id for entry in entries}}
        fresh = [entry for entry in entries if entry.line.key not in held[entry.line.user_id]]
        for start in range(0, len(fresh), EVENTS_A_TAKE):
            self.take(fresh[start : start + EVENTS_A_TAKE])
        while self.is_behind:
            self.turn()

    @property
    def is_behind(self) -> bool:
        """Whether some user's portrait lacks events."""
        return bool(self._dirty)

    def take(self, logged: list[Logged]) -> None:
        """Take durable events that are new; the next turns bring their users' portraits up to date."""
        if not logged:
            return
        raw = self._arithmetic.read([entry.line.text for entry in logged])
        item_ids = set(raw["item_id"].to_pylist()) - {None}
        events = self._arithmetic.clean(raw, self.generation.described(sorted(item_ids)))
        for entry in logged:
            user = self._users.get(entry.line.user_id)
            if user is None:
                self._users[entry.line.user_id] = LiveUser(events.slice(0, 0), entry.line.day, entry.position)
            else:
                user.first_day, user.through = min(user.first_day, entry.line.day), max(user.through, entry.position)
            self._dirty[entry.line.user_id] = None
        for user_id in dict.fromkeys(entry.line.user_id for entry in logged):
            user = self._users[user_id]
            user.events = pa.concat_tables([user.events, events.filter(pc.equal(events["user_id"], user_id))]).combine_chunks()
        self.through = max(self.through, logged[-1].position)
        newest = min(max(entry.line.day for entry in logged), datetime.now(UTC).date())
        if newest > self.day:
            self.day = newest
            self._dirty |= dict.fromkeys(self._users)

    def turn(self) -> list[str]:
        """Bring the portraits of the next few users up to date; returns whose."""
        if not self._dirty:
            return []
        is_late = self._is_late(
            next(iter(self._dirty))
        )  # late events need more of the past: the two kinds take turns of their own
        users = list(itertools.islice((user_id for user_id in self._dirty if self._is_late(user_id) == is_late), USERS_A_TURN))
        if users:
            self._portray(users)
        for user_id in users:
            del self._dirty[user_id]
        return users

    def _is_late(self, user_id: str) -> bool:
        return self._users[user_id].first_day <= self.generation.last_day

    def _portray(self, users: list[str]) -> None:
        generation, live = self.generation, [self._users[user_id] for user_id in users]
        first_day = min(user.first_day for user in live)
        known = generation.events.of_all(users if first_day <= generation.last_day else [])
        cut_points, cuts_of = generation.cut_points_of(self.day)
        predictions = generation.predictions.of_all(users)
        dated = pa.array([self.day] * len(predictions), pa.date32())
        rows = self._arithmetic.portray(
            self.day,
            first_day,
            {
                "events": pa.concat_tables([known, *(user.events for user in live)]),
                "user_state": generation.user_state.of_all(users),
                "interest_days": generation.interest_days.of_all(users),
                "users": generation.attributes.of_all(users),
                "cut_points": cut_points,
                "predictions": predictions.set_column(0, "event_date", dated),
                "interests": generation.interests_of(users, first_day - DAY),
                "tags": self._known_tags(users),
            },
        )
        through = {user_id: user.through for user_id, user in zip(users, live, strict=True)}
        for row in rows.to_pylist():
            row.pop("event_date")
            tags = [
                {"user_id": row["user_id"], **tag, "valid_from": tag["valid_from"] or self.day} for tag in row.pop("tags") or []
            ]
            self.portraits[row["user_id"]] = LivePortrait(self.day, through[row["user_id"]], row, tags, cuts_of)

    def _known_tags(self, users: list[str]) -> pa.Table:
        """Each user's tags as last known, from which a tag that keeps its value has its date."""
        rows = [
            {name: tag[name] for name in ("user_id", "tag_id", "value", "valid_from")} | {"valid_to": None}
            for user_id in users
            for tag in self._tags_of(user_id)
        ]
        return pa.Table.from_pylist(rows, self._arithmetic.schemas["tags"])

    def _tags_of(self, user_id: str) -> list[dict[str, Any]]:
        live = self.portraits.get(user_id)
        return live.tags if live else self.generation.rows["tags"].of(user_id).to_pylist()

    def knows(self, user_id: str) -> bool:
        return user_id in self.portraits or user_id in self.generation.rows["portraits"]

    def card(self, user_id: str) -> dict[str, Any]:
        """The card as `portrait show --json` prints it, with `freshness` by group of fields, and `live`: the generation under it
        and the position through which the log's events of this user are in it."""
        through, is_behind = self.through, user_id in self._dirty  # in this order: what was taken is portrayed or marked
        live, export = self.portraits.get(user_id), self.generation.export
        rows = {name: table.of(user_id).to_pylist() for name, table in self.generation.rows.items()}
        if live:
            rows["changes"] += _changes(rows["tags"], live)
            rows |= {"portraits": [live.portrait], "tags": live.tags}
        as_of = as_of_of(live.day) if live else export.as_of
        shown = card(UserExport(export.folder, export.manifest, as_of, rows), user_id, self.pack).as_dict()
        shows = (live.through if live else (0, 0)) if is_behind else through
        return shown | {
            "freshness": self._freshness(live),
            "live": {"generation": self.generation.name, "through": f"{shows[0]}.{shows[1]}"},
        }

    def _freshness(self, live: LivePortrait | None) -> dict[str, dict[str, Any]]:
        """Group of fields -> as of when, and whether something has happened or time has passed since that it does not show."""
        published = self.generation.last_day
        days = dict.fromkeys(LIVE, live.day if live else published) | {"value": live.day if live else published}
        days |= dict.fromkeys(MODELLED, published)
        stale = {group: day < self.day or (live is not None and group in MODELLED) for group, day in days.items()}
        if live and live.cuts_of != live.day.replace(day=1):
            stale["value"] = True  # measured by the cut points of an earlier month
        return {group: {"as_of": str(as_of_of(day)), "stale": stale[group]} for group, day in days.items()}


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
