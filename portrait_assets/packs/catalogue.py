"""The tag catalogue: what an entry may say, and the judgement of a whole file before any of it runs."""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from pathlib import Path
from string import Formatter
from typing import Any, Literal

from pydantic import Field

from portrait_assets.errors import PortraitError
from portrait_assets.packs.attributes import SENSITIVITIES, Sensitivity
from portrait_assets.packs.domains import judge_domain
from portrait_assets.packs.entries import either
from portrait_assets.packs.expressions import Expression, ExpressionError, Row
from portrait_assets.packs.files import Declared, Name, Sql, Text, at, validate
from portrait_assets.packs.own import Read
from portrait_assets.packs.places import lines_of_entries
from portrait_assets.packs.references import expanded, referred
from portrait_assets.packs.schema import Schema

DIMENSIONS = ("behaviour", "preference", "social attribute", "value", "risk", "lifecycle", "context")
EXPORT_KINDS = {
    "fact": "fact", "first/last": "fact", "rule": "rule", "tier": "rule", "custom SQL": "rule", "rfm": "rule", "lifecycle": "rule",
    "statistical": "statistical", "preference": "statistical", "model": "model",
    "attribute": "fact or model",
}  # fmt: skip
MODELLED = ("model", "attribute")
NUMBERS = ("DOUBLE", "FLOAT", "DECIMAL", "INTEGER", "BIGINT")
DECIDING = {
    "kind",
    "value",
    "needs",
    "origin",
    "confidence",
    "evidence",
    "values",
    "ttl_days",
}  # who has which value, and how sure
Placed = tuple[Any, Callable[[str], str]]


class TagEntry(Declared):
    """What one `[[tags]]` entry says."""

    id: Name = Field(description="lower case, digits and underscores; unique for ever")
    name: Text = Field(description="English name")
    name_zh: Text = Field(description="Chinese name")
    dimension: Literal[DIMENSIONS] = Field(description="where it stands on the card")  # type: ignore[valid-type]
    kind: Literal[tuple(EXPORT_KINDS)] = Field(description="how it comes about")  # type: ignore[valid-type]
    version: int = Field(ge=1, strict=True, description="goes up when the definition changes")
    owner: Text = Field(description="who answers for it")
    refresh: Literal["daily", "monthly", "model"] = Field(
        "daily", description="when its value can move: any day, with the cut points of a month, with a prediction"
    )
    status: Literal["draft", "published", "deprecated"] = Field(
        "published", description="a draft is judged and listed, and nothing more; a deprecated tag is to be used no longer"
    )
    sensitivity: Sensitivity = Field(description="how carefully it is to be handled")
    description: Text = Field(description="what it means, for a person, with its thresholds")
    ttl_days: int | None = Field(
        None, ge=1, strict=True, description="days after the user's last activity when it counts as stale"
    )
    value_type: Literal["flag", "class", "scale", "name"] = Field(
        description="one value or none; one of several; one of several that stand in their order; a name from the data"
    )
    values: tuple[str, ...] = Field((), description="all values it can have; empty where they come from the data")
    domain: Sql | None = Field(
        None, description="value_type name: whose names, items.department or users.age, or a /pattern/ that they match whole"
    )
    needs: dict[Name, int | float] = Field(
        {},
        description="column of the snapshot row = the least it has to be; below it, or where it is unknown, the tag is absent",
    )
    value: Sql = Field(description="SQL over a snapshot row: a text, null where the tag is absent")
    confidence: Sql = Field(description="SQL over a snapshot row: 0 to 1")
    origin: Sql | None = Field(None, description="kind attribute: SQL that gives declared or inferred")
    evidence: dict[Name, Sql] = Field(min_length=1, description="name = SQL over a snapshot row: the numbers behind it")
    explanation: Text = Field(description="a sentence with {evidence} slots; {name:noun} counts, [a part] may lack")


class Tag(TagEntry):
    """An entry whose expressions were tried: with what its value reads, on which tags it builds, and which evidence has decimals."""

    inputs: frozenset[str]
    builds_on: frozenset[str]
    fractions: frozenset[str]
    uses_cut_points: bool
    """Whether its value moves when the calendar brings new cut points."""

    @property
    def is_modelled(self) -> bool:
        """Whether a change without an event comes from the model."""
        return self.kind in MODELLED


def parse_catalogue(files: Sequence[Read], schema: Schema, is_linted: bool = False) -> tuple[Tag, ...]:
    """The tags of a pack's file, in its order, with those of a file laid over it; PortraitError naming file, line, tag and field otherwise.

    In the second file an entry of a known id says what differs, one of another id is added. A lint also refuses a tag that gives away an
    attribute to be handled with more care than the tag: what was published before that was known is still read.
    """
    placed = reduce(entries_over, [_entries(file) for file in files])
    entries, places = [entry for entry, _ in placed], [where for _, where in placed]
    values = {
        entry["id"]: _needing(entry["value"].strip(), entry.get("needs"))
        for entry in entries
        if isinstance(entry, dict) and isinstance(entry.get("id"), str) and isinstance(entry.get("value"), str)
    }
    row = Row(schema.snapshots, "snapshot_rows", _expressions(entries, values))
    tags: dict[str, Tag] = {}
    for entry, where in zip(entries, places, strict=True):
        if isinstance(entry, dict) and entry.get("id") in tags:
            raise PortraitError(f"{at(where, 'id')}: is used twice; give the second one another id")
        tag = _examine(validate(TagEntry, entry, where), row, values, schema, where)
        if is_linted:
            _refuse_lighter(tag, schema, where)
        tags[tag.id] = tag
    return tuple(tags.values())


def merged_entries(files: Sequence[Read]) -> list[Any]:
    """What the entries say, of files that `parse_catalogue` judged."""
    return [entry for entry, _ in reduce(entries_over, [_entries(file) for file in files])]


def _entries(read: Read) -> list[Placed]:
    """The entries of one file, each with where its fields are."""
    entries = read.content.get("tags")
    if not isinstance(entries, list) or not entries or set(read.content) != {"tags"}:
        raise PortraitError(f"{read.path} has to hold [[tags]] entries and nothing else")
    lines = lines_of_entries(read.text)
    return [(entry, _place(read.path, number, entry, lines)) for number, entry in enumerate(entries, start=1)]


def entries_over(shipped: list[Placed], own: list[Placed]) -> list[Placed]:
    """Entries with others laid over them."""
    merged = {entry["id"]: (entry, where) for entry, where in shipped}
    added: list[Placed] = []
    for entry, where in own:
        tag_id = entry.get("id") if isinstance(entry, dict) else None
        if tag_id in merged and tag_id not in {other.get("id") for other, _ in added if isinstance(other, dict)}:
            before, there = merged[tag_id]
            if set(entry) & DECIDING and not _is_later(entry.get("version"), before["version"]):
                raise PortraitError(
                    f"{at(where, 'version')}: the entry changes what the pack's tag means; give it a version above {before['version']}"
                )
            merged[tag_id] = {**before, **entry}, either(entry, where, there)
        else:
            added.append((entry, where))
    return [*merged.values(), *added]


def _is_later(version: Any, before: int) -> bool:
    return isinstance(version, int) and version > before


def _needing(value: str, needs: Any) -> str:
    """The value where all that it needs is there; an entry whose needs are malformed is refused later, by its place."""
    if not isinstance(needs, dict) or not needs:
        return value
    return f"case when {' and '.join(f'{name} >= {least}' for name, least in needs.items())} then ({value}\n) end"


def _expressions(entries: list[Any], values: dict[str, str]) -> Iterator[str]:
    """All SQL of well-formed entries, as `_examine` will ask for it."""
    for entry in entries:
        try:
            tag = TagEntry.model_validate(entry)
            written = [tag.value, tag.confidence, *tag.evidence.values(), *([tag.origin] if tag.origin else []), *tag.needs]
            yield from [expanded(sql, values, (tag.id,)) for sql in written]
        except ValueError:  # it is refused with its place later
            continue


def _place(path: Path, number: int, entry: Any, lines: list[dict[str, int]]) -> Callable[[str], str]:
    tag_id = entry.get("id") if isinstance(entry, dict) else None
    named = f"tag '{tag_id}'" if tag_id else f"tag number {number}"
    known = lines[number - 1] if number <= len(lines) else {}

    def where(field: str) -> str:
        line = known.get(field.split(".")[0], known.get(""))
        return f"{path}, line {line}, {named}" if line else f"{path}, {named}"

    return where


def _examine(entry: TagEntry, row: Row, values: dict[str, str], schema: Schema, where: Callable[[str], str]) -> Tag:
    def tried(field: str, sql: str, types: tuple[str, ...] = ()) -> Expression:
        try:
            expression = row.examine(expanded(sql, values, (entry.id,)))
            if types and not expression.type.startswith(types):
                raise ExpressionError(f"gives {expression.type}; it has to give {types[0]}")
        except ExpressionError as error:
            raise PortraitError(f"{at(where, field)}: {error}") from None
        return expression

    judge_domain(entry, schema.attribute_names, where)
    value = tried("value", entry.value, ("VARCHAR",))
    if entry.values and (foreign := sorted(value.results - set(entry.values))):
        raise PortraitError(
            f"{at(where, 'value')}: gives '{foreign[0]}', which is outside its values: {', '.join(entry.values)}"
        )
    confidence = tried("confidence", entry.confidence, NUMBERS)
    needed = [tried(f"needs.{name}", name, NUMBERS) for name in entry.needs]
    if (entry.kind in MODELLED) != (entry.refresh == "model"):
        raise PortraitError(f"{at(where, 'refresh')}: is 'model' for kinds {' and '.join(MODELLED)}, and for no other")
    if (entry.kind == "attribute") != (entry.origin is not None):
        raise PortraitError(f"{at(where, 'origin')}: is for kind 'attribute', and needed there")
    if entry.origin is not None:
        tried("origin", entry.origin, ("VARCHAR",))
    evidence = {name: tried(f"evidence.{name}", sql) for name, sql in entry.evidence.items()}
    if missing := sorted(slots(entry.explanation, at(where, "explanation")) - evidence.keys()):
        raise PortraitError(
            f"{at(where, 'explanation')}: the slot {{{missing[0]}}} has no evidence; known are {', '.join(evidence)}"
        )
    fractions = frozenset(name for name, expression in evidence.items() if expression.is_fraction)
    said = entry.model_dump() | {
        "value": _needing(value.sql, entry.needs),
        "confidence": confidence.sql,
        "evidence": {name: expression.sql for name, expression in evidence.items()},
    }
    builds_on = frozenset(referred(" ".join((entry.value, entry.confidence, *entry.evidence.values()))))
    inputs = value.inputs.union(*(expression.inputs for expression in needed))
    is_cut = bool(inputs & schema.classed)
    return Tag(**said, inputs=inputs, builds_on=builds_on, fractions=fractions, uses_cut_points=is_cut)


def _refuse_lighter(tag: Tag, schema: Schema, where: Callable[[str], str]) -> None:
    for attribute in schema.attributes:
        if attribute.name in tag.inputs and SENSITIVITIES.index(tag.sensitivity) < SENSITIVITIES.index(attribute.sensitivity):
            raise PortraitError(
                f"{at(where, 'sensitivity')}: is '{tag.sensitivity}', and the tag reads {attribute.name}, which is "
                f"'{attribute.sensitivity}'; say that"
            )


def slots(template: str, where: str = "template") -> set[str]:
    """The evidence names a template is filled with; PortraitError if its braces do not match."""
    try:
        names = {name for _, name, _, _ in Formatter().parse(template) if name is not None}
    except ValueError as error:
        raise PortraitError(f"{where}: {error}") from None
    if strange := sorted(name for name in names if not re.fullmatch(r"[a-z][a-z0-9_]*", name)):
        raise PortraitError(f"{where}: '{{{strange[0]}}}' is not a slot; write {{name}} or {{name:noun}}")
    return names
