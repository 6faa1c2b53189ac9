"""SQL expressions of a mapping: which columns they read, and what is wrong with them, said for a person."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import duckdb

from portrait_assets.errors import PortraitError

SELECT = "select "
EXACT = 2**53 - 1  # up to this a double holds every whole number, and no other becomes one of them
ROW_WISE = "an expression reads one row: no subqueries, windows or *; join with [lookups], add up with their summary"


def quoted(name: str) -> str:
    """`name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """`text` as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def json_text(json: str, path: str) -> str:
    """SQL of the value at a path of a JSON text, as text. A whole number has no decimal point, also where JSON writes one; one that a
    double may have rounded is written with an exponent."""
    text = f"({json} ->> {literal(path)})"
    is_whole_float = f"suffix({text}, '.0') and json_type({json}, {literal(path)}) = 'DOUBLE'"
    whole = f"case when abs({text}::double) <= {EXACT} then left({text}, length({text}) - 2) else printf('%.16e', {text}::double) end"
    return f"case when {is_whole_float} then {whole} else {text} end"


def named(name: str, known: Iterable[str]) -> str | None:
    """The column that `name` means: names are compared without case, as SQL does."""
    return next((column for column in known if column.lower() == name.strip().lower()), None)


@dataclass(frozen=True)
class Reference:
    """A dotted column name in an expression, and where it stands there, in bytes."""

    names: tuple[str, ...]
    start: int
    end: int


def references(con: duckdb.DuckDBPyConnection, expression: str, where: str) -> list[Reference]:
    """The columns, in order, that one row-wise SQL expression reads; anything else than that is a PortraitError."""
    tree = _parsed(con, expression)
    if tree["error"]:
        raise PortraitError(f"{where}: `{expression}` is not SQL: {tree['error_message']}")
    nodes = [statement["node"] for statement in tree["statements"]]
    if len(nodes) != 1 or len(nodes[0].get("select_list", ())) != 1 or nodes[0]["from_table"]["type"] != "EMPTY":
        raise PortraitError(f"{where}: `{expression}` is not one SQL expression")
    return list(dict.fromkeys(_columns(nodes[0]["select_list"][0], where, expression)))


def strptime_formats(con: duckdb.DuckDBPyConnection, expression: str) -> list[str]:
    """The formats of an expression that is one call of strptime; none where it is anything else."""
    node = _parsed(con, expression)["statements"][0]["node"]["select_list"][0]
    while node["class"] == "CAST":
        node = node["child"]
    if node["class"] != "FUNCTION" or node["function_name"] not in ("strptime", "try_strptime"):
        return []
    return [text for text in _texts(node["arguments"][1]) if "%" in text]


def _parsed(con: duckdb.DuckDBPyConnection, expression: str) -> dict[str, Any]:
    [(answer,)] = con.execute("select json_serialize_sql($sql)", {"sql": SELECT + expression}).fetchall()
    return dict(json.loads(answer))


def _texts(node: object) -> Iterator[str]:
    """The string constants below a node."""
    if isinstance(node, list):
        for child in node:
            yield from _texts(child)
    if isinstance(node, dict):
        if node.get("kind") == "STRING":
            yield node["text"]
        yield from _texts(list(node.values()))


def _columns(node: object, where: str, expression: str, bound: frozenset[str] = frozenset()) -> Iterator[Reference]:
    if isinstance(node, list):
        for child in node:
            yield from _columns(child, where, expression, bound)
    if not isinstance(node, dict):
        return
    kind = node.get("class")
    if kind in ("SUBQUERY", "WINDOW", "STAR"):
        raise PortraitError(f"{where}: `{expression}` can't be used: {ROW_WISE}")
    if kind == "COLUMN_REF" and node["column_names"][0] not in bound:
        start = node["query_location"] - len(SELECT)
        yield Reference(tuple(node["column_names"]), start, start + node["query_location_length"])
    if kind == "LAMBDA":
        parameters = _columns(node["lhs"], where, expression)
        bound |= {name for parameter in parameters for name in parameter.names}
    for child in node.values():
        yield from _columns(child, where, expression, bound)


def first_line(error: Exception) -> str:
    """The first line of a DuckDB error, without its class."""
    return str(error).strip().splitlines()[0].removeprefix("Binder Error: ").removeprefix("Invalid Input Error: ")
