"""A home: the folder that holds one source's warehouse, models and exports, and the days it covers."""

import json
import os
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from portrait_assets import sources
from portrait_assets.errors import PortraitError
from portrait_assets.packs import Pack, own
from portrait_assets.packs.audiences import FILE as AUDIENCES_FILE
from portrait_assets.packs.audiences import saved_audiences
from portrait_assets.packs.pack import load_over
from portrait_assets.packs.recommending import Recommending
from portrait_assets.partitions import Window, as_of_of
from portrait_assets.resources.lock import exclusive
from portrait_assets.resources.session import Session
from portrait_assets.resources.warehouse import Warehouse
from portrait_assets.settings import Settings
from portrait_assets.sources import Source

DEFAULT_SOURCE = "complete_journey"


@dataclass(frozen=True)
class Replay:
    """A stretch of the source's days that is delivered one day after the other, and how much of it comes late."""

    first: date
    last: date
    delivered: date
    """The last day that is out; the day before `first` at the beginning."""
    late_share: float = 0.0
    late_days: int = 10
    seed: int = 0


@dataclass(frozen=True)
class Home:
    """What a home holds: its source, its domain pack, and the first and last day it knows of."""

    settings: Settings
    source: Source
    pack: Pack
    days: Window
    replay: Replay | None = None
    """Set where the source's past is delivered again day by day: the home then knows only what was delivered."""
    has_days: bool = True
    """False before anything is landed of a source that does not declare its days; `days` is then today alone."""

    @property
    def landed_whole(self) -> Source:
        """What of the source lands from its own files: everything, or in a replayed home everything but events."""
        return self.source.model_copy(update={"events": ()}) if self.replay else self.source

    @property
    def warehouse(self) -> Warehouse:
        """Its DuckDB file, for one process at a time."""
        return self.warehouse_in(self.settings.warehouse_file)

    def warehouse_in(self, file: Path) -> Warehouse:
        """Another warehouse for the same source and pack."""
        return Warehouse(
            database=str(file),
            threads=self.settings.threads,
            memory_limit=self.settings.memory_limit,
            pack=self.pack.reference,
            own=str(self.pack.own or ""),
        )

    @property
    def audiences(self) -> dict[str, str]:
        """The saved audiences as they are now: name -> expression."""
        return saved_audiences(self.settings.home_dir / AUDIENCES_FILE)

    @property
    def recommending(self) -> Recommending:
        """The pack's rules of recommending, with what is out of stock by now."""
        return self.pack.recommending.stocked_by(self.settings.home_dir)

    def planned(self) -> "Home":
        """The home as it will be when its replay is over: its days have partitions before they are delivered."""
        return replace(self, days=Window(self.days.start, max(self.days.end, self.replay.last))) if self.replay else self


def open_home(
    settings: Settings | None = None, source: str | None = None, through: date | None = None, pack: str | None = None
) -> Home:
    """The home of these settings, made on first use and extended to `through` where that is later.

    `source` is a shipped name or a mapping file; without it the home's own, then PORTRAIT_SOURCE, then Complete Journey. `pack` is a
    shipped name or a folder; without it the home's own, then what the mapping names, then that of shops.
    Raises PortraitError where the home already holds another source or pack: a home holds one of each.
    """
    settings = settings or Settings()
    recorded = _read(_file(settings))
    wanted = source or settings.source
    if recorded and wanted and _reference(wanted) != recorded["source"]:
        raise PortraitError(
            f"{settings.home_dir} already holds the source '{recorded['source']}', not '{wanted}'; "
            "set PORTRAIT_HOME to another folder for another source"
        )
    reference = recorded["source"] if recorded else _reference(wanted or DEFAULT_SOURCE)
    home = _as_recorded(settings, reference, recorded or {}, pack)
    if through is not None:
        _refuse_day(home, through)
    if recorded is None:
        with _alone(settings):
            if _read(_file(settings)) is None:
                _record(home, reference)
    return extend(home, Window(through, through)) if through and home.has_days else home


def _as_recorded(settings: Settings, reference: str, recorded: dict[str, Any], pack: str | None = None) -> Home:
    held = _pack(settings, reference, recorded.get("pack"), pack)
    source = sources.load(reference, held)
    days = Window(*map(date.fromisoformat, recorded["days"])) if recorded.get("days") else _declared_days(source)
    today = datetime.now(UTC).date()
    replay = _replay_of(recorded.get("replay"))
    return Home(settings, source, held, days or Window(today, today), replay, has_days=days is not None)


def _pack(settings: Settings, reference: str, recorded: str | None, wanted: str | None = None) -> Pack:
    """The pack of the home, or what it will be, with the home's own rules over it where it has some."""
    mapping = Path(reference)
    named = sources.pack_of(reference)
    rules = own.folder_of(settings.home_dir, mapping if mapping.suffix else None)
    pack = load_over(rules, recorded or wanted or named)
    if recorded and wanted and load_over(rules, wanted).reference != pack.reference:
        raise PortraitError(
            f"{settings.home_dir} already holds the pack '{pack.reference}', not '{wanted}'; set PORTRAIT_HOME to another folder for another pack"
        )
    return pack


def known_pack(settings: Settings) -> Pack:
    """The pack of the home, or what it will be; nothing is made on the way."""
    recorded = _read(_file(settings)) or {}
    reference = recorded["source"] if recorded else _reference(settings.source or DEFAULT_SOURCE)
    return _pack(settings, reference, recorded.get("pack"))


def _refuse_day(home: Home, day: date) -> None:
    """PortraitError where no portrait can be made of `day`."""
    asked = f"day {day} (--as-of {as_of_of(day)})"
    if home.has_days and day < home.days.start:
        raise PortraitError(
            f"{asked} is before the first event of '{home.source.name}' ({home.days.start}); choose a later one"
        )
    if day > max(datetime.now(UTC).date(), home.days.end):
        raise PortraitError(f"{asked} has not happened yet; the last day a portrait can be made for is today")
    if home.has_days and home.replay and day > home.days.end:
        raise PortraitError(
            f"{asked} is not delivered yet: this home replays its source and has come to {home.days.end}; `portrait replay` goes on"
        )


def extend_to_landed(home: Home, session: Session) -> Home:
    """The same home, covering every day that events are landed of, earlier ones too: what is accepted is to be seen."""
    [(first, last)] = session.rows("select min(first_date), max(last_date) from raw.batches")
    return extend(home, Window(first, last)) if first else home


def extend(home: Home, landed: Window) -> Home:
    """The same home, covering the days `landed` too."""
    if home.has_days and home.days.start <= landed.start and landed.end <= home.days.end:
        return home
    with _alone(home.settings):
        known = _now(home)
        first = known.days.start if known.has_days else known.source.start or landed.start
        last = known.days.end if known.has_days else landed.end
        days = Window(min(first, landed.start), max(last, landed.end))
        return _changed(replace(known, days=days, has_days=True))


def surveyed(home: Home) -> Home:
    """The same home, with the days that its source's files have before anything is landed; as it is where they can't be read."""
    if home.has_days:
        return home
    try:
        return extend(home, source_days(home.source))
    except PortraitError:  # landing them will say what is wrong
        return home


def replaying(home: Home, replay: Replay) -> Home:
    """The same home with its replay as it now stands. One that begins covers the history alone, later the delivered days too."""
    with _alone(home.settings):
        known = _now(home)
        end = max(known.days.end, replay.delivered) if known.replay else replay.delivered
        start = known.days.start if known.has_days else source_days(known.source).start
        return _changed(replace(known, days=Window(start, end), replay=replay, has_days=True))


def _alone(settings: Settings) -> AbstractContextManager[None]:
    return exclusive(settings.home_dir / "home.lock", "a change of the home's days")


def _now(home: Home) -> Home:
    """The home as another process may have changed it since."""
    recorded = _read(_file(home.settings))
    assert recorded is not None
    return _as_recorded(home.settings, recorded["source"], recorded)


def _changed(home: Home) -> Home:
    recorded = _read(_file(home.settings))
    assert recorded is not None
    _record(home, recorded["source"])
    return home


def source_days(source: Source) -> Window:
    """First and last UTC day of a source's events: as it declares, else as its files say."""
    return _declared_days(source) or Window(*sources.survey(source))


def _declared_days(source: Source) -> Window | None:
    """The days that a source declares, if it declares both ends; none that has not come yet."""
    if not source.start or not source.end:
        return None
    return Window(source.start, max(source.start, min(source.end, datetime.now(UTC).date())))


def _reference(source: str) -> str:
    """A shipped name as it is, a mapping file by its full path."""
    path = Path(source).expanduser()
    return str(path.resolve()) if path.suffix else source


def _file(settings: Settings) -> Path:
    return settings.home_dir / "home.json"


def _read(file: Path) -> dict | None:
    if not file.exists():
        return None
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise PortraitError(f"{file} is not readable ({error}); restore it or start with a new PORTRAIT_HOME") from None


def _replay_of(recorded: dict | None) -> Replay | None:
    if recorded is None:
        return None
    days = {name: date.fromisoformat(recorded[name]) for name in ("first", "last", "delivered")}
    return Replay(**{**recorded, **days})


def _record(home: Home, reference: str) -> None:
    """Write `home.json` atomically, and only where something changed."""
    days = [str(home.days.start), str(home.days.end)] if home.has_days else None
    content: dict[str, Any] = {"layout": 1, "source": reference, "pack": home.pack.reference, "days": days}
    if home.replay:
        content["replay"] = {
            name: str(value) if isinstance(value, date) else value for name, value in asdict(home.replay).items()
        }
    file = _file(home.settings)
    if _read(file) == content:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(f".{os.getpid()}.tmp")
    draft.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    draft.replace(file)
