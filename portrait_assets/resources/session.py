"""One open connection to the warehouse, and the few verbs assets use on it."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any

import duckdb
import polars as pl

from portrait_assets.packs.schema import Schema
from portrait_assets.partitions import Window
from portrait_assets.resources.sql import read_sql, used_parameters
from portrait_assets.tables import Relation

Marks = dict[date, tuple[str, int]]
"""Day -> the version it is written with, and the newest landed batch it holds."""

Select = str | Iterable[str]
"""A query, or several whose rows together are meant: each is asked for when the one before it has run, so it may prepare what it reads."""


class Session:
    """A connection inside one write window. Every verb takes values as named parameters, never as text."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, schema: Schema):
        self.connection, self.schema = connection, schema
        self.result = ""  # what this window of writing came to, for the line that says how long it took

    def execute(self, sql: str, **parameters: Any) -> None:
        """Run a statement to its end, with those of `parameters` it names."""
        self.rows(sql, **parameters)

    def frame(self, sql: str, **parameters: Any) -> pl.DataFrame:
        """The result as a Polars frame."""
        relation = self.connection.sql(sql, params=used_parameters(sql, parameters))
        frame = pl.from_arrow(relation.to_arrow_table())
        assert isinstance(frame, pl.DataFrame)
        return frame

    def rows(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """The result as tuples."""
        return self.connection.execute(sql, used_parameters(sql, parameters)).fetchall()

    def scalar(self, sql: str, **parameters: Any) -> Any:
        """The first column of the first row; None where there is no row."""
        rows = self.rows(sql, **parameters)
        return rows[0][0] if rows else None

    def sql(self, name: str) -> str:
        """The text of `sql/<name>` as it runs here."""
        return read_sql(name, self.schema)

    def stage(self, name: str, sql_name: str, **parameters: Any) -> None:
        """Compute `sql_name` into the temporary table `name`."""
        self.execute(f'create or replace temp table "{name}" as {self.sql(sql_name)}', **parameters)

    def stage_days(self, name: str, days: list[date]) -> None:
        """A temporary table `name(event_date)` with the given days."""
        self.execute(f'create or replace temp table "{name}" as select unnest($days::date[]) as event_date', days=days)

    def stage_frame(self, name: str, frame: pl.DataFrame) -> None:
        """A temporary table `name` with the rows of `frame`."""
        self.connection.register("incoming_frame", frame.to_arrow())
        self.execute(f'create or replace temp table "{name}" as select * from incoming_frame')
        self.connection.unregister("incoming_frame")

    def rebuild(self, table: Relation, select: str, marks: tuple[str, int], **parameters: Any) -> int:
        """Replace the whole of a table without days by the result of `select`; returns its rows."""
        with self.transaction():
            self.execute(f"delete from {table.name}")
            self.execute(f"insert into {table.name} by name {select}", **parameters)
            self.remember_undated(table, marks)
        return self.count(table)

    def replace(self, table: Relation, window: Window, select: Select, marks: Marks, **parameters: Any) -> int:
        """Replace one window of a partitioned `table` by the result of `select`; returns the window's rows.

        Delete, insert by name, ledger: one transaction, so a window is there whole or as it was. `select` sees
        `$start` and `$end`; `marks` is what the ledger remembers per day, to know later what has become due.
        """
        bounds = {"start": window.start, "end": window.end}
        with self.transaction():
            self.execute(f"delete from {table.name} where {table.partition} between $start and $end", **bounds)
            rows = self._insert(table, select, **bounds, **parameters)
            self.remember(table, window, marks)
        return rows

    def revise(self, table: Relation, window: Window, select: Select, marks: Marks, **parameters: Any) -> int:
        """As `replace`, for the rows of the users in the temporary table `touched(user_id, first_date)` from that day on."""
        bounds = {"start": window.start, "end": window.end}
        with self.transaction():
            self.execute(
                f"delete from {table.name} as stored using touched where stored.{table.partition} between $start and $end "
                f"and stored.user_id = touched.user_id and stored.{table.partition} >= touched.first_date",
                **bounds,
            )
            affected = (
                f"select made.* from ({part}) as made semi join touched "
                f"on made.user_id = touched.user_id and made.{table.partition} >= touched.first_date"
                for part in _parts(select)
            )
            rows = self._insert(table, affected, **bounds, **parameters)
            self.remember(table, window, marks)
        return rows

    def revise_events(self, table: Relation, window: Window, select: Select, marks: Marks, **parameters: Any) -> int:
        """As `replace`, for the events whose keys the temporary view `due_events` shows."""
        bounds = {"start": window.start, "end": window.end}
        with self.transaction():
            self.execute(
                f"delete from {table.name} as stored using (select distinct source, event_key from due_events) as due "
                f"where stored.{table.partition} between $start and $end "
                "and stored.source = due.source and stored.event_key = due.event_key",
                **bounds,
            )
            rows = self._insert(table, select, **bounds, **parameters)
            self.remember(table, window, marks)
        return rows

    def _insert(self, table: Relation, select: Select, **parameters: Any) -> int:
        """Insert the rows of a query, or of several one after the other; returns how many they are."""
        return sum(
            int(rows)
            for part in _parts(select)
            for (rows,) in self.rows(f"insert into {table.name} by name {part}", **parameters)
        )

    def remember(self, table: Relation, window: Window, marks: Marks) -> None:
        """Enter the days of the window in the ledger as they are now written."""
        days = list(window)
        self.execute(
            "delete from meta.materializations where table_name = $table_name and event_date between $start and $end",
            table_name=table.name, start=window.start, end=window.end,
        )  # fmt: skip
        self.execute(
            "insert into meta.materializations "
            "select $table_name, unnest($days::date[]), unnest($versions::varchar[]), unnest($through::bigint[]), $now",
            table_name=table.name, days=days, versions=[marks[day][0] for day in days],
            through=[marks[day][1] for day in days], now=datetime.now(UTC).replace(tzinfo=None),
        )  # fmt: skip

    def remember_undated(self, table: Relation, marks: tuple[str, int]) -> None:
        """Enter a table without days in the ledger: one line, of no day."""
        version, through = marks
        self.execute("delete from meta.materializations where table_name = $name", name=table.name)
        self.execute(
            "insert into meta.materializations values ($name, null, $version, $through, $now)",
            name=table.name, version=version, through=through, now=datetime.now(UTC).replace(tzinfo=None),
        )  # fmt: skip

    def count(self, table: Relation, window: Window | None = None) -> int:
        """Rows of `table`, or of one window of it."""
        if window is None:
            return int(self.scalar(f"select count(*) from {table.name}"))
        return int(
            self.scalar(
                f"select count(*) from {table.name} where {table.partition} between $start and $end",
                start=window.start, end=window.end,
            )
        )  # fmt: skip

    def transaction(self) -> "Transaction":
        """A context manager: commit on success, roll back on error."""
        return Transaction(self.connection)


def _parts(select: Select) -> Iterable[str]:
    return [select] if isinstance(select, str) else select


class Transaction:
    """Commit on success, roll back on error."""

    def __init__(self, connection: duckdb.DuckDBPyConnection):
        self.connection = connection

    def __enter__(self) -> None:
        self.connection.execute("begin transaction").fetchall()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.connection.execute("commit").fetchall()
        else:
            with suppress(duckdb.Error):  # DuckDB may have rolled back by itself; the error to report is the one under way
                self.connection.execute("rollback").fetchall()
