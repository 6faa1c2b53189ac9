"""What an SQL expression over one snapshot row is: which columns it reads, of what type it is, whether it may stand."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb

from portrait_assets.columns import PORTRAITS_SNAPSHOTS

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
    """An empty table of snapshot rows that expressions are tried on, in memory."""

    def __init__(self) -> None:
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
        answer = self.connection.execute("select json_serialize_sql($text)", {"text": f"select ({sql}\n)"}).fetchone()
        assert answer is not None
        parsed = json.loads(answer[0])
        if parsed["error"]:
            raise ExpressionError(f"is not one SQL expression: {_first_line(parsed['error_message'])}")
        if len(parsed["statements"]) != 1 or len(parsed["statements"][0]["node"]["select_list"]) != 1:
            raise ExpressionError("is not one SQL expression")
        return dict(parsed["statements"][0]["node"])

    def _bind(self, sql: str) -> str:
        try:
            described = self.connection.execute(
                f"describe select user_id, ({sql}\n) as tried from {PORTRAITS_SNAPSHOTS.name} as snapshot_rows"
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
