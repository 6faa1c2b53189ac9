"""Entities: how items are described and what attention is counted by; what can't stand is one line with file, line, entry and field."""

import tomllib
from datetime import date
from pathlib import Path

import pytest

from portrait_assets import columns as c
from portrait_assets.errors import PortraitError
from portrait_assets.home import open_home
from portrait_assets.packs import load_pack
from portrait_assets.packs.entities import Entities, parse_entities
from portrait_assets.packs.own import Read
from tests.small_world import World, event

FILE = Path("packs/library/entities.toml")
GOOD = """\
[item]
main = "category"

[[levels]]
name = "department"
plural = "shelves"
meaning = "where it stands"

[[levels]]
name = "category"
plural = "subjects"
meaning = "what it is about"

[[traits]]
name = "maker"
plural = "publishers"
meaning = "who published it"
interest = false

[ladder]
name = "thickness"
plural = "thicknesses"
of = "quantity_milli"
steps = [10, 100]
meaning = "pages"
"""


def parse(text: str, over: str | None = None) -> Entities:
    return parse_entities([Read(tomllib.loads(each), FILE, each) for each in (text, over) if each is not None])


def test_what_is_said_becomes_facets_in_its_order():
    said = parse(GOOD)
    assert [(facet.name, facet.plural, facet.type, facet.mask) for facet in said.facets] == [
        ("department", "shelves", "varchar", 0b011), ("category", "subjects", "varchar", 0b101), ("thickness", "thicknesses", "utinyint", 0b110),
    ]  # fmt: skip
    assert (said.main_facet.plural, [level.name for level in said.described]) == ("subjects", ["department", "category"])
    assert [facet.mask for facet in load_pack().schema.entities.facets] == [7, 11, 13, 14]


def test_a_file_laid_over_adds_a_trait_and_changes_steps():
    over = '[ladder]\nsteps = [5]\n[[traits]]\nname = "brand"\nplural = "series"\nmeaning = "a series"\n'
    said = parse(GOOD, over)
    assert (said.ladder.steps, said.ladder.name) == ((5,), "thickness")
    assert [facet.name for facet in said.facets] == ["department", "category", "brand", "thickness"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('main = "category"', 'main = "maker"', r"entities.toml, line 2, field item.main: maker is no level with interest"),
        ('name = "department"', 'name = "category"', r"line 10, level 'category', field name: 'category' is used already"),
        ('name = "department"', 'name = "departement"', r"line 5, level 'departement', field name: departement is no column.*'department'"),
        ('plural = "subjects"', 'plural = "shelves"', r"line 11, level 'category', field plural: 'shelves' is used already"),
        ('plural = "subjects"\n', "", r"line 9, level 'category', field plural: is missing; add it"),
        ("[10, 100]", "[100, 10]", r"line 24, field ladder.steps: have to ascend, each once"),
        ('"quantity_milli"', '"quantity"', r"line 23, field ladder.of: does not fit a row of raw.events"),
        ('"quantity_milli"', '"rating"', r"line 23, field ladder.of: gives DOUBLE; it has to be a whole number"),
        ("[ladder]", "[ladders]", r"field ladder: is missing; add it"),
        ("interest = false", "interests = false", r"line 18, trait 'maker', field interests: is not known here"),
    ],
)  # fmt: skip
def test_what_can_not_stand_is_one_line_with_its_place(old, new, told):
    assert old in GOOD
    with pytest.raises(PortraitError, match=told) as refusal:
        parse(GOOD.replace(old, new, 1))
    assert "\n" not in str(refusal.value)


def test_a_trait_added_by_one_entry_is_in_events_interests_and_portraits(tmp_path: Path):
    day = date(2024, 1, 20)
    world = World(tmp_path, date(2024, 1, 1), day)
    rules = world.home.settings.home_dir / "pack"
    rules.mkdir()
    (rules / "entities.toml").write_text(
        '[[levels]]\nname = "item_type"\nplural = "kinds"\nmeaning = "its kind"\n', encoding="utf-8"
    )
    mapping = world.shop / "corner_shop.toml"
    mapping.write_text(mapping.read_text().replace('brand = "brand"\n', 'brand = "brand"\nitem_type = "name"\n'))
    world.home = open_home(world.home.settings)
    with world.open():
        world.land(event(1, "ann", "2024-01-10 12:00"), event(2, "ann", "2024-01-11 12:00", item="soap"))
        world.refresh()
        assert [row["item_type"] for row in world.rows("from clean.events order by event_time")] == ["Milk", "Soap"]
        assert [row["kinds"] for row in world.rows("from features.visit order by visit_time")] == [["Milk"], ["Soap"]]
        ann = world.row(c.PORTRAITS_SNAPSHOTS, user_id="ann", event_date=day)
    assert [kind["value"] for kind in ann["kinds"]] == ["Soap", "Milk"] and ann["top_item_type"] == "Soap"
    assert ann["category_count"] == 2
