"""A home's own rules, laid over those of its pack: any of the pack's files, in a folder beside the mapping or in the home.

What such a file says replaces what the pack says, and the rest stays: a tag of a known id and an attribute of a known name by their fields, a
measure of a known name, a table of pack.toml by its keys, recommendations.toml by its keys. A taxonomy with nodes of its own is the whole taxonomy; without, its mappings are added.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portrait_assets.errors import PortraitError
from portrait_assets.packs.files import read_toml
from portrait_assets.packs.places import line_of_key
from portrait_assets.words_near import nearest

FILES = ("pack", "entities", "attributes", "measures", "classes", "tags", "taxonomy", "recommendations")
OF_THE_PACK = ("name", "title", "events")


@dataclass(frozen=True)
class Read:
    """A file of a pack as read; no text where it was not a file."""

    content: dict[str, Any]
    path: Path
    text: str = ""


def folder_of(home: Path | None, mapping: Path | None) -> Path | None:
    """Where a home's own rules are: `pack` in the home, or beside `my_shop.toml` the folder `my_shop.pack`; None where there are none."""
    asked = [*([home / "pack"] if home else []), *([mapping.with_suffix(".pack")] if mapping else [])]
    found = [folder for folder in asked if folder.is_dir() and any(folder.glob("*.toml"))]
    if len(found) > 1:
        raise PortraitError(f"{found[0]} and {found[1]} both hold rules for this home; keep one of the two folders")
    return found[0] if found else None


def is_own(file: Path) -> bool:
    """Whether a file is one of a home's own, by the folder it is in."""
    folder = file.resolve().parent
    return folder.name == "pack" or folder.suffix == ".pack"


def read_folder(folder: Path) -> dict[str, Read]:
    """The files of a pack in `folder`, by name."""
    for path in sorted(folder.glob("*.toml")):
        if path.stem not in FILES:
            raise PortraitError(
                f"{path} is no file of a pack{nearest(path.stem, FILES)}; a pack has {', '.join(f'{name}.toml' for name in FILES)}"
            )
    paths = {name: folder / f"{name}.toml" for name in FILES}
    return {
        name: Read(read_toml(path), path, path.read_text(encoding="utf-8")) for name, path in paths.items() if path.exists()
    }


def limits_over(shipped: Read, own: Read | None) -> tuple[dict[str, Any], Callable[[str], str]]:
    """pack.toml as it holds, and where in which of the two files a field of it is."""
    if own is None:
        return shipped.content, lambda _: str(shipped.path)
    for name in OF_THE_PACK:
        if name in own.content:
            raise PortraitError(f"{_at(own, name)}, field {name}: is the pack's to say; take it away")
    merged = dict(shipped.content)
    for name, said in own.content.items():
        is_table = isinstance(said, dict) and isinstance(merged.get(name), dict)
        merged[name] = {**merged[name], **said} if is_table else said

    def where(field: str) -> str:
        table, _, key = field.partition(".")
        said = own.content.get(table)
        is_own = said is not None and (not key or not isinstance(said, dict) or key in said or key not in merged[table])
        return _at(own, field) if is_own else str(shipped.path)

    return merged, where


def taxonomy_over(shipped: Read, own: Read | None) -> Read:
    """The taxonomy as it holds. A category that the home maps is mapped by the home alone."""
    if own is None or "nodes" in own.content:
        return own or shipped
    mapped = own.content.get("mappings")
    taken = (
        {category for listed in mapped.values() if isinstance(listed, list) for category in listed}
        if isinstance(mapped, dict)
        else set()
    )
    kept = {leaf: [name for name in listed if name not in taken] for leaf, listed in shipped.content["mappings"].items()}
    if isinstance(mapped, dict):
        mapped = kept | {
            leaf: [*kept.get(leaf, []), *listed] if isinstance(listed, list) else listed for leaf, listed in mapped.items()
        }
    return Read(shipped.content | own.content | {"mappings": mapped if "mappings" in own.content else kept}, own.path, own.text)


def rules_over(shipped: Read, own: Read | None) -> Read:
    """The rules of recommending as they hold."""
    return shipped if own is None else Read(shipped.content | own.content, own.path, own.text)


def _at(read: Read, field: str) -> str:
    line = line_of_key(read.text, *field.split(".")[:2])
    return f"{read.path}, line {line}" if line else str(read.path)
