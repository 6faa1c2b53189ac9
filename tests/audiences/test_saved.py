"""Names for audiences, who came and went, and files of members that agree with the count."""

import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from portrait_assets.audiences import audience, saved
from portrait_assets.audiences.members import write
from portrait_assets.commands.audience import app
from portrait_assets.errors import PortraitError
from portrait_assets.reading import Export
from tests.audiences.conftest import make_export


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two days: u1 to u10 are lapsing on the first, u3 to u12 on the second, which is current."""
    published = tmp_path / "published"
    make_export(published / "2017-10-01-aa")
    make_export(published / "2017-10-02-bb", range(3, 13), "2017-10-02")
    (published / "current").symlink_to("2017-10-02-bb")
    monkeypatch.setenv("PORTRAIT_HOME", str(tmp_path))
    return tmp_path


def asked(*words: str) -> Result:
    return CliRunner().invoke(app, [*words])


def told(*words: str) -> dict:
    result = asked(*words, "--json")
    assert result.exit_code == 0, result.exception
    return json.loads(result.stdout)


@pytest.mark.parametrize("ending", ["parquet", "csv", "ndjson"])
def test_count_list_and_file_agree_and_name_their_generation(home: Path, tmp_path: Path, ending: str):
    text = "lifecycle = lapsing and categories has CHEESE and churn_14d < 0.045"
    listed = told("size", text)
    assert (listed["generation"], listed["size"], listed["of"], listed["user_ids"]) == ("made-2017-10-02", 2, 40, ["u3", "u4"])
    file = tmp_path / f"members.{ending}"
    assert asked("export", text, "--out", str(file)).exit_code == 0
    rows = {"parquet": pl.read_parquet, "csv": pl.read_csv, "ndjson": pl.read_ndjson}[ending](file)
    assert rows.columns == ["user_id", "lifecycle", "categories", "churn_14d", "generation"]
    assert rows["user_id"].to_list() == ["u3", "u4"] and set(rows["generation"]) == {"made-2017-10-02"}
    assert rows["categories"].to_list() == (["CHEESE"] * 2 if ending == "csv" else [["CHEESE"]] * 2)


def test_size_says_what_stale_tags_would_bring(home: Path):
    found = told("size", "churn_risk = high")
    assert (found["size"], found["size_with_stale"], found["user_ids"]) == (2, 5, ["u31", "u33"])
    said = " ".join(asked("size", "churn_risk = high").stdout.split())
    assert "2 of 40 users (5 %)" in said and "with them it would be 5 users; any(TAG) counts a tag stale or not" in said
    assert "Stale" not in asked("size", "lifecycle = lapsing").stdout


def test_nobody_is_said_and_written(home: Path, tmp_path: Path):
    assert "Nobody of 40 users" in asked("size", "visits > 99").stdout
    assert told("insight", "visits > 99")["index"] == []
    asked("export", "visits > 99", "--out", str(tmp_path / "none.csv"))
    assert pl.read_csv(tmp_path / "none.csv").height == 0


def test_saved_audience_is_used_by_name_and_tells_who_came_and_went(home: Path):
    """u11 and u12 came, u1 and u2 left; all four because lifecycle turned."""
    assert asked("save", "cooling", 'lifecycle = "lapsing" and visits < 30').exit_code == 0
    assert told("size", "cooling")["size"] == 10
    (entry,) = told("list", "--from", "2017-10-01")["audiences"]
    assert (entry["entered"], entry["left"]) == (["u11", "u12"], ["u1", "u2"])
    assert entry["changed"] == {"lifecycle = lapsing": 4}
    (back,) = told("list", "cooling", "--from", "2017-10-02-bb", "--to", "2017-10-01-aa")["audiences"]
    assert (back["entered"], back["left"]) == (["u1", "u2"], ["u11", "u12"])


def test_history_reads_what_was_published(home: Path):
    folder = home / "published" / "2017-10-02-bb"
    pl.DataFrame(
        {"audience": ["cooling"] * 2, "user_id": ["u3", "u11"], "since": [date(2017, 9, 1), date(2017, 10, 1)]}
    ).write_parquet(folder / "audiences.parquet")
    moves = [(date(2017, 9, 1), "u3", "entered"), (date(2017, 10, 1), "u11", "entered"), (date(2017, 10, 1), "u1", "left")]
    moves += [(date(2017, 9, 25), "u9", "entered"), (date(2017, 9, 24), "u8", "left")]  # a week before, and a day more
    frame = pl.DataFrame(
        [(day, "cooling", *rest) for day, *rest in moves], schema=["event_date", "audience", "user_id", "move"], orient="row"
    )
    frame.write_parquet(folder / "audience_moves.parquet")
    manifest = json.loads((folder / "manifest.json").read_text()) | {"audiences": {"cooling": "lifecycle = lapsing"}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    found = told("history", "cooling", "--days", "7")
    assert [row["user_id"] for row in found["members"]] == ["u3", "u11"]
    assert {move["user_id"] for move in found["moves"]} == {"u11", "u1", "u9"}
    by_day = saved.history(Export.open(folder), "cooling", 7).by_day()
    assert by_day == [(date(2017, 10, 1), ["u11"], ["u1"]), (date(2017, 9, 25), ["u9"], [])]
    assert "2017-10-01        1     1  +u11, -u1" in asked("history", "cooling", "--days", "7").stdout
    with pytest.raises(PortraitError, match="has no audience 'warm'; it has cooling"):
        raise asked("history", "warm").exception or AssertionError("was accepted")


def test_saving_again_replaces_and_keeps_the_others(home: Path):
    for name, text in (("a", "visits > 1"), ("b", 'categories has "CHEESE"'), ("a", "visits > 2")):
        asked("save", name, text)
    assert saved.load(home / "audiences.toml") == {"a": "visits > 2", "b": "categories has CHEESE"}


def test_overlap_why_and_lookalike_are_told_as_json(home: Path):
    assert told("overlap", "lifecycle = lapsing", "visits < 5")["both"] == 2
    reason = told("why", "lifecycle = lapsing and visits < 3", "u5")
    assert (reason["is_member"], reason["reasons"][2]["off"]) == (False, "2 too high")
    alike = told("lookalike", "visits > 30", "--count", "18")
    assert len(alike["users"]) == 18 and alike["quality"]["hidden"] == 5


@pytest.mark.parametrize("command", [("insight", "lifecycle = lapsing"), ("overlap", "visits < 9", "visits < 3"), ("why", "visits < 9", "u9"),
                                     ("lookalike", "visits > 30"), ("size", "visits < 9"), ("list", "--from", "2017-10-01")])  # fmt: skip
def test_every_answer_names_its_generation(home: Path, command: tuple[str, ...]):
    result = asked(*command)
    assert result.exit_code == 0 and "made-2017-10-02" in result.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("save", "Big Ones", "visits > 1"), "'Big Ones' is no name"),
        (("save", "a", "visit > 1"), "no tag or number 'visit'.*nearest: visits"),
        (("list", "nothing"), "no audience is saved as 'nothing'"),
        (("list", "--to", "2017-10-01"), "--to needs --from"),
        (("size", "visits > 1", "--as-of", "yesterday"), "yesterday"),
        (("export", "visits > 1", "--out", "members.xlsx"), r"one of .parquet, .csv, .ndjson"),
        (("export", "visits > 1", "--out", "/no/such/folder/members.csv"), "there is no folder"),
    ],
)
def test_a_mistake_is_one_line(home: Path, words: tuple[str, ...], said: str):
    error = asked(*words).exception
    with pytest.raises(PortraitError, match=said):
        raise error if error else AssertionError("was accepted")


def test_a_file_that_is_no_list_of_audiences_is_named(tmp_path: Path):
    for content in ("[a\n", '[a]\nexpresion = "visits > 1"\n', "a = 3\n"):
        (tmp_path / "audiences.toml").write_text(content)
        with pytest.raises(PortraitError, match="audiences.toml"):
            saved.load(tmp_path / "audiences.toml")


def test_writing_is_all_or_nothing(export: Export, tmp_path: Path):
    """A file that cannot be finished leaves the one before as it was."""
    file = tmp_path / "members.csv"
    write(audience(export, "visits < 3"), file)
    before = file.read_bytes()
    (tmp_path / ".members.csv.draft").mkdir()
    with pytest.raises(OSError):
        write(audience(export, "visits < 9"), file)
    assert file.read_bytes() == before
