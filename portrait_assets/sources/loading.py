"""A mapping file read: TOML to `Source`, every mistake reported with its line and the nearest thing that is right."""

import importlib.util
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from portrait_assets.errors import PortraitError
from portrait_assets.packs import Pack, own
from portrait_assets.packs.pack import DEFAULT_PACK, folder_of_pack, load_over
from portrait_assets.sources.compiling import CANONICAL_STREAM, LIVE_STREAM
from portrait_assets.sources.mapping import (
    OF_THE_PACK,
    CouponStream,
    EventStream,
    ItemStream,
    Lookup,
    Source,
    SourceTable,
    Stream,
    UserStream,
)
from portrait_assets.words_near import nearest

SHIPPED = Path(__file__).parents[1] / "packs" / "ecommerce" / "sources"
SECTIONS: dict[str, type[BaseModel]] = {
    "tables": SourceTable, "events": EventStream, "items": ItemStream, "users": UserStream, "coupons": CouponStream,
}  # fmt: skip


def load(name_or_path: str | Path = "complete_journey", pack: Pack | None = None) -> Source:
    """The source of that name among the shipped ones, or of that TOML file. PortraitError says what is wrong in it.

    Its [users] may name the attributes of `pack`: by default the one it names, with the rules beside it over that.
    """
    path, text, declared = _read(name_or_path)
    if "path" in declared:
        raise PortraitError(f"{path}, line {_line(text, ['path'])}: unknown key 'path'; the folder of the files is `root`")
    if given := [key for key in OF_THE_PACK if key in declared]:
        raise PortraitError(_unknown_key(path, text, given[:1], _known_keys([])))
    pack = pack or load_over(own.folder_of(None, path), pack_of(path))
    declared = _with_attributes(path, text, declared, pack.schema.attribute_names)
    try:
        types = {"event_types": pack.events.types, "refund_types": pack.events.refunds}
        source = Source.model_validate({**declared, **types, "path": path, "root": _root(path, declared.get("root", "."))})
    except ValidationError as error:
        raise PortraitError(_explained(path, text, error)) from None
    return _named_streams(source)


def pack_of(name_or_path: str | Path) -> str:
    """The pack that the mapping names, or that of shops, as `load_pack` takes it."""
    path, _, declared = _read(name_or_path)
    named = declared.get("pack")
    return str(folder_of_pack(named, path.parent)) if named and isinstance(named, str) else DEFAULT_PACK


def _read(name_or_path: str | Path) -> tuple[Path, str, dict[str, Any]]:
    path = _find(name_or_path)
    text = path.read_text(encoding="utf-8-sig")
    try:
        return path, text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PortraitError(f"{path}: not TOML: {error}; strings need quotes, tables [brackets]") from None


def _with_attributes(path: Path, text: str, declared: dict[str, Any], attributes: Sequence[str]) -> dict[str, Any]:
    """The mapping with what its [users] name in the order of the pack; PortraitError for what is neither an attribute nor a key."""
    users = declared.get("users", [])
    streams = users if isinstance(users, list) else [users]
    ordered = []
    for number, stream in enumerate(streams):
        if not isinstance(stream, dict):
            return declared  # which is refused for it
        keys = _known_keys(["users"])
        known = [*keys[:-1], *attributes, keys[-1]]
        for key in stream:
            if key not in known and key not in UserStream.model_fields:
                raise PortraitError(_unknown_key(path, text, ["users", str(number), key], known))
        own_keys = {key: sql for key, sql in stream.items() if key not in attributes}
        ordered.append(own_keys | {name: stream[name] for name in attributes if name in stream})
    return {**declared, "users": ordered} if "users" in declared else declared


def _find(name_or_path: str | Path) -> Path:
    shipped = {path.stem: path for path in sorted(SHIPPED.glob("*.toml"))}
    if str(name_or_path) in shipped:
        return shipped[str(name_or_path)]
    path = Path(name_or_path).expanduser()
    if path.is_file():
        return path
    names = ", ".join(shipped)
    raise PortraitError(
        f"no mapping '{name_or_path}'{nearest(str(name_or_path), shipped)}; give a TOML file, or one of: {names}"
    )


def _root(path: Path, root: Any) -> Path:
    if not isinstance(root, str):
        raise PortraitError(f"{path}: root must be a folder, as text")
    if not root.startswith("package:"):
        return (path.parent / Path(root).expanduser()).resolve()
    package, _, folder = root.removeprefix("package:").partition("/")
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise PortraitError(f"{path}: package '{package}' is not installed; install it with pip, or set root to a folder")
    return Path(spec.submodule_search_locations[0]) / folder


def _named_streams(source: Source) -> Source:
    """The source with every stream named, once its names and tables are known to fit."""
    renamed: dict[str, list[Stream]] = {}
    reserved = {CANONICAL_STREAM: "files of canonical columns", LIVE_STREAM: "the live service's events"}
    seen: set[str] = set()
    for section in ("items", "users", "events"):
        for stream in getattr(source, section):
            where = _judged_tables(source, section, stream)
            name = stream.stream or (stream.table if section == "events" else section)
            if name in reserved:
                raise PortraitError(
                    f"{where}: the stream's name '{name}' is that of {reserved[name]}; give it another: stream = \"…\""
                )
            if name in seen:
                raise PortraitError(f"{where}: a second stream named '{name}'; give it a name of its own: stream = \"…\"")
            seen.add(name)
            renamed.setdefault(section, []).append(stream.model_copy(update={"stream": name}))
    if not renamed:
        raise PortraitError(f"{source.path}: nothing is read; add [[events]] with from, event_time, user_id and event_type")
    for stream in source.events:
        if stream.corrects and stream.corrects not in seen:
            raise PortraitError(f"{source.path}: corrects = '{stream.corrects}' is no stream{nearest(stream.corrects, seen)}")
    found: dict[str, Any] = {section: tuple(streams) for section, streams in renamed.items()}
    if source.coupons:
        _judged_tables(source, "coupons", source.coupons)
        found["coupons"] = source.coupons.model_copy(update={"stream": "coupons"})
    return source.model_copy(update=found)


def _judged_tables(source: Source, section: str, stream: Stream) -> str:
    """Where the stream stands, for messages; PortraitError where a table of it is not declared."""
    where = f"{source.path}: {section} from '{stream.table}'"
    for table in [stream.table, *(lookup.table for lookup in stream.lookups.values())]:
        if table not in source.tables:
            raise PortraitError(f"{where}: no [tables.{table}]{nearest(table, source.tables)}")
    return where


def _explained(path: Path, text: str, error: ValidationError) -> str:
    """The first mistake that pydantic found, unknown keys before all else, as one line for a person."""
    mistakes = error.errors()
    mistake = next((m for m in mistakes if m["type"] == "extra_forbidden"), mistakes[0])
    keys = [str(key) for key in mistake["loc"]]
    if mistake["type"] == "extra_forbidden":
        return _unknown_key(path, text, keys, _known_keys(keys[:-1]))
    place = _place(path, text, keys)
    if mistake["type"] == "missing":
        return f"{place} is missing; add it"
    message = mistake["msg"].removeprefix("Value error, ").replace("Input should be", "should be")
    return f"{place}: {message}"


def _place(path: Path, text: str, keys: list[str]) -> str:
    return f"{path}, line {_line(text, keys)}: {'.'.join(key for key in keys if not key.isdigit())}"


def _unknown_key(path: Path, text: str, keys: list[str], known: list[str]) -> str:
    return f"{_place(path, text, keys)}: unknown key '{keys[-1]}'{nearest(keys[-1], known)}; known here: {', '.join(known)}"


def _known_keys(section: list[str]) -> list[str]:
    model: type[BaseModel] = SECTIONS.get(section[0], Source) if section else Source
    if "lookups" in section:
        model = Lookup
    fields = {field.alias or name for name, field in model.model_fields.items()}
    return [name for name in model.model_json_schema()["properties"] if name in fields and name not in ("path", *OF_THE_PACK)]


def _line(text: str, keys: list[str]) -> int:
    """Line of the deepest of `keys` that the text has, found from the outside in; 1 if none is."""
    lines = text.splitlines()
    found = 0
    sections = [n for n, line in enumerate(lines) if line.lstrip().startswith("[")]
    for depth, key in enumerate(keys):
        if key.isdigit():
            heads = [n for n in sections if re.match(rf"\s*\[\[\s*{re.escape(keys[depth - 1])}\s*\]\]", lines[n])]
            found = heads[int(key)] if int(key) < len(heads) else found
            continue
        pattern = re.compile(
            rf'^\s*(\[+[^\]]*\b{re.escape(key)}\s*\]+|"?{re.escape(key)}"?\s*=|.*[{{,]\s*"?{re.escape(key)}"?\s*=)'
        )
        found = next((n for n in range(found, len(lines)) if pattern.match(lines[n])), found)
    return found + 1
