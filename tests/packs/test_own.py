"""A home's own rules lie over those of its pack: what they say holds, the rest stays, and a slip is one line of their own file."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from portrait_assets.audiences import audience
from portrait_assets.errors import PortraitError
from portrait_assets.home import known_pack, open_home
from portrait_assets.lineage import stale_days
from portrait_assets.packs import load_pack
from portrait_assets.packs.own import folder_of
from portrait_assets.packs.pack import PACKS_DIR, Pack, read_pack
from portrait_assets.publishing import write_export
from portrait_assets.reading import Export
from portrait_assets.reading.card import card
from portrait_assets.settings import Settings
from tests.small_world import World, event, write_mapping

DAY = date(2024, 1, 20)
BIG_LINE = """
[[tags]]
id = "big_line"
name = "Big line"
name_zh = "大单"
dimension = "value"
kind = "rule"
version = 1
owner = "us"
sensitivity = "ordinary"
description = "Paid 100 or more in 30 days."
value_type = "flag"
values = ["yes"]
needs = { purchases = 1 }
value = "case when spend_cents_30d >= 10000 then 'yes' end"
confidence = "1.0"
evidence = { spend_30d_cents = "spend_cents_30d" }
explanation = "{spend_30d_cents} in 30 days."
"""


def with_own(folder: Path, **files: str) -> Pack:
    """The shipped pack with these files over it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    return read_pack(PACKS_DIR / "ecommerce", folder)


def test_a_tag_is_added_one_is_changed_by_what_it_says_and_one_is_hidden(tmp_path: Path):
    changed = '\n[[tags]]\nid = "basket_size"\nversion = 9\nneeds = { purchase_days = 7 }\n'
    hidden = '\n[[tags]]\nid = "price_level"\nstatus = "draft"\n'
    pack, shipped = with_own(tmp_path / "pack", tags=BIG_LINE + changed + hidden), load_pack()
    assert [tag.id for tag in pack.catalogue] == [*(tag.id for tag in shipped.catalogue), "big_line"]
    assert {tag.id for tag in shipped.tags} - {tag.id for tag in pack.tags} == {"price_level"}
    basket, before = pack.tag("basket_size"), shipped.tag("basket_size")
    assert basket and before and basket.needs == {"purchase_days": 7} and "purchase_days >= 7" in basket.value
    assert (basket.name, basket.evidence, basket.version) == (before.name, before.evidence, 9)
    assert pack.version != shipped.version and pack.sql_parameters == shipped.sql_parameters


def test_limits_rules_and_taxonomy_are_laid_over_the_packs(tmp_path: Path):
    pack = with_own(
        tmp_path / "pack",
        pack="[rhythm]\nlapsing = 3\n",
        recommendations='discover_places = 5\nexclude = [{ name = "*postage*" }]\n',
        taxonomy='version = 2\n[mappings]\nalcohol = ["CIDER"]\nhealth = ["COFFEE"]\n',
    )
    shipped = load_pack()
    assert pack.rhythm == shipped.rhythm.model_copy(update={"lapsing": 3})
    assert (pack.recommending.discover_places, pack.recommending.most_of_a_type) == (5, shipped.recommending.most_of_a_type)
    leaf_of = {"CIDER": "alcohol", "COFFEE": "health", "TEAS": "coffee_tea"}  # COFFEE was coffee_tea's
    assert {name: pack.taxonomy.leaf_of[name] for name in leaf_of} == leaf_of
    nodes = 'version = 1\nrest = "other"\n[[nodes]]\nid = "toys"\nname = "Toys"\nname_zh = "玩具"\n[[nodes]]\nid = "other"\nname = "Other"\nname_zh = "其他"\n'
    whole = with_own(tmp_path / "whole.pack", taxonomy=f'{nodes}[mappings]\ntoys = ["BALLS"]\n')
    assert dict(whole.taxonomy.leaf_of) == {"BALLS": "toys"}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("tags", BIG_LINE.replace("spend_cents_30d >=", "spend_30d >="), r"tags\.toml, line 15, tag 'big_line', field value: does not fit"),
        ("tags", '[[tags]]\nid = "basket_size"\nneeds = { purchase_days = 7 }\n', r"line 1, tag 'basket_size', field version: .*above 2"),
        ("tags", '[[tags]]\nid = "basket_size"\nversion = 3\nneeds = { days = 7 }\n', r"line 4, tag 'basket_size', field needs\.days"),
        ("tags", '[[tags]]\nid = "new_one"\n', r"tags\.toml, line 1, tag 'new_one', field name: is missing; add it"),
        ("pack", "[outliers]\n\n[rhythm]\nlapsing = 9\n", r"pack/pack\.toml, line 3, field rhythm: .*have to ascend"),
        ("pack", "[rhythm]\n# so\nleast_gaps = 0\n", r"pack/pack\.toml, line 3, field rhythm\.least_gaps: .*greater than or equal to 1; found 0"),
        ("pack", "[rhythmm]\nlapsing = 3\n", r"pack/pack\.toml, line 1, field rhythmm: is not known here"),
        ("pack", 'name = "mine"\n', r"pack/pack\.toml, line 1, field name: is the pack's to say"),
        ("recommendations", "\nmost_of_a_typ = 3\n", r"recommendations\.toml, line 2, field most_of_a_typ: is not known here"),
        ("taxonomy", 'version = 2\n[mappings]\nalcool = ["X"]\n', r"taxonomy\.toml, mapping 'alcool': no node has this id; nearest is 'alcohol'"),
        ("tag", "", r"tag\.toml is no file of a pack; nearest is 'tags'"),
    ],
)  # fmt: skip
def test_a_slip_is_a_line_of_the_homes_own_file(tmp_path: Path, name: str, text: str, message: str):
    with pytest.raises(PortraitError, match=message) as refusal:
        with_own(tmp_path / "pack", **{name: text})
    assert "\n" not in str(refusal.value)


def test_a_home_finds_its_own_rules_beside_its_mapping_or_in_itself_but_not_in_both(tmp_path: Path):
    mapping = write_mapping(tmp_path / "shop")
    settings = Settings(home=tmp_path / "home", source=str(mapping))
    assert folder_of(settings.home_dir, mapping) is None and known_pack(settings).own is None
    beside = tmp_path / "shop" / "corner_shop.pack"
    with_own(beside, tags=BIG_LINE)
    assert known_pack(settings).own == beside and not settings.home_dir.exists()
    assert open_home(settings, source=str(mapping)).pack.tag("big_line")
    with_own(settings.home_dir / "pack", pack="[rhythm]\nlapsing = 3\n")
    with pytest.raises(PortraitError, match=r"pack and .*corner_shop\.pack both hold rules for this home; keep one"):
        open_home(settings)


def test_an_export_carries_the_pack_that_made_it_and_only_what_it_feeds_is_due(world: World, tmp_path: Path):
    world.land(event(1, "ann", "2024-01-10 10:00", amount=150), event(2, "bob", "2024-01-10 10:00", amount=1))
    world.build()
    shipped = world.home
    world.home = replace(shipped, pack=with_own(tmp_path / "pack", tags=BIG_LINE))
    due = {name for name, days in stale_days(world.session, world.home, world.home.days).items() if days}
    before = {name for name, days in stale_days(world.session, shipped, shipped.days).items() if days}
    assert due - before == {"portraits.changes", "portraits.audiences"}
    world.refresh()
    write_export(world.session, world.home, DAY, tmp_path / "export")
    export = Export.open(tmp_path / "export")
    assert export.pack.tag("big_line") == world.home.pack.tag("big_line") and export.pack.version == world.home.pack.version
    [tag] = [tag for tag in card(export, "ann").tags if tag.tag_id == "big_line"]
    assert (tag.name, tag.explanation) == ("Big line", "150.00 in 30 days.")
    assert audience(export, "big_line = yes").ids() == {"ann"}
    # Other limits change what is counted, from the clean events on.
    world.home = replace(shipped, pack=with_own(tmp_path / "limits" / "pack", pack="[outliers]\namount = 100.0\n"))
    assert "clean.events" in {name for name, days in stale_days(world.session, world.home, world.home.days).items() if days}
