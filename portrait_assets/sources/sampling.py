"""Which rows of a file are read: all of them, or for a trial the first ones and a sample of the rest."""

from dataclasses import dataclass, field
from typing import Any

import duckdb

NUMBER = "__number"


@dataclass(frozen=True)
class Rows:
    """Rows of a file: SQL of a relation of those that were chosen, with their `__number`; and of one of all of them, with its parameters."""

    chosen: str
    all: str
    parameters: dict[str, Any] = field(default_factory=dict)
    total: int = 0
    """How many rows the file has; 0 where all were chosen, and whoever reads them can count."""


def choose(con: duckdb.DuckDBPyConnection, rows: str, parameters: dict[str, Any], tried: int | None) -> tuple[str, int]:
    """SQL over `__number` (from 1) that picks the rows to try of the relation `rows`, and how many rows there are.

    All of them, and 0, without `tried` and where there are no more; else the first ones, that many, and where there are more than
    twice as many also that many of the rest.
    """
    if tried is None:
        return "true", 0
    [(total,)] = con.execute(f"select count(*) from {rows}", parameters).fetchall()
    if total <= tried:
        return "true", 0
    step = -(-(total - tried) // tried)
    rest = f" or ({NUMBER} - {tried}) % {step} = 0" if step > 1 else ""
    return f"({NUMBER} <= {tried}{rest})", total
