"""A measure is one entry in one file: from there it is in features, windows, portraits, the model's inputs, tags, exports and cards."""

from datetime import date
from pathlib import Path

import polars as pl

from portrait_assets import columns as c
from portrait_assets.assets.training import features_at
from portrait_assets.home import open_home
from portrait_assets.kernels.selection import select_columns
from portrait_assets.lineage import stale_days
from portrait_assets.publishing import write_export
from portrait_assets.reading import Export
from portrait_assets.reading.card import card
from portrait_assets.reading.sections import sections
from tests.packs.test_own import BIG_LINE
from tests.small_world import MORE_MEASURES, World, event

DAY = date(2024, 1, 20)
FROM_DAYS = {c.FEATURES_USER_DAY.name, c.FEATURES_USER_STATE.name, c.FEATURES_CUT_POINTS.name}
PORTRAITS = {"portraits.snapshots", "portraits.changes", "portraits.audiences"}
SCORES = {"scores.predictions", "scores.segments"}
WEEKENDER = BIG_LINE.replace("big_line", "weekender").replace("spend_cents_30d >= 10000", "weekend_spend_cents_30d >= 1000")
SHOPPING = (
    event(1, "ann", "2024-01-12 17:30", item="milk", amount=2),  # Friday noon, in New York
    event(2, "ann", "2024-01-12 17:40", item="cheese", amount=5),
    event(3, "ann", "2024-01-13 15:00", item="bread", amount=9),  # Saturday
    event(4, "ann", "2024-01-13 15:05", "cart", item="soap"),
    event(5, "ann", "2024-01-14 02:00", item="bread", amount=3),  # Saturday evening still
    event(6, "bob", "2024-01-15 12:00", item="milk", amount=2),
)


def with_measures(world: World, tags: str = "") -> World:
    """The same world once its home has the measures and tags too."""
    rules = world.home.settings.home_dir / "pack"
    rules.mkdir()
    (rules / "measures.toml").write_text(MORE_MEASURES, encoding="utf-8")
    if tags:
        (rules / "tags.toml").write_text(tags, encoding="utf-8")
    world.home = open_home(world.home.settings)
    return world


def due(world: World) -> set[str]:
    return {name for name, days in stale_days(world.session, world.home, world.home.days).items() if days}


def test_each_operation_counts_what_one_counts_by_hand(tmp_path: Path):
    with World(tmp_path, date(2024, 1, 1), DAY, measures=MORE_MEASURES).open() as world:
        world.land(*SHOPPING)
        world.refresh()
        days = world.rows(
            "select local_date, brand_days, brand_days_values, least_paid_cents, last_item_bought, weekend_spend_cents "
            "from features.user_day where user_id = 'ann' order by event_date"
        )
        ann = world.row(c.PORTRAITS_SNAPSHOTS, user_id="ann", event_date=DAY)
        bob = world.row(c.PORTRAITS_SNAPSHOTS, user_id="bob", event_date=DAY)
    saturday = date(2024, 1, 13)
    assert [tuple(day.values()) for day in days] == [
        (date(2024, 1, 12), 2, ["alm", "own"], 200, "cheese", 0),
        (saturday, 1, ["own"], 900, "bread", 900),
        (saturday, 1, ["own"], 300, "bread", 300),  # of the next UTC day
    ]
    told = {name: ann[name] for name in ("brand_days", "lunch_visits", "cart_days", "weekend_spend_cents", "last_item_bought")}
    # The brand of Saturday is counted once, though two UTC days hold that date.
    assert told == {
        "brand_days": 3,
        "lunch_visits": 1,
        "cart_days": 1,
        "weekend_spend_cents": 1200,
        "last_item_bought": "bread",
    }
    assert (ann["least_paid_cents"], ann["most_paid_cents"]) == (200, 900)
    assert (ann["brand_days_7d"], ann["weekend_spend_cents_7d"], ann["brand_days_14d"]) == (1, 300, 3)  # from the 14th, UTC, on
    assert ann["weekend_spend_share"] == 1200 / 1900
    assert (bob["weekend_spend_cents"], bob["weekend_spend_share"], bob["cart_days"]) == (0, 0.0, 0)


def test_a_measure_added_to_a_home_with_history_is_as_if_it_had_always_been_there(tmp_path: Path):
    """It makes due what is made of days, and nothing before: events, visits and interests stay as they are."""
    with World(tmp_path / "always", date(2024, 1, 1), DAY, measures=MORE_MEASURES).open() as world:
        world.land(*SHOPPING)
        world.refresh()
        expected = {table: world.table(table) for table in (c.FEATURES_USER_STATE, c.PORTRAITS_SNAPSHOTS, c.PORTRAITS_CHANGES)}
    world = World(tmp_path / "later", date(2024, 1, 1), DAY)
    with world.open():
        world.land(*SHOPPING)
        world.refresh()
        never_made = due(world)
    with with_measures(world).open():
        assert due(world) - never_made == FROM_DAYS | PORTRAITS | SCORES
        world.refresh()
        for table, frame in expected.items():
            assert frame.equals(world.table(table)), table.name
        assert due(world) == never_made


def test_a_measure_taken_away_leaves_nothing_behind(tmp_path: Path):
    world = World(tmp_path, date(2024, 1, 1), DAY, measures=MORE_MEASURES)
    with world.open():
        world.land(*SHOPPING)
        world.refresh()
    (world.home.settings.home_dir / "pack" / "measures.toml").unlink()
    world.home = open_home(world.home.settings)
    with world.open():
        world.refresh()
        for table in (c.FEATURES_USER_DAY, c.FEATURES_USER_STATE, c.PORTRAITS_SNAPSHOTS):
            stored = [name for name, *_ in world.session.rows(f"describe {table.name}")]
            assert sorted(stored) == sorted(world.session.schema.of(table).column_names)
        assert world.row(c.PORTRAITS_SNAPSHOTS, user_id="ann", event_date=DAY)["spend_cents"] == 1900


def test_it_reaches_the_model_a_tag_the_export_and_the_card(tmp_path: Path):
    with with_measures(World(tmp_path, date(2024, 1, 1), DAY), tags=WEEKENDER).open() as world:
        world.land(*SHOPPING)
        world.refresh()
        inputs = select_columns(
            pl.concat([features_at(world.session, world.home, [day]) for day in (date(2024, 1, 12), date(2024, 1, 13), DAY)])
        )
        write_export(world.session, world.home, DAY, tmp_path / "export")
    outcomes = dict(inputs.outcome.select("column", "outcome").iter_rows())
    assert {"weekend_spend_cents", "brand_days_14d", "cart_days"} <= outcomes.keys()
    export = Export.open(tmp_path / "export")
    portraits = pl.read_parquet(tmp_path / "export" / "portraits.parquet")
    assert portraits.filter(user_id="ann").select("weekend_spend_cents", "lunch_visits_30d", "last_item_bought").row(0) == (
        1200, 1, "bread",
    )  # fmt: skip
    shown = card(export, "ann")
    [tag] = [tag for tag in shown.tags if tag.tag_id == "weekender"]
    assert tag.value == "yes"
    assert [(row.label, row.windows[30]) for row in shown.behaviour if row.measure in ("brand_days", "weekend_spend_cents")] == [
        ("Brands bought", 3), ("Spend at weekends", 1200),
    ]  # fmt: skip
    assert "Spend at weekends" in str(sections(shown))
    assert "Spend at weekends" not in str(sections(card(export, "bob")))
