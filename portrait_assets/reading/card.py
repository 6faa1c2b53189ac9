"""The card of one user: everything `portrait show` says, as plain values that go to a terminal, JSON or a page alike."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from portrait_assets.packs import Pack
from portrait_assets.packs.attributes import Attribute as DeclaredAttribute
from portrait_assets.packs.measures import Measure as Declared
from portrait_assets.reading.export import Export
from portrait_assets.reading.narrative import narrative
from portrait_assets.reading.summary import summary
from portrait_assets.reading.words import counted, fill, money, percent, price_step

LATEST_CHANGES = 8
LIKELY_NEXT = 3
UNLISTED = "not in the catalogue"
DAYPARTS = ("night", "morning", "afternoon", "evening")


@dataclass(frozen=True)
class Measure:
    """One measure of behaviour: its sum in each window of days, and per week from the oldest slice of days to the newest."""

    measure: str
    label: str
    windows: dict[int, int]
    weekly: list[float | None]


@dataclass(frozen=True)
class Interest:
    """One thing that attention goes to."""

    name: str
    share: float


@dataclass(frozen=True)
class InterestNode:
    """A node of the pack's taxonomy: the exact sum, in thousandths of attention, of the categories below it that are listed."""

    id: str
    name: str
    name_zh: str
    parent: str | None
    share_milli: int


@dataclass(frozen=True)
class Attribute:
    """A social attribute. `best_guess` is the probability of the model's best class where that was too low to say it."""

    attribute: str
    label: str
    value: str | None
    origin: str | None
    probability: float | None
    best_guess: float | None


@dataclass(frozen=True)
class TagLine:
    """A tag as the reader sees it."""

    tag_id: str
    name: str
    name_zh: str
    dimension: str
    value: str
    kind: str
    confidence: float
    since: str | None
    explanation: str
    evidence: dict[str, Any]
    is_stale: bool


@dataclass(frozen=True)
class Change:
    """A tag that took another value; None is absent."""

    date: str
    tag_id: str
    name: str
    from_value: str | None
    to_value: str | None
    cause: str


@dataclass(frozen=True)
class Span:
    """The days on which a tag had one value; None is absent. `end` is the day it stopped, None while it lasts."""

    tag_id: str
    name: str
    dimension: str
    value: str | None
    begin: str
    end: str | None


@dataclass(frozen=True)
class Recommendation:
    """One recommended item."""

    rank: int
    item_id: str
    item_name: str | None
    category: str | None
    score: float
    reason: str
    list: str | None
    probability: float | None


@dataclass(frozen=True)
class Card:
    """The card. Every value comes from one export, whose generation it names."""

    user_id: str
    as_of: str
    summary: str
    narrative: dict[str, str]
    """A paragraph in English (`en`) and in Chinese (`zh`)."""
    narrator: str
    """Who worded the paragraph, where that was not the template alone."""
    portrait: dict[str, Any]
    behaviour: list[Measure]
    dayparts: list[Interest]
    preference: dict[str, list[Interest]]
    interests: list[InterestNode]
    social: list[Attribute]
    churn_note: str
    not_predicted: dict[str, str]
    """Target -> why it has no predictions of anybody."""
    likely_next: list[Interest]
    tags: list[TagLine]
    changes: list[Change]
    history: list[Span]
    recommendations: list[Recommendation]
    sources: dict[str, Any]
    measures: list[str]
    """What the source has: measures of the portrait that are not nought for everybody."""
    unknown: list[str]

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready: plain dictionaries, lists, texts and numbers; dates as ISO texts."""
        return dict(json.loads(json.dumps(asdict(self), default=str)))


def card(export: Export, user_id: str, pack: Pack | None = None) -> Card:
    """The card of `user_id` in `export`; PortraitError naming ids like it if the export has no such user."""
    portrait = export.portrait(user_id)
    pack = pack or export.pack
    predictions = export.of_user("predictions", user_id)
    social = [_attribute(attribute, portrait, predictions) for attribute in pack.schema.attributes]
    ever = [measure.name for measure in pack.schema.measures.portrayed]
    measures = [name for name in ever if name in export.manifest.get("measures", ever) or portrait.get(name)]
    changes = export.of_user("changes", user_id)
    return Card(
        user_id=user_id,
        as_of=str(export.as_of),
        summary=summary(portrait),
        narrative=narrative(portrait),
        narrator="",
        portrait=portrait,
        behaviour=[
            _measure(measure.name, measure.label, portrait, pack.schema.measures.windows)
            for measure in pack.schema.measures.all
            if measure.label and _is_measured(measure, portrait)
        ],
        dayparts=[Interest(name, portrait[f"{name}_share"]) for name in DAYPARTS if portrait.get(f"{name}_share") is not None],
        preference=_preference(portrait),
        interests=_interests(portrait, pack),
        social=social,
        churn_note=_churn_note(portrait, measures, export),
        not_predicted=_not_predicted(export),
        likely_next=_likely_next(predictions),
        tags=_tags(export.of_user("tags", user_id), pack),
        changes=_changes(changes, pack),
        history=_history(changes, pack),
        recommendations=_recommendations(export.of_user("recommendations", user_id)),
        sources={
            "as_of": str(export.as_of),
            "generation": export.generation,
            "code_version": export.manifest.get("code_version"),
            "model_version": portrait.get("model_version"),
            "trained_through": (export.manifest.get("trained_through") or {}).get("behaviour"),
            "pack": f"{pack.name} {pack.version}",
            "taxonomy": pack.taxonomy.version,
        },
        measures=measures,
        unknown=_unknown(portrait, social, measures, pack.rhythm.least_gaps, export),
    )


def _is_measured(measure: Declared, portrait: dict[str, Any]) -> bool:
    """Whether there is anything of it to show that another measure does not."""
    if measure.unless_equal_to:
        return portrait.get(measure.name) != portrait.get(measure.unless_equal_to)
    return bool(portrait.get(measure.name))


def _measure(name: str, label: str, portrait: dict[str, Any], lengths: tuple[int, ...]) -> Measure:
    windows = {days: portrait.get(f"{name}_{days}d") or 0 for days in lengths}
    known_days = (portrait.get("tenure_days") or 0) + 1
    weekly: list[float | None] = []
    inner_days, inner_sum = 0, 0
    for days, total in windows.items():
        seen_days = min(days, known_days) - inner_days
        if inner_days == 0:
            seen_days = days  # one day is not scaled up to a week
        weekly.append((total - inner_sum) * 7 / seen_days if seen_days > 0 else None)
        inner_days, inner_sum = days, total
    return Measure(name, label, windows, weekly[::-1])


def _preference(portrait: dict[str, Any]) -> dict[str, list[Interest]]:
    found = {
        name: [Interest(entry["value"], entry["share_milli"] / 1000) for entry in portrait.get(name) or []]
        for name in ("departments", "categories", "brands")
    }
    found["price_steps"] = [
        Interest(price_step(entry["value"]), entry["share_milli"] / 1000) for entry in portrait.get("price_bands") or []
    ]
    return found


def _interests(portrait: dict[str, Any], pack: Pack) -> list[InterestNode]:
    """The nodes that have a part in the five strongest categories, in the taxonomy's order; none where it knows none of them."""
    totals = pack.taxonomy.totals({one["value"]: one["share_milli"] for one in portrait.get("categories") or []})
    if not any(amount for node, amount in totals.items() if node != pack.taxonomy.rest):
        return []
    return [
        InterestNode(node.id, node.name, node.name_zh, node.parent, totals[node.id])
        for node in pack.taxonomy.nodes
        if totals[node.id]
    ]


def _attribute(declared: DeclaredAttribute, portrait: dict[str, Any], predictions: list[dict[str, Any]]) -> Attribute:
    name = declared.name
    value = portrait.get(name)
    guesses = [row["probability"] for row in predictions if row["target"].startswith(f"{name}=")]
    return Attribute(
        attribute=name,
        label=declared.label,
        value=value,
        origin=portrait.get(f"{name}_origin"),
        probability=portrait.get(f"{name}_probability"),
        best_guess=max(guesses) if guesses and value is None else None,
    )


def _not_predicted(export: Export) -> dict[str, str]:
    return dict(export.manifest.get("not_predicted") or {})


def _churn_note(portrait: dict[str, Any], measures: list[str], export: Export) -> str:
    """Why there is no chance of churn."""
    if portrait.get("churn") is not None:
        return ""
    if "purchases" not in measures:
        return "this source has no purchases"
    if why := _not_predicted(export).get("churn"):
        return f"not predicted, {why}"
    if portrait.get("model_version") is None:
        return "no model had been trained by this day"
    if portrait.get("pace_days") is None:
        return "too few customers come back here to know a rhythm"
    return "the model gives none for this user"


def no_spend_note(portrait: dict[str, Any], measures: list[str]) -> str:
    """Why nothing is said of what the user spent."""
    if "spend_cents" not in measures:
        return "this source has no amounts"
    paid, refund = (portrait.get(name) or 0 for name in ("spend_cents", "refund_cents"))
    if refund and not portrait.get("purchases"):
        return f"only returns are on record, {money(refund)} paid back"
    if paid and refund >= paid:
        return "all that was paid was paid back"
    if (portrait.get("net_spend_cents_365d") or 0) < 0:
        return "more was paid back than paid in 365 days"
    return "no amount on record" if portrait.get("purchases") else "nothing bought"


def _likely_next(predictions: list[dict[str, Any]]) -> list[Interest]:
    prefix = "category_14d="
    found = [
        Interest(row["target"].removeprefix(prefix), row["probability"])
        for row in predictions
        if row["target"].startswith(prefix)
    ]
    return sorted(found, key=lambda interest: (-interest.share, interest.name))[:LIKELY_NEXT]


def _tags(rows: list[dict[str, Any]], pack: Pack) -> list[TagLine]:
    """In the catalogue's order; a tag that the catalogue no longer knows comes last, under its id."""
    order = {tag.id: place for place, tag in enumerate(pack.tags)}
    lines = []
    for row in sorted(rows, key=lambda row: (order.get(row["tag_id"], len(order)), row["tag_id"])):
        tag, evidence = pack.tag(row["tag_id"]), json.loads(row["evidence"] or "{}")
        lines.append(
            TagLine(
                tag_id=row["tag_id"],
                name=tag.name if tag else row["tag_id"],
                name_zh=tag.name_zh if tag else row["tag_id"],
                dimension=tag.dimension if tag else UNLISTED,
                value=row["value"],
                kind=row["kind"],
                confidence=row["confidence"],
                since=str(row["valid_from"]) if row["valid_from"] else None,
                explanation=fill(tag.explanation, evidence) if tag else json.dumps(evidence),
                evidence=evidence,
                is_stale=row["is_stale"],
            )
        )
    return lines


def _changes(rows: list[dict[str, Any]], pack: Pack) -> list[Change]:
    """The latest, newest first. What appeared on the first day is no change: then everything did."""
    if not rows:
        return []
    first = min(row["event_date"] for row in rows)
    later = sorted(
        (row for row in rows if row["event_date"] > first), key=lambda row: (-row["event_date"].toordinal(), row["tag_id"])
    )
    return [
        Change(
            date=str(row["event_date"]),
            tag_id=row["tag_id"],
            name=tag.name if (tag := pack.tag(row["tag_id"])) else row["tag_id"],
            from_value=row["from_value"],
            to_value=row["to_value"],
            cause=row["cause"],
        )
        for row in later[:LATEST_CHANGES]
    ]


def _history(rows: list[dict[str, Any]], pack: Pack) -> list[Span]:
    """Every value each tag has had, in the catalogue's order and then in that of days; what a user never had is not said absent."""
    of_tag: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: row["event_date"]):
        of_tag.setdefault(row["tag_id"], []).append(row)
    order = {tag.id: place for place, tag in enumerate(pack.tags)}
    spans = []
    for tag_id in sorted(of_tag, key=lambda tag_id: (order.get(tag_id, len(order)), tag_id)):
        tag = pack.tag(tag_id)
        begins = [str(row["event_date"]) for row in of_tag[tag_id]]
        for row, begin, end in zip(of_tag[tag_id], begins, [*begins[1:], None], strict=True):
            name, dimension = (tag.name, tag.dimension) if tag else (tag_id, UNLISTED)
            spans.append(Span(tag_id, name, dimension, row["to_value"], begin, end))
    return spans


def _recommendations(rows: list[dict[str, Any]]) -> list[Recommendation]:
    return [
        Recommendation(
            row["rank"],
            row["item_id"],
            row.get("item_name"),
            row.get("category"),
            row["score"],
            row["reason"],
            row.get("list"),
            row.get("probability"),
        )
        for row in sorted(rows, key=lambda row: row["rank"])
    ]


def _unknown(
    portrait: dict[str, Any], social: list[Attribute], measures: list[str], least_gaps: int, export: Export
) -> list[str]:
    """What the card cannot say, in words."""
    gaps = []
    if nameless := [attribute.label.lower() for attribute in social if attribute.value is None]:
        gaps.append("attributes: " + ", ".join(nameless))
    if not portrait.get("departments") and not portrait.get("categories"):
        gaps.append("interests: no event on an item of known category")
    if not portrait.get("spend_cents"):
        gaps.append(f"spend: {no_spend_note(portrait, measures)}")
    if portrait.get("usual_gap_days") is None:
        days = "shopping" if "purchases" in measures else "active"
        gaps.append(f"rhythm: fewer than {counted(least_gaps + 1, f'{days} day')}")
    if portrait.get("lifecycle") is None and portrait.get("tenure_days") is not None:
        gaps.append("stage: too few customers have come back so far to say how long a silence means something")
    if portrait.get("churn") is None:
        gaps.append(f"churn: {_churn_note(portrait, measures, export)}")
    if (share := portrait.get("unknown_share_milli") or 0) >= 10:
        gaps.append(f"{percent(share / 1000)} of attention is on items of unknown category")
    return gaps
