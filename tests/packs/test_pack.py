"""A pack is read whole, or refused in one line that names file, field and what to do."""

import shutil
from pathlib import Path

import pytest

from portrait_assets.errors import PortraitError
from portrait_assets.packs import load_pack
from portrait_assets.packs.own import FILES
from portrait_assets.packs.pack import PACKS_DIR, read_pack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped pack, to be spoilt."""
    copy = tmp_path / "ecommerce"
    copy.mkdir()
    for name in FILES:
        shutil.copy(PACKS_DIR / "ecommerce" / f"{name}.toml", copy)
    return copy


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_sql_parameters_are_whole_cents_and_thousandths_and_points_in_one_order():
    assert load_pack().sql_parameters == {
        "outlier_quantity_milli": 100_000,
        "outlier_amount_cents": 50_000,
        "point_types": ["cart", "coupon", "like", "play", "purchase", "review", "search", "view", "wishlist"],
        "point_values": [3, 2, 2, 1, 5, 4, 1, 1, 2],
        "visit_types": ["view", "search", "cart", "purchase", "checkout", "like", "play", "remove", "share", "wishlist"],
        "sent_types": ["exposure"],
        "half_life_days": 60,
        "min_probability": 0.5,
        "least_gaps": 3,
        "least_returning": 0.2,
        "new_gaps": 2,
        "new_days": 30,
        "lapsing_gaps": 2,
        "lapsed_gaps": 4,
        "dormant_gaps": 8,
        "least_users": 5,
    }


def test_version_changes_with_what_the_files_say_and_not_with_their_comments(folder: Path):
    before = read_pack(folder).version
    replace(folder / "pack.toml", "# units", "# pieces")
    assert read_pack(folder).version == before
    replace(folder / "pack.toml", "half_life_days = 60", "half_life_days = 61")
    assert read_pack(folder).version != before


def test_version_changes_with_a_tag(folder: Path):
    before = read_pack(folder).version
    replace(folder / "tags.toml", "version = 1", "version = 2")
    assert read_pack(folder).version != before


def test_unknown_pack_is_refused_with_the_shipped_ones():
    with pytest.raises(PortraitError, match="no domain pack 'bakery': shipped are ecommerce"):
        load_pack("bakery")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "half_life_days = 60",
            "half_life_days = 0",
            r"pack\.toml, field interests\.half_life_days: .*greater than or equal to 1; found 0",
        ),
        ("half_life_days = 60", "", r"pack\.toml, field interests\.half_life_days: is missing; add it"),
        ("min_probability = 0.5", "min_probability = 1.5", r"field attributes\.min_probability: .*less than or equal to 1"),
        ("purchase = 5", "purchase = -5", r"field attention\.purchase: .*greater than or equal to 0; found -5"),
        ("purchase = 5", "purchsae = 5", r"field attention: purchsae is not an event type; known are view, search"),
        ("wishlist = 2", "wishlst = 2", r"field attention: wishlst is not an event type; .*nearest is 'wishlist'"),
        ('types = ["view"', 'types = ["veiw"', r"field visits: veiw is not an event type; .*nearest is 'view'"),
        ('"checkout", "like"', '"view", "checkout", "like"', r"field events\.types: 'view' is no name; .*each once"),
        ('"checkout", "like"', '"Check out", "like"', r"field events\.types: 'Check out' is no name"),
        (
            'sent = ["exposure"]',
            'sent = ["exposures"]',
            r"field events\.sent: exposures is not an event type; .*nearest is 'exposure'",
        ),
        ('refunds = ["return"]', 'refunds = ["back"]', r"field events\.refunds: back is not an event type"),
        ('name = "ecommerce"', 'name = "shop"', r"field name: is 'shop' in the folder ecommerce; make them the same"),
        ('title = "', 'titel = "', r"field title: is missing"),
        ("[attention]", "[attention", r"pack\.toml is not valid TOML"),
    ],
)
def test_wrong_pack_file_is_refused_with_file_and_field(folder: Path, old: str, new: str, message: str):
    replace(folder / "pack.toml", old, new)
    with pytest.raises(PortraitError, match=message) as refusal:
        read_pack(folder)
    assert str(folder / "pack.toml") in str(refusal.value)


def test_missing_catalogue_is_refused(folder: Path):
    (folder / "tags.toml").unlink()
    with pytest.raises(PortraitError, match=r"tags\.toml is missing"):
        read_pack(folder)
