"""`portrait segments`: sizes of the published segments, and who moved between them."""

from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from portrait_assets.cli import app
from portrait_assets.errors import PortraitError

SIZES = {
    "segment_id": [1, 2],
    "segment": ["big", "small\x1b[31m"],
    "traits": ["spends (2.0x)", None],
    "users": [3, 1],
    "share": [0.75, 0.25],
}


def export(folder: Path, of_users: dict[str, int], flows: dict[str, list] | None = None) -> Path:
    """A folder with the three files that the command reads; `of_users` is user -> segment."""
    folder.mkdir()
    names = {1: "big", 2: "small"}
    users = {
        "user_id": list(of_users),
        "segment_id": list(of_users.values()),
        "segment": [names[one] for one in of_users.values()],
    }
    pl.DataFrame(users).write_parquet(folder / "segments.parquet")
    pl.DataFrame(SIZES).write_parquet(folder / "segment_sizes.parquet")
    empty = {"days_before": [], "from_segment_id": [], "to_segment_id": [], "from_segment": [], "to_segment": [], "users": []}
    pl.DataFrame(flows or empty).write_parquet(folder / "segment_flows.parquet")
    return folder


def segments(*words: object) -> str:
    result = CliRunner().invoke(app, ["segments", *map(str, words)], env={"COLUMNS": "200"})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def test_sizes_are_shown_and_nothing_moves_the_terminal(tmp_path: Path):
    shown = segments(export(tmp_path / "e", {"ann": 1}))
    assert ["1", "big", "spends", "(2.0x)", "3", "0.750"] in [line.split() for line in shown.splitlines()]
    assert "\x1b" not in shown


def test_the_published_flows_say_who_stayed_and_who_moved(tmp_path: Path):
    flows = {
        "days_before": [7, 7, 7, 28], "from_segment_id": [1, 1, None, 2], "to_segment_id": [1, 2, 2, 1],
        "from_segment": ["big", "big", None, "small"], "to_segment": ["big", "small", "small", "big"], "users": [5, 2, 1, 4],
    }  # fmt: skip
    shown = segments(export(tmp_path / "e", {"ann": 1}, flows))
    assert "Since 7 days before: 5 of 8 users stayed" in shown and "Since 28 days before: 0 of 4 users stayed" in shown
    lines = [line.split() for line in shown.splitlines()]
    assert ["1", "2", "big", "small", "2"] in lines and ["1", "1", "big", "big", "5"] not in lines


def test_of_two_exports_the_moves_between_them_are_counted(tmp_path: Path):
    before = export(tmp_path / "before", {"ann": 1, "bob": 1, "cat": 2})
    after = export(tmp_path / "after", {"ann": 1, "bob": 2, "cat": 2, "dan": 2})
    lines = [line.split() for line in segments(before, after).split("Since the export before it")[1].splitlines()[2:]]
    # ann stayed, bob moved, cat stayed; dan was not there before. The escape sequence in a name is taken out.
    assert [line[:2] + line[2:3] + line[-1:] for line in lines if line] == [
        ["1", "big", "1", "1"],
        ["1", "big", "2", "1"],
        ["2", "small", "2", "1"],
    ]


def test_a_folder_that_is_no_export_is_one_clear_error(tmp_path: Path):
    with pytest.raises(PortraitError, match="segment_sizes.parquet: no such file; give the folder of an export"):
        segments(tmp_path)


def test_an_export_without_a_model_says_so(tmp_path: Path):
    folder = export(tmp_path / "e", {"ann": 1})
    pl.DataFrame(SIZES).clear().write_parquet(folder / "segment_sizes.parquet")
    assert "no segments: no model was in force" in segments(folder)
