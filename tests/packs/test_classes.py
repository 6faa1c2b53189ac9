"""Classes: rules over one row, each tried before anything runs; what can't stand is one line with file, line, entry and field."""

import tomllib
from datetime import date
from pathlib import Path

import pytest

from portrait_assets import columns as c
from portrait_assets.errors import PortraitError
from portrait_assets.home import open_home
from portrait_assets.packs import load_pack
from portrait_assets.packs.classes import Classes, parse_classes
from portrait_assets.packs.own import Read
from portrait_assets.packs.schema import unmeasured
from tests.small_world import World, event

FILE = Path("packs/shop/classes.toml")
GOOD = """\
[outcome]
name = "order"
days = "purchase_days"
count = "purchases"
kept = "net_spend_cents > 0"

[value]
of = "net_spend_cents"

[[acts]]
name = "order"
count = "purchases"

[[fifths]]
name = "lines_score"
of = "purchases * 1000 // purchase_days"
among = "purchase_days > 0"
meaning = "lines a day"

[[tiers]]
name = "high"
when = "monetary_score = 5"

[[lifecycle]]
name = "silent"
when = "recency_days > $lapsed_gaps * pace_days"

[segmented]
among = "lifecycle != 'silent'"

[[segments]]
name = "all others"
when = "true"
"""


def parse(text: str, over: str | None = None) -> Classes:
    read = [Read(tomllib.loads(each), FILE, each) for each in (text, over) if each is not None]
    return parse_classes(
        read, load_pack().schema.measures, load_pack().rhythm.numbers, unmeasured(load_pack().schema.entities).column_names
    )


def test_what_is_said_is_kept_in_its_order():
    said = parse(GOOD)
    assert (said.outcome.name, said.value, said.segmented.among) == ("order", "net_spend_cents", "lifecycle != 'silent'")
    assert [(fifth.name, fifth.among) for fifth in said.fifths] == [("lines_score", "purchase_days > 0")]
    assert [rule.name for rule in (*said.tiers, *said.lifecycle, *said.segments)] == ["high", "silent", "all others"]


def test_a_file_laid_over_changes_a_rule_in_its_place_and_adds_others_at_the_end():
    over = '[value]\nof = "spend_cents"\n[[lifecycle]]\nname = "silent"\nwhen = "recency_days > 9"\n[[tiers]]\nname = "low"\nwhen = "true"\n'
    said = parse(GOOD, over)
    assert (said.value, said.outcome.name) == ("spend_cents", "order")
    assert [(rule.name, rule.when) for rule in said.tiers] == [("high", "monetary_score = 5"), ("low", "true")]
    assert [rule.when for rule in said.lifecycle] == ["recency_days > 9"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('days = "purchase_days"', 'days = "purchases"', r"classes.toml, line 3, field outcome.days: purchases is not a measure of dates"),
        ('count = "purchases"\nkept', 'count = "purchase"\nkept', r"line 4, field outcome.count: purchase is not a measure.*'purchases'"),
        ('of = "net_spend_cents"', 'of = "refund_cents"', r"line 8, field value.of: refund_cents is not a measure with windows"),
        ('name = "order"\ndays', 'name = "active"\ndays', r"line 2, field outcome.name: makes the column last_active_date, which there is"),
        ('"net_spend_cents > 0"', '"net_spend_cents"', r"line 5, field outcome.kept: gives BIGINT; it has to be true or false"),
        ('"lines_score"', '"purchases"', r"line 15, fifth 'purchases', field name: 'purchases' is used already"),
        ('"lines_score"', '"recency_score"', r"line 15, fifth 'recency_score', field name: 'recency_score' is used already"),
        ("purchases * 1000 // purchase_days", "purchases / purchase_days", r"line 16, .*field of: gives DOUBLE; it has to be a whole"),
        ("purchases * 1000 // purchase_days", "purchases // 0", r"line 16, fifth 'lines_score', field of: divides by zero"),
        ("purchases * 1000 // purchase_days", "lines", r"line 16, .*field of: does not fit a row of features.totals"),
        ('"monetary_score = 5"', '"value_tier = 5"', r"line 22, tier 'high', field when: does not fit a row of features.standing"),
        ('"recency_days > $lapsed_gaps * pace_days"', '"lifecycle = 1"', r"line 26, lifecycle 'silent', field when: does not fit"),
        ("$lapsed_gaps", "$lapsd_gaps", r"line 26, .*\$lapsd_gaps is no number of pack.toml.*'lapsed_gaps'"),
        ("lifecycle != 'silent'", "stage != 'silent'", r"line 29, field segmented.among: does not fit a row"),
        ('when = "true"', 'when = "segment is null"', r"line 33, segment 'all others', field when: does not fit a row"),
        ('name = "all others"\n', "", r"line 31, segment number 1, field name: is missing"),
        ("[[segments]]", "[[segment]]", r"field segment: is not known here; known are outcome, value"),
        ("[outcome]", "[outcomes]", r"field outcome: is missing; add it"),
    ],
)  # fmt: skip
def test_what_can_not_stand_is_one_line_with_its_place(old, new, told):
    assert old in GOOD
    with pytest.raises(PortraitError, match=told) as refusal:
        parse(GOOD.replace(old, new, 1))
    assert "\n" not in str(refusal.value)


def test_a_rule_of_the_homes_own_is_in_its_portraits(tmp_path: Path):
    own = """
[[lifecycle]]
name = "new"
when = "tenure_days < 3"
[[fifths]]
name = "cart_score"
of = "carts"
among = "carts > 0"
meaning = "behaviour: fifth of what was put into the cart"
"""
    day = date(2024, 2, 3)
    with World(tmp_path, date(2024, 1, 1), day).open() as world:
        rules = world.home.settings.home_dir / "pack"
        rules.mkdir()
        (rules / "classes.toml").write_text(own, encoding="utf-8")
        world.home = open_home(world.home.settings)
    with world.open():
        world.land(
            *(
                event(f"{n}-{kind}", f"u{n}", f"2024-01-0{1 + n} 12:00", kind)
                for n in range(5)
                for kind in ("purchase", "cart")
            ),
            *(event(f"more-{n}-{i}", f"u{n}", "2024-01-10 12:00", "cart") for n in range(5) for i in range(n)),
            event("late", "new", "2024-02-02 12:00"),
        )
        world.build()
        stages = {
            row["user_id"]: row["lifecycle"]
            for row in world.rows(f"from {c.PORTRAITS_SNAPSHOTS.name} where event_date = '{day}'")
        }
        scores = {
            row["user_id"]: row["cart_score"]
            for row in world.rows(f"from {c.PORTRAITS_SNAPSHOTS.name} where event_date = '{day}'")
        }
    assert stages["new"] == "new" and stages["u0"] != "new"
    assert [scores[f"u{n}"] for n in range(5)] == [1, 2, 3, 4, 5] and scores["new"] is None
