"""The narrative says nothing but the portrait: every number in it is found there, in both languages."""

import random
import re
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest

from portrait_assets.errors import PortraitError
from portrait_assets.reading import Export
from portrait_assets.reading.card import card
from portrait_assets.reading.narrative import FILE, narrative, read_wordings
from tests.reading.conftest import AS_OF, PORTRAIT, REGULAR

CHANCES = ("churn", "churn_14d")
NUMERAL = re.compile(r"\d[\d,]*(?:\.\d+)?")


def made_up(seed: int) -> dict[str, Any]:
    """A portrait of random values with about a third of them unknown, texts with digits and brackets among them."""
    draw = random.Random(seed)
    values: dict[str, Any] = {}
    for name, dtype in PORTRAIT.items():
        if draw.random() < 0.3:
            values[name] = None
        elif name.endswith(("_share", "_probability")) or name in CHANCES:
            values[name] = draw.choice([0.0, 1.0, 0.001, 0.9999, draw.random()])
        elif dtype.is_integer():
            values[name] = draw.choice([0, 1, draw.randrange(10), draw.randrange(10_000_000)])
        elif dtype.is_float():
            values[name] = draw.random() * 100
        elif str(dtype) == "Date":
            values[name] = date(2017, 1, 1) + timedelta(days=draw.randrange(400))
        elif str(dtype) == "String":
            values[name] = draw.choice(["active", "high", "declared", "7UP {visits}", "[99]", "35-44"])
        else:
            values[name] = []
    return values


def half_up(value: float, places: int) -> Decimal:
    """Rounded to four decimals, as evidence is, then halves up."""
    return Decimal(f"{value:.4f}").quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def numbers_of(portrait: dict[str, Any]) -> set[str]:
    """Every way a number of this portrait may be written: by its unit, said again here on purpose."""
    found = set()
    for name, value in portrait.items():
        if value is None or isinstance(value, (str, list)):
            continue
        if isinstance(value, date):
            found |= {str(value.day), str(value.month), str(value.year)}
            continue
        if window := re.search(r"_(\d+)d$", name):
            found.add(window[1])
        if "cents" in name:
            found.add(f"{half_up(value, 0) / 100:,.2f}")
        elif name.endswith("_share") or name in CHANCES:
            found.add("1" if 0 < value < 0.00495 else "99" if 0.99495 <= value < 1 else f"{100 * half_up(value, 2):.0f}")
        else:
            found.add(f"{value:,.0f}" if value == int(value) else f"{half_up(value, 1):,}")
    return found


def test_every_number_in_500_narratives_is_of_the_portrait():
    said = 0
    for seed in range(500):
        portrait = made_up(seed)
        texts = sorted((value for value in portrait.values() if isinstance(value, str)), key=len, reverse=True)
        for text in narrative(portrait).values():
            for value in texts:
                text = text.replace(value, "")
            numerals = NUMERAL.findall(text)
            assert set(numerals) <= numbers_of(portrait), (seed, text)
            said += len(numerals)
    assert said > 4500


def test_narrative_in_both_languages(export_folder: Path):
    shown = card(Export.open(export_folder), "101").narrative
    assert shown["en"] == (
        "This is an active customer of high value, in the segment of champions. First seen on 3 Jul 2017 and last active 2 days "
        "ago. They bought on 12 days, about every 7.8 days, and spent 1,234.50 in all, 1,234.50 of it in the last "
        "90 days. They were paid back 2.50 for 1 return. Among departments most attention goes to DAIRY, among categories to CHEESE. 75 % of visits begin in the "
        "afternoon. The model's chance of no purchase within 21 days is 12 %. Age 35-44 (declared). Income 50-74K (inferred "
        "by a model)."
    )
    assert shown["zh"].startswith("该用户是活跃客户,价值高,属于“冠军客户”分群。首次出现于2017年7月3日,最近一次活跃于2天前。")
    assert shown["zh"].endswith("模型预测未来21天内不购买的概率为12%。年龄35-44(本人填报)。收入50-74K(模型推测)。")


def test_less_is_said_where_less_is_known():
    assert narrative({"as_of": AS_OF}) == {"en": "", "zh": ""}
    without = narrative({**REGULAR, "usual_gap_days": None, "churn": None, "visits": 4})["en"]
    assert "about every" not in without and "chance" not in without and "visits" not in without
    assert "They bought on 12 days, and spent 1,234.50 in all" in without


@pytest.mark.parametrize(
    ("en", "zh", "said"),
    [
        ("One of 5 {segment}.", "{segment}。", "sentence 1: the number 5 is of no slot's window"),
        ("Spent {spend_cents_90d} in 30 days.", "{spend_cents_90d}。", "the number 30"),
        ("{segment} and {age}.", "{segment}。", "different slots"),
    ],
)
def test_a_sentence_with_a_number_of_its_own_is_refused(tmp_path: Path, en: str, zh: str, said: str):
    file = tmp_path / "narrative.toml"
    file.write_text(f'[[sentences]]\nen = "{en}"\nzh = "{zh}"\n', encoding="utf-8")
    with pytest.raises(PortraitError, match=said):
        read_wordings(file)


def test_every_slot_and_word_is_of_a_column_of_the_portrait():
    wordings = read_wordings(FILE)
    slots = {name for sentence in wordings.sentences for name in re.findall(r"\{(\w+)", sentence.en)}
    needs = {name for sentence in wordings.sentences for name in (*sentence.needs, *filter(None, [sentence.unless]))}
    assert slots | needs | (wordings.words.keys() - {"origin"}) <= PORTRAIT.keys()
