"""How numbers are said to people: money from cents, shares, days, dates, and templates filled from evidence.

Every number is rounded here, by `rounded`, so that it reads the same on the card, in a tag, in the narrative and in an explanation.
"""

import math
import re
import shlex
from collections.abc import Callable
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from string import Formatter
from typing import Any

from portrait_assets.packs.tag_sql import EVIDENCE_DECIMALS

UNKNOWN = "unknown"
OPTIONAL = re.compile(r"\[([^\[\]]*)\]")
WINDOW = re.compile(r"_(\d+)d\b")

# The 1-2-5 ladder of unit prices, in currency units: step 0 to 12.
PRICE_STEPS = (
    "under 1.00", "1.00 to 1.99", "2.00 to 4.99", "5.00 to 9.99", "10.00 to 19.99", "20.00 to 49.99", "50.00 to 99.99",
    "100 to 199", "200 to 499", "500 to 999", "1,000 to 1,999", "2,000 to 4,999", "5,000 and over",
)  # fmt: skip


def command(name: str, user_id: str, **options: object) -> str:
    """`portrait NAME` of a user as it can be typed into a shell, whatever the id holds."""
    said = "".join(f" --{option.replace('_', '-')} {value}" for option, value in options.items())
    return f"portrait {name}{said} {'-- ' if user_id.startswith('-') else ''}{_shell_word(user_id)}"


def _shell_word(text: str) -> str:
    if text.isprintable():
        return shlex.quote(text)
    return "$'" + "".join(letter if letter.isprintable() and letter not in "\\'" else _spelt(letter) for letter in text) + "'"


def _spelt(letter: str) -> str:
    """A character as a shell reads it between $' and '."""
    return f"\\{letter}" if letter in "\\'" else f"\\U{ord(letter):08x}"


def rounded(value: float, places: int) -> Decimal:
    """`value` to so many decimal places, halves away from zero.

    It is rounded as evidence is before: 0.12499996 stands in evidence as 0.125, and has to read the same from both.
    """
    scale = 10**EVIDENCE_DECIMALS
    short = value if isinstance(value, int) else math.copysign(math.floor(abs(value) * scale + 0.5) / scale, value)
    return Decimal(repr(short)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP) + 0  # + 0: no `-0`


def money(cents: float) -> str:
    """Cents as currency units: 123450 -> `1,234.50`."""
    return f"{rounded(cents, 0) / 100:,.2f}"


def percent(share: float) -> str:
    """A share of 1 as whole percent; never `0 %` or `100 %` for what is neither."""
    whole = int(rounded(share, 2) * 100)
    if whole == 0 and share > 0:
        return "<1 %"
    if whole == 100 and share < 1:
        return ">99 %"
    return f"{whole} %"


def number(value: float) -> str:
    """A whole number as it is, others with one decimal, thousands separated."""
    return f"{value:,.0f}" if value == int(value) else f"{rounded(value, 1):,}"


def day(value: date | str) -> str:
    """A date (or its ISO text) as `30 Sep 2017`."""
    then = date.fromisoformat(value) if isinstance(value, str) else value
    return f"{then.day} {then:%b} {then.year}"


def counted(amount: float, noun: str) -> str:
    """`1 day`, `7.8 days`; a plural of its own as `category|categories`."""
    singular, _, plural = noun.partition("|")
    return f"{number(amount)} {singular if amount == 1 else plural or singular + 's'}"


def ago(days: float) -> str:
    """`today`, `1 day ago`: counted from the last day of the portrait."""
    return "today" if days == 0 else f"{counted(days, 'day')} ago"


def article(phrase: str) -> str:
    """`An active`, `A new`."""
    return f"{'An' if phrase[0] in 'aeiou' else 'A'} {phrase}"


def price_step(step: int | str) -> str:
    """The words for a step of the price ladder."""
    index = int(step)
    return PRICE_STEPS[index] if 0 <= index < len(PRICE_STEPS) else UNKNOWN


def said(name: str, value: Any, noun: str = "") -> str:
    """One evidence value in words; its unit is in its name (`_cents`, `_share`, `_date`, `probability`). The noun `ago` is said as `ago`."""
    if value is None or value != value:
        return UNKNOWN
    if name.endswith("_date"):
        return day(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if name.endswith("_cents"):
        return money(value)
    if name in ("share", "probability") or name.endswith(("_share", "_probability")):
        return percent(value)
    if noun == "ago":
        return ago(value)
    return counted(value, noun) if noun else number(value)


def labelled(name: str, value: Any) -> str:
    """An evidence value under its name: `mean_gap_days` 5 is `mean gap days 5`, `spend_90d_cents` 500 is `spend in 90 days 5.00`."""
    label = WINDOW.sub(r" in \1 days", name.removesuffix("_cents")).replace("_", " ")
    return f"{label} {said(name, value)}"


class _Slots(Formatter):
    """`{name}` and `{name:noun}`, both from evidence; what is not there is unknown."""

    def __init__(self, say: Callable[[str, Any, str], str]) -> None:
        self.say = say

    def get_value(self, key: int | str, args: Any, kwargs: Any) -> Any:
        return str(key), kwargs.get(str(key))

    def format_field(self, value: Any, format_spec: str) -> str:
        name, content = value
        return self.say(name, content, format_spec)


def slot_names(template: str) -> set[str]:
    """The names that a template's slots ask for."""
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


def fill(template: str, evidence: dict[str, Any], say: Callable[[str, Any, str], str] = said) -> str:
    """A template with each slot said from the evidence; `[…]` goes where a slot in it is unknown."""

    def kept(part: re.Match[str]) -> str:
        inner = part.group(1)
        return "" if any(evidence.get(name) is None for name in slot_names(inner)) else inner

    text = _Slots(say).vformat(OPTIONAL.sub(kept, template), (), evidence)
    return text[:1].upper() + text[1:]
