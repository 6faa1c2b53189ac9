"""The pages of everybody, of an audience and of tags, without a browser: their numbers worked out by hand from three users."""

import re
from pathlib import Path

import polars as pl
import pytest

from portrait_assets.audiences import audience
from portrait_assets.audiences.insight import insight, overlap
from portrait_assets.audiences.why import why
from portrait_assets.packs import load_pack
from portrait_assets.pages.audience_page import alike_page, audience_page, insight_page, members_page, overlap_page, why_page
from portrait_assets.pages.overview_page import overview_page
from portrait_assets.pages.tags_page import health_page, tags_page
from portrait_assets.reading import Export
from tests.reading.conftest import write_export


@pytest.fixture
def export(tmp_path: Path) -> Export:
    return Export.open(write_export(tmp_path / "export", source="by <i>hand</i>"))


def tiles(page: str) -> dict[str, str]:
    """Label -> value of the key numbers of a page."""
    found = re.findall(r'<div class="tile"><b>(.*?)</b><span>(.*?)</span></div>', page)
    return {label: value for value, label in found}


def bars(page: str, title: str) -> dict[str, str]:
    """Name -> what is said of it, of the bars in the box of this title."""
    body = page.split(f"<h2>{title}</h2>")[1].split("</section>")[0]
    return dict(re.findall(r'<span class="name">(.*?)</span>.*?<span class="n">(.*?)</span>', body))


def test_everybody_is_counted(export: Export):
    """101 was active 2 days ago and spent 370.00 in 30 days, 1,234.50 in 365; 102 was active today; of 103 nothing is known."""
    page = overview_page(export)
    numbers = tiles(page)
    assert numbers["users"] == "3" and numbers["active in the last 30 days"] == "2 (67 %)"
    assert (numbers["spent in 30 days"], numbers["spent in 365 days"]) == ("370", "1,232")  # less what was paid back
    assert numbers["lapsing, of high value"] == "0"
    assert bars(page, "Lifecycle") == {"new": "1", "active": "1", "unknown": "1"}
    assert list(bars(page, "Lifecycle")) == ["new", "active", "unknown"]  # the order of a life
    coverage = bars(page, "Attributes: declared, inferred, unknown")
    assert (coverage["age"], coverage["income"], coverage["gender"]) == ("33 %", "33 %", "0 %")
    assert "declared 33 %, inferred 0 %" in page and "declared 0 %, inferred 33 %" in page


def test_changes_are_counted_by_day_without_the_first_and_without_new_predictions(export: Export):
    page = overview_page(export)
    shown = re.findall(r"<title>(\d+ \w+) \d+: (\d+) changes?</title>", page)
    assert shown == [("1 Aug", "1"), ("12 Sep", "1"), ("14 Sep", "1"), ("30 Sep", "1")]


def test_an_audience_is_sized_and_its_members_lead_to_their_cards(export: Export):
    group = audience(export, "purchases >= 1")
    numbers = tiles(audience_page(group))
    assert numbers["of 3 users"] == "1" and numbers["of everybody"] == "33 %"
    assert numbers["of everybody&#x27;s 90 days"] == "100 %" and numbers["since last active, the median"] == "2 days"
    assert re.findall(r'href="/\?user=(\w+)"', members_page(group)) == ["101"]
    assert "Nobody" in audience_page(audience(export, "purchases >= 1000"))


def test_what_is_special_is_drawn_about_one_hundred(export: Export):
    """Of one member and three users: the tag value that the member alone has is three times as common."""
    lines = {(line.tag_id, line.value): line for line in insight(audience(export, "purchases >= 1"))}
    weekly = lines["shopping_frequency", "weekly"]
    assert (weekly.members, weekly.share, weekly.share_of_all) == (1, 1.0, pytest.approx(1 / 3))
    assert weekly.index == pytest.approx(300)
    page = insight_page([weekly], every=True)
    assert "shopping frequency" in page and "<b>300</b>" in page


def test_an_overlap_is_both_and_either(export: Export):
    first, second = audience(export, "purchases >= 1"), audience(export, "active_days >= 1")
    page = overlap_page(overlap(first, second), "one <b>", "other")
    assert "0 only in the first, 1 in both, 1 only in the second" in page
    assert "one &lt;b&gt;" in page and "one <b>" not in page


def test_why_says_what_is_missing_and_by_how_much(export: Export):
    group = audience(export, "purchases >= 61 and recency_days <= 2")
    page = why_page("101", why(group, "101"))
    assert "is <b>out</b>" in page and page.count(">yes<") == 1 and page.count(">no<") == 2
    assert "<b>1" in page  # 60 purchases are one too few


def test_too_few_to_find_others_alike_is_said(export: Export):
    assert "Users like them" in alike_page(audience(export, "purchases >= 1"))


def test_the_catalogue_shows_how_each_tag_does(export: Export):
    pack = load_pack()
    page, numbers = tags_page(export, pack), tiles(tags_page(export, pack))
    assert numbers["tags in the catalogue"] == str(len(pack.catalogue))
    assert numbers["held by somebody"] == "3"  # lifecycle, shopping_frequency and income; retired_tag is not of the catalogue
    weekly = page.split("<code>shopping_frequency</code>")[1].split("</tr>")[0]
    assert "33 %" in weekly and "75 %" in weekly
    some = tags_page(export, pack, contains="shopping frequency")
    assert "<code>shopping_frequency</code>" in some and "<code>lifecycle</code>" not in some
    assert "<code>lifecycle</code>" not in tags_page(export, pack, dimension="social")
    assert "No tag is like that" in tags_page(export, pack, contains="no such tag")


def test_health_says_what_a_generation_is_and_escapes_it(export: Export, tmp_path: Path):
    page = health_page(export, tmp_path)
    assert "by &lt;i&gt;hand&lt;/i&gt;" in page and "<i>hand" not in page
    assert "30 Sep 2017, 1 day before" in page and "no model" in page
    assert "<code>portraits.parquet</code></td><td class=n>3</td>" in page and page.count("shown here") == 1


def test_published_quality_is_shown_as_it_is(export: Export):
    pl.DataFrame({"tag_id": ["a<b"], "coverage": [0.5], "accuracy": [None]}).write_parquet(
        export.folder / "tag_quality.parquet"
    )
    page = tags_page(export, load_pack())
    assert "a&lt;b" in page and "0.500" in page
