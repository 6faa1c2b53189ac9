"""Packs by name and by folder: looked at, judged, begun, opened by a home, and carried by its exports."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from portrait_assets import sources
from portrait_assets.assets.daily import refresh_path
from portrait_assets.commands import packs
from portrait_assets.errors import PortraitError
from portrait_assets.home import known_pack, open_home
from portrait_assets.packs import load_pack
from portrait_assets.serving.events import judge
from portrait_assets.settings import Settings
from tests.serving.shop import live
from tests.small_world import NOW, event, write_lines, write_mapping


def said(*words: str) -> str:
    result = CliRunner().invoke(packs.app, list(words), catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


@pytest.fixture
def corner(tmp_path: Path) -> Path:
    """A pack of one's own, whose visits are called otherwise."""
    said("new", str(tmp_path / "corner"))
    file = tmp_path / "corner" / "measures.toml"
    file.write_text(
        file.read_text(encoding="utf-8").replace('label = "Visits"', 'label = "Times in the shop"'), encoding="utf-8"
    )
    return tmp_path / "corner"


def test_a_new_pack_is_a_copy_that_is_well_formed(corner: Path):
    assert "all well formed" in said("lint", str(corner))
    pack, shipped = load_pack(str(corner)), load_pack()
    assert (pack.name, pack.reference) == ("corner", str(corner))
    assert pack.tags == shipped.tags and pack.schema.classes == shipped.schema.classes
    shown = json.loads(said("show", str(corner), "--json"))
    assert shown["name"] == "corner" and {entry["name"] for entry in shown["says"]["measures"]["measures"]} >= {
        "visits",
        "spend_cents",
    }
    assert "spend_cents" in said("show", str(corner)) and "ecommerce" in said("list")


@pytest.mark.parametrize(
    ("name", "told"),
    [("Corner", "not a pack's name"), ("ecommerce", "the name of a shipped pack"), ("corner", "there already")],
)
def test_a_name_that_will_not_do_is_refused(corner: Path, name: str, told: str):
    with pytest.raises(PortraitError, match=told):
        said("new", str(corner.parent / name))


def test_a_slip_in_a_pack_is_one_line_with_its_place(corner: Path):
    file = corner / "classes.toml"
    file.write_text(file.read_text(encoding="utf-8").replace('"monetary_score = 5"', '"monetary = 5"'), encoding="utf-8")
    with pytest.raises(PortraitError, match=r"classes\.toml, line \d+, tier 'high', field when: does not fit") as refusal:
        said("lint", str(corner))
    assert "\n" not in str(refusal.value)


def test_a_home_holds_one_pack_by_the_command_or_by_its_mapping(corner: Path, tmp_path: Path):
    mapping = write_mapping(tmp_path / "shop")
    home = open_home(Settings(home=tmp_path / "asked"), str(mapping), pack=str(corner))
    assert home.pack.name == "corner" and [m.label for m in home.pack.schema.measures.all if m.name == "visits"] == [
        "Times in the shop"
    ]
    assert (
        open_home(Settings(home=tmp_path / "asked")).pack.reference
        == known_pack(Settings(home=tmp_path / "asked")).reference
        == str(corner)
    )
    with home.warehouse.open("test") as session:
        assert session.schema == home.pack.schema
    with pytest.raises(PortraitError, match=r"already holds the pack '.*corner', not 'ecommerce'"):
        open_home(Settings(home=tmp_path / "asked"), pack="ecommerce")
    mapping.write_text('pack = "../corner"\n' + mapping.read_text())
    assert open_home(Settings(home=tmp_path / "named"), str(mapping)).pack.reference == str(corner)
    assert open_home(Settings(home=tmp_path / "other"), str(mapping), pack="ecommerce").pack.name == "ecommerce"


def test_event_types_of_a_pack_land_count_as_it_says_and_are_taken_live(corner: Path, tmp_path: Path):
    """A rental is an act, a letter is sent to the user, and what is brought back is paid back."""
    file = corner / "pack.toml"
    said = file.read_text(encoding="utf-8").replace(
        '"view", "search", "cart"', '"rental", "letter", "brought_back", "view", "search", "cart"', 1
    )
    said = said.replace('sent = ["exposure"]', 'sent = ["exposure", "letter"]').replace(
        'refunds = ["return"]', 'refunds = ["return", "brought_back"]'
    )
    file.write_text(said, encoding="utf-8")
    home = open_home(Settings(home=tmp_path / "home"), str(write_mapping(tmp_path / "shop")), pack=str(corner))
    rows = [
        event(1, "ann", "2024-01-10 12:00", "rental", amount=3), event(2, "ann", "2024-01-11 12:00", "letter"),
        event(3, "ann", "2024-01-12 12:00", "brought_back", amount=-3), event(4, "ann", "2024-01-12 12:00", "rental", amount=-3),
        event(5, "ann", "2024-01-12 12:00", "loan"),
    ]  # fmt: skip
    with home.warehouse.open("test") as session:
        sources.land(session.connection, home.source, NOW, [write_lines(tmp_path / "shop" / "events-1.ndjson", rows)])
        refused = [reason for (reason,) in session.rows("select reason from raw.quarantine order by row_number")]
        refresh_path(session, home, home.days)
        visits = session.rows("select event_types from features.visit order by event_date")
        amounts = session.rows("select event_type, amount_cents from clean.events order by event_time, event_type")
    assert amounts == [("rental", 300), ("letter", None), ("brought_back", 300)]
    assert visits == [(["rental"],), (["brought_back"],)]
    assert refused[0].startswith("amount -3.0 is negative; only a return or a brought_back may be")
    assert 'event_type "loan" is unknown; expected one of rental, letter' in refused[1]
    now = datetime.now(UTC)
    lines, rejections = judge(
        [live(1, "ann", "2024-03-12", "rental"), live(2, "ann", "2024-03-12", "loan")], now, home.pack.events
    )
    assert len(lines) == 1 and rejections[0].reason.startswith("event_type: 'loan' is unknown; expected one of rental, letter")


def test_a_pack_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path):
    with pytest.raises(
        PortraitError, match=r"no domain pack 'ecomerce': shipped are ecommerce; nearest is 'ecommerce'; or give a folder"
    ):
        open_home(Settings(home=tmp_path / "home"), str(write_mapping(tmp_path / "shop")), pack="ecomerce")
