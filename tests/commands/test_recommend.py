"""`portrait recommend`: the lists of the published export, for people and for programs."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from portrait_assets.cli import app
from portrait_assets.errors import PortraitError
from tests.reading.conftest import write_export


@pytest.fixture(autouse=True)
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTRAIT_HOME", str(tmp_path))
    generation = write_export(tmp_path / "published" / "g1")
    (tmp_path / "published" / "current").symlink_to(generation)


def recommend(*words: str) -> str:
    result = CliRunner().invoke(app, ["recommend", *words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def test_each_list_is_told_best_first_and_names_its_generation():
    said = json.loads(recommend("101", "--count", "3", "--json"))
    assert said["generation"] and said["as_of"] == "2017-10-01"
    assert {name: [row["rank"] for row in rows] for name, rows in said["lists"].items()} == {
        "blended": [1, 2, 3],
        "again": [1, 2, 3],
        "discover": [],
    }


def test_people_see_chance_and_reason_and_nothing_that_moves_the_terminal():
    told = recommend("101", "--list", "blended", "--count", "1")
    assert "25 %" in told and "bought on 3" in told and "Gouda [young]" in told and "\x1b[31m" not in told
    assert "nothing: the rules" in recommend("101", "--list", "discover")


def test_an_unknown_list_or_user_is_one_line():
    with pytest.raises(
        PortraitError, match="--list again-and-again: there is no such list; choose one of blended, again, discover"
    ):
        recommend("101", "--list", "again-and-again")
    with pytest.raises(PortraitError, match="999"):
        recommend("999")


@pytest.mark.parametrize("said", ["basket", "basket=", "time=noon"])
def test_a_context_that_says_nothing_known_is_one_line(said: str):
    with pytest.raises(PortraitError, match=f"--context {said}: write basket=ID,ID or store=ID, each once"):
        recommend("101", "--context", said)


def test_an_export_without_state_has_no_lists_for_a_context():
    with pytest.raises(PortraitError, match="was published by another version"):
        recommend("101", "--context", "basket=i1")
