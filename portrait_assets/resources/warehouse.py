"""The warehouse: one DuckDB file, one process at a time, every table declared in `columns` and by the pack."""

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
from portrait_assets.packs.pack import load_over
from portrait_assets.packs.schema import Schema
from portrait_assets.resources.lock import exclusive
from portrait_assets.resources.scope import scope_to_all
from portrait_assets.resources.session import Session

logger = logging.getLogger("portrait")

LAYOUT_VERSION = 6
CHECKPOINT_THRESHOLD = "1GB"  # of log: closing makes the one checkpoint of a session, a full log only in between


class Warehouse(DuckDBResource):
    """A DuckDB file behind an operating-system lock, so that runs, sensors and commands take turns."""

    threads: int = Field(default=2, description="DuckDB threads.")
    memory_limit: str = Field(default="8GB", description="DuckDB memory before it spills to disk.")
    pack: str = Field(description="The domain pack that its tables follow.")
    own: str = Field(default="", description="The folder of the home's own rules over it, where it has some.")

    @contextmanager
    def open(self, purpose: str) -> Iterator[Session]:
        """A session with every schema and table in place. `purpose` is what a waiting process is shown."""
        path, schema = Path(self.database), load_over(Path(self.own) if self.own else None, self.pack).schema
        path.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(path.with_suffix(".lock"), purpose):
            began, session = time.monotonic(), None
            connection = _connect(path)
            try:
                connection.execute("set timezone = 'UTC'")
                connection.execute(f"set threads = {int(self.threads)}")
                connection.execute(f"set checkpoint_threshold = '{CHECKPOINT_THRESHOLD}'")
                connection.execute("set memory_limit = $limit", {"limit": self.memory_limit})
                _prepare(connection, path, schema)
                scope_to_all(connection)
                session = Session(connection, schema)
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


def _prepare(connection: duckdb.DuckDBPyConnection, path: Path, schema: Schema) -> None:
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
    missing = [
        table for table in schema.tables if table.name not in stored
    ]  # all of a new file's, or what a newer version added
    for layer in sorted({table.schema for table in missing}):
        connection.execute(f"create schema if not exists {layer}")
    for table in missing:
        connection.execute(table.ddl())
    if missing:
        connection.execute(columns.TAGS_VIEW)
    _fit_columns(connection, schema)


def _fit_columns(connection: duckdb.DuckDBPyConnection, schema: Schema) -> None:
    """Give stored tables the columns that they lack by a newer version or a pack with more in it, take away what is declared no more, and
    make anew what has another type; rows are null there, and the ledger finds them stale."""
    stored = connection.execute(
        "select schema_name || '.' || table_name, column_name, data_type from duckdb_columns() where not internal"
    ).fetchall()
    types = {(table, column): _plain(type_) for table, column, type_ in stored}
    for table in schema.tables:
        wanted = {column.name: column.type for column in table.columns}
        held = [name for of_table, name in types if of_table == table.name]
        for name in held:
            if types[table.name, name] != _plain(wanted.get(name, "")):
                connection.execute(f'alter table {table.name} drop column "{name}"')
                del types[table.name, name]
        for name, type_ in wanted.items():
            if (table.name, name) not in types:
                connection.execute(f'alter table {table.name} add column "{name}" {type_}')


def _plain(type_: str) -> str:
    """A type as DuckDB and as a declaration writes it, without what they write differently."""
    return type_.lower().replace(" ", "").replace('"', "")
