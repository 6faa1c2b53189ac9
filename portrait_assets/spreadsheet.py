"""CSV for people who open it in a spreadsheet, which would run a cell that begins like a formula."""

from pathlib import Path

import polars as pl

MARK = "'"
RUN = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # what a cell that is computed begins with, in any locale


def csv_text(frame: pl.DataFrame) -> str:
    """The rows as CSV. A text that a spreadsheet would run has an apostrophe in front, and so has one that begins with one: to take
    off the first apostrophe gives the text as it was. Numbers and dates stay as they are; lists of texts are joined by ` | `."""
    lists = [pl.col(name).list.join(" | ") for name, type_ in frame.schema.items() if isinstance(type_, pl.List)]
    flat = frame.with_columns(lists)
    return flat.with_columns(_harmless(name) for name, type_ in flat.schema.items() if type_ == pl.String).write_csv()


def write_csv(frame: pl.DataFrame, file: Path) -> None:
    """The same to a file."""
    file.write_text(csv_text(frame), encoding="utf-8", newline="")


def _harmless(name: str) -> pl.Expr:
    text = pl.col(name)
    would_run = text.str.slice(0, 1).is_in([MARK, *RUN])
    return pl.when(would_run).then(pl.lit(MARK) + text).otherwise(text).alias(name)
