"""Two exports compared: equal rows whatever their order, and every difference named."""

from pathlib import Path

import polars as pl
import pytest

from portrait_assets.bench.compare import compare
from portrait_assets.errors import PortraitError

USERS = {"user_id": ["ann", "bob", "bob"], "spend": [1.5, None, None], "tags": [["a"], [], None]}


def export(folder: Path, **files: pl.DataFrame) -> Path:
    folder.mkdir()
    for name, frame in files.items():
        frame.write_parquet(folder / f"{name}.parquet")
    return folder


def test_rows_in_another_order_are_equal_and_nulls_and_doubles_count(tmp_path: Path):
    users = pl.DataFrame(USERS)
    before, after = export(tmp_path / "a", users=users), export(tmp_path / "b", users=users.reverse())
    [line] = compare(before, after)
    assert line.is_equal and (line.before, line.after, line.missing, line.surplus, line.moved) == (3, 3, 0, 0, ())
    [line] = compare(before, export(tmp_path / "c", users=users.unique(["user_id"])))  # one bob instead of two
    assert not line.is_equal and (line.before, line.after, line.missing, line.surplus) == (3, 2, 1, 0)


def test_a_moved_column_is_named_and_can_be_left_out(tmp_path: Path):
    users = pl.DataFrame(USERS)
    before = export(tmp_path / "a", users=users)
    after = export(tmp_path / "b", users=users.with_columns(spend=pl.Series([1.5, None, 2.0])))
    [line] = compare(before, after)
    assert not line.is_equal and (line.missing, line.surplus, line.moved) == (1, 1, ("spend",))
    [line] = compare(before, after, ignored=["spend"])
    assert line.is_equal and line.moved == ()


def test_values_that_changed_places_differ_although_each_column_is_the_same(tmp_path: Path):
    before = export(tmp_path / "a", users=pl.DataFrame({"user_id": ["ann", "bob"], "spend": [1, 2]}))
    [line] = compare(before, export(tmp_path / "b", users=pl.DataFrame({"user_id": ["ann", "bob"], "spend": [2, 1]})))
    assert not line.is_equal and (line.missing, line.surplus, line.moved) == (2, 2, ())


def test_columns_and_files_of_one_side_are_named(tmp_path: Path):
    users = pl.DataFrame(USERS)
    before = export(tmp_path / "a", users=users, changes=users)
    after = export(tmp_path / "b", users=users.drop("spend").with_columns(net=pl.lit(1)), tags=users)
    changes, tags, line = compare(before, after)
    assert (line.is_equal, line.only_before, line.only_after) == (True, ("spend",), ("net",))
    assert (changes.is_equal, changes.after, tags.is_equal, tags.before) == (False, None, False, None)
    with pytest.raises(PortraitError, match="no Parquet file is there"):
        compare(before, tmp_path)
