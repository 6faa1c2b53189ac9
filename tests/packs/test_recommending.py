"""The rules of recommending: read from their file, or refused with the line; the stock is a list or a file of the home."""

import tomllib
from pathlib import Path

import pytest

from portrait_assets.errors import PortraitError
from portrait_assets.packs.recommending import Recommending, parse_recommending

PLACES = "most_of_a_type = 6\ndiscover_places = 3\n"


def parsed(text: str) -> Recommending:
    return parse_recommending(tomllib.loads(text), Path("recommendations.toml"), text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            PLACES + '# exclude = [{ colour = "red" }]\nexclude = [\n  { item = "a, { b }" },  # {\n  { colour = "red" },\n]\n',
            r"recommendations\.toml, line 6, field exclude\.1\.colour: is not known here",
        ),
        (
            PLACES + '[[boost]]\nbrand = "own"\nby = 0.2\n\n[[boost]]\nbrand = "own"\nby = 20\n',
            r"line 9, field boost\.1\.by: .*less than or equal to 10; found 20",
        ),
        (
            PLACES + 'exclude = [{ item = "a" }, { item = "b", brand = "c" }]',
            r"line 3, field exclude\.1: name one of item, item_type",
        ),
        ("most_of_a_type = 0\ndiscover_places = 3", r"line 1, field most_of_a_type: .*greater than or equal to 1"),
        (PLACES + "diversity = -1", r"line 3, field diversity: .*greater than or equal to 0"),
        (PLACES + "explore_places = 4", r"field entry: explore_places are of the discover_places, so they can't be more"),
        ("most_of_a_type = 6", r"recommendations\.toml, field discover_places: is missing; add it"),
    ],
)
def test_a_wrong_rule_is_refused_with_its_line(text: str, message: str):
    with pytest.raises(PortraitError, match=message):
        parsed(text)


def test_rules_are_told_in_the_order_of_the_file():
    said = parsed(PLACES + 'exclude = [{ item = "a" }, { brand = "b" }]\ncool_down = [{ category = "c", days = 3 }]')
    assert list(said.rules) == [
        ("exclude.0.item", "item", "a"),
        ("exclude.1.brand", "brand", "b"),
        ("cool_down.0.category", "category", "c"),
    ]


def test_what_is_out_of_stock_is_listed_or_read_from_a_file_of_the_home(tmp_path: Path):
    assert parsed(PLACES + 'out_of_stock = ["a"]').stocked_by(tmp_path).out_of_stock == ("a",)
    by_file = parsed(PLACES + 'out_of_stock = "stock.txt"')
    with pytest.raises(PortraitError, match=r"stock\.txt: out_of_stock of recommendations.toml names it, but it can't be read"):
        by_file.stocked_by(tmp_path)
    (tmp_path / "stock.txt").write_text("b\n\n a \nb\n")
    assert by_file.stocked_by(tmp_path).out_of_stock == ("a", "b")
