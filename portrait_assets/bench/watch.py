"""A session that notes where its time goes: by table, each from the end of the one before to its own commit, and by statement."""

import time
from collections import defaultdict
from typing import Any

import duckdb
import polars as pl

from portrait_assets.resources.session import Session, Transaction
from portrait_assets.tables import Relation

SHOWN = 90


class Watch:
    """Seconds of steps, and of the statements in them."""

    def __init__(self) -> None:
        self.steps: dict[str, float] = defaultdict(float)
        self.statements: dict[tuple[str, str], float] = defaultdict(float)
        self.began = self._mark = time.monotonic()
        self._cpu_began, self.cpu_seconds = time.process_time(), 0.0
        self._running: list[tuple[str, float]] = []

    def lap(self, step: str) -> None:
        """What happened since the last lap was `step`."""
        now = time.monotonic()
        self.steps[step] += now - self._mark
        self._mark, self.cpu_seconds = now, time.process_time() - self._cpu_began
        for statement, seconds in self._running:
            self.statements[step, statement] += seconds
        self._running.clear()

    def note(self, sql: str, seconds: float) -> None:
        """A statement of the step that now runs."""
        self._running.append((" ".join(sql.split())[:SHOWN], seconds))

    @property
    def seconds(self) -> float:
        """From the beginning to the last lap."""
        return self._mark - self.began


class WatchedConnection:
    """A DuckDB connection whose `execute` is noted; all else is the connection's own."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, watch: Watch):
        self._connection, self._watch = connection, watch

    def execute(self, sql: str, *parameters: Any) -> Any:
        began = time.monotonic()
        answer = self._connection.execute(sql, *parameters)
        self._watch.note(sql, time.monotonic() - began)
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class WatchedSession(Session):
    """The product's session; a transaction that enters a table in the ledger ends that table's lap."""

    def __init__(self, session: Session, watch: Watch):
        super().__init__(WatchedConnection(session.connection, watch), session.schema)  # type: ignore[arg-type]
        self.watch = watch
        self.written: Relation | None = None

    def frame(self, sql: str, **parameters: Any) -> pl.DataFrame:
        began = time.monotonic()
        answer = super().frame(sql, **parameters)
        self.watch.note(sql, time.monotonic() - began)
        return answer

    def remember(self, table: Relation, *marks: Any) -> None:
        super().remember(table, *marks)
        self.written = table

    def remember_undated(self, table: Relation, *marks: Any) -> None:
        super().remember_undated(table, *marks)
        self.written = table

    def transaction(self) -> "WatchedTransaction":
        return WatchedTransaction(self)


class WatchedTransaction(Transaction):
    """A transaction whose commit ends the lap of the table it wrote."""

    def __init__(self, session: WatchedSession):
        super().__init__(session.connection)
        self.session = session

    def __exit__(self, kind: type[BaseException] | None, *about: object) -> None:
        super().__exit__(kind, *about)
        if self.session.written is not None:
            self.session.watch.lap(self.session.written.name.replace(".", "_"))
            self.session.written = None
