"""`portrait segments`: clusters of the users of an export, by their vectors, and who went where since an earlier one."""

from pathlib import Path
from typing import Annotated, Optional

import polars as pl
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from portrait_assets.errors import PortraitError
from portrait_assets.home import open_home
from portrait_assets.reading.words import printable

app = typer.Typer()
console = Console(highlight=False)
TRAITS = ("lifecycle", "value_tier", "segment", "top_department", "top_category", "age", "kids")


@app.command()
def segments(
    exports: Annotated[
        Optional[list[Path]], typer.Argument(help="Folders of exports, the earliest first; default: the published one.")
    ] = None,
    count: Annotated[int, typer.Option("--count", min=2, help="How many segments.")] = 8,
) -> None:
    """Clusters of users by their vectors, named for what sets them apart; over several exports the same ones, with flows."""
    from portrait_assets.kernels.segments import Segments, segment_users

    found: Segments | None = None
    for folder in exports or [open_home().settings.published_dir / "current"]:
        embeddings, portraits = (_read(folder, name) for name in ("embeddings", "portraits"))
        traits = portraits.select("user_id", *(pl.col(name).cast(pl.String) for name in TRAITS)).rename({"segment": "rfm"})
        found = segment_users(embeddings, traits, count, before=found.users if found else None)
        console.print(f"[bold]{folder}[/bold]")
        console.print(_table(found.segments))
    if found and not found.flows.is_empty():
        console.print("Since the export before it, users by segment:")
        console.print(_table(found.flows))


def _read(folder: Path, name: str) -> pl.DataFrame:
    file = folder / f"{name}.parquet"
    if not file.exists():
        raise PortraitError(f"{file}: no such file; give the folder of an export, or run `portrait run` first")
    return pl.read_parquet(file)


def _table(frame: pl.DataFrame) -> Table:
    table = Table(*frame.columns, box=None, pad_edge=False)
    for row in frame.iter_rows():
        texts = ("" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value) for value in row)
        table.add_row(*(Text(printable(text)) for text in texts))
    return table
