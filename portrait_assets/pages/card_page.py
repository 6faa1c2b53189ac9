"""The card of one user as a page: the sections of the card, drawn."""

from datetime import date

from portrait_assets.pages.html import SHADES, bar, box, chip, columns, grid, table, text, tiles
from portrait_assets.reading.card import Card
from portrait_assets.reading.sections import Block, Cell, Facts, History, Line, Listing, Section, Shares, sections
from portrait_assets.reading.words import UNKNOWN, ago, counted, day, money, number, percent

LEFT = ("behaviour", "recommended", "changes", "value")
RIGHT = ("words", "outlook", "preference", "social")


def card_page(card: Card) -> str:
    """Everything the card says."""
    found = sections(card)
    left, right = ("".join(_box(found[name], "") for name in names if name in found) for names in (LEFT, RIGHT))
    below = "".join(_box(found[name], "c12") for name in ("history", "interests", "tags", "sources") if name in found)
    stacks = f'<div class="stack c7">{left}</div><div class="stack c5">{right}</div>'
    return grid(_head(card, found["user"]), _key_numbers(card), stacks, below, kind="card")


def _head(card: Card, section: Section) -> str:
    standing, summary = section.blocks
    assert isinstance(standing, Facts) and isinstance(summary, Line)
    chips = "".join(chip(f"{label}: {cell.text}", cell.tone) for label, cell in standing.rows)
    return (
        f'<section class="pt-box c12 pt-head"><div class="pt-face">{text(card.user_id[:5])}</div><div>'
        f"<h1>{text(section.title)}</h1>{chips}<p>{text(summary.text)}</p></div></section>"
    )


def _key_numbers(card: Card) -> str:
    row = card.portrait
    churn, horizon, last, gap = (row.get(name) for name in ("churn", "churn_horizon_days", "recency_days", "usual_gap_days"))
    if "spend_cents" in card.measures:
        amounts = [(f"spent in {days} days", money(row.get(f"net_spend_cents_{days}d") or 0)) for days in (365, 90)]
    else:
        amounts = [(f"active days of {days}", number(row.get(f"active_days_{days}d") or 0)) for days in (365, 90)]
    is_shop = "purchases" in card.measures
    within = "no purchase" if horizon is None else f"no purchase within {counted(horizon, 'day')}"
    return tiles(
        [
            *amounts,
            ("last active", UNKNOWN if last is None else ago(last)),
            (f"usual gap between {'shopping' if is_shop else 'active'} days", UNKNOWN if gap is None else counted(gap, "day")),
            *([(f"chance of {within}", UNKNOWN if churn is None else percent(churn))] if is_shop else []),
            ("known for", counted(row.get("tenure_days") or 0, "day")),
        ]
    )


def _box(section: Section, width: str) -> str:
    """A panel; two blocks that would be too wide for what they say stand side by side in a panel of full width."""
    parts = [_block(block) for block in section.blocks]
    is_split = width == "c12" and len(parts) == 2 and isinstance(section.blocks[0], Shares)
    body = f'<div class="two"><div>{parts[0]}</div><div>{parts[1]}</div></div>' if is_split else "".join(parts)
    return box(section.title, body, width)


def _block(block: Block) -> str:
    if isinstance(block, Line):
        return f'<p class="{"pt-soft pt-small" if block.soft else ""}">{text(block.text)}</p>'
    if isinstance(block, Facts):
        return (
            '<table class="facts">'
            + "".join(f"<tr><td>{text(label)}</td><td>{_cell(cell)}</td></tr>" for label, cell in block.rows)
            + "</table>"
        )
    if isinstance(block, Shares):
        return f"<h3>{text(block.title)}</h3>" + "".join(bar(name, share, block.top, said) for name, share, said in block.rows)
    if isinstance(block, Listing):
        return _listing(block)
    return _history(block)


def _listing(block: Listing) -> str:
    numbers = [place for place, column in enumerate(block.columns) if column.is_number]
    rows = [
        [f'<b class="dim">{text(row)}</b>'] if isinstance(row, str) else [_cell(cell) for cell in row] for row in block.rows
    ]
    return table([column.title for column in block.columns], rows, numbers)


def _cell(cell: Cell) -> str:
    if cell.weekly:
        return f'<span class="spark">{columns(cell.weekly)}</span>'
    said = {"strong": f"<b>{text(cell.text)}</b>", "soft": f'<span class="pt-soft">{text(cell.text)}</span>'}.get(
        cell.tone, text(cell.text)
    )
    return said + (f' <span class="pt-note">{text(cell.note)}</span>' if cell.note else "")


def _history(block: History) -> str:
    """A strip a tag: its values over the days, each with its own shade and its name where there is room."""
    begin, end = date.fromisoformat(block.begin), date.fromisoformat(block.end)
    days = max(1, (end - begin).days)
    strips = ""
    for name, spans in block.rows:
        known = [value for value in dict.fromkeys(span.value for span in spans) if value is not None]
        shade = {value: SHADES[place % len(SHADES)] for place, value in enumerate(known)}
        parts = ""
        for span in spans:
            starts, stops = date.fromisoformat(span.begin), date.fromisoformat(span.end) if span.end else end
            left, width = 100 * (starts - begin).days / days, 100 * (stops - starts).days / days
            said = f"{span.value or 'absent'}: {day(starts)} to {day(stops)}"
            if span.value is not None:
                parts += (
                    f'<i style="left:{left:.2f}%;width:{width:.2f}%;background:{shade[span.value]}" title="{text(said)}">'
                    f"{text(span.value) if width > 1.1 * len(span.value) else ''}</i>"
                )
        strips += f'<div class="strip"><span>{text(name)}</span><div>{parts}</div></div>'
    middle = begin + (end - begin) / 2
    ends = "".join(f"<span>{day(then)}</span>" for then in (begin, middle, end))
    return f'<div class="strips">{strips}<div class="strip"><span></span><div class="pt-axis">{ends}</div></div></div>'
