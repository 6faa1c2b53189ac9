"""Audiences that a home has saved: a name and an expression each, in its audiences.toml."""

import tomllib
from pathlib import Path

from pydantic import Field, ValidationError

from portrait_assets.errors import PortraitError
from portrait_assets.packs.files import Declared

FILE = "audiences.toml"


class _Saved(Declared):
    """One entry of audiences.toml."""

    expression: str = Field(min_length=1)


class _File(Declared):
    """audiences.toml: a table a name."""

    audiences: dict[str, _Saved]


def saved_audiences(file: Path) -> dict[str, str]:
    """Saved expressions by name; none without a file. PortraitError where the file is not what `portrait audience save` writes."""
    if not file.exists():
        return {}
    try:
        found = _File(audiences={name: _Saved.model_validate(entry) for name, entry in _content(file).items()})
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise PortraitError(f'{file}, {where}: write [name] with expression = "..." below it') from None
    return {name: saved.expression for name, saved in found.audiences.items()}


def _content(file: Path) -> dict[str, object]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PortraitError(f"{file} is not valid TOML: {error}") from None
