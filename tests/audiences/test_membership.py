"""A saved audience has the same members by SQL over stored snapshots as by the language over that day's export."""

import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from portrait_assets import columns as c
from portrait_assets.audiences import audience
from portrait_assets.audiences.language import parse
from portrait_assets.audiences.membership_sql import check, membership
from portrait_assets.errors import PortraitError
from portrait_assets.lineage import stale_days
from portrait_assets.packs import load_pack
from portrait_assets.publishing import queries
from portrait_assets.reading import Export
from tests.small_world import LAST_DAY, World, event

EXPRESSIONS = (
    "lifecycle = lapsed",
    "lifecycle != lapsed and not value_tier = high",
    "lifecycle in (active, new) or buyer_stage = 'repeat buyer'",
    "purchases >= 2 and purchases < 4",
    "mean_gap_days > 3.5 or not mean_gap_days is known",
    "last_active_date >= 2024-03-01 and not first_date < 2024-01-05",
    "categories has dairy and not departments has home",
    'categories has "it\'s -- a trap $end" or brands has own',
    "departments is known",
    "age = 35-44 or income is known",
    "churn_14d is known or saved_share >= 10 %",
    'chance("churn_14d") >= 0.5',
    "returns_often = yes",
    "any(returns_often) = yes",
    "stale(returns_often) is known or not any(returns_often) is known and lifecycle = new",
)


@pytest.fixture
def world(tmp_path: Path):
    with World(tmp_path, date(2023, 12, 25)).open() as world:
        text = "\n".join(f"[a{n}]\nexpression = {json.dumps(said)}" for n, said in enumerate(EXPRESSIONS))
        (world.home.settings.home_dir / "audiences.toml").write_text(text + "\n")
        world.land(
            event(1, "ann", "2024-01-02 12:00"), event(2, "ann", "2024-01-09 12:00", item="soap"), event(3, "ann", "2024-03-20 12:00"),
            event(4, "bob", "2024-01-10 12:00", item="bread", discount=0.5), event(5, "cat", "2024-03-30 12:00", kind="view"),
            event(6, "dan", "2024-02-01 12:00", item="cheese"), event(7, "dan", "2024-02-02 12:00", item="cheese"),
            event(8, "eve", "2024-03-31 12:00", item="ufo"),
            *(event(f"{user}-{n}", user, f"{day} 12:00", kind="return" if n else "purchase")
              for user, day in (("fay", "2023-12-26"), ("gus", "2024-03-30")) for n in range(4)),
        )  # fmt: skip
        yield world


def exported(world: World, folder: Path) -> Export:
    """The export of the last day, without its manifest's hashes."""
    folder.mkdir()
    for name, select in queries(world.session, world.home).items():
        world.session.frame(select, day=LAST_DAY).write_parquet(folder / name)
    (folder / "manifest.json").write_text(json.dumps({"as_of": "2024-04-01", "pack": "ecommerce", "sha256": {}}))
    return Export.open(folder, verify=False)


def test_members_by_sql_are_members_by_the_language(world: World, tmp_path: Path):
    world.build()
    export = exported(world, tmp_path / "export")
    predictions = pl.DataFrame({"user_id": ["ann", "eve"], "target": ["churn_14d"] * 2, "probability": [0.6, 0.1]})
    predictions.write_parquet(export.folder / "predictions.parquet")
    world.session.execute(
        "insert into scores.predictions by name select $day::date as event_date, user_id, 'churn_14d' as target, p as probability "
        "from (values ('ann', 0.6), ('eve', 0.1)) as told(user_id, p)",
        day=LAST_DAY,
    )
    sql = membership(world.home.audiences, load_pack())
    by_sql = world.session.frame(sql, start=LAST_DAY, end=LAST_DAY)
    sizes = set()
    for number, text in enumerate(EXPRESSIONS):
        members = set(by_sql.filter(pl.col("audience") == f"a{number}")["user_id"])
        assert members == audience(export, text, values=False).ids(), text
        sizes.add(len(members))
    assert len(sizes) > 3  # nobody, somebody and everybody are among them
    # Fay was last active 96 days before the last day; that somebody returns often is believed for 90.
    members = {name: set(of["user_id"]) for (name,), of in by_sql.partition_by("audience", as_dict=True).items()}
    returning = [members[f"a{EXPRESSIONS.index(f'{name} = yes')}"] for name in ("returns_often", "any(returns_often)")]
    assert returning == [{"gus"}, {"gus", "fay"}]


def test_a_saved_audience_makes_its_own_days_due_and_nothing_else(world: World):
    world.build()
    file = world.home.settings.home_dir / "audiences.toml"
    file.write_text('[late]\nexpression = "last_active_date >= 2024-03-01"\n')
    stale = {table for table, days in stale_days(world.session, world.home, world.home.days).items() if days}
    assert stale & {"portraits.snapshots", "portraits.changes", "portraits.audiences"} == {"portraits.audiences"}
    world.refresh()
    assert world.rows(
        "select distinct user_id from portraits.audiences where event_date = $day order by all", day=LAST_DAY
    ) == [{"user_id": user} for user in ("ann", "cat", "eve", "gus")]


def test_moves_turn_one_day_into_the_next_and_since_is_where_the_stay_began(world: World, tmp_path: Path):
    """dan is lapsed from some day on for good: one move, and `since` is its day."""
    world.build()
    export = exported(world, tmp_path / "export")
    members, moves = (pl.read_parquet(export.folder / f"{name}.parquet") for name in ("audiences", "audience_moves"))
    kept = world.table(c.PORTRAITS_AUDIENCES)
    for name in ("a0", "a3", "a5"):
        now: set[str] = set()
        of_name = kept.filter(pl.col("audience") == name)
        for day in world.home.days:
            moved = moves.filter(pl.col("audience") == name, pl.col("event_date") == day)
            now = (now | set(moved.filter(pl.col("move") == "entered")["user_id"])) - set(
                moved.filter(pl.col("move") == "left")["user_id"]
            )
            if day == world.home.days.start:
                assert moved.is_empty()
                now = set(of_name.filter(pl.col("event_date") == day)["user_id"])
            assert now == set(of_name.filter(pl.col("event_date") == day)["user_id"]), (name, day)
        for user_id, since in members.filter(pl.col("audience") == name).select("user_id", "since").iter_rows():
            entered = moves.filter(pl.col("audience") == name, pl.col("user_id") == user_id, pl.col("move") == "entered")
            assert since == entered["event_date"].max()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lifecyle = new", "saved audience 'x': there is no tag or number 'lifecyle'; nearest: lifecycle"),
        ("lifecycle > 3", "saved audience 'x': 'lifecycle > 3': lifecycle is a tag and takes only"),
        ('chance("category_14d=MILK") > 0.5', "known on published days alone"),
        ("purchases > many", "'many' is not a number"),
        ("stale(purchases) > 3", "purchases is a number, and only a tag can be stale"),
    ],
)
def test_what_no_snapshot_has_is_told_in_a_line(text: str, said: str):
    with pytest.raises(PortraitError, match=said):
        check("x", parse(text), load_pack())
