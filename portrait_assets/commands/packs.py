"""`portrait packs`: the domain packs there are, what one says, whether its files may stand, and a new one."""

import re
import shutil
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.table import Table

from portrait_assets.commands.options import JsonOption, print_json
from portrait_assets.errors import PortraitError
from portrait_assets.home import known_pack
from portrait_assets.packs.own import FILES
from portrait_assets.packs.pack import DEFAULT_PACK, Pack, folder_of_pack, load_pack, read_pack, shipped_packs
from portrait_assets.reading.words import counted
from portrait_assets.resources.sql import read_sql, sql_names
from portrait_assets.settings import Settings
from portrait_assets.terminal import Terminal, styled

app = typer.Typer(help="Domain packs: what a portrait is in one domain, as data files.", no_args_is_help=True)
console = Terminal()

PackArgument = Annotated[
    Optional[str], typer.Argument(help="A shipped pack's name or a pack's folder; default: the home's own.")
]


@app.command("list")
def list_packs(as_json: JsonOption = False) -> None:
    """The shipped packs."""
    packs = [load_pack(name) for name in shipped_packs()]
    if as_json:
        print_json([_summary(pack) for pack in packs])
        return
    for pack in packs:
        console.print(styled("[bold]{}[/bold]  {}: {}", pack.name, pack.title, _counts(pack)))


@app.command()
def show(pack: PackArgument = None, as_json: JsonOption = False) -> None:
    """What a pack measures and how it classes users; of the home's own with its own rules over it."""
    opened = load_pack(pack) if pack else known_pack(Settings())
    if as_json:
        print_json(_summary(opened) | {"says": opened.content})
        return
    schema = opened.schema
    console.print(styled("[bold]{}[/bold]  {}, in {}", opened.name, opened.title, opened.folder or "an export"))
    if opened.own:
        console.print(styled("with the rules in {} over it", opened.own))
    console.print(f"version {opened.version}: {_counts(opened)}")
    console.print(f"event types: {', '.join(opened.event_types)}")
    table = Table(box=None, pad_edge=False)
    for column in ("measure", "made by", "in", "windows", "meaning"):
        table.add_column(column, overflow="fold")
    for measure in schema.measures.all:
        table.add_row(measure.name, measure.operation, measure.unit, "yes" if measure.windowed else "", measure.meaning)
    windows = f"windows of {', '.join(map(str, schema.measures.windows))} days"
    console.print("", table, "", windows, sep="\n")
    for what, named in (
        ("attributes", schema.attributes), ("ratios", schema.measures.ratios), ("fifths", schema.classes.fifths), ("tiers", schema.classes.tiers),
        ("lifecycle", schema.classes.lifecycle), ("segments", schema.classes.segments),
    ):  # fmt: skip
        console.print(styled("[bold]{}[/bold]: {}", what, ", ".join(each.name for each in named) or "none"))


@app.command()
def lint(folder: Annotated[Path, typer.Argument(help="A pack's folder.", exists=True, file_okay=False)]) -> None:
    """Judge all files of a pack; what is wrong is one line with the file, its line and what to write instead, and exit 2."""
    pack = read_pack(folder.resolve())
    for name in sql_names():
        read_sql(name, pack.schema)
    console.print(styled("{}: {}, all well formed.", folder, _counts(pack)))


@app.command()
def new(
    folder: Annotated[Path, typer.Argument(help="The folder to make; its last part is the pack's name.")],
    like: Annotated[
        str, typer.Option("--like", help="The pack it begins as a copy of: a shipped name or a folder.")
    ] = DEFAULT_PACK,
) -> None:
    """Begin a pack of one's own: a copy of another, under a name of its own, ready to be changed file by file."""
    name = folder.name
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise PortraitError(f"'{name}' is not a pack's name; use lower case letters, digits and _, e.g. ./corner_shop")
    if name in shipped_packs():
        raise PortraitError(f"'{name}' is the name of a shipped pack; choose another")
    if folder.exists():
        raise PortraitError(f"{folder} is there already; choose a new folder")
    source = folder_of_pack(like)
    folder.mkdir(parents=True)
    for file in FILES:
        shutil.copyfile(source / f"{file}.toml", folder / f"{file}.toml")
    written = (folder / "pack.toml").read_text(encoding="utf-8")
    (folder / "pack.toml").write_text(re.sub(r'(?m)^name = ".*"$', f'name = "{name}"', written, count=1), encoding="utf-8")
    read_pack(folder.resolve())
    console.print(styled("{} is a copy of {}; change its files, `portrait packs lint {}` judges them.", folder, like, folder))


def _counts(pack: Pack) -> str:
    schema = pack.schema
    counts = (
        counted(len(schema.attributes), "attribute"), counted(len(schema.measures.all), "measure"), counted(len(schema.classes.fifths), "fifth"),
        counted(len(schema.classes.segments), "segment"), counted(len(pack.catalogue), "tag"),
    )  # fmt: skip
    return ", ".join(counts)


def _summary(pack: Pack) -> dict[str, Any]:
    return {"name": pack.name, "title": pack.title, "version": pack.version, "event_types": list(pack.event_types)}
