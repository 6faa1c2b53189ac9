"""`portrait rules lint`: a file of rules judged by itself and by what the home has."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from portrait_assets.cli import app
from portrait_assets.errors import PortraitError
from portrait_assets.home import open_home
from tests.small_world import World, event, write_mapping

RULES = """\
most_of_a_type = 6
discover_places = 3
out_of_stock = ["soap"]
exclude = [{ department = "home" }, { item = "ghost" }]
# category = "diary"
cool_down = [
  { brand = "own", days = 3 },
  { category = "diary", days = 3 },
]
"""


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of rules beside a home that has the small shop's items; one that is bought is not described."""
    world = World(tmp_path)
    with world.open():
        world.land(event(1, "ann", "2024-03-01 10:00", item="ghost"))
        world.clean()
    monkeypatch.setenv("PORTRAIT_HOME", str(world.home.settings.home_dir))
    open_home(source=str(write_mapping(world.shop)))
    file = tmp_path / "recommendations.toml"
    file.write_text(RULES)
    return file


def lint(*words: str) -> str:
    result = CliRunner().invoke(app, ["rules", "lint", *words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return " ".join(result.output.split())


def test_a_name_that_no_item_has_is_told_with_its_line_and_what_is_near(rules: Path):
    with pytest.raises(
        PortraitError, match=r"line 8, field cool_down\.1\.category: no item has category 'diary'; nearest is 'dairy'"
    ):
        lint(str(rules))
    rules.write_text(RULES.replace('"diary", days', '"dairy", days'))
    assert "its 4 rules and 1 item out of stock all name something" in lint(str(rules))
    rules.write_text(RULES.replace("soap", "sope"))
    with pytest.raises(PortraitError, match=r"line 8.*\(1 more like it\)"):
        lint(str(rules))
    rules.write_text(RULES.replace('"diary", days', '"dairy", days').replace("soap", "sope"))
    with pytest.raises(PortraitError, match=r"line 3, field out_of_stock: there is no item 'sope'; nearest is 'soap'"):
        lint(str(rules))


def test_the_shipped_rules_are_well_formed(rules: Path):
    assert "its 0 rules and 0 items" in lint()
