"""One catalogue entry is all that a tag needs, and a changed one leaves what the former said readable."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from portrait_assets import versions
from portrait_assets.errors import PortraitError
from portrait_assets.observability import foreign_tag_values
from portrait_assets.packs import Pack
from portrait_assets.packs.pack import PACKS_DIR, read_pack
from portrait_assets.publishing import write_export
from portrait_assets.reading import Export
from portrait_assets.reading.card import card
from portrait_assets.reading.catalogue_page import catalogue_page
from tests.small_world import World, event

DAY = date(2024, 3, 31)
NEW_TAG = """
[[tags]]
id = "weekly_shopper"
name = "Weekly shopper"
name_zh = "每周购物"
dimension = "behaviour"
kind = "rule"
version = 1
owner = "crm"
sensitivity = "ordinary"
description = "Bought on two days or more of the last seven."
value_type = "flag"
values = ["yes"]
value = "case when purchase_days_7d >= 2 then 'yes' end"
confidence = "1.0"
evidence = { purchase_days_7d = "purchase_days_7d" }
explanation = "Bought on {purchase_days_7d:day} of the last seven."
"""


def pack_with(folder: Path, edit: Callable[[str], str]) -> Pack:
    """The shipped pack with its catalogue edited."""
    copied = Path(shutil.copytree(PACKS_DIR / "ecommerce", folder / "ecommerce"))
    text = (copied / "tags.toml").read_text(encoding="utf-8")
    edited = edit(text)
    assert edited != text
    (copied / "tags.toml").write_text(edited, encoding="utf-8")
    return read_pack(copied)


def sooner(text: str) -> str:
    """Customer for a month: from day 10 on instead of day 30, under the next version."""
    before, entry = text.split('id = "customer_since"')
    return before + 'id = "customer_since"' + entry.replace("version = 1", "version = 2", 1).replace("< 30", "< 10", 1)


@pytest.fixture
def versioned(tmp_path: Path):
    yield from _shop(tmp_path)


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory):
    yield from _shop(tmp_path_factory.mktemp("unchanged"))


def _shop(folder: Path):
    world = World(folder, date(2024, 3, 1), DAY)
    with world.open():
        world.land(
            *(event(f"a{d}", "ann", f"2024-03-{d} 10:00") for d in ("01", "27", "30")), event("b", "bob", "2024-03-15 10:00")
        )
        yield world.build()


def test_a_tag_of_one_more_entry_is_in_the_next_snapshot_on_the_page_and_on_the_card_with_its_history(
    versioned: World, tmp_path: Path
):
    versioned.home = replace(versioned.home, pack=pack_with(tmp_path / "packs", lambda text: text + NEW_TAG))
    write_export(versioned.refresh().session, versioned.home, DAY, tmp_path / "export")
    export = Export.open(tmp_path / "export")
    [tag] = [tag for tag in card(export, "ann", versioned.home.pack).tags if tag.tag_id == "weekly_shopper"]
    assert (tag.value, tag.since, tag.explanation) == (
        "yes",
        "2024-03-30",
        "Bought on 2 days of the last seven.",
    )
    assert "Weekly shopper" in catalogue_page(versioned.home.pack)
    changes = export.scan("changes").filter(pl.col("tag_id") == "weekly_shopper").collect().to_dicts()
    assert [(c["user_id"], str(c["event_date"]), c["to_value"], c["catalogue_version"]) for c in changes] == [
        ("ann", "2024-03-30", "yes", 1)
    ]


def test_both_versions_of_a_changed_tag_are_readable(versioned: World, tmp_path: Path):
    first = versioned.home.pack
    versions.record_versions(versioned.session, first.tags, DAY)
    was = versioned.rows("select * from portraits.tags where tag_id = 'customer_since' and user_id = 'ann' order by valid_from")
    assert [(row["value"], row["catalogue_version"]) for row in was] == [("under a month", 1), ("1 to 3 months", 1)]

    versioned.home = replace(versioned.home, pack=pack_with(tmp_path / "packs", sooner))
    versioned.refresh()
    versions.record_versions(versioned.session, versioned.home.pack.tags, DAY)
    now = versioned.rows("select * from portraits.tags where tag_id = 'customer_since' and user_id = 'ann' order by valid_from")
    assert [(row["value"], str(row["valid_from"]), row["catalogue_version"]) for row in now] == [
        ("under a month", "2024-03-01", 2), ("1 to 3 months", "2024-03-11", 2),
    ]  # fmt: skip

    former = versions.definition(versioned.session, "customer_since", 1)
    assert former == first.tag("customer_since")
    told = versions.history(versioned.session, former, "ann")
    assert told == [{name: row[name] for name in ("value", "valid_from", "valid_to")} for row in was]
    assert dict(versions.values(versioned.session, former, DAY).select("user_id", "value").iter_rows()) == {
        "ann": "1 to 3 months", "bob": "under a month",
    }  # fmt: skip
    assert versions.versions(versioned.session, "customer_since")["version"].to_list() == [1, 2]
    assert len(versions.versions(versioned.session)) == len(first.tags) + 1


def test_what_was_never_published_is_refused(unchanged: World):
    versions.record_versions(unchanged.session, unchanged.home.pack.tags, DAY)
    with pytest.raises(PortraitError, match="'lifecycle' has no version 7; published were 2"):
        versions.definition(unchanged.session, "lifecycle", 7)
    with pytest.raises(PortraitError, match="no portraits of 2023-01-01 are stored"):
        versions.values(unchanged.session, unchanged.home.pack.tags[0], date(2023, 1, 1))


def test_a_value_outside_its_domain_is_found_in_the_history(unchanged: World):
    assert foreign_tag_values(unchanged.session, unchanged.home.pack.tags) == []
    unchanged.session.execute(
        "update portraits.changes set to_value = 'great' where tag_id = 'buyer_stage' and user_id = 'bob'"
    )
    [told] = foreign_tag_values(unchanged.session, unchanged.home.pack.tags)
    assert told.startswith(
        "buyer_stage is 'great' of somebody, which is outside its domain (bought once, bought a few times, repeat buyer)"
    )
