"""Reading a pack's TOML files, with one clear line for what is wrong with them."""

import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

import duckdb
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from portrait_assets.errors import PortraitError

Text = Annotated[str, AfterValidator(lambda text: " ".join(text.split())), Field(min_length=1)]
Sql = Annotated[str, AfterValidator(str.strip), Field(min_length=1)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


@cache
def _words_of_sql() -> frozenset[str]:
    """The words that can't be a column's name without quotes."""
    asked = "select keyword_name from duckdb_keywords() where keyword_category in ('reserved', 'type_function')"
    with duckdb.connect() as connection:
        return frozenset(word for (word,) in connection.execute(asked).fetchall())


def _no_word_of_sql(name: str) -> str:
    if name in _words_of_sql():
        raise ValueError("is a word of SQL; give it another name")
    return name


ColumnName = Annotated[Name, AfterValidator(_no_word_of_sql)]


class Declared(BaseModel):
    """A part of a pack file: nothing but its declared keys, and never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Part = TypeVar("Part", bound=Declared)


def read_toml(path: Path) -> dict[str, Any]:
    """The content of `path`, or a PortraitError that names it."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PortraitError(
            f"{path} is missing; a pack needs pack.toml, entities.toml, attributes.toml, measures.toml, classes.toml, tags.toml, taxonomy.toml and recommendations.toml"
        ) from None
    except UnicodeDecodeError:
        raise PortraitError(f"{path} is not UTF-8 text; save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise PortraitError(f"{path} is not valid TOML: {error}") from None


Where = str | Callable[[str], str]


def at(where: Where, field: str) -> str:
    """The start of a message on `field`: `where` is a text, or finds the line of the field itself."""
    return f"{where(field) if callable(where) else where}, field {field}"


def validate(kind: type[Part], content: Any, where: Where) -> Part:
    """`content` as a `kind`, or a PortraitError naming `where`, the field and what is expected there."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "entry"
        raise PortraitError(f"{at(where, field)}: {_advice(first, kind)}") from None


def _advice(problem: Any, kind: type[Declared]) -> str:
    if problem["type"] == "missing":
        return "is missing; add it"
    if problem["type"] == "extra_forbidden":
        return (
            f"is not known here; known are {', '.join(kind.model_fields)}" if len(problem["loc"]) == 1 else "is not known here"
        )
    if problem["type"] in ("too_short", "string_too_short"):
        return "is empty; fill it in"
    return f"{problem['msg'].removeprefix('Value error, ')}; found {problem['input']!r}"
