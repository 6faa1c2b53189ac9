"""A source made of a few lines: its mapping and its files in a temporary folder."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from portrait_assets.sources import Batch, Source, land, load

NOW = datetime(2026, 1, 1)
EXAMPLES = Path(__file__).parents[2] / "examples"


class Home:
    """A folder with a mapping and its files, and a warehouse beside it."""

    def __init__(self, folder: Path, in_memory: bool = False) -> None:
        self.folder = folder
        self.con = duckdb.connect(":memory:" if in_memory else str(folder / "warehouse.duckdb"))

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def load(self, toml: str) -> Source:
        return load(self.write("shop.toml", 'name = "shop"\n' + toml))

    def land(self, toml: str, files: list[Path] | None = None, now: datetime = NOW) -> list[Batch]:
        return land(self.con, self.load(toml), now, files)

    def rows(self, columns: str, table: str = "events", order: str = "all") -> list[tuple]:
        return self.con.execute(f"select {columns} from raw.{table} order by {order}").fetchall()

    def reasons(self) -> list[str]:
        return [reason for (reason,) in self.rows("reason", "quarantine", "stream, row_number")]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def landed() -> Callable[[str], tuple[duckdb.DuckDBPyConnection, list[Batch]]]:
    """Lands a shipped mapping, or one of examples/, in memory."""

    def land_example(name_or_path: str) -> tuple[duckdb.DuckDBPyConnection, list[Batch]]:
        con = duckdb.connect()
        path = EXAMPLES / name_or_path
        return con, land(con, load(path if path.exists() else name_or_path), NOW)

    return land_example


def counts(batch: Batch) -> tuple[int, int, int, int]:
    """rows in, accepted, duplicate, rejected"""
    return batch.rows_in, batch.rows_accepted, batch.rows_duplicate, batch.rows_rejected
