"""A change of a file makes due the tables that come from it, and no others: the lists were written before the changes were tried."""

import shutil
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

import pytest

from portrait_assets import lineage, reached
from portrait_assets.definitions import build_definitions
from portrait_assets.home import Home, open_home
from portrait_assets.lineage import DAILY_TABLES, code_version
from portrait_assets.packs.pack import read_pack
from portrait_assets.reached import PACKAGE
from portrait_assets.resources import sql
from portrait_assets.settings import SQL_DIR, Settings

DAY = date(2017, 6, 1)

PORTRAITS = {"portraits.snapshots", "portraits.changes", "portraits.audiences"}
PUBLISHED_SCORES = {"scores.vectors", "scores.next_purchases"}
SCORED = {"scores.predictions", "scores.segments", *PUBLISHED_SCORES, *PORTRAITS}
RECOMMENDED = {"recommendations.top", "recommendations.lists"}
EVERYTHING = {daily.table.name for daily in DAILY_TABLES}
NOTHING: set[str] = set()

CHANGES = {
    "a clean column": ("sql/clean/events.sql", "is_outlier", "is_out_lier", EVERYTHING),
    "what items are": ("sql/clean/items.sql", "item_id", "item_number", EVERYTHING),
    "what users declared": ("sql/clean/users.sql", "arg_max(value, place)", "arg_min(value, place)", PORTRAITS),
    "what an attribute is called": (
        "portrait_assets/packs/ecommerce/attributes.toml", 'label = "Age"', 'label = "Years"', NOTHING,
    ),
    "what may be inferred": (
        "portrait_assets/packs/ecommerce/attributes.toml", 'label = "Age"', 'label = "Age"\ninferred = false',
        {"scores.predictions", *PORTRAITS},
    ),
    "visits": ("sql/features/visit.sql", "line_count", "lines", {"features.visit", *SCORED}),
    "attention": ("sql/features/user_day_interest.sql", "user_id", "who", {"features.user_day_interest", "features.interests", *SCORED}),
    "windows": ("sql/features/as_of.sql", "}} >= 3", "}} >= 4", SCORED),
    "a day after another": ("sql/features/next_day.sql", "}} >= 3", "}} >= 4", PORTRAITS),
    "cut points": ("sql/features/cut_points.sql", "0.2", "0.25", {"features.cut_points"}),
    "what is measured": (
        "portrait_assets/packs/ecommerce/measures.toml", "event_type = 'view'", "event_type in ('view', 'search')",
        {"features.user_day", "features.user_state", "features.cut_points", *SCORED, *RECOMMENDED},
    ),
    "a window": (
        "portrait_assets/packs/ecommerce/measures.toml", "windows = [7, 14", "windows = [7, 10, 14", SCORED,
    ),
    "a ratio": ("portrait_assets/packs/ecommerce/measures.toml", 'of = "returns"', 'of = "returns + 0"', PORTRAITS),
    "what a measure is called": ("portrait_assets/packs/ecommerce/measures.toml", 'label = "Spend"', 'label = "Paid"', NOTHING),
    "what a measure means": ("portrait_assets/packs/ecommerce/measures.toml", 'meaning = "paid for', 'meaning = "spent on', NOTHING),
    "who is in a fifth": (
        "portrait_assets/packs/ecommerce/classes.toml", 'among = "ratings >= 3"', 'among = "ratings >= 4"',
        {"features.cut_points", *PORTRAITS},
    ),
    "a step of prices": ("portrait_assets/packs/ecommerce/entities.toml", "steps = [100,", "steps = [50, 100,", EVERYTHING),
    "what a level means": ("portrait_assets/packs/ecommerce/entities.toml", '"manufacturer"', '"who made it"', NOTHING),
    "a stage": ("portrait_assets/packs/ecommerce/classes.toml", "pace_days is not null", "pace_days > 0", PORTRAITS),
    "a segment": ("portrait_assets/packs/ecommerce/classes.toml", '"frequency_score = 3"', '"frequency_score > 2"', PORTRAITS),
    "a class": ("sql/portraits/snapshots.sql", "6 - (1", "7 - (1", PORTRAITS),
    "habits": ("sql/recommendations/top.sql", "item_id", "item", RECOMMENDED),
    "a comment": ("sql/features/user_day.sql", "-- Grain:", "-- The grain:", NOTHING),
    "the curve": ("portrait_assets/kernels/curve.py", "so_far = so_far * chances[day]", "so_far = chances[day]", SCORED | RECOMMENDED),
    "a reason": ("portrait_assets/kernels/ranking/reasons.py", "def strongest_partner(", "LEAST = 9\n\n\ndef strongest_partner(", RECOMMENDED),
    "how the ranker counts": ("portrait_assets/kernels/ranking/rhythm.py", "HALF_LIVES = (", "HALF_LIVES = (5, ", RECOMMENDED),
    "how a network starts": (
        "portrait_assets/kernels/training.py", "def start_at_base_rates(", "def start_at_base_rates(extra, ", NOTHING,
    ),
    "how a model is judged": ("portrait_assets/kernels/evaluation.py", "NOISE_FLOOR = 0.002", "NOISE_FLOOR = 0.1", NOTHING),
    "a docstring": ("portrait_assets/kernels/scoring.py", '"""', '"""Of a model: ', NOTHING),
    "vectors": ("portrait_assets/assets/scoring.py", '.sort("user_id")', '.sort("user_id", descending=True)', {"scores.vectors"}),
    "segments": (
        "portrait_assets/assets/scoring.py", "return _dated(scored.scores.clusters", "return _dated(scored.scores.clusters[:1]",
        {"scores.segments"},
    ),
    "what is listed": ("portrait_assets/assets/recommending.py", "list_rank <= 20", "list_rank <= 10", RECOMMENDED),
    "who is a member": (
        "portrait_assets/audiences/membership_sql.py", "def membership(", "NOBODY = 1\n\n\ndef membership(", {"portraits.audiences"},
    ),
    "landing": ("portrait_assets/sources/landing.py", "def ", "def a_", NOTHING),
    "pages": ("portrait_assets/pages/card_page.py", "def ", "def a_", NOTHING),
    "serving": ("portrait_assets/serving/arithmetic.py", "def ", "def a_", NOTHING),
    "publishing": ("portrait_assets/publishing.py", "def ", "def a_", NOTHING),
    "a word of a narrative": ("portrait_assets/reading/narrative.toml", "First seen on", "Seen first on", NOTHING),
    "how attention fades": (
        "portrait_assets/packs/ecommerce/pack.toml", "half_life_days = ", "half_life_days = 1",
        {"features.interests", *SCORED},
    ),
    "when silence is long": ("portrait_assets/packs/ecommerce/pack.toml", "lapsing = 2", "lapsing = 3", PORTRAITS),
    "what is plausible": ("portrait_assets/packs/ecommerce/pack.toml", "quantity = ", "quantity = 1", EVERYTHING),
    "what a tag is called": ("portrait_assets/packs/ecommerce/tags.toml", 'name = "', 'name = "Or so: ', NOTHING),
    "what a rule lets through": (
        "portrait_assets/packs/ecommerce/recommendations.toml", "most_of_a_type = ", "most_of_a_type = 1", RECOMMENDED,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("code")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, folder / "portrait_assets", ignore=ignored)
    shutil.copytree(SQL_DIR, folder / "sql")
    return folder


@pytest.fixture
def versions_of(copy, tmp_path, monkeypatch):
    """Table name -> version of a day, made of the copy's files as they are now."""
    home = open_home(Settings(home=tmp_path / "home"))
    monkeypatch.setattr(lineage, "reached", partial(reached.reached, package=copy / "portrait_assets"))
    monkeypatch.setattr(sql, "SQL_DIR", copy / "sql")

    def versions(home: Home = home) -> dict[str, str]:
        for cached in (reached.reached, reached._modules, sql.read_sql):
            cached.cache_clear()
        home = replace(home, pack=read_pack(copy / "portrait_assets" / "packs" / "ecommerce"))
        code = tuple((daily.table.name, code_version(daily, home)) for daily in DAILY_TABLES)
        return {name: days[DAY] for name, days in lineage._versions(code, (), ((DAY, "a model"),), DAY).items()}

    yield versions
    for cached in (reached.reached, reached._modules, sql.read_sql):
        cached.cache_clear()


@pytest.fixture
def before(versions_of):
    return versions_of()


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_makes_due_what_comes_from_it(copy, versions_of, before, change):
    name, old, new, due = CHANGES[change]
    file = copy / name
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    try:
        after = versions_of()
    finally:
        file.write_text(text, encoding="utf-8")
    assert {table for table in after if after[table] != before[table]} == due


def test_dagster_shows_the_versions_that_the_ledger_goes_by(tmp_path):
    home = open_home(Settings(home=tmp_path / "home"))
    shown = {
        ".".join(key.path): spec.code_version
        for asset in build_definitions(home).assets
        for key, spec in asset.specs_by_key.items()
    }
    assert {daily.table.name: shown[daily.table.name] for daily in DAILY_TABLES} == {
        daily.table.name: code_version(daily, home) for daily in DAILY_TABLES
    }
