"""`portrait items`: what the vectors of items say, to check by eye."""

from typing import Annotated, Optional

import typer
from rich.table import Table

from portrait_assets.assets.training import ITEMS, VISITS
from portrait_assets.commands.options import SourceOption
from portrait_assets.errors import PortraitError
from portrait_assets.home import open_home
from portrait_assets.partitions import as_of_of, parse_date, partition_of
from portrait_assets.resources.sentence_model import sentence_model
from portrait_assets.terminal import Terminal, printable

app = typer.Typer(help="Look at items.", no_args_is_help=True)
console = Terminal()

DESCRIBED = ("name", "item_type", "category", "department", "brand", "size")


@app.callback()
def items() -> None:
    """Look at items."""


@app.command()
def nearest(
    item: Annotated[str, typer.Argument(help="An item id as the source writes it; it need not have been bought.")],
    count: Annotated[int, typer.Option("--count", min=1, help="How many.")] = 10,
    as_of: Annotated[Optional[str], typer.Option("--as-of", help="By purchases before this day; default: all.")] = None,
    source: SourceOption = None,
) -> None:
    """The items nearest to one, by what they are and what they are bought with."""
    moment = parse_date(as_of, "--as-of") if as_of else None
    home = open_home(source=source, through=partition_of(moment) if moment else None)
    moment = moment or as_of_of(home.days.end)
    sentences = sentence_model().vectors if home.settings.item_text == "sentences" else None
    with home.warehouse.open("read items and visits") as session:
        described, visits = session.frame(ITEMS), session.frame(VISITS, as_of=moment)
    from portrait_assets.kernels.items import item_vectors

    vectors = item_vectors(described, visits, moment, sentences=sentences)
    if item not in vectors.ids:
        raise PortraitError(
            f"item '{item}' is neither described nor bought before {moment} in {home.settings.home_dir}; check the id"
        )
    told = {row["item_id"]: row for row in described.iter_rows(named=True)}
    table = Table("cosine", "item", *(name.replace("_", " ") for name in DESCRIBED), box=None, pad_edge=False)
    for other, cosine in [(item, 1.0), *vectors.nearest(item, count)]:
        texts = (other, *((told.get(other) or {}).get(name) or "" for name in DESCRIBED))
        table.add_row(f"{cosine:.3f}", *map(printable, texts))
    console.print(table)
