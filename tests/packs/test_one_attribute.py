"""An attribute is one entry in one file: from there it is in clean.users, portraits, the model's heads, tags, exports, cards and the explorer."""

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from portrait_assets import columns as c
from portrait_assets.assets.scoring import write_scores
from portrait_assets.assets.training import declared, frames_at
from portrait_assets.errors import PortraitError
from portrait_assets.home import open_home
from portrait_assets.kernels.attributes import fit_attribute_heads
from portrait_assets.kernels.config import TINY
from portrait_assets.pages.overview_page import overview_page
from portrait_assets.partitions import DAY as ONE_DAY
from portrait_assets.partitions import Window
from portrait_assets.publishing import write_export
from portrait_assets.reading import Export
from portrait_assets.reading.card import card
from portrait_assets.sources import load
from portrait_assets.verification import verify
from tests.packs.test_one_entry import due
from tests.packs.test_own import BIG_LINE
from tests.small_world import MORE_ATTRIBUTES, USERS, World, event, write_lines

DAY = date(2024, 1, 20)
GOLDEN = BIG_LINE.replace("big_line", "golden").replace("spend_cents_30d >= 10000", "loyalty_level = 'gold'")
PEOPLE = tuple({"user_id": f"u{n:02}", "level": "gold" if n % 2 else "blue", "allergy": "nuts"} for n in range(40))
KNOWN = (
    {**USERS[0], "level": "gold", "allergy": None},
    {**USERS[1], "level": None, "allergy": "milk"},
    {"user_id": "cat", "level": None, "allergy": None},
)
SHOPPING = (
    event(1, "ann", "2024-01-12 17:30"),
    event(2, "bob", "2024-01-13 15:00", item="bread"),
    event(3, "cat", "2024-01-14 15:00", item="soap"),
)


def rules_of(world: World) -> Path:
    folder = world.home.settings.home_dir / "pack"
    folder.mkdir(exist_ok=True)
    return folder


def with_attributes(world: World, attributes: str = MORE_ATTRIBUTES, tags: str = "") -> World:
    """The same world once its pack has the attributes, its mapping names them, and its file of users says them."""
    (rules_of(world) / "attributes.toml").write_text(attributes, encoding="utf-8")
    if tags:
        (rules_of(world) / "tags.toml").write_text(tags, encoding="utf-8")
    mapping = world.home.source.path
    mapping.write_text(mapping.read_text() + 'allergy = "allergy"\nloyalty_level = "level"\n')
    lines = [{"user_id": None, "age": None, "income": None, **user} for user in (*KNOWN, *PEOPLE)]
    write_lines(world.shop / "users.ndjson", lines)
    world.home = open_home(world.home.settings)
    return world


def predicted(world: World, *said: tuple[str, str, str, float]) -> None:
    """user, attribute, class, probability at the end of DAY."""
    rows = [(DAY, user, name, cls, chance, "m1", None) for user, name, cls, chance in said]
    frame = pl.DataFrame(rows, schema=c.SCORES_PREDICTIONS.column_names, orient="row", infer_schema_length=None)
    write_scores(world.session, world.home, c.SCORES_PREDICTIONS, Window(DAY, DAY), [frame])


def test_it_is_in_the_tables_a_tag_the_export_the_card_and_the_explorer(tmp_path: Path):
    world = with_attributes(World(tmp_path, date(2024, 1, 1), DAY), tags=GOLDEN)
    with world.open():
        world.land(*SHOPPING)
        world.refresh()
        predicted(
            world,
            ("bob", "loyalty_level", "gold", 0.75),
            ("bob", "loyalty_level", "blue", 0.25),
            ("cat", "allergy", "nuts", 0.9),
        )
        world.build()
        users = world.rows(
            "select user_id, loyalty_level, allergy from clean.users where user_id in ('ann', 'bob') order by user_id"
        )
        columns = [f"{name}{part}" for name in ("loyalty_level", "allergy") for part in ("", "_origin", "_probability")]
        portraits = world.rows(
            f"select user_id, {', '.join(columns)} from portraits.snapshots where event_date = $day order by user_id", day=DAY
        )
        stored = {
            table: [name for name, *_ in world.session.rows(f"describe {table}")]
            for table in ("clean.users", "portraits.snapshots")
        }
        write_export(world.session, world.home, DAY, tmp_path / "export")
    assert stored["clean.users"][-2:] == ["loyalty_level", "allergy"]
    assert set(columns) <= set(stored["portraits.snapshots"])
    assert [tuple(row.values()) for row in users] == [("ann", "gold", None), ("bob", None, "milk")]
    assert [tuple(row.values()) for row in portraits] == [
        ("ann", "gold", "declared", 1.0, None, None, None),
        ("bob", "gold", "inferred", 0.75, "milk", "declared", 1.0),
        ("cat", None, None, None, None, None, None),  # a model that says what may not be inferred is not heard
    ]
    export = Export.open(tmp_path / "export")
    assert pl.read_parquet(tmp_path / "export" / "portraits.parquet").filter(user_id="bob").select(columns).row(0) == (
        "gold", "inferred", 0.75, "milk", "declared", 1.0,
    )  # fmt: skip
    assert {user: [tag.value for tag in card(export, user).tags if tag.tag_id == "golden"] for user in ("ann", "bob", "cat")} == {
        "ann": ["yes"], "bob": ["yes"], "cat": [],
    }  # fmt: skip
    social = {one.label: (one.value, one.origin) for one in card(export, "bob").social}
    assert (social["Loyalty level"], social["Allergy"]) == (("gold", "inferred"), ("milk", "declared"))
    assert 'title="declared 33 %, inferred 33 %"><span class="name">loyalty level</span>' in overview_page(export)
    assert 'title="declared 33 %, inferred 0 %"><span class="name">allergy</span>' in overview_page(export)


def test_it_is_a_head_of_the_model_where_it_may_be_inferred_and_enough_users_declared_it(tmp_path: Path):
    world = with_attributes(World(tmp_path, date(2024, 1, 1), DAY))
    with world.open():
        world.land(*SHOPPING, *(event(user["user_id"], user["user_id"], "2024-01-15 12:00") for user in PEOPLE))
        world.refresh()
        told = frames_at(world.session, world.home, DAY + ONE_DAY, [DAY]).attributes
        everything = declared(world.session, world.session.schema.attribute_names)
    assert set(told["attribute"]) == {"age", "income", "loyalty_level"}
    assert everything.filter(attribute="allergy").height == 41
    assert told.filter(pl.col("user_id").is_in(["ann", "bob"])).rows() == [
        ("ann", "age", "35-44"), ("ann", "loyalty_level", "gold"), ("bob", "income", "50-74K"),
    ]  # fmt: skip
    ids = [user["user_id"] for user in PEOPLE]
    x = np.random.default_rng(1).normal(size=(40, 3)) + np.array([[n % 2] for n in range(40)])
    heads, report = fit_attribute_heads(told, ids, x, x, TINY)
    assert {name: head.classes for name, head in heads.items()} == {"loyalty_level": ("blue", "gold")}
    assert report.filter(pl.col("outcome").str.starts_with("abstains"))["attribute"].to_list() == ["age", "income"]


def test_an_attribute_added_to_a_home_with_history_is_as_if_it_had_always_been_there(tmp_path: Path):
    """It makes due what is made of attributes: no event, no day and no total."""
    tables = (c.CLEAN_USERS, c.PORTRAITS_SNAPSHOTS, c.PORTRAITS_CHANGES)
    with with_attributes(World(tmp_path / "always", date(2024, 1, 1), DAY)).open() as world:
        world.land(*SHOPPING)
        world.refresh()
        expected = {table: world.table(table, without=("batch_seq",)) for table in tables}
    world = World(tmp_path / "later", date(2024, 1, 1), DAY)
    with world.open():
        world.land(*SHOPPING)
        world.refresh()
        never_made = due(world)
    (rules_of(world) / "attributes.toml").write_text(MORE_ATTRIBUTES, encoding="utf-8")
    world.home = open_home(world.home.settings)
    with world.open():
        assert due(world) - never_made == {
            "scores.predictions",
            "portraits.snapshots",
            "portraits.changes",
            "portraits.audiences",
        }
    with with_attributes(world).open():
        world.refresh()
        for table, frame in expected.items():
            assert frame.equals(world.table(table, without=("batch_seq",))), table.name
    assert [each for each in verify(world.home) if each.missing or each.surplus] == []


def test_an_attribute_taken_away_leaves_nothing_behind(tmp_path: Path):
    world = with_attributes(World(tmp_path, date(2024, 1, 1), DAY))
    with world.open():
        world.land(*SHOPPING)
        world.refresh()
    (rules_of(world) / "attributes.toml").unlink()
    with pytest.raises(PortraitError, match=r"corner_shop.toml, line \d+: users.allergy: unknown key 'allergy'"):
        open_home(world.home.settings)
    mapping = world.home.source.path
    mapping.write_text(mapping.read_text().replace('allergy = "allergy"\nloyalty_level = "level"\n', ""))
    world.home = open_home(world.home.settings)
    with world.open():
        world.session.execute(
            "insert into models.registry by name select 'm1' as version, $through as trained_through, 'champion' as status, $why as not_predicted",
            through=DAY, why='{"loyalty_level": "too few users", "gender": "too few users"}',
        )  # fmt: skip
        world.build()
        for table in (c.CLEAN_USERS, c.PORTRAITS_SNAPSHOTS):
            stored = [name for name, *_ in world.session.rows(f"describe {table.name}")]
            assert stored and sorted(stored) == sorted(world.session.schema.of(table).column_names)
            assert not any("loyalty" in name or "allergy" in name for name in stored)
        write_export(world.session, world.home, DAY, tmp_path / "export")
    export = Export.open(tmp_path / "export")
    assert export.manifest["not_predicted"] == {"gender": "too few users"}
    assert "loyalty" not in str(card(export, "ann")).lower() + overview_page(export).lower()


def test_a_mapping_may_name_the_attributes_of_the_rules_beside_it(tmp_path: Path):
    world = World(tmp_path, date(2024, 1, 1), DAY)
    mapping = world.home.source.path
    mapping.write_text(mapping.read_text() + 'loyalty_level = "level"\n')
    with pytest.raises(
        PortraitError,
        match=r"corner_shop.toml, line \d+: users.loyalty_level: unknown key 'loyalty_level'.*; known here: .*user_id, gender, age, .*, kids, ingested_at$",
    ):
        load(mapping)
    beside = mapping.with_suffix(".pack")
    beside.mkdir()
    (beside / "attributes.toml").write_text(MORE_ATTRIBUTES, encoding="utf-8")
    text = mapping.read_text()
    mapping.write_text(text.replace('age = "age"\nincome = "income"\n', 'ingested_at = "at"\nincome = 1\nage = "age"\n'))
    assert list(load(mapping).users[0].expressions().items()) == [  # in the order of the pack
        ("user_id", "user_id"), ("age", "age"), ("income", "1"), ("loyalty_level", "level"), ("ingested_at", "at"),
    ]  # fmt: skip
    mapping.write_text(mapping.read_text().replace("loyalty_level =", "loyalti_level ="))
    with pytest.raises(PortraitError, match=r"unknown key 'loyalti_level'; nearest is 'loyalty_level'; known here"):
        load(mapping)
