"""Measures of a user's day: what measures.toml may say, and what follows from each operation.

The operation decides how a day's partial is made, how partials add up to a running total, and whether a window of days can be taken from
totals: the same arithmetic serves the batch path, an incremental refresh and the live service (as in Chronon and Tecton).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from portrait_assets.errors import PortraitError
from portrait_assets.packs.entries import at_key, over, placed
from portrait_assets.packs.expressions import FRACTIONS, WHOLE, ExpressionError, Row
from portrait_assets.packs.files import ColumnName, Declared, Name, Sql, Text, at, validate
from portrait_assets.packs.own import Read
from portrait_assets.tables import Column, Table
from portrait_assets.words_near import nearest

Operation = Literal["count", "sum", "dates", "distinct", "visits", "least", "greatest", "last"]
ONCE = ("dates", "distinct", "visits")
"""What counts something once in the days that meet it: a local date meets two UTC days, and a visit may go on over midnight."""
KEPT = ("least", "greatest", "last")
"""Of which a running total keeps one value alone."""
TAKES = {"sum": "whole numbers", "distinct": "what is counted", "least": "values", "greatest": "values", "last": "values"}
ACTIVE, VISITS = "active_days", "visits"
"""The measures that every pack has, of operation dates and visits: what a user's rhythm and habits are told by."""
LONGEST_WINDOW = 3_660  # days
LARGEST_STORED = 10**11  # of an event's whole numbers: columns.LARGEST in cents and thousandths
LARGEST_SUMMAND = 10**12  # a hundred years of 250 such events a day add up within 64 bits


class MeasureEntry(Declared):
    """What one `[[measures]]` entry says."""

    name: ColumnName = Field(description="its column, in lower case; with the unit at its end where that is not a count")
    meaning: Text = Field(description="what it is, for a person")
    unit: Text = Field(description="what one of it is: days, lines, cents …")
    operation: Operation = Field(description="how a day's value is made of its events")
    where: Sql | None = Field(None, description="SQL over one event: the events that count; all, where it is not said")
    of: Sql | None = Field(None, description="SQL over one event: what is summed, counted distinct or kept")
    hours: tuple[int, int] | None = Field(
        None, description="operation visits: the wall-clock hours in which they begin, first and last"
    )
    weekdays: tuple[int, ...] | None = Field(
        None, description="operation visits: the weekdays on which they begin, 1 is Monday"
    )
    label: Text | None = Field(None, description="what a card calls its row of windows; without it a card has none")
    unless_equal_to: Name | None = Field(
        None, description="the measure beside which a card does not say it again where both are equal"
    )
    windowed: bool = Field(False, description="whether a portrait has it of the file's windows too")
    portrayed: bool = Field(True, description="whether a portrait has it at all, or features alone")

    @field_validator("hours")
    @classmethod
    def _hours_ascend(cls, hours: tuple[int, int] | None) -> tuple[int, int] | None:
        if hours and not 0 <= hours[0] <= hours[1] <= 23:
            raise ValueError("are the first and the last hour of a day, 0 to 23, in order")
        return hours

    @field_validator("weekdays")
    @classmethod
    def _days_of_a_week(cls, weekdays: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if weekdays is not None and (not weekdays or not set(weekdays) <= set(range(1, 8))):
            raise ValueError("are days from 1, Monday, to 7, Sunday")
        return weekdays

    @model_validator(mode="after")
    def _says_what_its_operation_takes(self) -> "MeasureEntry":
        if (self.operation in TAKES) != (self.of is not None):
            missing = f"needs `of`, {TAKES[self.operation]}" if self.operation in TAKES else "takes no `of`"
            raise ValueError(f"operation '{self.operation}' {missing}")
        if self.operation == "visits" and self.where is not None:
            raise ValueError("operation 'visits' takes no `where`: pack.toml says what makes a visit")
        if self.operation != "visits" and (self.hours or self.weekdays):
            raise ValueError("`hours` and `weekdays` are of operation 'visits'")
        if self.label and not (self.windowed and self.portrayed):
            raise ValueError("has a `label` for a card's row of windows, and no windows; say `windowed = true`")
        if self.windowed and self.operation in KEPT:
            raise ValueError(
                f"operation '{self.operation}' has no windows: of all that came before, a total keeps one value alone"
            )
        return self


class Measure(MeasureEntry):
    """An entry whose SQL was tried. `of_type` is the type of what it takes; BIGINT where it takes nothing."""

    of_type: str

    @property
    def type(self) -> str:
        """The type of its column."""
        return self.of_type.lower() if self.operation in KEPT else "bigint"

    @property
    def counts_once(self) -> bool:
        """Whether a day takes off what the day before counted already."""
        return self.operation in ONCE

    @property
    def is_carried(self) -> bool:
        """Whether what is taken off is stored too: a window that begins on the day counts it."""
        return self.counts_once and self.windowed

    @property
    def partial(self) -> str:
        """SQL over the events of a user, a UTC day and a local date."""
        only = f" filter (where {self.where})" if self.where else ""
        match self.operation:
            case "count":
                return f"count(*){only}"
            case "sum":
                return f"coalesce(sum({self.of}){only}, 0)"
            case "dates":
                return f"max(({self.where or 'true'})::int)"
            case "least":
                return f"min({self.of}){only}"
            case "greatest":
                return f"max({self.of}){only}"
            case _:
                return f"max_by({self.of}, (event_time, source, event_key)){only}"

    @property
    def total(self) -> str:
        """SQL over the partials in `steps`: what they come to."""
        own = f"steps.{self.name}"
        match self.operation:
            case "least":
                return f"min({own})"
            case "greatest":
                return f"max({own})"
            case "last":
                return f"max_by({own}, steps.{self.name}_at)"
            case _:
                return f"sum({own})"

    def begun(self, visit: str = "") -> str:
        """SQL over a visit's `local_hour` and `local_weekday`: whether it counts."""
        told = [f"{visit}local_hour between {self.hours[0]} and {self.hours[1]}"] if self.hours else []
        if self.weekdays:
            told.append(f"{visit}local_weekday in ({', '.join(map(str, self.weekdays))})")
        return " and ".join(told) or "true"


class Ratio(Declared):
    """What one `[[ratios]]` entry says: a number of the portrait."""

    name: ColumnName = Field(description="its column")
    of: Sql = Field(description="SQL over a user's running totals")
    per: Sql = Field(description="the same; where it is not above zero, there is no ratio")
    meaning: Text = Field(description="what it is, for a person")


class MeasuresFile(Declared):
    """What measures.toml may say."""

    windows: tuple[int, ...] = Field((), description="lengths of windows, days, ascending")
    measures: tuple[Any, ...] = Field((), description="[[measures]] entries")
    ratios: tuple[Any, ...] = Field((), description="[[ratios]] entries")

    @field_validator("windows")
    @classmethod
    def _ascend(cls, windows: tuple[int, ...]) -> tuple[int, ...]:
        if any(not 1 <= days <= LONGEST_WINDOW for days in windows):
            raise ValueError(f"are of 1 to {LONGEST_WINDOW:,} days each")
        if list(windows) != sorted(set(windows)):
            raise ValueError("have to ascend, each once")
        return windows


@dataclass(frozen=True)
class Measures:
    """What a pack measures users by, in its order."""

    windows: tuple[int, ...]
    all: tuple[Measure, ...]
    ratios: tuple[Ratio, ...]

    @property
    def portrayed(self) -> tuple[Measure, ...]:
        """Those whose running total a portrait has."""
        return tuple(measure for measure in self.all if measure.portrayed)

    @property
    def windowed(self) -> tuple[Measure, ...]:
        """Those that a portrait has of windows too."""
        return tuple(measure for measure in self.all if measure.windowed)

    @property
    def active(self) -> Measure:
        """That of the dates on which a user did something."""
        return next(measure for measure in self.all if measure.name == ACTIVE)

    def of_operation(self, *operations: Operation) -> list[Measure]:
        """Those of one of the operations."""
        return [measure for measure in self.all if measure.operation in operations]


def parse_measures(files: Sequence[Read], event_types: tuple[str, ...], taken: frozenset[str], events: Table) -> Measures:
    """The measures of a pack's file and of one laid over it, over events of the types; PortraitError naming file, line, entry and field.

    An entry of a known name replaces it. `taken` are the names of columns that a portrait has in any case, `events` is the table that measures are of.
    """
    read = [validate(MeasuresFile, file.content, partial(at_key, file)) for file in files]
    for field in ("windows", "measures"):
        if not getattr(read[0], field):
            raise PortraitError(f"{at_key(files[0], field)}, field {field}: is missing or empty; fill it in")
    windows = next(file.windows for file in reversed(read) if file.windows)
    row = Row(events, "an_event")
    listed = over(list(placed(file, "measures", said.measures, taken)) for file, said in zip(files, read, strict=True))
    measures = [_judged(validate(MeasureEntry, entry, where), row, event_types, where) for entry, where in listed]
    names = {measure.name for measure in measures}
    operations = {measure.name: (measure.operation, measure.windowed) for measure in measures}
    for name, operation in ((ACTIVE, "dates"), (VISITS, "visits")):
        if operations.get(name) != (operation, True):
            raise PortraitError(
                f"{files[0].path}: has to have a measure '{name}' of operation '{operation}', with `windowed = true`: rhythm and habits go by it"
            )
    for measure, (_, where) in zip(measures, listed, strict=True):
        if measure.unless_equal_to and measure.unless_equal_to not in names:
            told = f"{measure.unless_equal_to} is no measure{nearest(measure.unless_equal_to, names)}"
            raise PortraitError(f"{at(where, 'unless_equal_to')}: {told}")
    known = taken | names
    known |= {f"{measure.name}_{days}d" for measure in measures if measure.windowed for days in windows}
    totals = Row(
        Table("features.totals", "a user", tuple(Column(each.name, each.type, each.meaning) for each in measures)), "totals"
    )
    listed = over(list(placed(file, "ratios", said.ratios, known)) for file, said in zip(files, read, strict=True))
    ratios = [_tried_ratio(validate(Ratio, entry, where), totals, where) for entry, where in listed]
    return Measures(windows, tuple(measures), tuple(ratios))


def merged_measures(files: Sequence[Read]) -> dict[str, Any]:
    """What files say together that `parse_measures` judged."""
    merged: dict[str, Any] = {}
    for kind in ("measures", "ratios"):
        merged[kind] = [entry for entry, _ in over(list(placed(file, kind, file.content.get(kind, ()), ())) for file in files)]
    return {"windows": next(file.content["windows"] for file in reversed(files) if "windows" in file.content)} | merged


def _judged(entry: MeasureEntry, row: Row, event_types: tuple[str, ...], where: Callable[[str], str]) -> Measure:
    """The entry with the type of what it takes. It has the name of an event's column only where it is the sum of that."""
    if entry.name in row.columns and (entry.operation, entry.of) != ("sum", entry.name):
        raise PortraitError(
            f"{at(where, 'name')}: '{entry.name}' is a column of an event; say what is measured of it, such as last_{entry.name}"
        )
    if entry.where and (type_ := _tried("where", entry.where, row, where)) != "BOOLEAN":
        raise PortraitError(f"{at(where, 'where')}: gives {type_}; it has to be true or false of an event")
    of_type = _tried("of", entry.of, row, where) if entry.of else "BIGINT"
    for field, sql in (("where", entry.where), ("of", entry.of)):
        if unknown := sorted(row.compared(sql or "null", "event_type") - set(event_types)):
            raise PortraitError(
                f"{at(where, field)}: {unknown[0]} is not an event type; known are {', '.join(event_types)}{nearest(unknown[0], event_types)}"
            )
    if entry.operation == "sum" and entry.of:
        if of_type not in WHOLE:
            raise PortraitError(
                f"{at(where, 'of')}: gives {of_type}; a sum is of whole numbers, so that it adds and takes back to the bit"
            )
        _refuse_large(entry.of, row, event_types, where)
    return Measure(**entry.model_dump(), of_type=of_type)


def _tried(field: str, sql: str, row: Row, where: Callable[[str], str]) -> str:
    """The type of an expression; PortraitError where it can't stand."""
    try:
        return row.examine(sql).type
    except ExpressionError as error:
        raise PortraitError(f"{at(where, field)}: {error}") from None


def _refuse_large(sql: str, row: Row, event_types: tuple[str, ...], where: Callable[[str], str]) -> None:
    try:
        most = row.most(sql, LARGEST_STORED, "event_type", event_types)
    except ExpressionError as error:
        raise PortraitError(f"{at(where, 'of')}: {error}") from None
    if most > LARGEST_SUMMAND:
        raise PortraitError(
            f"{at(where, 'of')}: may be {most:.0e} of one event, and a sum of such numbers would not fit; keep it within {LARGEST_SUMMAND:.0e}"
        )


def _tried_ratio(ratio: Ratio, totals: Row, where: Callable[[str], str]) -> Ratio:
    for field, sql in (("of", ratio.of), ("per", ratio.per)):
        if (type_ := _tried(field, sql, totals, where)) not in WHOLE and not type_.startswith(FRACTIONS):
            raise PortraitError(f"{at(where, field)}: gives {type_}; it has to be a number")
    return ratio
