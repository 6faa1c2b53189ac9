"""The card in a terminal: 80 to 100 columns, as readable without colour as with it."""

from collections.abc import Iterable

from rich import box
from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from portrait_assets.columns import WINDOWS
from portrait_assets.packs.catalogue import DIMENSIONS
from portrait_assets.reading.card import UNLISTED, Attribute, Card, Change, Interest, Recommendation, TagLine
from portrait_assets.reading.charts import bar, dots, sparkline
from portrait_assets.reading.words import UNKNOWN, counted, day, money, number, percent, printable

WIDTH = 100
SHOWN_RECOMMENDATIONS = 8
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
STAGE_STYLES = {"prospect": "cyan", "new": "cyan", "active": "green", "lapsing": "yellow", "lapsed": "red", "dormant": "red"}


def render(card: Card) -> RenderableType:
    """Everything the card says, as a rich renderable at most 100 columns wide."""
    columns = Table.grid(expand=True)
    columns.add_column(ratio=1)
    columns.add_column(ratio=1)
    columns.add_row(Group(_preference(card), _risk(card)), Group(_social(card), _value(card)))
    parts = (
        _header(card), *_narrative(card), _behaviour(card), columns, _tags(card), _changes(card), _recommendations(card),
        _footer(card),
    )  # fmt: skip
    return Constrain(Group(*parts), WIDTH)


def _narrative(card: Card) -> list[RenderableType]:
    paragraphs: list[RenderableType] = [_text(text) for text in card.narrative.values() if text]
    return [_panel("In words", *paragraphs)] if paragraphs else []


def _header(card: Card) -> RenderableType:
    portrait = card.portrait
    stage = portrait.get("lifecycle")
    facts = (
        _text(f"lifecycle {stage or UNKNOWN}", STAGE_STYLES.get(stage or "", "")),
        _text(f"value {portrait.get('value_tier') or UNKNOWN}"),
        _text(f"segment {portrait.get('segment') or UNKNOWN}"),
    )
    return Panel(
        Group(Text("  ·  ").join(facts), Text(), _text(card.summary)),
        title=Text.assemble(" User ", (printable(card.user_id), "bold"), " "),
        title_align="left",
        subtitle=f" as of {day(card.as_of)}, 00:00 UTC ",
        subtitle_align="right",
        box=box.HEAVY,
        padding=(0, 1),
    )


def _behaviour(card: Card) -> RenderableType:
    if not card.behaviour:
        return _panel("Behaviour", Text("Nothing of their own doing is on record."), *_habits(card))
    windows = Table(box=None, padding=(0, 0, 0, 1), expand=True, show_edge=False, header_style="dim")
    windows.add_column("in the last")
    for days in WINDOWS:
        windows.add_column(f"{days} days", justify="right")
    windows.add_column("a week*", justify="right")
    for measure in card.behaviour:
        say = money if measure.measure == "spend_cents" else number
        windows.add_row(measure.label, *(say(total) for total in measure.windows.values()), sparkline(measure.weekly))
    note = "* per week, oldest days on the left: 365-91 days ago, 90-61, 60-31, 30-15, 14-8, the last 7"
    return _panel("Behaviour", windows, Text(), *_habits(card), Text(note, style="dim"))


def _habits(card: Card) -> list[RenderableType]:
    portrait = card.portrait
    facts = [f"First seen {day(portrait['first_date'])}"] if portrait.get("first_date") else []
    if portrait.get("mean_gap_days") is not None:
        spread = f" ± {number(portrait['std_gap_days'])}" if portrait.get("std_gap_days") is not None else ""
        facts.append(f"usual gap {counted(portrait['mean_gap_days'], 'day')}{spread}")
    if portrait.get("last_gap_days") is not None:
        facts.append(f"the last {counted(portrait['last_gap_days'], 'day')}")
    if portrait.get("weekend_share") is not None:
        facts.append(f"weekend {percent(portrait['weekend_share'])}")
    lines: list[RenderableType] = [_text(" · ".join(facts))] if facts else []
    if card.dayparts:
        lines.append(Text("Visits begin: " + " · ".join(f"{part.name} {percent(part.share)}" for part in card.dayparts)))
    return lines


def _preference(card: Card) -> RenderableType:
    lines: list[RenderableType] = []
    for title, name, most in PREFERENCES:
        if found := card.preference[name]:
            lines += [Text(title, style="dim"), _bars(found[:most])]
    return _panel("Preference", *(lines or [Text("unknown: no event on a known item")]))


def _bars(interests: list[Interest]) -> RenderableType:
    top = max(interest.share for interest in interests)
    table = _grid(1)
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column(width=8, no_wrap=True)
    table.add_column(width=5, justify="right", no_wrap=True)
    for interest in interests:
        table.add_row(_text(interest.name), Text(bar(interest.share, top), style="cyan"), percent(interest.share))
    return table


def _social(card: Card) -> RenderableType:
    known = [attribute for attribute in card.social if attribute.value is not None]
    rows = [(attribute.label, _known_attribute(attribute)) for attribute in known]
    lines: list[RenderableType] = [_pairs(rows)] if rows else []
    return _panel("Social attributes", *lines, *_unknown_attributes(card))


def _known_attribute(attribute: Attribute) -> Text:
    how = "declared" if attribute.origin == "declared" else f"inferred, {percent(attribute.probability or 0)} sure"
    return Text.assemble((printable(attribute.value or ""), "bold"), f"  {how}")


def _unknown_attributes(card: Card) -> list[RenderableType]:
    unknown = [attribute for attribute in card.social if attribute.value is None]
    lines: list[RenderableType] = []
    if unsure := [attribute for attribute in unknown if attribute.best_guess is not None]:
        guesses = ", ".join(f"{attribute.label.lower()} ({percent(attribute.best_guess or 0)})" for attribute in unsure)
        lines.append(Text(f"Unknown, the best guess is too unsure to say: {guesses}."))
    if silent := [attribute.label.lower() for attribute in unknown if attribute.best_guess is None]:
        why = "no model infers it" if card.portrait.get("model_version") else "no model yet to infer it"
        lines.append(Text(f"Unknown, not declared and {why}: {', '.join(silent)}."))
    return lines


def _value(card: Card) -> RenderableType:
    portrait = card.portrait
    rows = [("Tier", portrait.get("value_tier") or UNKNOWN)]
    if portrait.get("spend_cents"):
        rows += [
            ("Spend, 365 days", money(portrait.get("spend_cents_365d") or 0)),
            ("Spend, ever", money(portrait["spend_cents"])),
        ]
        if portrait.get("spend_per_visit_cents") is not None:
            rows.append(("Spend a visit", money(portrait["spend_per_visit_cents"])))
        if portrait.get("saved_share") is not None:
            rows.append(("Saved by offers", percent(portrait["saved_share"])))
    else:
        rows.append(("Spend", f"{UNKNOWN}: no amount on record"))
    for label, name in (("Recency", "recency_score"), ("Frequency", "frequency_score"), ("Monetary", "monetary_score")):
        score = portrait.get(name)
        rows.append((label, f"{dots(score)}  fifth {score} of 5" if score else f"{UNKNOWN}: no cut points yet"))
    return _panel("Value", _pairs(rows))


def _risk(card: Card) -> RenderableType:
    portrait = card.portrait
    churn = portrait.get("churn_14d")
    rows = [
        ("Churn, 14 days", f"{UNKNOWN}: {card.churn_note}" if churn is None else f"{percent(churn)}  {bar(churn, 1.0, 10)}")
    ]
    if portrait.get("purchase_recency_days") is not None:
        rows.append(("Last bought", f"{counted(portrait['purchase_recency_days'], 'day')} ago"))
    elif portrait.get("recency_days") is not None:
        rows.append(("Last active", f"{counted(portrait['recency_days'], 'day')} ago"))
    if portrait.get("returns"):
        rows.append(("Returns", f"{number(portrait['returns'])}, {money(portrait.get('refund_cents') or 0)} paid back"))
    lines: list[RenderableType] = [_pairs(rows)]
    if card.likely_next:
        lines += [Text("Likely bought in the next 14 days", style="dim"), _bars(card.likely_next)]
    return _panel("Risk and outlook", *lines)


def _tags(card: Card) -> RenderableType:
    if not card.tags:
        return _panel("Tags", Text("none: every tag needs more than is known of this user"))
    table = Table(box=None, padding=(0, 1, 0, 0), expand=True, show_edge=False, header_style="dim")
    table.add_column("tag", ratio=20)
    table.add_column("value", ratio=19, overflow="fold")
    table.add_column("kind", width=5, no_wrap=True)
    table.add_column("sure", width=5, justify="right", no_wrap=True)
    table.add_column("since", width=11, justify="right", no_wrap=True)
    table.add_column("why", ratio=46)
    for dimension in (*DIMENSIONS, UNLISTED):
        if found := [tag for tag in card.tags if tag.dimension == dimension]:
            table.add_row(Text(dimension.capitalize(), style="bold underline"))
            for tag in found:
                table.add_row(*_tag_cells(tag))
    return _panel("Tags", table)


def _tag_cells(tag: TagLine) -> tuple[RenderableType, ...]:
    kind = "stat." if tag.kind == "statistical" else tag.kind
    since = day(tag.since) if tag.since else UNKNOWN
    return (
        _text(tag.name),
        Text.assemble(_text(tag.value, "dim"), ("  stale", "yellow")) if tag.is_stale else _text(tag.value, "bold"),
        _text(kind),
        percent(tag.confidence),
        since,
        _text(tag.explanation, "dim"),
    )


def _changes(card: Card) -> RenderableType:
    if not card.changes:
        return _panel("What changed lately", Text("nothing since the first day"))
    table = _grid(2)
    table.add_column(width=11, justify="right", no_wrap=True)
    table.add_column(ratio=24)
    table.add_column(ratio=36)
    table.add_column(width=17, style="dim")
    for change in card.changes:
        table.add_row(day(change.date), _text(change.name), _step(change), CAUSES.get(change.cause, change.cause))
    return _panel("What changed lately", table)


def _step(change: Change) -> Text:
    before, after = (printable(value) if value is not None else "–" for value in (change.from_value, change.to_value))
    return Text.assemble(before, " → ", (after, "bold"))


def _recommendations(card: Card) -> RenderableType:
    if not card.recommendations:
        return _panel("Recommended", Text("nothing: no recommendation was made for this user"))
    table = _grid(2)
    table.add_column(width=2, justify="right", no_wrap=True)
    table.add_column(ratio=5)
    table.add_column(width=6, justify="right", no_wrap=True)
    table.add_column(ratio=6)
    for item in card.recommendations[:SHOWN_RECOMMENDATIONS]:
        table.add_row(str(item.rank), _item(item), _likely(item), _text(item.reason, "dim"))
    more = len(card.recommendations) - SHOWN_RECOMMENDATIONS
    return _panel(
        "Recommended", table, *([Text(f"and {more} more in recommendations.parquet", style="dim")] if more > 0 else [])
    )


def _likely(item: Recommendation) -> str:
    """The chance of buying it within the horizon; the bare score where no model ranked."""
    return f"{item.score:.3g}" if item.probability is None else f"{item.probability:.0%}"


def _item(item: Recommendation) -> Text:
    name = item.item_name or item.item_id
    rest = [part for part in (item.item_id, item.category) if part and part != name]
    return Text.assemble((printable(name), "bold"), (printable(f"  {' · '.join(rest)}" if rest else ""), "dim"))


def _footer(card: Card) -> RenderableType:
    sources = card.sources
    lines = [
        f"Export as of {card.as_of}, generation {sources['generation']}: everything before that instant (UTC), nothing after.",
        f"Model {sources['model_version'] or 'none yet'} · code {sources['code_version'] or UNKNOWN} · pack {sources['pack']}. "
        "Declared attributes carry no date and count as known from the start.",
    ]
    if card.unknown:
        lines.append(f"Not known: {'; '.join(card.unknown)}.")
    return Group(Rule(style="dim"), *(Padding(_text(line, "dim"), (0, 1)) for line in lines))


def _panel(title: str, *lines: RenderableType) -> Panel:
    return Panel(Group(*lines), title=f" {title} ", title_align="left", box=box.ROUNDED, padding=(0, 1))


def _grid(gap: int) -> Table:
    return Table.grid(padding=(0, gap, 0, 0), expand=True)


def _pairs(rows: Iterable[tuple[str, str | Text]]) -> RenderableType:
    table = _grid(2)
    table.add_column(style="dim")
    table.add_column(ratio=1)
    for label, value in rows:
        table.add_row(label, value if isinstance(value, Text) else _text(value))
    return table


def _text(content: str, style: str = "") -> Text:
    """Data as text: its brackets are no markup, its control characters do nothing."""
    return Text(printable(content), style=style)
