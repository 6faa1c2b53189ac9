"""The card laid out once: titled sections of plain blocks, which the terminal and the web page each draw in their own way."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Union

from portrait_assets.packs.catalogue import DIMENSIONS
from portrait_assets.reading.card import UNLISTED, Card, Change, Interest, Recommendation, Span, TagLine, no_spend_note
from portrait_assets.reading.charts import dots
from portrait_assets.reading.words import UNKNOWN, ago, counted, day, money, number, percent

SHOWN_RECOMMENDATIONS = 8
MOST_SPANS = 8
PREFERENCES = (
    ("Departments", "departments", 3),
    ("Categories", "categories", 5),
    ("Brands", "brands", 3),
    ("Unit price", "price_steps", 3),
)
CAUSES = {
    "event": "what the user did",
    "clock": "time going by",
    "calendar": "new cut points",
    "model": "a new prediction",
    "correction": "a correction",
    "catalogue": "a new definition",
}
TONES = {"prospect": "good", "new": "good", "active": "good", "lapsing": "warn", "lapsed": "bad", "dormant": "bad"}
PREDICTED = {  # what the card calls targets
    "churn": "churn", "churn_14d": "churn in 14 days", "churn_28d": "churn in 28 days", "churn_90d": "churn in 90 days",
    "next_purchase_days": "next purchase", "expected_spend_cents_14d": "spend of 14 days", "expected_spend_cents_90d": "spend of 90 days",
    "expected_purchases_90d": "purchases of 90 days", "alive_probability": "still a customer",
    "lifetime_value_cents_365d": "spend of 365 days", "category_14d": "categories", "item_14d": "items",
}  # fmt: skip
NAMED_UNPREDICTED = 5
HISTORY_DIMENSIONS = ("lifecycle", "value", "risk", "behaviour")


@dataclass(frozen=True)
class Cell:
    """A text with a tone (`strong`, `soft`, `good`, `warn`, `bad` or none) and a softer note, or small columns of numbers."""

    text: str = ""
    tone: str = ""
    note: str = ""
    weekly: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class Line:
    """A sentence or a paragraph."""

    text: str
    soft: bool = False


@dataclass(frozen=True)
class Facts:
    """Labels, each with what is so."""

    rows: tuple[tuple[str, Cell], ...]


@dataclass(frozen=True)
class Shares:
    """Bars: names with a share and how it is said; full at `top`."""

    title: str
    rows: tuple[tuple[str, float, str], ...]
    top: float


@dataclass(frozen=True)
class Column:
    """A column of a listing: its part of the width, or a fixed width in characters."""

    title: str
    ratio: int = 0
    width: int = 0
    is_number: bool = False


@dataclass(frozen=True)
class Listing:
    """Rows of cells under columns; a text instead of a row heads those below it."""

    columns: tuple[Column, ...]
    rows: tuple[Union[tuple[Cell, ...], str], ...]


@dataclass(frozen=True)
class History:
    """What each tag was, over the days from `begin` to `end` (ISO): its name and its spans, the oldest first."""

    begin: str
    end: str
    rows: tuple[tuple[str, tuple[Span, ...]], ...]


Block = Union[Line, Facts, Shares, Listing, History]


@dataclass(frozen=True)
class Section:
    """One part of the card."""

    title: str
    blocks: tuple[Block, ...]


def sections(card: Card) -> dict[str, Section]:
    """Every part of the card by its name, in the order of importance."""
    found = {
        "user": _section(f"User {card.user_id}", _standing(card), Line(card.summary)),
        "words": _section("In words", *(Line(text) for text in card.narrative.values() if text), *_narrator(card)),
        "behaviour": _section("Behaviour", *_behaviour(card)),
        "preference": _section("Preference", *_preference(card)),
        "outlook": _section("Risk and outlook", *_outlook(card)),
        "social": _section("Social attributes", *_social(card)),
        "value": _section("Value", _value(card)),
        "tags": _section("Tags", _tags(card)),
        "changes": _section("What changed lately", _changes(card)),
        "history": _section("How it came about", *_history(card, HISTORY_DIMENSIONS)),
        "interests": _section("Interests over time", *_interests(card), *_history(card, ("preference",))),
        "recommended": _section("Recommended", *_recommendations(card)),
        "sources": _section("Where this comes from", *_sources(card)),
    }
    return {name: section for name, section in found.items() if section.blocks}


def _section(title: str, *blocks: Block) -> Section:
    return Section(title, blocks)


def _standing(card: Card) -> Facts:
    """Stage, value and segment."""
    row = card.portrait
    stage = row.get("lifecycle")
    return Facts(
        (
            ("lifecycle", Cell(stage or UNKNOWN, TONES.get(stage or "", ""))),
            ("value", Cell(row.get("value_tier") or UNKNOWN)),
            ("segment", Cell(row.get("segment") or UNKNOWN)),
        )
    )


def _narrator(card: Card) -> list[Block]:
    return [Line(card.narrator, soft=True)] if card.narrator and any(card.narrative.values()) else []


def _behaviour(card: Card) -> list[Block]:
    if not card.behaviour:
        return [Line("Nothing of their own doing is on record."), *_habits(card)]
    windows = list(card.behaviour[0].windows)
    columns = (
        Column("in the last"),
        *(Column(f"{days} days", is_number=True) for days in windows),
        Column("a week*", is_number=True),
    )
    rows = []
    for measure in card.behaviour:
        say = money if measure.measure.endswith("_cents") else number
        totals = (Cell(say(total)) for total in measure.windows.values())
        rows.append((Cell(measure.label), *totals, Cell(weekly=tuple(measure.weekly))))
    spans = [f"{until}-{since + 1}" for since, until in pairwise(windows)][::-1]
    first, *rest = (*spans, f"the last {windows[0]}")
    note = f"* per week, oldest days on the left: {', '.join((f'{first} days ago' if spans else first, *rest))}"
    return [Listing(columns, tuple(rows)), *_habits(card), Line(note, soft=True)]


def _habits(card: Card) -> list[Block]:
    row = card.portrait
    facts = [f"First seen {day(row['first_date'])}"] if row.get("first_date") else []
    if row.get("usual_gap_days") is not None:
        spread = f" ± {number(row['std_gap_days'])}" if row.get("std_gap_days") is not None else ""
        facts.append(f"usual gap {counted(row['usual_gap_days'], 'day')}{spread}")
    if row.get("last_gap_days") is not None:
        facts.append(f"the last gap {counted(row['last_gap_days'], 'day')}")
    if row.get("reviews"):
        rating = f", {number(row['mean_rating'])} on average" if row.get("mean_rating") is not None else ""
        facts.append(f"{counted(row['reviews'], 'review')}{rating}")
    if row.get("weekend_share") is not None:
        facts.append(f"weekend {percent(row['weekend_share'])}")
    lines: list[Block] = [Line(" · ".join(facts))] if facts else []
    if card.dayparts:
        lines.append(Line("Visits begin: " + " · ".join(f"{part.name} {percent(part.share)}" for part in card.dayparts)))
    return lines


def _preference(card: Card) -> list[Block]:
    found = [_shares(title, card.preference[name][:most]) for title, name, most in PREFERENCES if card.preference[name]]
    return [*found] or [Line("unknown: no event on a known item")]


def _shares(title: str, interests: Iterable[Interest], top: float | None = None) -> Shares:
    rows = tuple((one.name, one.share, percent(one.share)) for one in interests)
    return Shares(title, rows, max(share for _, share, _ in rows) if top is None else top)


def _outlook(card: Card) -> list[Block]:
    row = card.portrait
    churn, horizon = row.get("churn"), row.get("churn_horizon_days")
    if churn is None or horizon is None:
        rows = [("Churn", f"{UNKNOWN}: {card.churn_note}")]
    else:
        rows = [("Churn", f"{percent(churn)}: no purchase within {counted(horizon, 'day')}")]
    rows += [
        (f"Churn, {days} days", percent(row[name]))
        for days, name in ((14, "churn_14d"), (28, "churn_28d"), (90, "churn_90d"))
        if row.get(name) is not None and days != horizon
    ]
    if row.get("purchase_recency_days") is not None:
        rows.append(("Last bought", ago(row["purchase_recency_days"])))
    elif row.get("recency_days") is not None:
        rows.append(("Last active", ago(row["recency_days"])))
    if row.get("next_purchase_days") is not None:
        rows.append(("Next purchase", f"within {counted(round(row['next_purchase_days'], 1), 'day')}, as likely as not"))
    if row.get("expected_spend_cents_90d") is not None:
        rows.append(("Expected, 90 days", f"{money(row['expected_spend_cents_90d'])} spent"))
    if row.get("expected_purchases_90d") is not None:
        rows.append(("", f"{counted(round(row['expected_purchases_90d'], 1), 'shopping day')}"))
    if row.get("returns"):
        rows.append(("Returns", f"{number(row['returns'])}, {money(row.get('refund_cents') or 0)} paid back"))
    facts = Facts(tuple((label, Cell(said)) for label, said in rows))
    likely = [_shares("Likely bought in the next 14 days", card.likely_next, 1.0)] if card.likely_next else []
    return [facts, *likely, *_not_predicted(card)]


def _not_predicted(card: Card) -> list[Block]:
    """What is predicted of nobody, by reason; attributes are listed among the social ones."""
    by_reason: dict[str, list[str]] = {}
    for target, why in card.not_predicted.items():
        kind, _, name = target.partition("=")
        if kind in PREDICTED:
            by_reason.setdefault(why, []).append(name or PREDICTED[kind])
    found = [f"{_few(list(dict.fromkeys(names)))}: {why}" for why, names in by_reason.items()]
    return [Line(f"Not predicted: {'; '.join(found)}.", soft=True)] if found else []


def _few(names: list[str]) -> str:
    more = len(names) - NAMED_UNPREDICTED
    return ", ".join(names[:NAMED_UNPREDICTED]) + (f" and {more} more" if more > 0 else "")


def _social(card: Card) -> list[Block]:
    known = [one for one in card.social if one.value is not None]
    unknown = [one for one in card.social if one.value is None]
    lines: list[Block] = []
    if known:
        how = ["declared" if one.origin == "declared" else f"inferred, {percent(one.probability or 0)} sure" for one in known]
        rows = ((one.label, Cell(one.value or "", "strong", said)) for one, said in zip(known, how, strict=True))
        lines.append(Facts(tuple(rows)))
    if unsure := [one for one in unknown if one.best_guess is not None]:
        guesses = ", ".join(f"{one.label.lower()} ({percent(one.best_guess or 0)})" for one in unsure)
        lines.append(Line(f"Unknown, the best guess is too unsure to say: {guesses}."))
    if silent := [one.label.lower() for one in unknown if one.best_guess is None]:
        why = "no model infers it" if card.portrait.get("model_version") else "no model yet to infer it"
        lines.append(Line(f"Unknown, not declared and {why}: {', '.join(silent)}."))
    return lines


def _value(card: Card) -> Facts:
    row = card.portrait
    rows = [("Tier", row.get("value_tier") or UNKNOWN)]
    gives_reductions = "discount_cents" in card.measures or "coupon_cents" in card.measures
    if row.get("spend_cents"):
        rows += [("Spend, 365 days", _net(row, "_365d")), ("Spend, ever", _net(row, ""))]
        if (row.get("spend_per_visit_cents") or 0) > 0:
            rows.append(("Spend a visit", money(row["spend_per_visit_cents"])))
        if gives_reductions and row.get("saved_share") is not None:
            rows.append(("Saved by offers", percent(row["saved_share"])))
        if row.get("lifetime_value_cents_365d") is not None:
            rows.append(("Expected, 365 days", money(row["lifetime_value_cents_365d"])))
    else:
        rows.append(("Spend", f"{UNKNOWN}: {no_spend_note(row, card.measures)}"))
    for label, name, why in (
        ("Recency", "recency_score", "never active"),
        ("Frequency", "frequency_score", ""),
        ("Monetary", "monetary_score", no_spend_note(row, card.measures)),
    ):
        score = row.get(name)
        if row.get("frequency_score") is None:
            why = "no cut points yet"
        rows.append((label, f"{dots(score)}  fifth {score} of 5" if score else f"{UNKNOWN}: {why}"))
    return Facts(tuple((label, Cell(said)) for label, said in rows))


def _net(row: dict[str, Any], window: str) -> str:
    """What was spent and stayed, and beside it what was paid and paid back."""
    paid, stayed = (row.get(f"{name}_cents{window}") or 0 for name in ("spend", "net_spend"))
    return money(stayed) + (f" ({money(paid)} paid, {money(paid - stayed)} paid back)" if paid != stayed else "")


def _tags(card: Card) -> Block:
    if not card.tags:
        return Line("none: every tag needs more than is known of this user")
    columns = (
        Column("tag", ratio=20), Column("value", ratio=19), Column("kind", width=5), Column("sure", width=5, is_number=True),
        Column("since", width=11, is_number=True), Column("why", ratio=46),
    )  # fmt: skip
    rows: list[Union[tuple[Cell, ...], str]] = []
    for dimension in (*DIMENSIONS, UNLISTED):
        if found := [tag for tag in card.tags if tag.dimension == dimension]:
            rows += [dimension.capitalize(), *(_tag(tag) for tag in found)]
    return Listing(columns, tuple(rows))


def _tag(tag: TagLine) -> tuple[Cell, ...]:
    value = Cell(tag.value, "soft", "stale") if tag.is_stale else Cell(tag.value, "strong")
    kind = "stat." if tag.kind == "statistical" else tag.kind
    since = day(tag.since) if tag.since else UNKNOWN
    return (Cell(tag.name), value, Cell(kind), Cell(percent(tag.confidence)), Cell(since), Cell(tag.explanation, "soft"))


def _changes(card: Card) -> Block:
    if not card.changes:
        return Line("nothing since the first day")
    columns = (
        Column("day", width=11, is_number=True),
        Column("tag", ratio=24),
        Column("change", ratio=36),
        Column("because of", width=17),
    )
    return Listing(columns, tuple(_change(change) for change in card.changes))


def _change(change: Change) -> tuple[Cell, ...]:
    cause = Cell(CAUSES.get(change.cause, change.cause), "soft")
    return (
        Cell(day(change.date)),
        Cell(change.name),
        Cell(f"{change.from_value or '–'} →", note=change.to_value or "–"),
        cause,
    )


def _interests(card: Card) -> list[Block]:
    """The taxonomy's nodes of the user's strongest categories, a parent before its children."""
    if not card.interests:
        return []
    names, top = {node.id: node for node in card.interests}, max(node.share_milli for node in card.interests)

    def depth(parent: str | None) -> int:
        return 1 + depth(names[parent].parent) if parent in names else 0

    rows = tuple(
        ("· " * depth(node.parent) + node.name, node.share_milli / 1000, percent(node.share_milli / 1000))
        for node in card.interests
    )
    return [Shares("Now, of the five strongest categories; a parent is the sum of its children", rows, top / 1000)]


def _history(card: Card, dimensions: tuple[str, ...]) -> list[Block]:
    """The tags of these dimensions that took several values, in the catalogue's order."""
    of_tag: dict[str, list[Span]] = {}
    for span in card.history:
        if span.dimension in dimensions:
            of_tag.setdefault(span.tag_id, []).append(span)
    moved = [spans for spans in of_tag.values() if len(spans) > 1]
    moved.sort(key=lambda spans: dimensions.index(spans[0].dimension))
    if not moved:
        return []
    begin = min(span.begin for spans in moved for span in spans)
    return [History(begin, card.as_of, tuple((spans[0].name, tuple(spans)) for spans in moved[:MOST_SPANS]))]


def _recommendations(card: Card) -> list[Block]:
    if not card.recommendations:
        return [Line("nothing: no recommendation was made for this user")]
    columns = (
        Column("", width=2, is_number=True), Column("item", ratio=5), Column("chance", width=6, is_number=True),
        Column("because", ratio=6),
    )  # fmt: skip
    rows = tuple(
        (Cell(str(item.rank)), _item(item), Cell(_likely(item)), Cell(item.reason, "soft"))
        for item in card.recommendations[:SHOWN_RECOMMENDATIONS]
    )
    more = len(card.recommendations) - SHOWN_RECOMMENDATIONS
    return [Listing(columns, rows), *([Line(f"and {more} more in recommendations.parquet", soft=True)] if more > 0 else [])]


def _item(item: Recommendation) -> Cell:
    name = item.item_name or item.item_id
    return Cell(name, "strong", " · ".join(part for part in (item.item_id, item.category) if part and part != name))


def _likely(item: Recommendation) -> str:
    """The chance of buying it within the horizon; nothing where no model ranked: a score is no chance."""
    return "" if item.probability is None else percent(item.probability)


def _sources(card: Card) -> list[Block]:
    sources = card.sources
    trained = f", trained through {day(sources['trained_through'])}" if sources.get("trained_through") else ""
    return [
        Line(
            f"Export as of {card.as_of}, generation {sources['generation']}: everything before that instant (UTC), nothing after.",
            soft=True,
        ),
        Line(
            f"Model {sources['model_version'] or 'none yet'}{trained} · code {sources['code_version'] or UNKNOWN} · "
            f"pack {sources['pack']}. Declared attributes carry no date and count as known from the start.",
            soft=True,
        ),
        *([Line(f"Not known: {'; '.join(card.unknown)}.", soft=True)] if card.unknown else []),
    ]
