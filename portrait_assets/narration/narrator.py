"""A card's narrative by whoever the settings name: what a model wrote where it passes the check, the template otherwise, and which it was."""

from dataclasses import replace

from portrait_assets.errors import PortraitError
from portrait_assets.narration.checking import SLOT, complaint
from portrait_assets.narration.facts import LANGUAGES, Told, facts_of
from portrait_assets.narration.writers import by_endpoint, by_local_model
from portrait_assets.reading.card import Card
from portrait_assets.reading.narrative import Language
from portrait_assets.settings import Settings

NAMES = {"en": "English", "zh": "Chinese"}
SPACES = {"en": " ", "zh": ""}  # between words and sentences


def narrated(card: Card, settings: Settings) -> Card:
    """The same card; where a model is asked for, written by it as far as its text stands the check, and saying so."""
    if settings.narrator == "template":
        return card
    told, said = dict(card.narrative), []
    for language in LANGUAGES:
        text, why = worded(card, settings, language)
        if text is not None:
            told[language] = text
        said.append(
            f"{NAMES[language]}: {'a model, around slots that the portrait filled' if text else f'the template, because {why}'}"
        )
    return replace(card, narrative=told, narrator=f"Worded by {'; '.join(said)}.")


def worded(card: Card, settings: Settings, language: Language) -> tuple[str | None, str]:
    """The model's text with its slots filled, or None and why it was dropped."""
    facts = facts_of(card.portrait, language)
    if not facts:
        return None, "nothing is known to tell"
    drafts = SPACES[language].join(fact.draft for fact in facts)
    try:
        text = by_local_model(drafts, language) if settings.narrator == "local" else by_endpoint(settings, drafts, language)
    except PortraitError as problem:
        return None, str(problem)
    wrong = complaint(text, facts, language)
    return (None, wrong) if wrong else (filled_in(text, facts, language), "")


def filled_in(text: str, facts: tuple[Told, ...], language: Language) -> str:
    """Slots replaced by their phrases in one pass: a brace inside a phrase is data and stays."""
    phrases = {fact.slot: fact.phrase for fact in facts}
    told = SLOT.sub(lambda slot: phrases[slot[1]], SPACES[language].join(text.split()))
    return told[:1].upper() + told[1:]
