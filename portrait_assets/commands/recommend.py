"""`portrait recommend`: a user's lists, blended and apart, from the published export."""

from typing import Annotated, Optional

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from portrait_assets.commands.options import JsonOption, SourceOption, print_json
from portrait_assets.errors import PortraitError
from portrait_assets.home import open_home
from portrait_assets.partitions import parse_date, partition_of
from portrait_assets.reading import Export
from portrait_assets.reading.words import printable

app = typer.Typer()
console = Console(highlight=False)
LISTS = {"blended": "For you", "again": "Buy again", "discover": "Discover: never bought so far"}


@app.command()
def recommend(
    user: Annotated[str, typer.Argument(help="A user id as the source writes it.")],
    which: Annotated[Optional[str], typer.Option("--list", help="blended, again or discover; default: all three.")] = None,
    count: Annotated[int, typer.Option("--count", min=1, max=20, help="How many of each.")] = 10,
    as_of: Annotated[Optional[str], typer.Option("--as-of", help="As recommended on this day.")] = None,
    source: SourceOption = None,
    as_json: JsonOption = False,
) -> None:
    """What to offer a user: the blended list, what to buy again, what to discover; how likely each is bought, and why it is there."""
    if which is not None and which not in LISTS:
        raise PortraitError(f"--list {which}: there is no such list; choose one of {', '.join(LISTS)}")
    export = _export(as_of, source)
    export.portrait(user)  # an unknown user is refused, with ids like it
    blended, apart = export.of_user("recommendations", user), export.of_user("lists", user)
    rows = {"blended": blended} | {name: [row for row in apart if row["list"] == name] for name in ("again", "discover")}
    told = {
        name: sorted(of, key=lambda row: row["rank"])[:count] for name, of in rows.items() if which is None or name == which
    }
    if as_json:
        said = {"user_id": user, "as_of": str(export.as_of), "generation": export.generation, "lists": told}
        print_json(said)
        return
    for name, of in told.items():
        console.print(_table(LISTS[name], of))
    console.print(f"[dim]as of {export.as_of}, generation {export.generation}[/dim]")


def _export(as_of: str | None, source: str | None) -> Export:
    from portrait_assets import operations

    moment = parse_date(as_of, "--as-of") if as_of else None
    home = open_home(source=source, through=partition_of(moment) if moment else None)
    return Export.open(operations.export_of(home, moment)) if moment else Export.current(home.settings.published_dir)


def _table(title: str, rows: list[dict]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, show_header=False)
    for row in rows:
        chance = "" if row["probability"] is None else f"{row['probability']:.0%}"
        fallback = "popular, for want of anything personal: " if row["list"] == "popular" else ""
        name = row["item_name"] or row["category"] or ""
        texts = (str(row["rank"]), row["item_id"], name, chance, fallback + row["reason"])
        table.add_row(*(Text(printable(text)) for text in texts))
    if not rows:
        table.add_row("nothing: the rules or the data leave nothing to offer here")
    return table
