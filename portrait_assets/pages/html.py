"""The few shapes every page is made of. Text from data is always escaped; meaning never hangs on colour alone."""

from collections.abc import Callable, Iterable, Sequence
from html import escape
from urllib.parse import quote

from portrait_assets.reading.words import UNKNOWN, number, percent

ACCENT = "#2f6690"
SHADES = (ACCENT, "#d08c3c", "#5b8e7d", "#8a6fae", "#b5544d", "#7c8a99", "#3f9fb5", "#a3a13d", "#c26f9b", "#54708f")


def text(value: object) -> str:
    """`value` as it is, its markup shown and not obeyed."""
    return escape(str(value))


def chip(value: str | None, tone: str = "", prefix: str = "") -> str:
    """A small label; None is unknown."""
    return f'<span class="chip {tone}">{text(prefix + (value or UNKNOWN))}</span>'


def box(title: str, body: str, width: str = "c12") -> str:
    """A titled panel, as wide as its class says (of twelve columns)."""
    heading = f"<h2>{text(title)}</h2>" if title else ""
    return f'<section class="pt-box {width}">{heading}{body}</section>'


def grid(*parts: str, kind: str = "") -> str:
    """Panels side by side; `kind` names the page for those who look for it."""
    return f'<div class="pt pt-grid {kind}">{"".join(parts)}</div>'


def soft(said: str) -> str:
    """A remark."""
    return f'<p class="pt-soft pt-small">{text(said)}</p>'


def bar(name: str, share: float, top: float, said: str) -> str:
    """A name, a track full at `top`, and what the share is in words."""
    width = 100 * share / top if top > 0 else 0
    return (
        f'<div class="bar" title="{text(name)}: {text(said)}"><span class="name">{text(name)}</span>'
        f'<span class="track"><i style="width:{width:.1f}%"></i></span><span class="n">{text(said)}</span></div>'
    )


def bars(pairs: Iterable[tuple[str, float]], say: Callable[[float], str] = percent) -> str:
    """Bars, the longest full."""
    found = list(pairs)
    top = max((share for _, share in found), default=0)
    return "".join(bar(name, share, top, say(share)) for name, share in found)


def tiles(pairs: Iterable[tuple[str, str]]) -> str:
    """Key numbers in a row: label, value."""
    inner = "".join(f'<div class="tile"><b>{text(value)}</b><span>{text(label)}</span></div>' for label, value in pairs)
    return f'<div class="tiles c12">{inner}</div>'


def columns(values: Sequence[float | None], width: int = 96, height: int = 22, labels: Sequence[str] = ()) -> str:
    """A row of small columns, the highest full."""
    top, step = max((value or 0 for value in values), default=0) or 1, width / max(1, len(values))
    rects = "".join(
        f'<rect x="{place * step:.2f}" y="{height - height * (value or 0) / top:.2f}" width="{step * 0.78:.2f}" '
        f'height="{height * (value or 0) / top:.2f}" fill="{ACCENT}" rx="1">'
        f"<title>{text(labels[place] if labels else number(value or 0))}</title></rect>"
        for place, value in enumerate(values)
    )
    return f'<svg viewBox="0 0 {width} {height}" width="100%" height="{height}" preserveAspectRatio="none">{rects}</svg>'


def axis(*labels: str) -> str:
    """Labels spread below a picture."""
    return f'<div class="pt-axis">{"".join(f"<span>{text(label)}</span>" for label in labels)}</div>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = (), kind: str = "") -> str:
    """A table of cells that are HTML already; columns whose places are `numbers` are set to the right."""

    def cells(tag: str, row: Sequence[str]) -> str:
        return "".join(f"<{tag}{' class=n' if place in numbers else ''}>{cell}</{tag}>" for place, cell in enumerate(row))

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f'<div class="pt-scroll"><table class="{kind}"><tr>{cells("th", [text(title) for title in head])}</tr>{body}</table></div>'


def link(address: str, said: str) -> str:
    """A link within the explorer."""
    return f'<a href="{text(address)}" target="_self">{text(said)}</a>'


def user_link(user_id: str) -> str:
    """A user's id that leads to the card."""
    return link(f"/?user={quote(user_id, safe='')}", user_id)
