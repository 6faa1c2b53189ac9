"""TaFeng's way through the project, on a made-up file of the same form."""

import json
from pathlib import Path

import pytest

from portrait_assets.bench import tafeng
from portrait_assets.errors import PortraitError
from portrait_assets.kernels.ranking.measures import targets_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ann buys 1 every time; Bob's last basket holds an item twice."""
    history = {"ann": [[-1], [1, 2], [1], [1, 3], [-1]], "bob": [[-1], [4], [-1]]}
    future = {"ann": [[-1], [1, 4], [-1]], "bob": [[-1], [2, 2], [-1]]}
    for name, told in (("history", history), ("future", future)):
        (tmp_path / f"{name}.json").write_text(json.dumps(told), encoding="ascii")
    return tmp_path


def test_every_basket_has_a_week_of_its_own_and_the_last_is_the_one_to_tell(folder: Path) -> None:
    lines = tafeng.landed(folder)
    assert lines.users == ["ann", "bob"] and lines.items == ["1", "2", "3", "4"] and len(lines.visit_user) == 6
    known = {(lines.users[pair // 4], lines.items[pair % 4]) for pair in lines.pairs_before(tafeng.AS_OF)}
    assert known == {("ann", "1"), ("ann", "2"), ("ann", "3"), ("bob", "4")}
    targets = {
        name: {(lines.users[p // 4], lines.items[p % 4]) for p in pairs}
        for name, pairs in targets_of(lines, tafeng.AS_OF, 7).items()
    }
    assert targets["window"] == targets["basket"] == {("ann", "1"), ("ann", "4"), ("bob", "2")}
    assert targets["again"] == {("ann", "1")} and targets["discover"] == {("ann", "4"), ("bob", "2")}


def test_a_folder_without_the_files_is_said(tmp_path: Path) -> None:
    with pytest.raises(PortraitError, match=r"history\.json: no such file; --data"):
        tafeng.landed(tmp_path)
