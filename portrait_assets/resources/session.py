"""One open connection to the warehouse, and the few verbs assets use on it."""

from datetime import UTC, date, datetime
from typing import Any

import duckdb
import polars as pl

from portrait_assets.partitions import Window
from portrait_assets.resources.sql import read_sql, used_parameters
from portrait_assets.tables import Table


class Session:
    """A connection inside one write window. Every verb takes values as named parameters, never as text."""

    def __init__(self, connection: duckdb.DuckDBPyConnection):
        self.connection = connection

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

    def stage(self, name: str, sql_name: str, **parameters: Any) -> None:
        """Compute `sql_name` into the temporary table `name`."""
        self.execute(f'create or replace temp table "{name}" as {read_sql(sql_name)}', **parameters)

    def stage_days(self, name: str, days: list[date]) -> None:
        """A temporary table `name(event_date)` with the given days."""
        self.execute(f'create or replace temp table "{name}" as select unnest($days::date[]) as event_date', days=days)

    def stage_frame(self, name: str, frame: pl.DataFrame) -> None:
        """A temporary table `name` with the rows of `frame`."""
        self.connection.register("incoming_frame", frame.to_arrow())
        self.execute(f'create or replace temp table "{name}" as select * from incoming_frame')
        self.connection.unregister("incoming_frame")

    def rebuild(self, table: Table, select: str, **parameters: Any) -> int:
        """Replace the whole of an unpartitioned `table` by the result of `select`; returns its rows."""
        with self.transaction():
            self.execute(f"delete from {table.name}")
            self.execute(f"insert into {table.name} by name {select}", **parameters)
        return self.count(table)

    def replace(self, table: Table, window: Window, select: str, versions: dict[date, str], **parameters: Any) -> int:
        """Replace one window of a partitioned `table` by the result of `select`; returns the window's rows.

        Delete, insert by name, check, ledger: one transaction, so a window is there whole or as it was. `select` sees
        `$start` and `$end`; `versions` is what the ledger remembers per day, to know later what has become stale.
        """
        bounds = {"start": window.start, "end": window.end}
        with self.transaction():
            self.execute(f"delete from {table.name} where {table.partition} between $start and $end", **bounds)
            self.execute(f"insert into {table.name} by name {select}", **bounds, **parameters)
            stray = self.scalar(f"select count(*) from {table.name} where {table.partition} is null", **bounds)
            if stray:
                raise ValueError(f"{table.name}: {stray} rows without {table.partition}; the window {window} was not written")
            self._remember(table, window, versions)
        return self.count(table, window)

    def _remember(self, table: Table, window: Window, versions: dict[date, str]) -> None:
        self.execute(
            "delete from meta.materializations where table_name = $table_name and event_date between $start and $end",
            table_name=table.name, start=window.start, end=window.end,
        )  # fmt: skip
        days = list(window)
        self.execute(
            "insert into meta.materializations select $table_name, unnest($days::date[]), unnest($versions::varchar[]), $now",
            table_name=table.name, days=days, versions=[versions[day] for day in days],
            now=datetime.now(UTC).replace(tzinfo=None),
        )  # fmt: skip

    def count(self, table: Table, window: Window | None = None) -> int:
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


class Transaction:
    """Commit on success, roll back on error."""

    def __init__(self, connection: duckdb.DuckDBPyConnection):
        self.connection = connection

    def __enter__(self) -> None:
        self.connection.execute("begin transaction").fetchall()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.connection.execute("commit" if kind is None else "rollback").fetchall()
