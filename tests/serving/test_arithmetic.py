"""The statements of the live path are planned once: what makes them fast enough."""

import json
from pathlib import Path

import pytest

from portrait_assets.serving.arithmetic import Cleaning, Portraying
from tests.small_world import World


@pytest.mark.parametrize(
    "statement", ["reading", "cleaning", "portraying(last_day := date '2024-03-12', first_day := date '2024-03-12')"]
)
def test_a_prepared_statement_is_not_planned_again(tmp_path: Path, statement: str):
    home = World(tmp_path).home
    arithmetic = Portraying(home) if "portraying" in statement else Cleaning(home)
    arithmetic._inputs |= {name: arithmetic.empty(name) for name in arithmetic.schemas}
    connection, profile = arithmetic._con, tmp_path / "profile.json"
    connection.execute("pragma enable_profiling = 'json'")
    connection.execute("pragma profiling_mode = 'detailed'")
    connection.execute(f"pragma profiling_output = '{profile}'")
    planning = []
    for _ in range(5):  # a busy machine may hold up one of them, not all
        connection.execute(f"execute {statement}").fetchall()
        planning.append(json.loads(profile.read_text())["optimizer"]["total_time"])
    connection.execute("pragma disable_profiling")
    arithmetic.close()
    assert min(planning) < 0.001
