"""`portrait segments`: the segments of an export, what sets them apart, and who went where since an earlier day or export."""

from pathlib import Path
from typing import Annotated, Optional

import polars as pl
import typer
from rich.table import Table

from portrait_assets.errors import PortraitError
from portrait_assets.home import open_home
from portrait_assets.reading.words import counted
from portrait_assets.terminal import Terminal, printable, styled

app = typer.Typer()
console = Terminal()


@app.command()
def segments(
    exports: Annotated[
        Optional[list[Path]], typer.Argument(help="Folders of exports, the earliest first; default: the published one.")
    ] = None,
) -> None:
    """Clusters of users by their vectors, named for what sets them apart, with the flows between them."""
    from portrait_assets.kernels.segments import flows

    folders = exports or [open_home().settings.published_dir / "current"]
    for folder in folders:
        sizes = _read(folder, "segment_sizes")
        console.print(styled("[bold]{}[/bold]", folder))
        console.print(_table(sizes) if len(sizes) else "no segments: no model was in force on its day")
    if len(folders) > 1:
        console.print("Since the export before it, users by segment:")
        console.print(_table(flows(_read(folders[-2], "segments"), _read(folders[-1], "segments"))))
    else:
        _tell_flows(_read(folders[0], "segment_flows"))


def _tell_flows(moved: pl.DataFrame) -> None:
    """Of each day compared with, how many stayed where they were, and the moves."""
    for (days,), since in moved.group_by("days_before", maintain_order=True):
        stayed = since.filter(pl.col("from_segment_id") == pl.col("to_segment_id"))["users"].sum()
        console.print(
            f"Since {days} days before: {stayed:,} of {counted(int(since['users'].sum()), 'user')} stayed; the others moved"
        )
        others = since.filter(pl.col("from_segment_id").ne_missing(pl.col("to_segment_id")))
        console.print(_table(others.drop("days_before").sort("users", descending=True, maintain_order=True)))


def _read(folder: Path, name: str) -> pl.DataFrame:
    file = folder / f"{name}.parquet"
    if not file.exists():
        raise PortraitError(f"{file}: no such file; give the folder of an export, or run `portrait run` first")
    return pl.read_parquet(file)


def _table(frame: pl.DataFrame) -> Table:
    table = Table(*frame.columns, box=None, pad_edge=False)
    for row in frame.iter_rows():
        texts = ("" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value) for value in row)
        table.add_row(*map(printable, texts))
    return table
