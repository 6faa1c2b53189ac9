"""A home: the folder that holds one source's warehouse, models and exports, and the days it covers."""

import json
import os
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from portrait_assets import sources
from portrait_assets.errors import PortraitError
from portrait_assets.packs import Pack, load_pack
from portrait_assets.partitions import DAY, Window, as_of_of
from portrait_assets.settings import Settings
from portrait_assets.sources import Source

DEFAULT_SOURCE = "complete_journey"


@dataclass(frozen=True)
class Home:
    """What a home holds: its source, its domain pack, and the first and last day of its partitions."""

    settings: Settings
    source: Source
    pack: Pack
    days: Window

    @property
    def landmark(self) -> date:
        """Where forward decay starts counting: the first of January of the first year, fixed by the calendar."""
        return date(self.days.start.year, 1, 1)


def open_home(settings: Settings | None = None, source: str | None = None, through: date | None = None) -> Home:
    """The home of these settings, made on first use and extended to `through` where that is later.

    `source` is a shipped name or a mapping file; without it the home's own, then PORTRAIT_SOURCE, then Complete Journey.
    Raises PortraitError where the home already holds another source: a home holds one.
    """
    settings = settings or Settings()
    file = settings.home_dir / "home.json"
    recorded = _read(file)
    wanted = source or settings.source
    if recorded and wanted and _reference(wanted) != recorded["source"]:
        raise PortraitError(
            f"{settings.home_dir} already holds the source '{recorded['source']}', not '{wanted}'; "
            "set PORTRAIT_HOME to another folder for another source"
        )
    reference = recorded["source"] if recorded else _reference(wanted or DEFAULT_SOURCE)
    loaded = sources.load(reference)
    days = Window(*map(date.fromisoformat, recorded["days"])) if recorded else _first_days(loaded)
    if through is not None:
        if through < days.start:
            raise PortraitError(
                f"day {through} (--as-of {as_of_of(through)}) is before the first event of '{loaded.name}' ({days.start}); "
                "choose a later one"
            )
        if through > datetime.now(UTC).date():
            raise PortraitError(
                f"day {through} (--as-of {as_of_of(through)}) has not happened yet; the last day a portrait can be made for is today"
            )
        days = Window(days.start, max(days.end, through))
    _write(file, {"layout": 1, "source": reference, "days": [str(days.start), str(days.end)]})
    return Home(settings, loaded, load_pack(), days)


def extend(home: Home, through: date) -> Home:
    """The same home, covering at least `through`: new events brought later days."""
    return home if through <= home.days.end else open_home(home.settings, through=through)


def _first_days(source: Source) -> Window:
    declared_start, declared_end = source.start, source.end
    if declared_start and declared_end:
        return Window(declared_start, declared_end)
    first, last = sources.survey(source)
    return Window(declared_start or first, min(declared_end or last, datetime.now(UTC).date() + DAY))


def _reference(source: str) -> str:
    """A shipped name as it is, a mapping file by its full path."""
    path = Path(source).expanduser()
    return str(path.resolve()) if path.suffix else source


def _read(file: Path) -> dict | None:
    if not file.exists():
        return None
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise PortraitError(f"{file} is not readable ({error}); restore it or start with a new PORTRAIT_HOME") from None


def _write(file: Path, content: dict) -> None:
    """Write atomically, and only where something changed."""
    if _read(file) == content:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(f".{os.getpid()}.tmp")
    draft.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    draft.replace(file)
