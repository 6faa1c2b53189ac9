"""What is said in a terminal: data is shown as it is and never obeyed, neither as markup nor as control characters."""

import logging
from collections.abc import Iterable
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.segment import Segment
from rich.text import Text


def printable(text: str) -> str:
    """`text` without what would move a terminal's cursor or ring its bell: data is shown, never obeyed."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


class Terminal(Console):
    """A console on which brackets are brackets, `:smile:` is seven letters, and no text moves the cursor. For styles see `styled`."""

    def __init__(self, **options: Any):
        super().__init__(highlight=False, markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(_shown(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):  # those of a Text have their places already: no letter takes more
            yield segment if segment.control else Segment(_without_control(segment.text), segment.style)


class Plain(logging.Formatter):
    """Records as Terminal shows text."""

    def format(self, record: logging.LogRecord) -> str:
        return _shown(super().format(record))


def styled(template: str, *values: object) -> Text:
    """`template`, in rich's markup, with `{}` for each of `values`, whose own brackets are no markup."""
    return Text.from_markup(template.format(*(escape(_shown(str(value))) for value in values)), emoji=False)


def _without_control(text: str) -> str:
    return "".join(letter if letter == "\n" or letter.isprintable() else " " * cell_len(letter) for letter in text)


def _shown(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))
