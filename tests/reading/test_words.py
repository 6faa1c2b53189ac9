"""Numbers as people read them."""

from datetime import date

import pytest

from portrait_assets.reading.charts import bar, dots, sparkline
from portrait_assets.reading.words import (
    ago,
    article,
    counted,
    day,
    fill,
    labelled,
    money,
    number,
    percent,
    price_step,
    said,
)


@pytest.mark.parametrize(
    ("cents", "text"), [(0, "0.00"), (5, "0.05"), (123_450, "1,234.50"), (10_287.5, "102.88"), (-250, "-2.50")]
)
def test_money_comes_from_cents(cents: float, text: str):
    assert money(cents) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0 %"), (0.001, "<1 %"), (0.125, "13 %"), (0.62, "62 %"), (0.999, ">99 %"), (1.0, "100 %")]
)
def test_percent_is_never_none_or_all_for_what_is_neither(share: float, text: str):
    assert percent(share) == text


def test_a_number_reads_the_same_from_a_portrait_and_from_evidence():
    """4,578.31 over 33 days: cents as the portrait has them, and with the four decimals of evidence; a share just below a half."""
    assert money(457_831 / 33) == money(13_873.6667) == "138.74"
    assert percent(0.12499996) == percent(0.125) == "13 %"
    assert number(7.24999996) == number(7.25) == "7.3"
    assert (money(-0.4), money(2**60)) == ("0.00", "11,529,215,046,068,469.76")


def test_what_is_not_a_number_is_unknown():
    assert (said("share", float("nan")), said("spend_cents", None)) == ("unknown", "unknown")


def test_numbers_days_and_nouns():
    assert (number(8.0), number(7.75), number(12_000)) == ("8", "7.8", "12,000")
    assert (counted(1, "day"), counted(2, "day"), counted(7.75, "day"), counted(3, "category|categories")) == (
        "1 day", "2 days", "7.8 days", "3 categories",
    )  # fmt: skip
    assert day(date(2017, 9, 3)) == day("2017-09-03") == "3 Sep 2017"
    assert (article("active"), article("new")) == ("An active", "A new")
    assert (ago(0), ago(1), ago(7)) == ("today", "1 day ago", "7 days ago")
    assert fill("Last active {recency_days:ago}.", {"recency_days": 0}) == "Last active today."


def test_evidence_has_its_name_and_its_unit():
    assert [labelled(name, value) for name, value in (
        ("mean_gap_days", None), ("mean_gap_days", 1), ("spend_90d_cents", 500), ("purchases_90d", 2), ("saved_share", 0.2),
    )] == ["mean gap days unknown", "mean gap days 1", "spend in 90 days 5.00", "purchases in 90 days 2", "saved share 20 %"]  # fmt: skip


def test_price_ladder_has_words_for_all_its_steps():
    assert [price_step(step) for step in ("0", 2, 12)] == ["under 1.00", "2.00 to 4.99", "5,000 and over"]
    assert price_step(13) == "unknown"


def test_template_is_filled_by_the_unit_in_the_name():
    evidence = {
        "spend_cents": 500,
        "saved_share": 0.25,
        "first_date": "2017-09-03",
        "visits": 1,
        "who": "a {b}",
        "probability": 0.5,
    }
    template = "{spend_cents}, {saved_share}, {first_date}, {visits:visit}, {who}, {probability}"
    assert fill(template, evidence) == "5.00, 25 %, 3 Sep 2017, 1 visit, a {b}, 50 %"


def test_unknown_slot_says_so_and_an_optional_part_goes():
    assert fill("{a} ago[; next {b}][, usual {c:day}].", {"a": None, "b": None, "c": 2}) == "Unknown ago, usual 2 days."


def test_charts_show_nothing_zero_and_all():
    assert sparkline([None, 0, 1, 2]) == "·_▅█"
    assert sparkline([None, 0.0]) == "·_"
    assert sparkline([]) == ""
    assert (bar(0.5, 1.0, 4), bar(1.0, 1.0, 4), bar(0.0001, 1.0, 4), bar(0.0, 0.0, 4)) == ("██  ", "████", "▏   ", "    ")
    assert dots(2) == "●●○○○"
