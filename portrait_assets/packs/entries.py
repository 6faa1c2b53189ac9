"""The `[[kind]]` entries of pack files, each with where its fields are, and those of a home's own file laid over them by name."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

from portrait_assets.errors import PortraitError
from portrait_assets.packs.files import at
from portrait_assets.packs.own import Read
from portrait_assets.packs.places import line_of_key, lines_of_entries

Placed = tuple[Any, Callable[[str], str]]
"""An entry as read, and what says where a field of it is."""


def name_of(entry: Any) -> str | None:
    """The name that an entry says, where it says one."""
    name = entry.get("name") if isinstance(entry, dict) else None
    return name if isinstance(name, str) else None


def placed(read: Read, kind: str, entries: Sequence[Any], taken: Collection[str]) -> Iterator[Placed]:
    """Each entry of a kind; PortraitError for a name that is taken, by an entry before it or otherwise."""
    lines, names = lines_of_entries(read.text, f"[[{kind}]]"), set(taken)
    for number, entry in enumerate(entries):
        name = name_of(entry)
        where = _place(read, kind, number, name, lines[number] if number < len(lines) else {})
        if name in names:
            raise PortraitError(f"{at(where, 'name')}: '{name}' is used already; give this entry another name")
        names.add(str(name))
        yield entry, where


def over(files: Iterable[list[Placed]]) -> list[Placed]:
    """The entries of files in order, those of a known name in its place."""
    merged: dict[Any, Placed] = {}
    for number, entries in enumerate(files):
        for place, (entry, where) in enumerate(entries):
            merged[name_of(entry) or (number, place)] = entry, where
    return list(merged.values())


def at_key(read: Read, field: str) -> str:
    """Where a field outside all entries is."""
    table, _, key = field.partition(".")
    line = line_of_key(read.text, table, key or None) or line_of_key(read.text, "", table)
    return f"{read.path}, line {line}" if line else str(read.path)


def at_last(files: Sequence[Read], field: str) -> str:
    """Where a field is: in the last of the files that says its table."""
    table = field.split(".")[0]
    return at_key(next((read for read in reversed(files) if table in read.content), files[0]), field)


def merged_tables(files: Sequence[Read]) -> dict[str, Any]:
    """What the files say, of tables key by key; of entries those of the last file that has some, for they are read one by one."""
    merged: dict[str, Any] = {}
    for read in files:
        for name, said in read.content.items():
            is_table = isinstance(said, dict) and isinstance(merged.get(name), dict)
            merged[name] = {**merged[name], **said} if is_table else said
    return merged


def either(entry: dict[str, Any], where: Callable[[str], str], there: Callable[[str], str]) -> Callable[[str], str]:
    """Where a field is of an entry laid over another: in the entry where it says it, else `there`."""
    return lambda field: where(field) if field.split(".")[0] in entry else there(field)


def _place(read: Read, kind: str, number: int, name: Any, lines: dict[str, int]) -> Callable[[str], str]:
    named = f"{kind.removesuffix('s')} '{name}'" if name else f"{kind.removesuffix('s')} number {number + 1}"

    def where(field: str) -> str:
        line = lines.get(field.split(".")[0], lines.get(""))
        return f"{read.path}, line {line}, {named}" if line else f"{read.path}, {named}"

    return where
