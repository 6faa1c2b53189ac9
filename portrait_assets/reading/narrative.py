"""The portrait in words, English and Chinese: fixed sentences from narrative.toml, every number and name from the portrait."""

import re
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from portrait_assets.errors import PortraitError
from portrait_assets.packs.files import Declared, read_toml, validate
from portrait_assets.reading.words import OPTIONAL, fill, number, said, slot_names

FILE = Path(__file__).with_name("narrative.toml")
WINDOW = re.compile(r"_(\d+)d$")
SLOT = re.compile(r"\{[^{}]*\}")
Language = Literal["en", "zh"]


class Wording(Declared):
    """The same in both languages."""

    en: str = Field(min_length=1, description="English")
    zh: str = Field(min_length=1, description="Chinese")


class Sentence(Wording):
    """A sentence in both languages, and what it needs."""

    needs: dict[str, float] = Field(
        {}, description="column = the least it has to be; below it, or where it is unknown, nothing is said"
    )
    unless: str | None = Field(None, description="a column: nothing is said where it is known")


class Wordings(Declared):
    """What narrative.toml may say."""

    sentences: tuple[Sentence, ...] = Field(min_length=1, description="in the order they are said")
    words: dict[str, dict[str, Wording]] = Field({}, description="column = what each value is called")


def narrative(portrait: dict[str, Any]) -> dict[str, str]:
    """A paragraph a language about one portrait row; says less where less is known, and nothing of whom nothing is known."""
    wordings = _shipped()
    said_ones = [sentence for sentence in wordings.sentences if _can_be_said(sentence, portrait)]
    return {
        "en": " ".join(text for sentence in said_ones if (text := _filled(sentence.en, portrait, "en", wordings))),
        "zh": "".join(_filled(sentence.zh, portrait, "zh", wordings) for sentence in said_ones),
    }


def read_wordings(file: Path) -> Wordings:
    """The sentences of `file`; PortraitError where one holds a number of its own or its languages say different things."""
    wordings = validate(Wordings, read_toml(file), str(file))
    for place, sentence in enumerate(wordings.sentences, start=1):
        where = f"{file}, sentence {place}"
        if slot_names(sentence.en) != slot_names(sentence.zh):
            raise PortraitError(f"{where}: English and Chinese have different slots; they have to say the same")
        for text in (sentence.en, sentence.zh):
            if foreign := foreign_numbers(text):
                raise PortraitError(f"{where}: the number {foreign[0]} is of no slot's window; numbers come from the portrait")
    return wordings


def foreign_numbers(template: str) -> list[str]:
    """The digits in a template that are not the window which one of its slots names."""
    windows = {found[1] for name in slot_names(template) if (found := WINDOW.search(name))}
    return sorted(set(re.findall(r"\d+", SLOT.sub("", template))) - windows)


def filled(template: str, portrait: dict[str, Any], language: Language) -> str:
    """A template over the portrait's columns in the words of a language; a part in [brackets] is left out where its slot is unknown."""
    return _filled(template, portrait, language, _shipped())


def narrated_columns() -> frozenset[str]:
    """The columns of a portrait that some sentence says."""
    return frozenset(name for sentence in _shipped().sentences for name in slot_names(sentence.en))


@cache
def _shipped() -> Wordings:
    return read_wordings(FILE)


def _can_be_said(sentence: Sentence, portrait: dict[str, Any]) -> bool:
    if sentence.unless and portrait.get(sentence.unless) is not None:
        return False
    slots = slot_names(OPTIONAL.sub("", sentence.en))
    return meets(sentence.needs, portrait) and all(portrait.get(name) is not None for name in slots)


def meets(needs: dict[str, float], portrait: dict[str, Any]) -> bool:
    """Whether every column that something needs has come that far."""
    return all((value := portrait.get(name)) is not None and value >= least for name, least in needs.items())


def _filled(template: str, portrait: dict[str, Any], language: Language, wordings: Wordings) -> str:
    def say(name: str, value: Any, noun: str) -> str:
        words = wordings.words.get("origin" if name.endswith("_origin") else name, {})
        if isinstance(value, str) and value in words:
            return str(getattr(words[value], language))
        if language == "zh" and isinstance(value, date):
            return f"{value.year}年{value.month}月{value.day}日"
        if language == "zh" and noun == "ago":
            return "当天" if value == 0 else f"{number(value)}天前"
        unit = WINDOW.sub("", name)
        text = said("probability" if unit == "churn" else unit, value, noun)
        return text.replace(" %", "%") if language == "zh" and not isinstance(value, str) else text

    return fill(template, portrait, say).strip()
