"""What an SQL expression over one snapshot row is: which columns it reads, of what type it is, whether it may stand."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import duckdb

from portrait_assets.columns import PORTRAITS_SNAPSHOTS

CLOSE = "\n)"  # on a line of its own: a comment at the end of an expression must not swallow it
FRACTIONS = ("DOUBLE", "FLOAT", "DECIMAL")


class ExpressionError(ValueError):
    """Why an expression cannot stand, for a person."""


@dataclass(frozen=True)
class Expression:
    """An expression that binds to a snapshot row. `results` are the texts that it plainly gives: a CASE's branches."""

    sql: str
    type: str
    inputs: frozenset[str]
    results: frozenset[str]

    @property
    def is_fraction(self) -> bool:
        """Whether its value may have decimals, and is to be rounded where people read it."""
        return self.type.startswith(FRACTIONS)


class SnapshotRow:
    """An empty table of snapshot rows that expressions are tried on, in memory.

    Those of `together` are parsed and, where all of them can be, bound in one go, which is many times as fast as one by one.
    """

    def __init__(self, together: Iterable[str] = ()) -> None:
        self.connection = duckdb.connect()
        self.connection.execute(f"create schema {PORTRAITS_SNAPSHOTS.schema}")
        self.connection.execute(PORTRAITS_SNAPSHOTS.ddl())
        self.columns = frozenset(PORTRAITS_SNAPSHOTS.column_names)
        self.volatile = frozenset(
            name
            for (name,) in self.connection.execute(
                "select function_name from duckdb_functions() where function_type = 'scalar' and stability != 'CONSISTENT'"
            ).fetchall()
        )
        wanted = list(dict.fromkeys(together))
        self.parsed, self.types = self._read(wanted), self._bound(wanted)

    def examine(self, sql: str) -> Expression:
        """The expression `sql`; ExpressionError unless it is a pure function of one snapshot row."""
        parsed = self._parse(sql)
        nodes = list(_nodes(parsed))
        if any(node.get("class") == "SUBQUERY" for node in nodes):
            raise ExpressionError("has a subquery; a tag reads the snapshot row alone")
        if any(node.get("class") == "WINDOW" for node in nodes):
            raise ExpressionError("has a window function; a tag reads one user's row alone")
        names = {node["column_names"][-1 if len(node["column_names"]) > 1 else 0] for node in nodes if "column_names" in node}
        called = {node["function_name"] for node in nodes if "function_name" in node}
        if unsteady := sorted((called | names - self.columns) & self.volatile):
            raise ExpressionError(
                f"calls {unsteady[0]}, which gives another answer at another time; use the row's as_of or event_date"
            )
        heads = {node["column_names"][0] for node in nodes if "column_names" in node}
        results = frozenset(_results(parsed))
        return Expression(sql, self._bind(sql), frozenset((heads | names) & self.columns), results)

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
                f"describe select {', '.join(f'({sql}{CLOSE}' for sql in ['0', *together])} from {PORTRAITS_SNAPSHOTS.name} as snapshot_rows"
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
                f"describe select user_id, ({sql}{CLOSE} as tried from {PORTRAITS_SNAPSHOTS.name} as snapshot_rows"
            ).fetchall()
        except duckdb.Error as error:
            raise ExpressionError(f"does not fit a row of {PORTRAITS_SNAPSHOTS.name}: {_first_line(str(error))}") from None
        return str(described[1][1])


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object of a parsed statement."""
    if isinstance(tree, dict):
        yield tree
        tree = list(tree.values())
    if isinstance(tree, list):
        for part in tree:
            yield from _nodes(part)


def _results(select: dict[str, Any]) -> Iterator[str]:
    """The constant texts that a select's one expression can give, through CASE branches only."""
    waiting = list(select["select_list"])
    while waiting:
        node = waiting.pop()
        if node.get("class") == "CASE":
            waiting += [check["then_expr"] for check in node["case_checks"]] + [node["else_expr"]]
        elif node.get("class") == "CONSTANT" and node.get("literal", {}).get("kind") == "STRING":
            yield node["literal"]["text"]


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0]
