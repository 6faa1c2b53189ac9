"""What events name beside the person: what entities.toml may say of items, and the facets that a user's attention is counted by."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import Field, field_validator

from portrait_assets.columns import CLEAN_ITEMS, RAW_EVENTS
from portrait_assets.errors import PortraitError
from portrait_assets.packs.entries import at_last, merged_tables, over, placed
from portrait_assets.packs.expressions import WHOLE, ExpressionError, Row
from portrait_assets.packs.files import Declared, Name, Sql, Text, at, validate
from portrait_assets.packs.own import Read
from portrait_assets.words_near import nearest

MOST_LEVELS = 4
MOST_STEPS = 250
NOT_DESCRIBING = ("item_id", "name", "size", "unit")  # columns of an item that are no level and no trait


class Level(Declared):
    """One `[[levels]]` or `[[traits]]` entry: how an item is described."""

    name: Name = Field(description="its column of clean.items")
    plural: Text = Field(description="several of them; with `interest`, the column of a portrait")
    meaning: Text = Field(description="what it is, for a person")
    interest: bool = Field(True, description="whether a user's attention is counted by it")


class Ladder(Declared):
    """Steps that a number of an event stands on."""

    name: Name = Field(description="its column of clean.events")
    plural: Name = Field(description="the column of a portrait")
    of: Sql = Field(description="SQL over one event as it came: a whole number")
    steps: tuple[int, ...] = Field(
        min_length=1, max_length=MOST_STEPS, description="where steps begin, ascending; below the first is step 0"
    )
    meaning: Text = Field(description="what it is, for a person")

    @field_validator("steps")
    @classmethod
    def _ascend(cls, steps: tuple[int, ...]) -> tuple[int, ...]:
        if list(steps) != sorted(set(steps)):
            raise ValueError("have to ascend, each once")
        return steps


class Item(Declared):
    """What is said of items as a whole."""

    main: Name = Field(description="the level that interests are counted at")


class EntitiesFile(Declared):
    """What entities.toml may say."""

    item: Item
    levels: tuple[Any, ...] = Field(description="[[levels]] entries, from the top")
    traits: tuple[Any, ...] = Field((), description="[[traits]] entries")
    ladder: Ladder


@dataclass(frozen=True)
class Facet:
    """What attention is counted by. `mask` is DuckDB's grouping_id of the facets where only this one is grouped by."""

    name: str
    plural: str
    meaning: str
    type: str
    mask: int

    @property
    def as_text(self) -> str:
        """What is written behind its column to have it as text under its name."""
        return "" if self.type == "varchar" else f"::varchar as {self.name}"


@dataclass(frozen=True)
class Entities:
    """What a pack says of items: the hierarchy from the top, what else describes them, the ladder of prices."""

    main: str
    levels: tuple[Level, ...]
    traits: tuple[Level, ...]
    ladder: Ladder

    @property
    def described(self) -> list[Level]:
        """Levels and traits that events carry, since attention is counted by them."""
        return [level for level in (*self.levels, *self.traits) if level.interest]

    @property
    def of_visits(self) -> list[Level]:
        """The levels that visits carry, one value an event."""
        return [level for level in self.levels if level.interest]

    @property
    def facets(self) -> list[Facet]:
        """All that attention is counted by."""
        named = [(level.name, level.plural, level.meaning, "varchar") for level in self.described]
        named.append((self.ladder.name, self.ladder.plural, self.ladder.meaning, "utinyint"))
        whole = 2 ** len(named) - 1
        return [Facet(*each, whole - 2 ** (len(named) - 1 - place)) for place, each in enumerate(named)]

    @property
    def main_facet(self) -> Facet:
        """That of the level which interests are counted at."""
        return next(facet for facet in self.facets if facet.name == self.main)


def parse_entities(files: Sequence[Read]) -> Entities:
    """The entities of a pack's file and of one laid over it, of which an entry of a known name replaces it; PortraitError naming file, line,
    entry and field."""
    said = merged_entities(files)
    where = partial(at_last, files)
    file = validate(EntitiesFile, said, where)
    row = Row(RAW_EVENTS, "an_event")
    try:
        type_ = row.examine(file.ladder.of).type
    except ExpressionError as error:
        raise PortraitError(f"{at(where, 'ladder.of')}: {error}") from None
    if type_ not in WHOLE:
        raise PortraitError(f"{at(where, 'ladder.of')}: gives {type_}; it has to be a whole number")
    levels, traits = (_entries(files, kind) for kind in ("levels", "traits"))
    if not 1 <= len(levels) <= MOST_LEVELS:
        raise PortraitError(f"{at(where, 'levels')}: a hierarchy has one to {MOST_LEVELS} levels; found {len(levels)}")
    names: set[str] = set()
    for level, place in (*levels, *traits):
        for field, name in (("name", level.name), ("plural", level.plural)):
            if name in names:
                raise PortraitError(f"{at(place, field)}: '{name}' is used already; give it another name")
            names.add(name)
    main = {level.name for level, _ in levels if level.interest}
    if file.item.main not in main:
        raise PortraitError(
            f"{at(where, 'item.main')}: {file.item.main} is no level with interest{nearest(file.item.main, sorted(main))}"
        )
    return Entities(file.item.main, tuple(level for level, _ in levels), tuple(trait for trait, _ in traits), file.ladder)


def merged_entities(files: Sequence[Read]) -> dict[str, Any]:
    """What files say together."""
    merged = merged_tables(files)
    for kind in ("levels", "traits"):
        merged[kind] = [entry for entry, _ in over(list(placed(read, kind, read.content.get(kind, ()), ())) for read in files)]
    return merged


def _entries(files: Sequence[Read], kind: str) -> list[tuple[Level, Callable[[str], str]]]:
    known = [name for name in CLEAN_ITEMS.column_names if name not in NOT_DESCRIBING]
    found = []
    for entry, where in over(list(placed(read, kind, read.content.get(kind, ()), ())) for read in files):
        level = validate(Level, entry, where)
        if level.name not in known:
            told = f"{level.name} is no column of clean.items; there are {', '.join(known)}{nearest(level.name, known)}"
            raise PortraitError(f"{at(where, 'name')}: {told}")
        found.append((level, where))
    return found
