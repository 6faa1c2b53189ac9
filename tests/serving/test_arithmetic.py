"""The statements of the live path are planned once: what makes them fast enough."""

import json
import time
from pathlib import Path

import pytest

from portrait_assets.serving.arithmetic import Cleaning, Portraying
from tests.small_world import World


@pytest.mark.parametrize(
    "statement", ["reading", "cleaning", "portraying(last_day := date '2024-03-12', first_day := date '2024-03-12')"]
)
def test_a_prepared_statement_is_not_planned_again(tmp_path: Path, statement: str):
    """To run it takes a small part of the time that planning it takes on this machine: one that was planned again takes all of it."""
    home = World(tmp_path).home
    arithmetic = Portraying(home) if "portraying" in statement else Cleaning(home)
    arithmetic._inputs |= {name: arithmetic.empty(name) for name in arithmetic.schemas}
    connection, profile = arithmetic._con, tmp_path / "profile.json"
    [(prepared,)] = connection.execute(
        "select statement from duckdb_prepared_statements() where name = $name", {"name": statement.partition("(")[0]}
    ).fetchall()
    began = time.perf_counter()
    connection.execute(f"prepare again as {prepared}")
    planned_once = time.perf_counter() - began
    connection.execute("pragma enable_profiling = 'json'")
    connection.execute("pragma profiling_mode = 'detailed'")
    connection.execute(f"pragma profiling_output = '{profile}'")
    planning = []
    for _ in range(5):  # a busy machine may hold up one of them, not all
        connection.execute(f"execute {statement}").fetchall()
        planning.append(json.loads(profile.read_text())["optimizer"]["total_time"])
    connection.execute("pragma disable_profiling")
    arithmetic.close()
    assert min(planning) < planned_once / 20
