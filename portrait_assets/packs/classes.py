"""How users are classed: what classes.toml may say. All of it is SQL over one row, whose columns the pack's measures give."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import Field

from portrait_assets.errors import PortraitError
from portrait_assets.packs.entries import at_last, merged_tables, over, placed
from portrait_assets.packs.expressions import WHOLE, ExpressionError, Row
from portrait_assets.packs.files import Declared, Name, Sql, Text, at, validate
from portrait_assets.packs.measures import Measures
from portrait_assets.packs.own import Read
from portrait_assets.tables import Column, Table
from portrait_assets.words_near import nearest

YEAR = 365
NUMBER = re.compile(r"\$([a-z_]+)")
KINDS = ("acts", "fifths", "tiers", "lifecycle", "segments")
# What is known of a user beside measures when rules are tried.
STANDING = {
    "first_date": "date", "tenure_days": "bigint", "last_active_date": "date", "recency_days": "bigint", "mean_gap_days": "double",
    "std_gap_days": "double", "last_gap_days": "bigint", "usual_gap_days": "double", "source_gap_days": "bigint", "pace_days": "double",
    "recency_score": "bigint", "frequency_score": "bigint", "monetary_score": "bigint", "main_act": "varchar",
}  # fmt: skip


class Outcome(Declared):
    """The act that everything is about."""

    name: Name = Field(description="last_<name>_date is its last date")
    days: Name = Field(description="the measure of its dates")
    count: Name = Field(description="the measure of how often")
    kept: Sql = Field("true", description="SQL over running totals: whether anything of it stayed")


class Value(Declared):
    """What users are worth."""

    of: Name = Field(description="a measure with windows, one of a year")


class Segmented(Declared):
    """Who has a segment."""

    among: Sql = Field("true", description="SQL over a row: who has one at all")


class Act(Declared):
    """One `[[acts]]` entry."""

    name: Name = Field(description="what it is called")
    count: Name = Field(description="the measure of how often")


class Fifth(Declared):
    """One `[[fifths]]` entry."""

    name: Name = Field(description="its column")
    of: Sql = Field(description="SQL over running totals: a whole number")
    among: Sql = Field("true", description="SQL over running totals: who is classed")
    meaning: Text = Field(description="what it is, for a person")


class Rule(Declared):
    """One entry of `[[tiers]]`, `[[lifecycle]]` or `[[segments]]`: the first that holds counts."""

    name: Text = Field(description="the class")
    when: Sql = Field(description="SQL over a row: who is in it")


class ClassesFile(Declared):
    """What classes.toml may say."""

    outcome: Outcome
    value: Value
    segmented: Segmented = Segmented(among="true")
    acts: tuple[Any, ...] = Field((), description="[[acts]] entries")
    fifths: tuple[Any, ...] = Field((), description="[[fifths]] entries")
    tiers: tuple[Any, ...] = Field((), description="[[tiers]] entries")
    lifecycle: tuple[Any, ...] = Field((), description="[[lifecycle]] entries")
    segments: tuple[Any, ...] = Field((), description="[[segments]] entries")


@dataclass(frozen=True)
class Classes:
    """How a pack classes users, each kind in the order in which its rules are tried."""

    outcome: Outcome
    value: str
    segmented: Segmented
    acts: tuple[Act, ...]
    fifths: tuple[Fifth, ...]
    tiers: tuple[Rule, ...]
    lifecycle: tuple[Rule, ...]
    segments: tuple[Rule, ...]


def parse_classes(files: Sequence[Read], measures: Measures, numbers: Mapping[str, Any], taken: frozenset[str]) -> Classes:
    """The classes of a pack's file and of one laid over it, of which an entry of a known name replaces it; PortraitError naming file, line,
    entry and field.

    `numbers` are those that rules may name with a $; `taken` the names of columns that a portrait has in any case.
    """
    said, where = merged_tables(files), partial(at_last, files)
    file = validate(ClassesFile, said, where)
    whole = {measure.name for measure in measures.all if measure.type == "bigint"}
    dates = {measure.name for measure in measures.of_operation("dates")}
    windowed = {measure.name for measure in measures.windowed}
    _known(where, "outcome.days", file.outcome.days, dates, "a measure of dates")
    _known(where, "outcome.count", file.outcome.count, whole, "a measure")
    _known(where, "value.of", file.value.of, windowed, "a measure with windows")
    if YEAR not in measures.windows:
        raise PortraitError(f"{at(where, 'value.of')}: needs a window of {YEAR} days; add it to the windows of measures.toml")
    totals = {measure.name: measure.type for measure in measures.all}
    windows = {f"{name}_{days}d": "bigint" for name in windowed for days in measures.windows}
    outcome = {f"last_{file.outcome.name}_date": "date", f"{file.outcome.name}_recency_days": "bigint"}
    if clash := sorted({*outcome, f"first_{file.outcome.name}_date"} & (totals.keys() | windows.keys() | taken)):
        raise PortraitError(
            f"{at(where, 'outcome.name')}: makes the column {clash[0]}, which there is already; choose another name"
        )
    of_totals = _row("totals", totals)
    of_standing = _row("standing", STANDING | outcome | totals | windows)
    of_lifecycle = _row("classed", STANDING | outcome | totals | windows | {"lifecycle": "varchar"})
    tried = partial(_tried, numbers=numbers)
    tried(of_totals, where, "outcome.kept", file.outcome.kept)
    tried(of_lifecycle, where, "segmented.among", file.segmented.among)
    names = taken | totals.keys() | windows.keys() | outcome.keys()
    entries = {
        kind: over(list(placed(read, kind, read.content.get(kind, ()), names if kind == "fifths" else ())) for read in files)
        for kind in KINDS
    }
    acts = []
    for entry, place in entries["acts"]:
        acts.append(act := validate(Act, entry, place))
        _known(place, "count", act.count, whole, "a measure")
    fifths = []
    for entry, place in entries["fifths"]:
        fifths.append(fifth := validate(Fifth, entry, place))
        tried(of_totals, place, "of", fifth.of, WHOLE)
        tried(of_totals, place, "among", fifth.among)
    rules: dict[str, tuple[Rule, ...]] = {}
    for kind in ("tiers", "lifecycle", "segments"):
        row = of_lifecycle if kind == "segments" else of_standing
        rules[kind] = tuple(validate(Rule, entry, place) for entry, place in entries[kind])
        for rule, (_, place) in zip(rules[kind], entries[kind], strict=True):
            tried(row, place, "when", rule.when)
    return Classes(file.outcome, file.value.of, file.segmented, tuple(acts), tuple(fifths), **rules)


def merged_classes(files: Sequence[Read]) -> dict[str, Any]:
    """What files say together that `parse_classes` judged."""
    return merged_tables(files) | {
        kind: [entry for entry, _ in over(list(placed(read, kind, read.content.get(kind, ()), ())) for read in files)]
        for kind in KINDS
    }


def _row(name: str, columns: Mapping[str, str]) -> Row:
    return Row(Table(f"features.{name}", "a user", tuple(Column(each, type_, each) for each, type_ in columns.items())), name)


def _known(where: Callable[[str], str], field: str, name: str, known: set[str], what: str) -> None:
    if name not in known:
        raise PortraitError(f"{at(where, field)}: {name} is not {what}{nearest(name, sorted(known))}")


def _tried(
    row: Row,
    where: Callable[[str], str],
    field: str,
    sql: str,
    types: tuple[str, ...] = ("BOOLEAN",),
    *,
    numbers: Mapping[str, Any],
) -> None:
    """PortraitError where an expression can't stand over a row of that table."""
    if unknown := sorted(set(NUMBER.findall(sql)) - numbers.keys()):
        raise PortraitError(
            f"{at(where, field)}: ${unknown[0]} is no number of pack.toml{nearest(unknown[0], sorted(numbers))}"
        )
    try:
        type_ = row.examine(NUMBER.sub(lambda found: str(numbers[found[1]]), sql)).type
    except ExpressionError as error:
        raise PortraitError(f"{at(where, field)}: {error}") from None
    if type_ not in types:
        wanted = "true or false" if types == ("BOOLEAN",) else "a whole number"
        raise PortraitError(f"{at(where, field)}: gives {type_}; it has to be {wanted}")
