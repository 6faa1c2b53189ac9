"""Users and sources that nobody had in mind: every sentence said of them, on the card in all its forms, is true or not said."""

import io
import json
import re
from datetime import timedelta

import pytest
from rich.console import Console

from portrait_assets.narration.facts import LANGUAGES, facts_of
from portrait_assets.pages.card_page import card_page
from portrait_assets.publishing import write_export
from portrait_assets.reading import Export
from portrait_assets.reading.card import Card, card
from portrait_assets.reading.render import render
from portrait_assets.reading.sections import Facts, sections
from tests.small_world import FIRST_DAY, LAST_DAY, World, event

# What no sentence holds: a hole, one of several, an amount of nothing, two blanks where a slot was empty.
SILLY = re.compile(
    r"\bNone\b|\bnan\b|\binf\b|\{|\}|\[\]|-0\b|\b1 (users|days|visits|lines|reviews|views|purchases|ratings|categories|returns)\b|\b0 days ago\b| ,|\(\)"
)


def on(day: int) -> str:
    return str(FIRST_DAY + timedelta(days=day))


def odd_events() -> list[dict]:
    """Five regulars every six days, so that there are cut points and a pace, and those whom nobody expects."""
    regular = [
        event(f"{user}{day}", user, f"{on(day)} 10:00", amount=20 + n)
        for n, user in enumerate("abcde")
        for day in range(0, 88, 6)
    ]
    return [
        *regular,
        event("once", "once", f"{on(85)} 10:00"),
        *(event(f"twice{day}", "twice", f"{on(day)} 10:00") for day in (80, 81)),
        *(event(f"slow{day}", "slow", f"{on(day)} 10:00") for day in (1, 45, 89)),
        event("long", "long ago", f"{on(2)} 10:00"),
        event("free", "free", f"{on(50)} 10:00", amount=0),
        event("nothing", "nothing paid", f"{on(50)} 10:00", amount=None),
        event("only return", "returner", f"{on(86)} 10:00", "return", amount=90),
        event("huge", "wholesaler", f"{on(60)} 10:00", amount=2_500_000, quantity=40_000),
        event("back", "regretful", f"{on(70)} 10:00", amount=30_000),
        event("back2", "regretful", f"{on(70)} 10:12", "return", amount=30_000),
        event("look", "looker", f"{on(88)} 10:00", "view"),
        event("rate", "rater", f"{on(88)} 10:00", "review", rating=4),
        event("letter", "letters", f"{on(20)} 10:00", "exposure", item=None, campaign="c1"),
        event("night", "[odd] 'id' é", f"{on(90)} 23:59:59", item="ufo"),
    ]  # fmt: skip


def ratings() -> list[dict]:
    return [
        event(f"{user}{item}", f"r{user}", f"{on(3 * user)} 10:00", "review", item=item, rating=1 + (user + len(item)) % 5)
        for user in range(12) for item in ("milk", "cheese", "bread", "soap")[: 1 + user % 4]
    ]  # fmt: skip


def views() -> list[dict]:
    return [
        event(f"{user}-{day}", f"v{user}", f"{on(day)} 10:00", "view", item=("milk", "cheese", "bread", "soap")[day % 4])
        for user in range(8) for day in range(user, 90, 5 + user)
    ]  # fmt: skip


SOURCES = {"shop": odd_events, "ratings": ratings, "views": views}


@pytest.fixture(scope="module", params=sorted(SOURCES))
def export(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Export:
    folder = tmp_path_factory.mktemp(request.param)
    with World(folder).open() as world:
        world.land(*SOURCES[request.param]())
        world.build().recommend(LAST_DAY)
        write_export(world.session, world.home, LAST_DAY, folder / "export")
    return Export.open(folder / "export")


def said_of(shown: Card) -> dict[str, str]:
    """Every form of a card, each as one text."""
    out = io.StringIO()
    Console(file=out, width=100, no_color=True).print(render(shown))
    page = re.sub(r"<[^>]*>|style=\"[^\"]*\"", " ", card_page(shown))
    facts = " ".join(fact.phrase for language in LANGUAGES for fact in facts_of(shown.portrait, language))
    return {
        "terminal": " ".join(re.sub(r"[┃│╭╮╰╯━─┏┓┗┛]", " ", out.getvalue()).split()), "page": " ".join(page.split()),
        "narrative": " ".join(shown.narrative.values()), "facts": facts, "summary": shown.summary,
        "tags": " ".join(f"{tag.name}: {tag.value}. {tag.explanation}" for tag in shown.tags), "unknown": "; ".join(shown.unknown),
        "recommended": " ".join(item.reason for item in shown.recommendations),
    }  # fmt: skip


def test_no_sentence_of_any_user_is_silly(export: Export):
    said = 0
    for user in export.user_ids():
        shown = card(export, user)
        json.dumps(shown.as_dict(), allow_nan=False)
        for form, text in said_of(shown).items():
            text = text.replace(user, "")
            if form not in ("terminal", "page"):
                assert not (found := SILLY.search(text)), (user, form, text[max(0, found.start() - 40) :][:120])
            assert not re.search(r"\bNone\b|\bnan\b|\b1 users\b", text), (user, form)
            said += bool(text)
    assert said > 50


def test_every_number_of_a_tag_reads_as_on_the_card(export: Export):
    """Where a tag's sentence says what a column of the portrait holds, both forms of the number are one text."""
    for user in export.user_ids():
        shown = card(export, user)
        value = {
            label: cell.text for label, cell in next(b for b in sections(shown)["value"].blocks if isinstance(b, Facts)).rows
        }
        for tag in shown.tags:
            if tag.tag_id == "lifetime_spend" and "Spend, ever" in value:
                assert tag.explanation.startswith(value["Spend, ever"]), (user, tag.explanation, value)


def facts_in(export: Export, user: str, section: str) -> dict[str, str]:
    return {
        label: cell.text
        for label, cell in next(b for b in sections(card(export, user))[section].blocks if isinstance(b, Facts)).rows
    }


@pytest.mark.parametrize("export", ["shop"], indirect=True)
def test_odd_customers_of_a_shop_by_hand(export: Export):
    assert card(export, "twice").summary.startswith("A new, low-value customer who bought on 2 days so far")
    assert "almost every day" not in json.dumps(card(export, "twice").as_dict())
    slow = card(export, "slow")
    assert slow.portrait["lifecycle"] == "active" and slow.portrait["usual_gap_days"] is None
    assert card(export, "long ago").portrait["lifecycle"] == "dormant"  # 88 days of silence where six are usual
    assert facts_in(export, "returner", "value")["Spend"] == "unknown: only returns are on record, 90.00 paid back"
    assert "Saved by offers" not in facts_in(export, "once", "value")  # nobody's purchase was reduced
    assert {tag.tag_id for tag in card(export, "once").tags}.isdisjoint({"basket_size", "ticket_size", "shopping_frequency"})
    assert card(export, "wholesaler").interests == card(export, "once").interests == []  # the taxonomy knows no 'dairy'
    missing = {"searches", "carts", "coupons", "discount_cents", "coupon_cents", "discounted_purchases", "coupon_purchases"}
    assert missing.isdisjoint(export.manifest["measures"])
    assert {"purchases", "spend_cents", "returns", "views", "reviews", "exposures"} <= set(export.manifest["measures"])


@pytest.mark.parametrize("export", ["ratings"], indirect=True)
def test_a_source_of_ratings_has_no_shoppers(export: Export):
    assert facts_in(export, "r11", "outlook")["Churn"].startswith("unknown: ")
    assert facts_in(export, "r11", "value")["Spend"] == "unknown: this source has no amounts"
    found = {tag.tag_id for user in export.user_ids() for tag in card(export, user).tags}
    assert found.isdisjoint({"churn_risk", "onboarding", "browses_without_buying", "value_tier", "buyer_stage", "one_and_done"})
    discovered = export.scan("lists").collect()
    assert set(discovered["list"]) == {"discover"}
    assert set(discovered.filter(discovered["user_id"] == "r0")["item_id"]).isdisjoint({"milk"})  # rated


@pytest.mark.parametrize("export", ["views"], indirect=True)
def test_a_source_of_views_lives_by_its_own_rhythm(export: Export):
    eager = card(export, "v0")
    assert (eager.portrait["main_act"], eager.portrait["lifecycle"], eager.portrait["usual_gap_days"]) == (
        "view",
        "active",
        5.0,
    )
    assert eager.summary.startswith("An active customer who comes about every 5 days")
    assert "bought" not in json.dumps(eager.narrative)
