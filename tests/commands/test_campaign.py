"""`portrait campaign`: what is asked for has to name items that were sold, at a day with a model; else one line."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from portrait_assets.campaigns import Targets, items_where, overall, write
from portrait_assets.cli import app
from portrait_assets.errors import PortraitError
from portrait_assets.home import open_home
from tests.small_world import World, event, write_mapping


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A home with a purchase and no model."""
    world = World(tmp_path_factory.mktemp("campaign"))
    with world.open():
        world.land(event(1, "ann", "2024-03-01 10:00"))
        world.clean()
    return world


@pytest.fixture
def opened(made: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("PORTRAIT_HOME", str(made.home.settings.home_dir))
    open_home(source=str(write_mapping(made.shop)))
    return made


def campaign(*words: str) -> str:
    result = CliRunner().invoke(app, ["campaign", *words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "say which items it is for by one of --items FILE, --where CONDITION, --coupon ID"),
        (("--coupon", "7", "--where", "true"), "say which items it is for by one of"),
        (("--coupon", "7"), r"corner_shop\.toml: declares no coupons; add \[coupons\]"),
        (("--items", "none.txt"), r"--items none\.txt: can't be read .*one item id a line"),
        (("--where", "category = 'CHEESE'"), "--where \"category = 'CHEESE'\": holds for no item"),
        (("--where", "colour = 1"), 'colour.*; it is a SQL condition on item_id, department, category'),
        (("--where", "true) union (select 1"), "is not one SQL expression.*; it is a SQL condition on"),
        (("--where", "count(*) > 1"), "it is a SQL condition on"),
        (("--where", "true", "--as-of", "soon"), "--as-of 'soon' is not a date"),
        (("--where", "true", "--as-of", "2024-03-15"), "campaign, as of 2024-03-15: no model is in force .none was trained yet"),
        (("--where", "true", "--out", "targets.xlsx"), r"--out targets\.xlsx: the name has to end in \.parquet or \.csv"),
    ],
)  # fmt: skip
def test_what_can_not_be_asked_is_one_line(opened: World, words: tuple[str, ...], message: str):
    with pytest.raises(PortraitError, match=message) as told:
        campaign(*words)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "condition",
    [
        "item_id in (select item_id from '{file}')",
        "item_id = any(select item_id from read_csv('{file}'))",
        "exists (from '{file}' as named where named.item_id = items.item_id)",
        "item_id = (select min(item_id) from read_csv('{file}'))",
        "true where item_id in (select item_id from '{file}')",
        "true order by (select max(item_id) from '{file}')",
        "item_id like '%' and (select count(*) from read_text('{file}')) = 1",
        "item_id in (select item_id from items)",
    ],
)
def test_a_condition_reads_nothing_but_the_item(opened: World, tmp_path: Path, condition: str):
    """The file is there, can be read, and names items: nothing else refuses it."""
    file = tmp_path / "named.csv"
    file.write_text("item_id\nbread\nmilk\n")
    with pytest.raises(
        PortraitError, match="(reads one row: no subqueries|is not SQL).*; it is a SQL condition on item_id, department"
    ):
        campaign("--where", condition.format(file=file))


def test_an_empty_file_of_items_is_refused(opened: World, tmp_path: Path):
    (tmp_path / "items.txt").write_text("\n \n")
    with pytest.raises(PortraitError, match=r"items\.txt: is empty; write one item id a line"):
        campaign("--items", str(tmp_path / "items.txt"))


def test_a_condition_reads_what_items_are_described_as(world: World):
    world.clean()
    assert items_where(world.session, "department = 'food' and brand <> 'alm' -- no cheese") == ["bread", "milk"]


def test_targets_in_a_file_are_texts_to_a_spreadsheet(tmp_path: Path):
    frame = pl.DataFrame({"rank": [1, 2], "user_id": ["=1+1", "ann"], "propensity": [-0.5, 0.25]})
    for name in ("targets.csv", "targets.parquet"):
        write(Targets(frame, date(2024, 3, 1), "m1", 1, 0), tmp_path / name)
    assert (tmp_path / "targets.csv").read_text() == "rank,user_id,propensity\n1,'=1+1,-0.5\n2,ann,0.25\n"
    assert pl.read_parquet(tmp_path / "targets.parquet").equals(frame)


def test_campaigns_together_count_by_the_sets_judged():
    columns = ("campaign", "truth", "score", "sets", "share", "auc", "lift")
    rows = [("1", "bought", "propensity", 3, 0.1, 0.8, 4.0), ("2", "bought", "propensity", 1, 0.5, 0.6, 2.0),
            ("2", "redeemed", "propensity", 0, None, None, None)]  # fmt: skip
    found = overall(pl.DataFrame(rows, schema=columns, orient="row"))
    assert found.rows() == [("bought", "propensity", 4, pytest.approx(0.2), pytest.approx(0.75), pytest.approx(3.5))]
