"""The card says what the export holds, and says plainly what it does not."""

import dataclasses
import io
import json
import re
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from portrait_assets.errors import PortraitError
from portrait_assets.packs import load_pack
from portrait_assets.reading import Export
from portrait_assets.reading.card import Card, card
from portrait_assets.reading.render import render
from portrait_assets.reading.sections import Cell, Facts, sections
from portrait_assets.reading.summary import summary
from tests.reading.conftest import write_export
from tests.reading.test_export_folder import rewrite


@pytest.fixture
def export(export_folder: Path) -> Export:
    return Export.open(export_folder)


def text_of(shown: Card, width: int = 100) -> str:
    """The card as printed without colour."""
    out = io.StringIO()
    Console(file=out, width=width, no_color=True).print(render(shown))
    return out.getvalue()


def facts_of(shown: Card, section: str) -> dict[str, str]:
    """What one section of the card says, by its labels."""
    return {label: cell.text for label, cell in next(b for b in sections(shown)[section].blocks if isinstance(b, Facts)).rows}


def flat(text: str) -> str:
    """One line, without borders, so that a wrapped sentence can be found."""
    return " ".join(re.sub(r"[┃│╭╮╰╯━─┏┓┗┛]", " ", text).split())


def test_header_sums_the_user_up_in_numbers_of_the_portrait(export: Export):
    assert card(export, "101").summary == (
        "An active, high-value customer who buys about every 7.8 days, gives most attention to DAIRY (department) and "
        "CHEESE (category), and comes mostly in the afternoon. Last active on 28 Sep 2017; spent 1,234.50 in the last 90 days, "
        "of which 2.50 was paid back. The chance of no purchase within 21 days is 12 %."
    )


def test_behaviour_is_per_week_and_only_over_days_that_were_seen(export: Export):
    """90 days known: 56,450 cents in the 30 days 90-61 ago are 13,171.7 a week; nothing before them."""
    spend = next(measure for measure in card(export, "101").behaviour if measure.measure == "spend_cents")
    assert spend.windows == {7: 7_000, 14: 21_000, 30: 37_000, 60: 67_000, 90: 123_450, 365: 123_450}
    assert spend.weekly[0] is None
    assert spend.weekly[1:] == pytest.approx([56_450 * 7 / 30, 30_000 * 7 / 30, 16_000 * 7 / 16, 14_000, 7_000])


def test_attribute_says_where_it_comes_from_or_how_far_the_guess_got(export: Export):
    found = {attribute.attribute: attribute for attribute in card(export, "101").social}
    assert (found["age"].value, found["age"].origin, found["age"].probability) == ("35-44", "declared", 1.0)
    assert (found["income"].value, found["income"].origin, found["income"].probability) == ("50-74K", "inferred", 0.62)
    assert (found["kids"].value, found["kids"].best_guess) == (None, 0.41)
    assert (found["gender"].value, found["gender"].best_guess) == (None, None)


def test_tags_come_with_their_explanation_in_the_order_of_the_catalogue(export: Export):
    tags = card(export, "101").tags
    assert [tag.tag_id for tag in tags] == ["shopping_frequency", "income", "retired_tag"]
    assert tags[0].explanation == "7.8 days between shopping days on average, over 12 shopping days."
    assert tags[1].explanation == "Inferred at 62 %."
    assert (tags[2].dimension, tags[2].explanation) == ("not in the catalogue", '{"n": 3}')


def test_changes_are_newest_first_without_the_first_day(export: Export):
    changes = card(export, "101").changes
    assert [(change.date, change.tag_id, change.cause) for change in changes] == [
        ("2017-09-14", "overdue", "event"),
        ("2017-09-12", "overdue", "clock"),
        ("2017-09-01", "income", "model"),
        ("2017-08-01", "shopping_frequency", "event"),
    ]


def test_likely_next_and_recommendations_are_in_order(export: Export):
    shown = card(export, "101")
    assert [(interest.name, interest.share) for interest in shown.likely_next] == [("MILK", 0.9), ("CHEESE", 0.7)]
    assert [item.rank for item in shown.recommendations] == list(range(1, 11))


def test_a_score_is_never_shown_as_a_chance(export: Export, tmp_path: Path):
    """Without a model, or of who bought nothing, there is a score and no chance: the cell is empty, as `portrait recommend` leaves it."""
    without = write_export(tmp_path / "without", chance=None)
    for folder, chances in ((export.folder, ["25 %"] * 8), (without, [""] * 8)):
        listing = sections(card(Export.open(folder), "101"))["recommended"].blocks[0]
        assert [column.title for column in listing.columns] == ["", "item", "chance", "because"]
        assert [row[2].text for row in listing.rows] == chances


def test_card_is_json_with_dates_as_text(export: Export):
    content = json.loads(json.dumps(card(export, "101").as_dict()))
    assert content["portrait"]["last_active_date"] == "2017-09-28"
    assert content["sources"]["model_version"] == "m1"
    assert content["sources"]["generation"] == export.generation


@pytest.mark.parametrize("width", [80, 100, 160])
@pytest.mark.parametrize("user_id", ["101", "102", "103"])
def test_card_fits_the_terminal_and_never_passes_100_columns(export: Export, user_id: str, width: int):
    lines = text_of(card(export, user_id), width).splitlines()
    assert max(len(line.rstrip()) for line in lines) <= min(width, 100)


def test_printed_card_shows_every_part(export: Export):
    text = flat(text_of(card(export, "101")))
    for part in (
        "User 101", "lifecycle active · value high · segment champions", "as of 1 Oct 2017, 00:00 UTC", "1,234.50",
        "usual gap 7.8 days ± 2.5", "afternoon 75 %", "DAIRY", "2.00 to 4.99", "35-44 declared", "50-74K inferred, 62 % sure",
        "kids (41 %)", "●●●●●", "Churn 12 %: no purchase", "Churn, 14 days 30 %", "1, 2.50 paid back", "MILK", "1 Aug 2017", "– → overdue",
        "time going by", "and 2 more", "Model m1", "Not known: attributes: gender",
    ):  # fmt: skip
        assert part in text, part
    assert facts_of(card(export, "101"), "outlook")["Churn"] == "12 %: no purchase within 21 days"


def test_data_is_shown_and_neither_styles_nor_moves_the_terminal(export: Export):
    text = text_of(card(export, "101"))
    assert "[bold]MEAT" in text
    assert "Gouda [young]" in text
    assert "\x1b" not in text


def test_user_with_one_event_gets_a_card_that_claims_no_more(export: Export):
    shown = card(export, "102")
    assert shown.summary == "A new customer who has made 1 view. Last active on 30 Sep 2017."
    assert {measure.measure: measure.weekly for measure in shown.behaviour}["views"] == [None, None, None, None, None, 1.0]
    text = flat(text_of(shown))
    assert shown.churn_note == "no model had been trained by this day"
    assert "Churn unknown: no model" in text
    assert "nothing since the first day" in text
    assert "spend: nothing bought" in text and "rhythm: fewer than 4 shopping days" in text
    assert "Last active today" in text


def test_what_the_source_does_not_have_is_not_said_of_a_user(export_folder: Path):
    """The same users in a source of views and reviews, of which the manifest says so."""
    rewrite(export_folder, measures=["views", "reviews", "active_days"])
    shown = card(Export.open(export_folder), "102")
    text = flat(text_of(shown))
    assert shown.measures == ["active_days", "visits", "views", "reviews"]
    facts = {**facts_of(shown, "outlook"), **facts_of(shown, "value")}
    assert facts["Churn"] == "unknown: this source has no purchases"
    assert (
        facts["Spend"]
        == facts["Monetary"].replace("no cut points yet", "this source has no amounts")
        == "unknown: this source has no amounts"
    )
    assert "rhythm: fewer than 4 active days" in text
    rewrite(export_folder, measures=["purchases", "spend_cents"])
    assert "Saved by offers" not in facts_of(card(Export.open(export_folder), "101"), "value")
    rewrite(export_folder, measures=["purchases", "spend_cents", "coupon_cents"])
    assert facts_of(card(Export.open(export_folder), "101"), "value")["Saved by offers"] == "13 %"


def test_two_shopping_days_are_no_rhythm_and_who_is_silent_buys_no_more():
    """From the portrait alone: `usual_gap_days` is null below three gaps."""
    twice = {"lifecycle": "new", "purchase_days": 2, "mean_gap_days": 1.0, "last_gap_days": 1}
    assert summary(twice) == "A new customer who bought on 2 days so far."
    daily = {"lifecycle": "active", "purchase_days": 9, "usual_gap_days": 1.2}
    assert summary(daily) == "An active customer who buys almost every day."
    assert summary({**daily, "lifecycle": "lapsed"}) == "A lapsed customer who bought almost every day."
    assert summary({"lifecycle": "active", "views": 3, "main_act": "purchase"}) == (
        "An active customer who has made 3 views and bought nothing."
    )
    assert (
        summary({"lifecycle": "active", "active_days": 9, "usual_gap_days": 2.5})
        == "An active customer who comes about every 2.5 days."
    )


@pytest.mark.parametrize(
    ("fields", "label", "said"),
    [
        ({"frequency_score": None, "monetary_score": None}, "Monetary", "unknown: no cut points yet"),
        ({"monetary_score": None}, "Monetary", "unknown: no amount on record"),
        ({"monetary_score": None, "purchases": 0, "refund_cents": 0}, "Monetary", "unknown: nothing bought"),
        ({"purchases": 0, "spend_cents": 0}, "Spend", "unknown: only returns are on record, 2.50 paid back"),
        ({"monetary_score": None, "refund_cents": 123_450}, "Monetary", "unknown: all that was paid was paid back"),
        ({"monetary_score": None, "net_spend_cents_365d": -1}, "Monetary", "unknown: more was paid back than paid in 365 days"),
        ({}, "Spend, ever", "1,232.00 (1,234.50 paid, 2.50 paid back)"),
        ({"net_spend_cents_365d": -100}, "Spend, 365 days", "-1.00 (1,234.50 paid, 1,235.50 paid back)"),
        ({"recency_score": None}, "Recency", "unknown: never active"),
    ],
)
def test_a_missing_score_says_why(export_folder: Path, fields: dict, label: str, said: str):
    file = export_folder / "portraits.parquet"
    frame = pl.read_parquet(file).with_columns(pl.lit(value).cast(pl.Int64).alias(name) for name, value in fields.items())
    frame.write_parquet(file)
    facts = facts_of(card(Export.open(export_folder, verify=False), "101"), "value")
    assert facts[label] == said


def test_the_card_says_what_is_predicted_of_nobody_and_why(tmp_path: Path):
    never = "nobody known before bought it in a training window"
    silent = {
        "churn": "there is no rhythm",
        "age": "too few",
        **{f"category_14d={name}": never for name in "ABCDEF"},
        "item_14d=i1": never,
    }
    export = Export.open(write_export(tmp_path / "export", not_predicted=silent))
    shown = card(export, "102")
    facts, said = sections(shown)["outlook"].blocks
    assert facts.rows[0] == ("Churn", Cell("unknown: not predicted, there is no rhythm"))
    assert said.text == f"Not predicted: churn: there is no rhythm; A, B, C, D, E and 2 more: {never}."
    assert len(sections(card(Export.open(write_export(tmp_path / "other")), "102"))["outlook"].blocks) == 1


def test_user_of_whom_nothing_is_known_gets_a_card_that_says_so(export: Export):
    shown = card(export, "103")
    assert shown.summary == "A customer."
    text = flat(text_of(shown))
    assert "lifecycle unknown · value unknown · segment unknown" in text
    assert "Nothing of their own doing is on record." in text
    assert "none: every tag needs more than is known of this user" in text
    assert "nothing: no recommendation was made for this user" in text


def test_unknown_user_gets_no_card(export: Export):
    with pytest.raises(PortraitError, match="user '104' has no event before 2017-10-01"):
        card(export, "104")


def test_interests_on_the_card_are_sums_of_the_categories_below(export_folder):
    export = Export.open(export_folder)
    found = {node.id: node.share_milli for node in card(export, "101").interests}
    assert found == {"food": 300, "dairy": 300}  # CHEESE alone is listed
    assert card(export, "103").interests == []
    # Of a taxonomy that knows none of the categories nothing is said: all of it would be everything else.
    pack = load_pack()
    unknowing = dataclasses.replace(pack, taxonomy=dataclasses.replace(pack.taxonomy, leaf_of={}))
    assert card(export, "101", unknowing).interests == []
