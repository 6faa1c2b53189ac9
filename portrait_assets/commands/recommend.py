"""`portrait recommend`: a user's lists, blended and apart, from the published export; with a context, made anew from its state."""

from typing import Annotated, Any, Optional

import typer
from rich.table import Table

from portrait_assets.commands.options import JsonOption, SourceOption, print_json
from portrait_assets.errors import PortraitError
from portrait_assets.home import Home, open_home
from portrait_assets.kernels.ranking.context import NOWHERE, Context
from portrait_assets.partitions import parse_date, partition_of
from portrait_assets.reading import Export
from portrait_assets.reading.words import percent
from portrait_assets.serving.popular import listed, popular_items
from portrait_assets.terminal import Terminal, printable, styled

app = typer.Typer()
console = Terminal()
Rows = dict[str, list[dict[str, Any]]]
LISTS = {"blended": "For you", "again": "Buy again", "discover": "Discover: never bought so far"}


@app.command()
def recommend(
    user: Annotated[str, typer.Argument(help="A user id as the source writes it.")],
    which: Annotated[Optional[str], typer.Option("--list", help="blended, again or discover; default: all three.")] = None,
    count: Annotated[int, typer.Option("--count", min=1, max=20, help="How many of each.")] = 10,
    context: Annotated[
        Optional[list[str]],
        typer.Option("--context", help="Of this moment: basket=ID,ID (what is in it) or store=ID. Lists are then made anew."),
    ] = None,
    as_of: Annotated[Optional[str], typer.Option("--as-of", help="As recommended on this day.")] = None,
    source: SourceOption = None,
    as_json: JsonOption = False,
) -> None:
    """What to offer a user: the blended list, what to buy again, what to discover; how likely each is bought, and why it is there."""
    if which is not None and which not in LISTS:
        raise PortraitError(f"--list {which}: there is no such list; choose one of {', '.join(LISTS)}")
    moment, wanted = _context(context or []), [which] if which else list(LISTS)
    home, export = _export(as_of, source)
    if moment != NOWHERE:
        rows, note = _made_now(home, export, user, moment, wanted)
    else:
        rows, note = _published(home, export, user)
    told = {name: sorted(rows[name], key=lambda row: row["rank"])[:count] for name in wanted}
    if as_json:
        said = {"user_id": user, "as_of": str(export.as_of), "generation": export.generation, "note": note, "lists": told}
        print_json(said)
        return
    if note:
        console.print(printable(note))
    for name, of in told.items():
        console.print(_table(LISTS[name], of))
    console.print(styled("[dim]as of {}, generation {}[/dim]", export.as_of, export.generation))


def _context(told: list[str]) -> Context:
    """What the options say. PortraitError where one says nothing that is known."""
    known = dict[str, str]()
    for text in told:
        name, _, value = text.partition("=")
        if name not in ("basket", "store") or not value or name in known:
            raise PortraitError(f"--context {text}: write basket=ID,ID or store=ID, each once")
        known[name] = value
    return Context(known.get("store"), tuple(item for item in known.get("basket", "").split(",") if item))


def _published(home: Home, export: Export, user: str) -> tuple[Rows, str | None]:
    """The lists of the export; of a user whom it does not know, what is popular, and a note that says so."""
    blended, apart = export.of_user("recommendations", user), export.of_user("lists", user)
    if not blended and not export.of_user("portraits", user):
        if not export.manifest["run"].get("state"):
            export.portrait(user)  # says that there is none, and names ids like it
        popular = listed(popular_items(export, home), ())
        note = f"nothing that user '{user}' bought is known: this is what is popular"
        return {"blended": popular, "again": [], "discover": popular}, note
    return {"blended": blended} | {name: [row for row in apart if row["list"] == name] for name in ("again", "discover")}, None


def _made_now(home: Home, export: Export, user: str, moment: Context, wanted: list[str]) -> tuple[Rows, str | None]:
    """The lists made anew by the generation's ranker."""
    from portrait_assets.serving.generation import Generation
    from portrait_assets.serving.recommender import Recommender, Unready, answer

    Terminal(stderr=True).print("Reading what everybody bought ...")
    generation = Generation.load(export.folder, home)
    try:
        recommender = Recommender.of(generation, home)
    except Unready as why:
        raise PortraitError(f"--context: {why}, so lists cannot be made anew; leave it out for those published") from None
    made = {name: answer(generation, recommender, user, None, export.as_of, name, moment) for name in wanted}
    note = next((said["note"] for said in made.values() if said["note"]), None)
    return {name: said["recommendations"] for name, said in made.items()}, note


def _export(as_of: str | None, source: str | None) -> tuple[Home, Export]:
    from portrait_assets import operations

    moment = parse_date(as_of, "--as-of") if as_of else None
    home = open_home(source=source, through=partition_of(moment) if moment else None)
    return home, Export.open(operations.export_of(home, moment)) if moment else Export.current(home.settings.published_dir)


def _table(title: str, rows: list[dict]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, show_header=False)
    for row in rows:
        chance = "" if row["probability"] is None else percent(row["probability"])
        fallback = "popular, for want of anything personal: " if row["list"] == "popular" else ""
        name = row["item_name"] or row["category"] or ""
        texts = (str(row["rank"]), row["item_id"], name, chance, fallback + row["reason"])
        table.add_row(*map(printable, texts))
    if not rows:
        table.add_row("nothing: the rules or the data leave nothing to offer here")
    return table
