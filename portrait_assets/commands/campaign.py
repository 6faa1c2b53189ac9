"""`portrait campaign`: whom to target with a set of items or a coupon, how likely they buy, and why."""

from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.table import Table

from portrait_assets import campaigns
from portrait_assets.commands.options import JsonOption, SourceOption, print_json
from portrait_assets.errors import PortraitError
from portrait_assets.home import Home, open_home
from portrait_assets.partitions import as_of_of, parse_date, partition_of
from portrait_assets.reading.words import counted, percent
from portrait_assets.resources.session import Session
from portrait_assets.terminal import Terminal, printable

app = typer.Typer()
console = Terminal()
SHOWN = 20


@app.command()
def campaign(
    items: Annotated[Optional[Path], typer.Option("--items", help="A file with one item id a line.")] = None,
    where: Annotated[
        Optional[str], typer.Option("--where", help="A SQL condition on items, such as \"category = 'CHEESE'\".")
    ] = None,
    coupon: Annotated[Optional[str], typer.Option("--coupon", help="A coupon of the source: the items it is for.")] = None,
    count: Annotated[int, typer.Option("--count", min=1, help="How many users.")] = 100,
    as_of: Annotated[Optional[str], typer.Option("--as-of", help="By what was known at this day; default: all.")] = None,
    out: Annotated[Optional[Path], typer.Option("--out", help="A .parquet or .csv file to write all of them to.")] = None,
    source: SourceOption = None,
    as_json: JsonOption = False,
) -> None:
    """The users most likely to buy any of a set of items within 14 days, each with the strongest item and why: about a minute."""
    if [items, where, coupon].count(None) != 2:
        raise PortraitError("campaign: say which items it is for by one of --items FILE, --where CONDITION, --coupon ID")
    if out is not None:
        campaigns.refuse_suffix(out)
    moment = parse_date(as_of, "--as-of") if as_of else None
    home = open_home(source=source, through=partition_of(moment) if moment else None)
    moment = moment or as_of_of(home.days.end)
    with home.warehouse.open("look for whom to target") as session:
        asked = _asked(session, home, items, where, coupon)
        found = campaigns.targets(session, home, moment, asked, count)
    if out is not None:
        campaigns.write(found, out)
    if as_json:
        said = {
            "as_of": str(moment),
            "model_version": found.model,
            "items_sold": found.of_set,
            "items_withheld": found.withheld,
        }
        print_json(
            said | {"expected_buyers": found.expected, "caveat": campaigns.PROPENSITY, "targets": found.frame.to_dicts()}
        )
        return
    withheld = f", {found.withheld:,} kept back by the rules" if found.withheld else ""
    console.print(f"{len(asked):,} items, {found.of_set:,} of them sold before {moment}{withheld}; model {found.model}.")
    console.print(_table(found))
    if found.frame.height > SHOWN:
        console.print(f"and {found.frame.height - SHOWN:,} more; --out writes all of them to a file")
    console.print(
        f"{found.expected:,.0f} of {'this' if found.frame.height == 1 else 'these'} {counted(found.frame.height, 'user')} are expected to buy. {campaigns.PROPENSITY}"
    )
    if out is not None:
        console.print(f"Written to {out}.")


def _asked(session: Session, home: Home, items: Path | None, where: str | None, coupon: str | None) -> list[str]:
    if items is not None:
        return campaigns.items_of_file(items)
    return campaigns.items_where(session, where) if where is not None else campaigns.items_of_coupon(home, coupon or "")


def _table(found: campaigns.Targets) -> Table:
    table = Table("", "user", "chance", "strongest item", "", "why", box=None, pad_edge=False)
    for row in found.frame.head(SHOWN).iter_rows(named=True):
        texts = (str(row["rank"]), row["user_id"], percent(row["propensity"]), row["item_id"], row["item_name"], row["reason"])
        table.add_row(*map(printable, texts))
    return table
