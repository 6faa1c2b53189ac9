"""`portrait sql`: what it prints runs as it is in DuckDB, on the home's warehouse."""

import duckdb
import pytest
from typer.testing import CliRunner

from portrait_assets.cli import app
from portrait_assets.errors import PortraitError
from tests.small_world import LAST_DAY, World, event


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """The warehouse of a home with two shoppers."""
    with World(tmp_path).open() as world:
        world.land(event(1, "ann", f"{LAST_DAY} 10:00", amount=3), event(2, "bob", f"{LAST_DAY} 11:00", amount=5))
        world.build()
    monkeypatch.setenv("PORTRAIT_HOME", str(world.home.settings.home_dir))
    return world.home.settings.warehouse_file


def shown(*words: str) -> str:
    result = CliRunner().invoke(app, ["sql", *words], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_what_is_shown_runs_in_duckdb(stored):
    sql = shown("show", "features/as_of")
    assert "$" not in "".join(line.split("--")[0] for line in sql.splitlines()) and "{%" not in sql
    with duckdb.connect(str(stored)) as connection:
        assert spend(connection, sql, "spend_cents_7d") == {"ann": 300, "bob": 500}
        assert spend(connection, shown("show", "features/user_day.sql"), "spend_cents") == {"ann": 300, "bob": 500}


def spend(connection: duckdb.DuckDBPyConnection, sql: str, column: str) -> dict[str, int]:
    """User -> a column of what the statements end in."""
    result = connection.execute(sql)
    names = [described[0] for described in result.description]
    return {row[names.index("user_id")]: row[names.index(column)] for row in result.fetchall()}


def test_all_files_are_named_and_a_mistyped_one_is_answered(stored):
    assert "features/as_of" in shown("show").split()
    with pytest.raises(PortraitError, match="there is no SQL 'features/as_off'; nearest is 'features/as_of'"):
        shown("show", "features/as_off")
