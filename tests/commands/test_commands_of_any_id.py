"""Commands about a user whose id, and what they bought, hold whatever a source may hold."""

import csv
import hashlib
import json
import re
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from portrait_assets import cli
from portrait_assets.terminal import printable
from tests.hostile import IDS
from tests.reading.conftest import write_export


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export by hand in which user 101 goes by each of these ids, and what each bought, its name and its category are called so too."""
    home = tmp_path_factory.mktemp("home")
    folder = write_export(home / "published" / "g1")
    manifest = json.loads((folder / "manifest.json").read_text())
    for file in folder.glob("*.parquet"):
        frame = pl.read_parquet(file)
        frame.filter(pl.col("user_id") != "101").vstack(pl.concat([called(frame, user) for user in IDS])).write_parquet(file)
        manifest["sha256"][file.name] = hashlib.sha256(file.read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (home / "published" / "current").symlink_to(folder)
    return home


@pytest.fixture(autouse=True)
def settled(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTRAIT_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "100000")


def called(frame: pl.DataFrame, user: str) -> pl.DataFrame:
    """The rows of user 101, with this name in place of theirs and of the first item's."""
    texts = [pl.col(name) for name, type_ in frame.schema.items() if type_ == pl.String]
    mine = frame.filter(pl.col("user_id") == "101")
    return mine.with_columns(
        pl.when(text.str.contains("^(101|i1|Gouda.*|CHEESE)")).then(pl.lit(user)).otherwise(text).name.keep() for text in texts
    )


def said(*words: str) -> str:
    result = CliRunner().invoke(cli.app, words)
    assert result.exit_code == 0, (words, result.output, result.exception)
    assert "--json" in words or not {"\x1b", "\r", "\u202e"} & set(result.output)
    return result.output


def squeezed(text: str) -> str:
    return re.sub(r"[\s│┃…]+", "", printable(text))


@pytest.mark.parametrize("user", IDS)
def test_the_card_of_any_id_is_shown(user: str):
    assert json.loads(said("show", "--json", "--", user))["user_id"] == user
    assert squeezed(user)[:60] in squeezed(said("show", "--", user))


@pytest.mark.parametrize("user", ["[/b]", "<b>", "-5", "\x1b[31mred", "a\nb", "x" * 300, '"'])
def test_other_commands_take_and_say_any_id(user: str):
    lists = json.loads(said("recommend", "--json", "--", user))["lists"]
    assert lists["blended"][0]["item_id"] == lists["blended"][0]["item_name"] == user
    assert squeezed(said("recommend", "--", user)).count(squeezed(user)) >= 4  # id and name of the first item, in two lists
    assert squeezed(f"User {user} is in.") in squeezed(said("audience", "why", "--", "purchases >= 0", user))


def test_lists_of_users_hold_each_id():
    members = json.loads(said("audience", "size", "purchases >= 0", "--json"))["user_ids"]
    assert set(IDS) <= set(members)
    shown = squeezed(said("audience", "size", "purchases >= 0"))
    assert all(squeezed(user) in shown for user in members[:10])


def test_an_audience_in_a_file_holds_each_id_and_a_spreadsheet_runs_none(tmp_path: Path):
    for ending in ("csv", "parquet", "ndjson"):
        said("audience", "export", "purchases >= 60", "--out", str(tmp_path / f"all.{ending}"))
    exact = pl.read_parquet(tmp_path / "all.parquet")["user_id"].to_list()
    assert set(exact) == set(IDS)
    assert [json.loads(line)["user_id"] for line in (tmp_path / "all.ndjson").read_text().split("\n")[:-1]] == exact
    cells = [row["user_id"] for row in csv.DictReader((tmp_path / "all.csv").open(newline=""))]
    assert [cell.removeprefix("'") for cell in cells] == exact
    assert [cell for cell in cells if cell[0] in "=+-@"] == [] and "'=1+1" in cells


@pytest.mark.parametrize("user", ["nobody", "[/b]", "\x1b[31mred", "a\nb", "%s", "{0}"])
def test_an_id_that_nobody_has_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], user: str):
    monkeypatch.setattr("sys.argv", ["portrait", "show", "--", f"{user}, but nobody's"])
    assert cli._exit_code() == 2
    error = capsys.readouterr().err
    shown = user.encode("unicode_escape").decode() if "\x1b" in user or "\n" in user else user  # control characters are escaped
    assert error.startswith("portrait: user ") and f"{shown}, but nobody's" in error.replace("\\'", "'")
    assert "has no event before" in error and error.count("\n") == 1
