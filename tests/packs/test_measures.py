"""Measures: what an entry may say, and one line with file, line, entry and field for each thing that can't stand."""

import tomllib
from pathlib import Path

import pytest

from portrait_assets.errors import PortraitError
from portrait_assets.packs import load_pack
from portrait_assets.packs.measures import Measures, parse_measures
from portrait_assets.packs.own import Read

FILE = Path("packs/clinic/measures.toml")
TYPES = ("visit", "lab", "fill")
GOOD = """\
windows = [7, 30]

[[measures]]
name = "fills"
unit = "events"
operation = "count"
where = "event_type = 'fill'"
windowed = true
meaning = "prescriptions filled"

[[measures]]
name = "paid_cents"
unit = "cents"
operation = "sum"
of = "amount_cents"
meaning = "paid"

[[measures]]
name = "active_days"
unit = "days"
operation = "dates"
windowed = true
meaning = "dates with an event"

[[measures]]
name = "visits"
unit = "visits"
operation = "visits"
windowed = true
meaning = "visits"

[[ratios]]
name = "paid_per_fill_cents"
of = "paid_cents"
per = "fills"
meaning = "paid a fill"
"""


def parse(text: str, over: str | None = None) -> Measures:
    read = [Read(tomllib.loads(each), FILE, each) for each in (text, over) if each is not None]
    return parse_measures(read, TYPES, frozenset({"first_date"}), load_pack().schema.events)


def test_what_is_said_is_kept_in_its_order():
    said = parse(GOOD)
    assert said.windows == (7, 30)
    assert [(measure.name, measure.type, measure.windowed) for measure in said.all] == [
        ("fills", "bigint", True), ("paid_cents", "bigint", False), ("active_days", "bigint", True), ("visits", "bigint", True),
    ]  # fmt: skip
    assert [(ratio.name, ratio.of, ratio.per) for ratio in said.ratios] == [("paid_per_fill_cents", "paid_cents", "fills")]


@pytest.mark.parametrize(
    ("entry", "partial", "total", "column"),
    [
        ("operation = 'count'", "count(*)", "sum(steps.x)", "bigint"),
        ("operation = 'count'\nwhere = 'is_outlier'", "count(*) filter (where is_outlier)", "sum(steps.x)", "bigint"),
        ("operation = 'sum'\nof = 'quantity_milli'", "coalesce(sum(quantity_milli), 0)", "sum(steps.x)", "bigint"),
        ("operation = 'dates'\nwhere = 'is_outlier'", "max((is_outlier)::int)", "sum(steps.x)", "bigint"),
        ("operation = 'dates'", "max((true)::int)", "sum(steps.x)", "bigint"),
        ("operation = 'least'\nof = 'amount_cents'", "min(amount_cents)", "min(steps.x)", "bigint"),
        ("operation = 'greatest'\nof = 'local_date'", "max(local_date)", "max(steps.x)", "date"),
        (
            "operation = 'last'\nof = 'place_id'\nwhere = 'is_outlier'",
            "max_by(place_id, (event_time, source, event_key)) filter (where is_outlier)", "max_by(steps.x, steps.x_at)", "varchar",
        ),
    ],
)  # fmt: skip
def test_the_operation_decides_how_a_day_is_made_and_how_days_add_up(entry, partial, total, column):
    measure = parse(f"{GOOD}[[measures]]\nname = 'x'\nunit = 'y'\nmeaning = 'z'\n{entry}\n").all[-1]
    assert (measure.partial, measure.total, measure.type) == (partial, total, column)


def test_visits_count_by_the_hour_and_weekday_they_begin_at():
    entry = "[[measures]]\nname = 'x'\nunit = 'y'\nmeaning = 'z'\noperation = 'visits'\n"
    [*_, whole, some] = parse(f"{GOOD}{entry}{entry.replace('x', 'w')}hours = [12, 13]\nweekdays = [1, 5]\n").all
    assert whole.begun() == "true"
    assert some.begun("visit.") == "visit.local_hour between 12 and 13 and visit.local_weekday in (1, 5)"


def test_a_file_laid_over_adds_entries_and_replaces_those_of_a_known_name():
    over = GOOD.replace("windows = [7, 30]", "").replace("prescriptions filled", "filled").replace("paid_cents", "cost_cents")
    said = parse(GOOD, over.replace('of = "amount_cents"', 'of = "discount_cents"').replace("paid_per_fill", "cost_per_fill"))
    assert said.windows == (7, 30)
    assert [(measure.name, measure.meaning) for measure in said.all] == [
        ("fills", "filled"), ("paid_cents", "paid"), ("active_days", "dates with an event"), ("visits", "visits"), ("cost_cents", "paid"),
    ]  # fmt: skip
    assert [ratio.name for ratio in said.ratios] == ["paid_per_fill_cents", "cost_per_fill_cents"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("amount_cents", "amout_cents", r"measures.toml, line 15, measure 'paid_cents', field of: does not fit a row of clean.events"),
        ("event_type = 'fill'", "event_type = 'fil'", r"line 7, .*field where: fil is not an event type; known are visit, lab, fill.*'fill'"),
        ("event_type = 'fill'", "event_type in ('fill', 'x')", r"line 7, .*field where: x is not an event type"),
        ("event_type = 'fill'", "amount_cents", r"line 7, .*field where: gives BIGINT; it has to be true or false"),
        ("event_type = 'fill'", "event_type = 'fill' and", r"line 7, .*field where: is not one SQL expression"),
        ("event_type = 'fill'", "random() < 0.5", r"line 7, .*field where: calls random"),
        ("event_type = 'fill'", "sum(amount_cents) > 1", r"line 7, .*field where: does not fit a row"),
        ("event_type = 'fill'", "exists (from clean.events)", r"line 7, .*field where: has a subquery"),
        ("[7, 30]", "[0, 30]", r"measures.toml, line 1, field windows: are of 1 to 3,660 days each"),
        ("[7, 30]", "[30, 7]", r"line 1, field windows: have to ascend, each once"),
        ("windows = [7, 30]", "", r"measures.toml, field windows: is missing or empty"),
        ('"sum"', '"mean"', r"line 14, .*field operation: .*'count'.*found 'mean'"),
        ('"count"', '"count"\nof = "amount_cents"', r"line 3, .*operation 'count' takes no `of`"),
        ('of = "amount_cents"\n', "", r"line 11, measure 'paid_cents'.*operation 'sum' needs `of`, whole numbers"),
        ('"paid_cents"\nunit', '"fills"\nunit', r"line 12, measure 'fills', field name: 'fills' is used already"),
        ('"paid_cents"\nunit', '"first_date"\nunit', r"line 12, .*field name: 'first_date' is used already"),
        ('"paid_cents"\nunit', '"place_id"\nunit', r"line 12, .*'place_id' is a column of an event.*last_place_id"),
        ('"fills"\nunit', '"Fills"\nunit', r"line 4, .*field name: .*pattern"),
        ('of = "amount_cents"', 'of = "amount_cents / 3"', r"line 15, .*gives DOUBLE; a sum is of whole numbers"),
        ('of = "amount_cents"', 'of = "amount_cents * quantity_milli"', r"line 15, .*field of: .*(may be|can't be made)"),
        ('of = "amount_cents"', 'of = "amount_cents * 20"', r"line 15, .*may be 2e\+12 of one event, and a sum of such numbers would not fit"),
        ('"sum"\nof = "amount_cents"', '"last"\nof = "amount_cents"\nwindowed = true', r"line 11, .*operation 'last' has no windows"),
        ('"count"', '"count"\nhours = [1, 2]', r"line 3, .*`hours` and `weekdays` are of operation 'visits'"),
        ('per = "fills"', 'per = "fillings"', r"line 35, ratio 'paid_per_fill_cents', field per: does not fit a row of features.totals"),
        ('"paid_per_fill_cents"', '"fills_7d"', r"line 33, ratio 'fills_7d', field name: 'fills_7d' is used already"),
        ("unit = \"events\"\n", "", r"line 3, measure 'fills', field unit: is missing; add it"),
        ("unit = \"events\"", "colour = \"red\"\nunit = \"events\"", r"line 5, .*field colour: is not known here; known are name"),
        ('"active_days"', '"days"', r"measures.toml: has to have a measure 'active_days' of operation 'dates', with `windowed = true`"),
        ('"visits"\nwindowed', '"count"\nwindowed', r"has to have a measure 'visits' of operation 'visits'"),
        ('unit = "cents"', 'unit = "cents"\nunless_equal_to = "fill"', r"field unless_equal_to: fill is no measure; .*'fills'"),
        ('unit = "cents"', 'unit = "cents"\nlabel = "Paid"', r"has a `label` for a card's row of windows, and no windows"),
        ('of = "paid_cents"', 'of = "paid_cents / 0"', r"ratio 'paid_per_fill_cents', field of: divides by zero"),
        ("[[ratios]]", "[[rations]]", r"measures.toml.*field rations: is not known here; known are windows, measures, ratios"),
    ],
)  # fmt: skip
def test_what_can_not_stand_is_one_line_with_its_place(old, new, told):
    assert old in GOOD
    with pytest.raises(PortraitError, match=told) as refusal:
        parse(GOOD.replace(old, new, 1))
    assert "\n" not in str(refusal.value)
