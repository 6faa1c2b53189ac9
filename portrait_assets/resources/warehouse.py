"""The warehouse: one DuckDB file, one process at a time, every table declared in `columns`."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from dagster_duckdb import DuckDBResource
from pydantic import Field

from portrait_assets import columns
from portrait_assets.errors import PortraitError
from portrait_assets.resources.lock import exclusive
from portrait_assets.resources.scope import scope_to_all
from portrait_assets.resources.session import Session
from portrait_assets.settings import Settings
from portrait_assets.tables import Table

logger = logging.getLogger("portrait")

LAYOUT_VERSION = 6
CHECKPOINT_THRESHOLD = "1GB"  # of log: closing makes the one checkpoint of a session, a full log only in between
TABLES: tuple[Table, ...] = tuple(value for value in vars(columns).values() if isinstance(value, Table))


class Warehouse(DuckDBResource):
    """A DuckDB file behind an operating-system lock, so that runs, sensors and commands take turns."""

    threads: int = Field(default=2, description="DuckDB threads.")
    memory_limit: str = Field(default="8GB", description="DuckDB memory before it spills to disk.")

    @contextmanager
    def open(self, purpose: str) -> Iterator[Session]:
        """A session with every schema and table in place. `purpose` is what a waiting process is shown."""
        path = Path(self.database)
        path.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(path.with_suffix(".lock"), purpose):
            began, session = time.monotonic(), None
            connection = _connect(path)
            try:
                connection.execute("set timezone = 'UTC'")
                connection.execute(f"set threads = {int(self.threads)}")
                connection.execute(f"set checkpoint_threshold = '{CHECKPOINT_THRESHOLD}'")
                connection.execute("set memory_limit = $limit", {"limit": self.memory_limit})
                _prepare(connection, path)
                scope_to_all(connection)
                session = Session(connection)
                yield session
            finally:
                connection.close()
            ended = time.monotonic()
            logger.log(
                logging.DEBUG if purpose.startswith("check ") else logging.INFO,
                "%-28s %6.1f s  %s",
                purpose,
                ended - began,
                session.result if session else "",
                extra={"purpose": purpose, "began": began, "ended": ended},
            )


def warehouse_of(settings: Settings) -> Warehouse:
    """The warehouse of a home with these settings."""
    return Warehouse(database=str(settings.warehouse_file), threads=settings.threads, memory_limit=settings.memory_limit)


def _connect(path: Path) -> duckdb.DuckDBPyConnection:
    try:
        return duckdb.connect(str(path))
    except duckdb.IOException as error:
        if "lock" in str(error).lower():
            raise PortraitError(
                f"{path} is open in another program (a DuckDB shell or notebook?); close it there and try again"
            ) from None
        raise PortraitError(
            f"{path} is not a readable DuckDB file ({error}); move it away and run again to rebuild it"
        ) from None


def _prepare(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Create what is missing; refuse a file of another layout."""
    connection.execute("create schema if not exists meta")
    connection.execute("create table if not exists meta.layout (version integer, hashes_as ubigint)")
    [(version,)] = connection.execute("select max(version) from meta.layout").fetchall()
    if version is not None and version != LAYOUT_VERSION:
        raise PortraitError(
            f"{path} has layout {version}, this version of Portrait reads layout {LAYOUT_VERSION}; "
            f"set PORTRAIT_HOME to a new folder, copy landing and live from {path.parent} into it, and run again: everything is recomputed "
            "from the source and those files"
        )
    if version is not None and connection.execute("select 1 from meta.layout where hashes_as != hash('portrait')").fetchall():
        raise PortraitError(
            f"{path} was written with another version of DuckDB, whose hashes this one does not share (raw.events.key_hash); install "
            "that version, or set PORTRAIT_HOME to a new folder and run again: everything is recomputed from the source"
        )
    if version is None:
        connection.execute("insert into meta.layout values ($version, hash('portrait'))", {"version": LAYOUT_VERSION})
    stored = {name for (name,) in connection.execute("select schema_name || '.' || table_name from duckdb_tables()").fetchall()}
    missing = [table for table in TABLES if table.name not in stored]  # all of a new file's, or what a newer version added
    for schema in sorted({table.schema for table in missing}):
        connection.execute(f"create schema if not exists {schema}")
    for table in missing:
        connection.execute(table.ddl())
    if missing:
        connection.execute(columns.TAGS_VIEW)
    _add_columns(connection)


def _add_columns(connection: duckdb.DuckDBPyConnection) -> None:
    """Give stored tables what a newer version's have at their end; its rows are null there, and the ledger finds them stale."""
    stored = set(
        connection.execute(
            "select schema_name || '.' || table_name, column_name from duckdb_columns() where not internal"
        ).fetchall()
    )
    for table in TABLES:
        for column in table.columns:
            if (table.name, column.name) not in stored:
                connection.execute(f'alter table {table.name} add column "{column.name}" {column.type}')
