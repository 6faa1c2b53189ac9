"""Attributes that users may declare: what attributes.toml may say."""

from collections.abc import Collection, Sequence
from functools import partial
from typing import Any, Literal

from pydantic import Field

from portrait_assets.errors import PortraitError
from portrait_assets.packs.entries import Placed, at_key, either, name_of, placed
from portrait_assets.packs.files import ColumnName, Declared, Text, at, validate
from portrait_assets.packs.own import Read

Sensitivity = Literal["ordinary", "personal", "sensitive"]
SENSITIVITIES: tuple[Sensitivity, ...] = ("ordinary", "personal", "sensitive")
MAPPING_KEYS = frozenset(
    ("table", "from", "stream", "lookups", "each", "where", "reject", "keep", "user_id", "ingested_at", "duplicates", "corrects",
     "times", "key", "event_time", "event_type", "item_id", "session_id", "quantity", "amount", "discount", "coupon", "rating",
     "text", "place_id", "campaign_id", "version", "is_deletion", "has_time")
)  # fmt: skip
"""What a mapping says otherwise: an attribute of such a name could not be told from it."""


class Attribute(Declared):
    """What one `[[attributes]]` entry says."""

    name: ColumnName = Field(description="its column, in lower case; a mapping's [users] names it so")
    label: Text = Field(description="what a person reads")
    meaning: Text = Field(description="what is declared, for a person")
    sensitivity: Sensitivity = Field(
        description="how carefully it is to be handled; a tag that reads it has to say no less (`portrait tags lint`)"
    )
    inferred: bool = Field(True, strict=True, description="whether a model may say it of users who did not declare it")

    @property
    def columns(self) -> tuple[str, ...]:
        """Those that are its own: of a portrait, and where one is made (portraits/snapshots.sql)."""
        name = self.name
        return name, f"{name}_origin", f"{name}_probability", f"declared_{name}", f"guessed_{name}"

    @property
    def origins(self) -> str:
        """How a portrait may come to it, for a person."""
        return "declared or inferred" if self.inferred else "declared"


class AttributesFile(Declared):
    """What attributes.toml may say."""

    attributes: tuple[Any, ...] = Field((), description="[[attributes]] entries")


def parse_attributes(files: Sequence[Read], taken: Collection[str]) -> tuple[Attribute, ...]:
    """The attributes of a pack's file and of one laid over it, in order; PortraitError naming file, line, entry and field.

    An entry of a known name says what differs. `taken` are the names of columns that a portrait has of other things.
    """
    attributes: list[Attribute] = []
    names: dict[str, str] = {}
    for entry, where in _merged(files):
        attribute = validate(Attribute, entry, where)
        if attribute.name in MAPPING_KEYS:
            raise PortraitError(f"{at(where, 'name')}: '{attribute.name}' is a key of a mapping; give it another name")
        for column in attribute.columns:
            if column in taken or column in names:
                of = f"of attribute '{names[column]}'" if column in names else "of a portrait already"
                raise PortraitError(f"{at(where, 'name')}: '{column}' is a column {of}; give this entry another name")
        names |= dict.fromkeys(attribute.columns, attribute.name)
        attributes.append(attribute)
    return tuple(attributes)


def merged_attributes(files: Sequence[Read]) -> dict[str, Any]:
    """What files say together that `parse_attributes` judged."""
    return {"attributes": [entry for entry, _ in _merged(files)]}


def _merged(files: Sequence[Read]) -> list[Placed]:
    merged: dict[Any, Placed] = {}
    for number, file in enumerate(files):
        said = validate(AttributesFile, file.content, partial(at_key, file))
        for place, (entry, where) in enumerate(placed(file, "attributes", said.attributes, ())):
            name = name_of(entry)
            if name in merged:
                before, there = merged[name]
                entry, where = {**before, **entry}, either(entry, where, there)
            merged[name or (number, place)] = entry, where
    return list(merged.values())
