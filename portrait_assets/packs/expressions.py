"""What an SQL expression over one row of a table is: which columns it reads, of what type it is, whether it may stand."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import duckdb

from portrait_assets.tables import Table

CLOSE = "\n)"  # on a line of its own: a comment at the end of an expression must not swallow it
WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "BOOLEAN")
FRACTIONS = ("DOUBLE", "FLOAT", "DECIMAL")


class ExpressionError(ValueError):
    """Why an expression cannot stand, for a person."""


@dataclass(frozen=True)
class Expression:
    """An expression that binds to a row. `results` are the texts that it plainly gives: a CASE's branches."""

    sql: str
    type: str
    inputs: frozenset[str]
    results: frozenset[str]

    @property
    def is_fraction(self) -> bool:
        """Whether its value may have decimals, and is to be rounded where people read it."""
        return self.type.startswith(FRACTIONS)


class Row:
    """An empty table whose rows expressions are tried on, in memory; `alias` is what they may call a row.

    Those of `together` are parsed and, where all of them can be, bound in one go, which is many times as fast as one by one.
    """

    def __init__(self, table: Table, alias: str, together: Iterable[str] = ()) -> None:
        self.rows, self.first = f"{table.name} as {alias}", table.column_names[0]
        self.connection = duckdb.connect()
        self.connection.execute(f"create schema {table.schema}")
        self.connection.execute(table.ddl())
        self.name = table.name
        self.columns = frozenset(table.column_names)
        self.whole_numbers = [column.name for column in table.columns if column.type == "bigint"]
        self.volatile = frozenset(
            name
            for (name,) in self.connection.execute(
                "select function_name from duckdb_functions() where function_type = 'scalar' and stability != 'CONSISTENT'"
            ).fetchall()
        )
        wanted = list(dict.fromkeys(together))
        self.parsed, self.types = self._read(wanted), self._bound(wanted)

    def examine(self, sql: str) -> Expression:
        """The expression `sql`; ExpressionError unless it is a pure function of one row."""
        parsed = self._parse(sql)
        nodes = list(_nodes(parsed))
        if any(node.get("class") == "SUBQUERY" for node in nodes):
            raise ExpressionError("has a subquery; an expression reads its row alone")
        if any(node.get("class") == "WINDOW" for node in nodes):
            raise ExpressionError("has a window function; an expression reads its row alone")
        if any(_divides_by_zero(node) for node in nodes):
            raise ExpressionError("divides by zero")
        names = {node["column_names"][-1 if len(node["column_names"]) > 1 else 0] for node in nodes if "column_names" in node}
        called = {node["function_name"] for node in nodes if "function_name" in node}
        if unsteady := sorted((called | names - self.columns) & self.volatile):
            raise ExpressionError(
                f"calls {unsteady[0]}, which gives another answer at another time; use the row's as_of or event_date"
            )
        heads = {node["column_names"][0] for node in nodes if "column_names" in node}
        results = frozenset(_results(parsed))
        return Expression(sql, self._bind(sql), frozenset((heads | names) & self.columns), results)

    def compared(self, sql: str, column: str) -> frozenset[str]:
        """The texts that an expression compares `column` with."""
        compared = [
            parts for parts in map(_beside, _nodes(self._parse(sql))) if any(_is_column(part, column) for part in parts)
        ]
        return frozenset(part["literal"]["text"] for parts in compared for part in parts if _is_text(part))

    def most(self, sql: str, number: int, column: str, texts: Iterable[str]) -> float:
        """The largest size that an expression has, over rows with `number` in each whole number and one of `texts` in `column`."""
        numbers = ", ".join(f'{number}::bigint as "{name}"' for name in self.whole_numbers)
        rows = (
            f'select nothing.* replace ({numbers}, texts.text as "{column}") '
            f"from (select unnest($texts) as text) as texts left join {self.name} as nothing on false"
        )
        try:
            [(most,)] = self.connection.execute(
                f"select max(abs({sql}{CLOSE}) from ({rows})", {"texts": list(texts)}
            ).fetchall()
        except duckdb.Error as error:
            raise ExpressionError(
                f"can't be made of the largest numbers that are accepted: {_first_line(str(error))}"
            ) from None
        return float(most or 0)

    def _parse(self, sql: str) -> dict[str, Any]:
        parsed = json.loads(self.parsed[sql] if sql in self.parsed else self._read([sql])[sql])
        if parsed["error"]:
            raise ExpressionError(f"is not one SQL expression: {_first_line(parsed['error_message'])}")
        if len(parsed["statements"]) != 1 or len(parsed["statements"][0]["node"]["select_list"]) != 1:
            raise ExpressionError("is not one SQL expression")
        return dict(parsed["statements"][0]["node"])

    def _read(self, texts: list[str]) -> dict[str, str]:
        """What DuckDB's parser makes of each expression, as JSON; an error is part of it."""
        found = self.connection.execute(
            "select sql, json_serialize_sql('select (' || sql || $close) from (select unnest($texts) as sql)",
            {"texts": texts, "close": CLOSE},
        )
        return dict(found.fetchall())

    def _bound(self, together: list[str]) -> dict[str, str]:
        """The type of each of `together`; of none where one of them is wrong, which examining them one by one then shows."""
        try:
            described = self.connection.execute(
                f"describe select {', '.join(f'({sql}{CLOSE}' for sql in ['0', *together])} from {self.rows}"
            ).fetchall()
        except duckdb.Error:
            return {}
        types = [str(row[1]) for row in described[1:]]
        return dict(zip(together, types, strict=True)) if len(types) == len(together) else {}

    def _bind(self, sql: str) -> str:
        if sql in self.types:
            return self.types[sql]
        try:
            described = self.connection.execute(
                f"describe select {self.first}, ({sql}{CLOSE} as tried from {self.rows}"
            ).fetchall()
        except duckdb.Error as error:
            raise ExpressionError(f"does not fit a row of {self.name}: {_first_line(str(error))}") from None
        return str(described[1][1])


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object of a parsed statement."""
    if isinstance(tree, dict):
        yield tree
        tree = list(tree.values())
    if isinstance(tree, list):
        for part in tree:
            yield from _nodes(part)


def _beside(node: dict[str, Any]) -> list[dict[str, Any]]:
    """What a node compares with each other."""
    return [part for part in (node.get("left"), node.get("right"), *node.get("children", ())) if isinstance(part, dict)]


def _results(select: dict[str, Any]) -> Iterator[str]:
    """The constant texts that a select's one expression can give, through CASE branches only."""
    waiting = list(select["select_list"])
    while waiting:
        node = waiting.pop()
        if node.get("class") == "CASE":
            waiting += [check["then_expr"] for check in node["case_checks"]] + [node["else_expr"]]
        elif _is_text(node):
            yield node["literal"]["text"]


def _divides_by_zero(node: dict[str, Any]) -> bool:
    given = [argument.get("expression", argument) for argument in node.get("arguments", ())]
    is_division = node.get("function_name") in ("/", "//", "%") and len(given) == 2
    return is_division and given[1].get("class") == "CONSTANT" and given[1].get("literal", {}).get("text") in ("0", "0.0")


def _is_text(node: dict[str, Any]) -> bool:
    return node.get("class") == "CONSTANT" and node.get("literal", {}).get("kind") == "STRING"


def _is_column(node: dict[str, Any], name: str) -> bool:
    return node.get("column_names", [""])[-1] == name


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0]
