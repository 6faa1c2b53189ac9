"""A domain pack: attention points, plausible limits, half-life and tag catalogue, read from its folder."""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator, model_validator

from portrait_assets.errors import PortraitError
from portrait_assets.packs.attributes import merged_attributes, parse_attributes
from portrait_assets.packs.catalogue import Tag, merged_entries, parse_catalogue
from portrait_assets.packs.classes import merged_classes, parse_classes
from portrait_assets.packs.entities import merged_entities, parse_entities
from portrait_assets.packs.files import Declared, read_toml, validate
from portrait_assets.packs.measures import merged_measures, parse_measures
from portrait_assets.packs.own import FILES, Read, limits_over, read_folder, rules_over, taxonomy_over
from portrait_assets.packs.recommending import Recommending, parse_recommending
from portrait_assets.packs.schema import Schema, unmeasured
from portrait_assets.packs.taxonomy import Taxonomy, parse_taxonomy
from portrait_assets.words_near import nearest

PACKS_DIR = Path(__file__).parent
DEFAULT_PACK = "ecommerce"  # of a mapping that names none
PACK_FILE = "pack.json"  # in an export: what its files say, the home's own rules in them


class Outliers(Declared):
    """What one plausible line may hold at most."""

    quantity: float = Field(gt=0, description="units")
    amount: float = Field(gt=0, description="currency units")


class Interests(Declared):
    """How attention fades."""

    half_life_days: float = Field(ge=1, description="days after which an event's attention counts half")


class Events(Declared):
    """What may happen."""

    types: tuple[str, ...] = Field(min_length=1, description="event types")
    sent: tuple[str, ...] = Field((), description="those that are sent to a user; all others are acts of the user")
    refunds: tuple[str, ...] = Field((), description="those that pay back: their amounts may be given with a minus")

    @field_validator("types")
    @classmethod
    def _names(cls, types: tuple[str, ...]) -> tuple[str, ...]:
        for name in types:
            if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or types.count(name) > 1:
                raise ValueError(f"'{name}' is no name; use lower case letters, digits and _, each once")
        return types

    @field_validator("sent", "refunds")
    @classmethod
    def _known(cls, some: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        _refuse_unknown(some, info.data.get("types", some))
        return some


class Visits(Declared):
    """What makes a visit."""

    types: tuple[str, ...] = Field(min_length=1, description="event types")


class Rhythm(Declared):
    """How silence is measured, in gaps between shopping days."""

    least_gaps: int = Field(ge=1, description="own gaps from which a user has a usual one")
    least_returning: float = Field(
        ge=0, le=1, description="share of customers who came back, below which the source has no rhythm"
    )
    new: float = Field(gt=0, description="gaps that a customer is new for")
    new_days: int = Field(ge=1, description="the same in days, while no gap of the source is known")
    lapsing: float = Field(gt=0, description="gaps of silence")
    lapsed: float = Field(gt=0, description="gaps of silence")
    dormant: float = Field(gt=0, description="gaps of silence")

    @property
    def numbers(self) -> dict[str, float]:
        """By the names that SQL calls them."""
        return {
            "least_gaps": self.least_gaps,
            "least_returning": self.least_returning,
            "new_gaps": self.new,
            "new_days": self.new_days,
            "lapsing_gaps": self.lapsing,
            "lapsed_gaps": self.lapsed,
            "dormant_gaps": self.dormant,
        }

    @model_validator(mode="after")
    def _ascend(self) -> "Rhythm":
        if not self.lapsing < self.lapsed < self.dormant:
            raise ValueError("lapsing, lapsed and dormant have to ascend")
        return self


class Classes(Declared):
    """How classes are cut from the source's own distribution."""

    least_users: int = Field(ge=1, description="users from which fifths are cut")


class Attributes(Declared):
    """When an undeclared attribute may be inferred."""

    min_probability: float = Field(gt=0, le=1, description="least probability of an inferred attribute")


class PackFile(Declared):
    """What pack.toml may say."""

    name: str
    title: str
    events: Events
    attention: dict[str, Annotated[int, Field(ge=0)]]
    visits: Visits
    outliers: Outliers
    interests: Interests
    rhythm: Rhythm
    classes: Classes
    attributes: Attributes

    @field_validator("attention", "visits")
    @classmethod
    def _known_types(cls, value: Any, info: ValidationInfo) -> Any:
        if "events" in info.data:
            _refuse_unknown(value.types if isinstance(value, Visits) else value, info.data["events"].types)
        return value


def _refuse_unknown(named: Iterable[str], known: tuple[str, ...]) -> None:
    if unknown := sorted(set(named) - set(known)):
        raise ValueError(f"{unknown[0]} is not an event type; known are {', '.join(known)}{nearest(unknown[0], known)}")


@dataclass(frozen=True)
class Pack:
    """A pack as loaded. `version` is twelve hex digits of what its data files say; comments do not count."""

    name: str
    title: str
    version: str
    events: Events
    attention: tuple[tuple[str, int], ...]
    visits: Visits
    outliers: Outliers
    interests: Interests
    rhythm: Rhythm
    classes: Classes
    attributes: Attributes
    catalogue: tuple[Tag, ...]
    recommending: Recommending
    taxonomy: Taxonomy
    schema: Schema
    """The tables that its measures and attributes make, and what the SQL of a home with it loops over."""
    own: Path | None = None
    """The folder of a home's own rules, where they are laid over the pack's."""
    folder: Path | None = None
    """Where its files are; None of one that an export carries."""
    content: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """What the files say, as `pack_of` takes it."""

    @property
    def event_types(self) -> tuple[str, ...]:
        """What may happen, sent or done."""
        return self.events.types

    @property
    def reference(self) -> str:
        """What it is opened by: its name where it is shipped, else its folder."""
        return str(self.folder) if self.folder and self.folder.parent != PACKS_DIR else self.name

    @property
    def tags(self) -> tuple[Tag, ...]:
        """The tags that users get: all of the catalogue but its drafts."""
        return tuple(tag for tag in self.catalogue if tag.status != "draft")

    @property
    def sql_parameters(self) -> dict[str, Any]:
        """The named parameters that the `.sql` files take from a pack."""
        return {
            "outlier_quantity_milli": round(self.outliers.quantity * 1000),
            "outlier_amount_cents": round(self.outliers.amount * 100),
            "point_types": [event_type for event_type, _ in self.attention],
            "point_values": [points for _, points in self.attention],
            "visit_types": list(self.visits.types),
            "sent_types": list(self.events.sent),
            "half_life_days": self.interests.half_life_days,
            **self.rhythm.numbers,
            "least_users": self.classes.least_users,
            "min_probability": self.attributes.min_probability,
        }

    def tag(self, tag_id: str) -> Tag | None:
        """The catalogue's entry for `tag_id`, if it has one."""
        return next((tag for tag in self.catalogue if tag.id == tag_id), None)


def shipped_packs() -> list[str]:
    """The names of the packs that come with Portrait."""
    return sorted(path.parent.name for path in PACKS_DIR.glob("*/pack.toml"))


def folder_of_pack(reference: str, beside: Path = Path()) -> Path:
    """The folder of a shipped pack by its name, or of another by its path, from `beside` on; PortraitError where there is none."""
    if reference in shipped_packs():
        return PACKS_DIR / reference
    folder = (beside / Path(reference).expanduser()).resolve()
    if not (folder / "pack.toml").is_file():
        named = f"shipped are {', '.join(shipped_packs())}{nearest(reference, shipped_packs())}"
        raise PortraitError(f"there is no domain pack '{reference}': {named}; or give a folder with a pack.toml")
    return folder


def load_pack(reference: str = DEFAULT_PACK) -> Pack:
    """The pack of that name or folder; PortraitError if there is none or its files are wrong."""
    return load_over(None, reference)


def load_over(own: Path | None, reference: str = DEFAULT_PACK) -> Pack:
    """The same with the files of the folder `own` over it."""
    folder = folder_of_pack(reference)
    read = tuple(each for each in (None if folder.parent == PACKS_DIR else folder, own) if each)
    stamps = tuple((str(path), path.read_bytes()) for each in read for path in sorted(each.glob("*.toml")))
    return _load_over(own, folder, stamps)


@lru_cache(maxsize=8)
def _load_over(own: Path | None, folder: Path, stamps: tuple[tuple[str, bytes], ...]) -> Pack:
    return read_pack(folder, own)


def read_pack(folder: Path, own: Path | None = None) -> Pack:
    """The pack whose files (own.FILES) are in `folder`, with those of `own` over them.

    `version` is of pack.toml, attributes.toml, measures.toml, classes.toml and tags.toml: no stored table is made from the taxonomy, and the rules of recommending make only the
    recommendations stale.
    """
    files = {name: Read(read_toml(path := folder / f"{name}.toml"), path, path.read_text(encoding="utf-8")) for name in FILES}
    if files["pack"].content.get("name", folder.name) != folder.name:
        raise PortraitError(
            f"{folder / 'pack.toml'}, field name: is '{files['pack'].content['name']}' in the folder {folder.name}; make them the same"
        )
    return _made(files, read_folder(own) if own else {}, own, folder)


def read_schema(folder: Path, own: Path | None = None) -> Schema:
    """The tables that such a pack gives, whatever its tags say."""
    files, over = read_folder(folder), read_folder(own) if own else {}
    said, where = limits_over(files["pack"], over.get("pack"))
    return _schema(files, over, validate(PackFile, said, where))


def pack_of(content: dict[str, Any], file: Path) -> Pack:
    """The pack that `file` of an export carries."""
    if not content.keys() >= set(FILES):
        raise PortraitError(f"{file} is of an earlier version of Portrait; `portrait refresh` publishes it again")
    return _made({name: Read(content[name], file) for name in FILES}, {}, None, None)


def _made(files: dict[str, Read], over: dict[str, Read], own: Path | None, folder: Path | None) -> Pack:
    said, where = limits_over(files["pack"], over.get("pack"))
    file = validate(PackFile, said, where)
    schema = _schema(files, over, file)
    tags = _laid("tags", files, over)
    catalogue = parse_catalogue(tags, schema)
    rules, taxonomy = (
        laid(files[name], over.get(name)) for name, laid in (("recommendations", rules_over), ("taxonomy", taxonomy_over))
    )
    written = {"tags": merged_entries(tags)}
    entities, attributes, measures, classes = (
        merged(_laid(name, files, over))
        for name, merged in (
            ("entities", merged_entities),
            ("attributes", merged_attributes),
            ("measures", merged_measures),
            ("classes", merged_classes),
        )
    )
    content = json.dumps([said, entities, attributes, measures, classes, written], sort_keys=True, ensure_ascii=False)
    return Pack(
        name=file.name,
        title=file.title,
        version=_digest(content),
        own=own,
        folder=folder,
        content={
            "pack": said,
            "entities": entities,
            "attributes": attributes,
            "measures": measures,
            "classes": classes,
            "tags": written,
            "taxonomy": taxonomy.content,
            "recommendations": rules.content,
        },
        events=file.events,
        attention=tuple(sorted(file.attention.items())),
        visits=file.visits,
        outliers=file.outliers,
        interests=file.interests,
        rhythm=file.rhythm,
        classes=file.classes,
        attributes=file.attributes,
        catalogue=catalogue,
        recommending=parse_recommending(rules.content, rules.path, rules.text),
        taxonomy=parse_taxonomy(taxonomy.content, taxonomy.path),
        schema=schema,
    )


def _laid(name: str, files: dict[str, Read], over: dict[str, Read]) -> list[Read]:
    return [files[name], *([over[name]] if name in over else [])]


def _schema(files: dict[str, Read], over: dict[str, Read], file: PackFile) -> Schema:
    """A name that is said twice is refused in the file of the home rather than in the pack's."""
    entities = parse_entities(_laid("entities", files, over))
    bare = unmeasured(entities)
    shipped = parse_attributes([files["attributes"]], bare.column_names)
    taken = bare.column_names | {column for attribute in shipped for column in attribute.columns}
    measures = parse_measures(_laid("measures", files, over), file.events.types, taken, bare.events)
    classes = parse_classes(_laid("classes", files, over), measures, file.rhythm.numbers, taken)
    others = Schema(entities, measures, classes, ()).column_names
    return Schema(entities, measures, classes, parse_attributes(_laid("attributes", files, over), others))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
