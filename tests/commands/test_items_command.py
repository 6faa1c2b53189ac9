"""`portrait items nearest`: the items nearest to one, read from the home's own items and visits."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from portrait_assets.cli import app
from portrait_assets.errors import PortraitError
from portrait_assets.home import open_home
from tests.small_world import World, event

BASKETS = (["milk", "cheese"], ["soap", "brush"])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Milk is bought with cheese, soap with a brush, fifteen times each; in March a visit has milk and soap."""
    world = World(tmp_path_factory.mktemp("items"))
    with world.open():
        world.describe({"item": "brush", "department": "home", "category": "care", "name": "Brush [soft]\x1b[31m"})
        world.land(
            *(
                event(
                    f"{visit}-{item}",
                    f"u{visit % 5}",
                    f"2024-01-{1 + visit // 2:02d} 1{visit % 2}:00",
                    item=item,
                    session=f"s{visit}",
                )
                for visit in range(30)
                for item in BASKETS[visit % 2]
            ),
            *(event(f"march-{item}", "u1", "2024-03-05 10:00", item=item, session="march") for item in ("milk", "soap")),
        )
        world.clean().derive()
    open_home(world.home.settings, source=str(world.home.source.path))
    return world.home.settings.home_dir


@pytest.fixture(autouse=True)
def opened(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTRAIT_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "200")


def nearest(*words: str) -> list[list[str]]:
    """The lines of the table, its head aside, as words."""
    result = CliRunner().invoke(app, ["items", "nearest", *words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return [line.split() for line in result.output.splitlines()[1:]]


def test_the_item_itself_comes_first_then_its_company_by_falling_cosine():
    lines = nearest("milk", "--count", "4")
    assert lines[0][:2] == ["1.000", "milk"] and lines[1][1] == "cheese"
    cosines = [float(line[0]) for line in lines]
    assert len(lines) == 5 and cosines == sorted(cosines, reverse=True)
    assert nearest("soap", "--count", "1")[1][1] == "brush"


def test_a_name_does_not_move_the_terminal():
    [_, line] = nearest("soap", "--count", "1")
    assert "[soft]" in " ".join(line) and "\x1b" not in " ".join(line)


def test_purchases_from_the_as_of_on_do_not_count():
    """Only the visit in March has milk and soap together, so it is what brings the two nearer."""

    def cosine(*as_of: str) -> float:
        return next(float(line[0]) for line in nearest("milk", "--count", "4", *as_of) if line[1] == "soap")

    assert cosine() > cosine("--as-of", "2024-03-05") == cosine("--as-of", "2024-02-01")


def test_an_item_that_nobody_knows_is_one_clear_error():
    with pytest.raises(PortraitError, match="item 'mlik' is neither described nor bought before 2024-04-01"):
        nearest("mlik")


def test_an_item_that_is_only_described_is_placed_too():
    assert nearest("bread", "--count", "1")[0][:2] == ["1.000", "bread"]
