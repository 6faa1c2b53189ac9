"""The card in a terminal: 80 to 100 columns, as readable without colour as with it."""

from rich import box
from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from portrait_assets.reading.card import Card
from portrait_assets.reading.charts import bar, sparkline
from portrait_assets.reading.sections import Block, Cell, Facts, Line, Listing, Section, Shares, sections
from portrait_assets.reading.words import day
from portrait_assets.terminal import printable

WIDTH = 100
LATEST_SPANS = 4
STYLES = {"strong": "bold", "soft": "dim", "good": "green", "warn": "yellow", "bad": "red", "": ""}


def render(card: Card) -> RenderableType:
    """Everything the card says, as a rich renderable at most 100 columns wide."""
    found = sections(card)
    columns = Table.grid(expand=True)
    columns.add_column(ratio=1)
    columns.add_column(ratio=1)
    columns.add_row(_panels(found, "preference", "outlook"), _panels(found, "social", "value"))
    above, below = (
        _panels(found, "words", "behaviour"),
        _panels(found, "tags", "changes", "history", "interests", "recommended"),
    )
    return Constrain(Group(_header(card, found["user"]), above, columns, below, _footer(found["sources"])), WIDTH)


def _panels(found: dict[str, Section], *names: str) -> Group:
    return Group(*(_panel(found[name]) for name in names if name in found))


def _panel(section: Section) -> Panel:
    parts = [part for block in section.blocks for part in _block(block)]
    return Panel(Group(*parts), title=f" {section.title} ", title_align="left", box=box.ROUNDED, padding=(0, 1))


def _header(card: Card, section: Section) -> RenderableType:
    standing, summary = section.blocks
    assert isinstance(standing, Facts) and isinstance(summary, Line)
    facts = (_text(f"{label} {cell.text}", STYLES[cell.tone]) for label, cell in standing.rows)
    return Panel(
        Group(Text("  ·  ").join(facts), Text(), _text(summary.text)),
        title=Text.assemble(" User ", (printable(card.user_id), "bold"), " "),
        title_align="left",
        subtitle=f" as of {day(card.as_of)}, 00:00 UTC ",
        subtitle_align="right",
        box=box.HEAVY,
        padding=(0, 1),
    )


def _footer(section: Section) -> RenderableType:
    lines = (block for block in section.blocks if isinstance(block, Line))
    return Group(Rule(style="dim"), *(Padding(_text(line.text, "dim"), (0, 1)) for line in lines))


def _block(block: Block) -> list[RenderableType]:
    if isinstance(block, Line):
        return [_text(block.text, "dim" if block.soft else "")]
    if isinstance(block, Facts):
        return [_facts(block)]
    if isinstance(block, Shares):
        return [Text(block.title, style="dim"), _shares(block)]
    if isinstance(block, Listing):
        return [_listing(block)]
    return [_text(_told(name, spans)) for name, spans in block.rows]


def _facts(block: Facts) -> RenderableType:
    table = _grid(2)
    table.add_column(style="dim")
    table.add_column(ratio=1)
    for label, cell in block.rows:
        table.add_row(label, _cell(cell))
    return table


def _shares(block: Shares) -> RenderableType:
    table = _grid(1)
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column(width=8, no_wrap=True)
    table.add_column(width=5, justify="right", no_wrap=True)
    for name, share, said in block.rows:
        table.add_row(_text(name), Text(bar(share, block.top), style="cyan"), said)
    return table


def _listing(block: Listing) -> RenderableType:
    table = Table(box=None, padding=(0, 1, 0, 0), expand=True, show_edge=False, header_style="dim")
    for column in block.columns:
        fixed = {"width": column.width, "no_wrap": True} if column.width else {"overflow": "fold"}
        table.add_column(column.title, ratio=column.ratio or None, justify="right" if column.is_number else "left", **fixed)
    for row in block.rows:
        table.add_row(*([Text(row, style="bold underline")] if isinstance(row, str) else map(_cell, row)))
    return table


def _cell(cell: Cell) -> Text:
    if cell.weekly:
        return Text(sparkline(cell.weekly))
    note = Text(f"  {printable(cell.note)}", style="dim") if cell.note else Text()
    return Text.assemble(_text(cell.text, STYLES[cell.tone]), note)


def _told(name: str, spans: tuple) -> str:
    """The latest values of one tag and the days they began."""
    latest = spans[-LATEST_SPANS:]
    before = "… " if len(spans) > LATEST_SPANS else ""
    return f"{name}: {before}" + ", ".join(f"{span.value or 'absent'} from {day(span.begin)}" for span in latest)


def _grid(gap: int) -> Table:
    return Table.grid(padding=(0, gap, 0, 0), expand=True)


def _text(content: str, style: str = "") -> Text:
    """Data as text: its brackets are no markup, its control characters do nothing."""
    return Text(printable(content), style=style)
