"""The facts that a narrative states of a portrait: drafts with named slots, and the phrase each slot is filled with."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from portrait_assets.errors import PortraitError
from portrait_assets.packs.files import Declared, read_toml, validate
from portrait_assets.reading.narrative import Language, filled, foreign_numbers
from portrait_assets.reading.words import OPTIONAL, slot_names

FILE = Path(__file__).with_name("facts.toml")
LANGUAGES: tuple[Language, ...] = ("en", "zh")


class Wording(Declared):
    """One language's draft of a fact, and what its slot is filled with."""

    phrase: str = Field(min_length=1, description="a template over the portrait's columns")
    draft: str = Field(min_length=1, description="a sentence with the fact's slot, once")


class Fact(Declared):
    """Something a portrait may say."""

    slot: str = Field(pattern=r"^[a-z]+$", description="unique")
    column: str = Field(description="known, and of a number more than nought, or the fact is not said")
    polarity: dict[str, Literal[-1, 1]] = Field({}, description="value of the column = good or bad news")
    bad_from: float | None = Field(None, description="a number is bad news from here on")
    en: Wording
    zh: Wording

    def wording(self, language: Language) -> Wording:
        return self.en if language == "en" else self.zh


class Facts(Declared):
    """What facts.toml may say."""

    facts: tuple[Fact, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Told:
    """A fact of one portrait: its slot, its draft, what the slot is filled with, and whether that is good (1) or bad (-1) news."""

    slot: str
    draft: str
    phrase: str
    polarity: int


def facts_of(portrait: dict[str, Any], language: Language) -> tuple[Told, ...]:
    """What can be said of a portrait row, in the order of the file."""
    told = []
    for fact in _shipped().facts:
        wording = fact.wording(language)
        needed = {fact.column, *slot_names(OPTIONAL.sub("", wording.phrase))}
        if _is_something(portrait.get(fact.column)) and all(portrait.get(name) is not None for name in needed):
            phrase = filled(wording.phrase, portrait, language)
            phrase = phrase[:1].lower() + phrase[1:]
            told.append(Told(fact.slot, wording.draft, phrase, _polarity(fact, portrait[fact.column])))
    return tuple(told)


def _is_something(value: Any) -> bool:
    return value > 0 if isinstance(value, (int, float)) else bool(value)


def _polarity(fact: Fact, value: Any) -> int:
    if fact.bad_from is not None:
        return -1 if value >= fact.bad_from else 1
    return fact.polarity.get(str(value), 0)


def read_facts(file: Path) -> Facts:
    """The facts of `file`; PortraitError where a draft has a digit or not its own slot, or a phrase a number of its own."""
    found = validate(Facts, read_toml(file), str(file))
    for fact in found.facts:
        for language in LANGUAGES:
            wording, where = fact.wording(language), f"{file}, fact '{fact.slot}', {language}"
            if re.findall(r"\{([^{}]*)\}", wording.draft) != [fact.slot] or re.search(r"\d", wording.draft):
                raise PortraitError(f"{where}: the draft has to hold {{{fact.slot}}} once, and no digit")
            if foreign := foreign_numbers(wording.phrase):
                raise PortraitError(f"{where}: the number {foreign[0]} is of no slot's window; numbers come from the portrait")
    return found


@cache
def _shipped() -> Facts:
    return read_facts(FILE)
