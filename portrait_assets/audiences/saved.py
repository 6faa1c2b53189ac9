"""Saved audiences: names for expressions, in the home's audiences.toml, and who came and went between two generations."""

import json
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from portrait_assets.audiences.language import conditions, parse
from portrait_assets.audiences.members import Audience, audience, holds
from portrait_assets.errors import PortraitError
from portrait_assets.reading.export import Export
from portrait_assets.resources.lock import exclusive

NAME = r"[a-z][a-z0-9_-]*"


class _Saved(BaseModel):
    """One entry of audiences.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    expression: str = Field(min_length=1)


class _File(BaseModel):
    """audiences.toml: a table a name."""

    audiences: dict[str, _Saved]


@dataclass(frozen=True)
class Moves:
    """One audience in two generations. `changed` counts, by condition, for how many who came or went it changed."""

    before: Audience
    after: Audience
    entered: list[str]
    left: list[str]
    changed: dict[str, int]


def load(file: Path) -> dict[str, str]:
    """Saved expressions by name; none without a file. PortraitError where the file is not what `save` writes."""
    if not file.exists():
        return {}
    try:
        found = _File(audiences=tomllib.loads(file.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PortraitError(f"{file} is not valid TOML: {error}") from None
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"][1:])
        raise PortraitError(f'{file}, {where}: write [name] with expression = "..." below it') from None
    return {name: saved.expression for name, saved in found.audiences.items()}


def save(file: Path, name: str, found: Audience) -> None:
    """Name the expression of `found`, in place of what had that name."""
    text = str(found.expression)
    if not text.isprintable():
        raise PortraitError("the audience holds a character that cannot be printed, so it cannot be saved as one line")
    with exclusive(file.with_suffix(".lock"), "saving an audience"):
        entries = load(file) | {name: text}
        draft = file.with_name(f".{file.name}.{os.getpid()}.draft")
        # A JSON text of printable characters is a TOML text too.
        parts = [f"[{name}]\nexpression = {json.dumps(said, ensure_ascii=False)}\n" for name, said in sorted(entries.items())]
        draft.write_text("\n".join(parts), encoding="utf-8")
        draft.replace(file)


def expression_of(text: str, file: Path) -> tuple[str, bool]:
    """What `text` means, and whether it names a saved audience: no expression is a single word."""
    saved = load(file)
    return (saved[text], True) if text in saved else (text, False)


def moves(text: str, before: Export, after: Export) -> Moves:
    """Who entered and left between two generations, and which conditions turned for them."""
    parse(text)
    old, new = audience(before, text, values=False), audience(after, text, values=False)
    entered, left = new.ids() - old.ids(), old.ids() - new.ids()
    return Moves(old, new, _ordered(entered), _ordered(left), _changed(old, new, entered | left))


def _changed(old: Audience, new: Audience, moved: set[str]) -> dict[str, int]:
    met = [_met(group, moved) for group in (old, new)]
    both = met[0].join(met[1], on="user_id", suffix=" after")
    counts = {name: int((both[name] != both[f"{name} after"]).sum()) for name in met[0].columns if name != "user_id"}
    return {name: count for name, count in counts.items() if count}


def _met(group: Audience, users: set[str]) -> pl.DataFrame:
    """user_id and one true or false a condition, for these users as far as the generation has them."""
    named = {str(condition): holds(condition, group.vocabulary) for condition in conditions(group.expression)}
    return group.facts.filter(pl.col("user_id").is_in(users)).select("user_id", **named)


def _ordered(users: set[str]) -> list[str]:
    return sorted(users, key=lambda user_id: (len(user_id), user_id))
