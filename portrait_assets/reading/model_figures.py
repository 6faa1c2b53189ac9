"""The figures of a model, read from the card that its training wrote: each section's words and table."""

from dataclasses import dataclass
from pathlib import Path

CARD = "card.md"


@dataclass(frozen=True)
class Part:
    """A section of a model's card: its words, and its table as texts."""

    words: tuple[str, ...]
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def read_figures(models: Path, version: str) -> dict[str, Part]:
    """The sections of the card of `version` by their titles; empty where the home holds no such card."""
    file = models / version / CARD
    return parts(file.read_text(encoding="utf-8")) if file.is_file() else {}


def parts(card: str) -> dict[str, Part]:
    """The sections of a Markdown card; what stands before the first one is under its title, the `#` line."""
    lines: dict[str, list[str]] = {}
    title = ""
    for line in card.splitlines():
        if line.startswith("#"):
            title = line.lstrip("# ")
        lines.setdefault(title, []).append(line)
    return {name: _part(found) for name, found in lines.items()}


def _part(lines: list[str]) -> Part:
    cells = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines if line.startswith("|")]
    words = tuple(line.removeprefix("- ") for line in lines if line and not line.startswith(("|", "#")))
    return Part(words, cells[0] if cells else (), tuple(cells[2:]))


def reliability(part: Part | None) -> dict[str, list[tuple[float, float, int]]]:
    """Head -> (told, seen, count) of each bin, in the order written; empty without a table of these columns."""
    if part is None or not {"head", "told", "seen", "count"} <= set(part.head):
        return {}
    places = [part.head.index(name) for name in ("head", "told", "seen", "count")]
    found: dict[str, list[tuple[float, float, int]]] = {}
    for row in part.rows:
        head, told, seen, count = (row[place] for place in places)
        found.setdefault(head, []).append((float(told), float(seen), int(count)))
    return found
