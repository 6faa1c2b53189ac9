"""`portrait tags`: what the catalogue declares, whether a file of it may stand, and what changing it would do."""

from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.table import Table

from portrait_assets import versions
from portrait_assets.audiences.tag_uses import tag_quality, with_audiences
from portrait_assets.commands.options import JsonOption, print_json
from portrait_assets.errors import PortraitError
from portrait_assets.home import known_pack, open_home
from portrait_assets.observability import tag_doubts
from portrait_assets.packs.catalogue import DIMENSIONS, Tag, parse_catalogue
from portrait_assets.packs.files import read_toml
from portrait_assets.packs.own import Read, is_own
from portrait_assets.packs.pack import Pack, folder_of_pack, load_pack, read_schema
from portrait_assets.reading import Export
from portrait_assets.reading.catalogue_page import catalogue_page
from portrait_assets.reading.tag_diff import TagChange, tag_diff
from portrait_assets.reading.words import counted
from portrait_assets.settings import Settings
from portrait_assets.terminal import Terminal, styled
from portrait_assets.words_near import nearest

app = typer.Typer(help="The tag catalogue: look, judge a file, and see what a change would do.", no_args_is_help=True)
console = Terminal()

PackOption = Annotated[
    Optional[str],
    typer.Option("--pack", help="A shipped pack's name or a pack's folder; default: the home's, with its own rules over it."),
]
CatalogueFile = Annotated[Path, typer.Argument(help="A tags.toml.", exists=True, dir_okay=False)]


@app.command("list")
def list_tags(
    pack: PackOption = None,
    dimension: Annotated[Optional[str], typer.Option("--dimension", help=f"One of {', '.join(DIMENSIONS)}.")] = None,
    as_json: JsonOption = False,
) -> None:
    """All tags of the catalogue, drafts included."""
    if dimension not in (None, *DIMENSIONS):
        raise PortraitError(f"--dimension '{dimension}' is not one of {', '.join(DIMENSIONS)}")
    found = [tag for tag in _pack(pack).catalogue if dimension in (None, tag.dimension)]
    if as_json:
        print_json([_as_object(tag) for tag in found])
        return
    table = Table("id", "name", "", "dimension", "kind", "owner", "status", box=None, pad_edge=False)
    for tag in found:
        table.add_row(tag.id, tag.name, tag.name_zh, tag.dimension, tag.kind, tag.owner, tag.status)
    console.print(table)


@app.command()
def show(
    tag_id: Annotated[str, typer.Argument(help="The tag's id.")],
    version: Annotated[
        Optional[int], typer.Option("--version", help="A former version that was published in this home.")
    ] = None,
    pack: PackOption = None,
    as_json: JsonOption = False,
) -> None:
    """All that the catalogue says of one tag, or said under a former version."""
    tag = _known(_pack(pack), tag_id) if version is None else _former(tag_id, version)
    if as_json:
        print_json(_as_object(tag))
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, content in _as_object(tag).items():
        said = "; ".join(f"{key} = {sql}" for key, sql in content.items()) if isinstance(content, dict) else content
        table.add_row(name, ", ".join(said) if isinstance(said, list) else str(said))
    console.print(table)


@app.command("versions")
def list_versions(
    tag_id: Annotated[Optional[str], typer.Argument(help="A tag's id; default: all.")] = None, as_json: JsonOption = False
) -> None:
    """The definitions that days were published with, and the first and last of those days."""
    with open_home().warehouse.open("look at versions") as session:
        found = versions.versions(session, tag_id)
    if as_json:
        print_json(found.to_dicts())
        return
    table = Table("tag", "version", "definition", "published from", "through", box=None, pad_edge=False)
    for row in found.iter_rows():
        table.add_row(*map(str, row))
    console.print(table)


@app.command()
def history(
    tag_id: Annotated[str, typer.Argument(help="The tag's id.")],
    user: Annotated[str, typer.Argument(help="A user id as the source writes it.")],
    version: Annotated[
        Optional[int], typer.Option("--version", help="A published version; default: the catalogue's own.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Which values a user had when, as one version of the tag defines them: former versions stay readable."""
    home = open_home()
    tag = _known(home.pack, tag_id) if version is None else _former(tag_id, version)
    with home.warehouse.open("read a tag's history") as session:
        found = versions.history(session, tag, user)
    if as_json:
        print_json({"tag_id": tag.id, "version": tag.version, "user_id": user, "intervals": found})
        return
    console.print(f"{tag.name} of user {user}, by version {tag.version}:")
    for row in found:
        console.print(f"  {row['valid_from']} to {row['valid_to'] or 'now'}: {row['value']}")


@app.command()
def compare(
    tag_id: Annotated[str, typer.Argument(help="The tag's id.")],
    old: Annotated[int, typer.Argument(help="A published version.")],
    new: Annotated[int, typer.Argument(help="Another one.")],
    shown: Annotated[int, typer.Option("--show", min=0, help="Users to name for each move.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Two published versions of a tag on the published portraits: who has another value, and by which numbers."""
    opened = Export.current(open_home().settings.published_dir)
    _tell_changes(opened, tag_diff(opened, (_former(tag_id, old),), (_former(tag_id, new),)), shown, as_json)


@app.command()
def lint(file: CatalogueFile) -> None:
    """Judge a catalogue file, or one of a home's own tags; what is wrong is one line with the file's line, the tag and the field, and exit 2."""
    tags = _judged(file)
    console.print(f"{file}: {counted(len(tags), 'tag')}, all well formed.")


@app.command()
def page(out: Annotated[Path, typer.Option("--out", help="The Markdown file to write.")], pack: PackOption = None) -> None:
    """Write the catalogue as a page for people."""
    out.write_text(catalogue_page(_pack(pack)), encoding="utf-8")
    console.print(styled("The catalogue is in [bold]{}[/bold].", out))


@app.command()
def diff(
    file: CatalogueFile,
    export: Annotated[Optional[Path], typer.Option("--export", help="An export's folder; default: the published one.")] = None,
    shown: Annotated[int, typer.Option("--show", min=0, help="Users to name for each move.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Before a changed catalogue is published: who would enter each value, who would leave, and by which numbers."""
    folder = export or open_home().settings.published_dir / "current"
    opened = Export.open(folder)
    before, after = opened.pack.tags, _judged(file)
    _tell_changes(opened, tag_diff(opened, before, tuple(tag for tag in after if tag.status != "draft")), shown, as_json)


def _tell_changes(opened: Export, found: list[TagChange], shown: int, as_json: bool) -> None:
    if as_json:
        print_json([change.as_dict() for change in found])
        return
    console.print(f"Against generation {opened.generation}, as of {opened.as_of}:")
    if not found:
        console.print("  no user's tag would change")
    for change in found:
        console.print(change.headline())
        for move in change.moves:
            console.print(f"  {move.headline()}")
            for user in move.users[:shown]:
                console.print(f"    {user.told(change)}")


@app.command()
def quality(
    export: Annotated[Optional[Path], typer.Option("--export", help="An export's folder; default: the published one.")] = None,
    as_json: JsonOption = False,
) -> None:
    """How far each tag can be relied on: coverage, age, flips, accuracy where truth exists, what else says the same, what uses it."""
    home = open_home()
    opened = Export.open(export) if export else Export.current(home.settings.published_dir)
    found = with_audiences(tag_quality(opened), home.settings.home_dir / "audiences.toml")
    if as_json:
        print_json(found.to_dicts())
        return
    everybody = _columns("tag", ">users", ">stale", ">days old", ">flips a week", "most like")
    judged = _columns("where there is truth", ">right", ">by guessing", ">told", ">error", ">users judged")
    for row in found.iter_rows(named=True):
        alike = f"{row['redundant_with']} {row['redundancy']:.2f}" if row["redundant_with"] else ""
        age = "" if row["median_age_days"] is None else f"{row['median_age_days']:.0f}"
        flips = f"{row['flips_per_week']:.2f}"
        everybody.add_row(row["tag_id"], _percent(row["coverage"]), _percent(row["stale_share"]), age, flips, alike)
        if row["accuracy"] is not None:
            shares = [_percent(row[name]) for name in ("accuracy", "baseline_accuracy", "told")]
            error = "" if row["calibration_error"] is None else f"{row['calibration_error']:.3f}"
            judged.add_row(f"{row['tag_id']}: {row['truth']}", *shares, error, f"{row['truth_users']:,}")
    console.print(everybody)
    if judged.row_count:
        console.print("", judged, sep="\n")
    used = [f"{row['tag_id']} ({', '.join(row['used_by'])})" for row in found.iter_rows(named=True) if row["used_by"]]
    console.print(f"\nRead by something else: {', '.join(used) or 'none'}.")
    for doubts in tag_doubts(found).values():
        for doubt in doubts:
            console.print(doubt)


def _columns(*names: str) -> Table:
    """A table without a frame; `>` before a name sets its column to the right."""
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(name.removeprefix(">"), justify="right" if name.startswith(">") else "left")
    return table


def _pack(name: str | None) -> Pack:
    return load_pack(name) if name else known_pack(Settings())


def _judged(file: Path) -> tuple[Tag, ...]:
    """The tags of a whole catalogue; of a home's own tags together with those that they are laid over."""
    read = Read(read_toml(file), file, file.read_text(encoding="utf-8"))
    if not is_own(file):
        return parse_catalogue([read], known_pack(Settings()).schema, is_linted=True)
    folder = folder_of_pack(known_pack(Settings()).reference)
    shipped = folder / "tags.toml"
    over = [Read(read_toml(shipped), shipped, shipped.read_text(encoding="utf-8")), read]
    return parse_catalogue(over, read_schema(folder, file.parent), is_linted=True)


def _known(pack: Pack, tag_id: str) -> Tag:
    tag = pack.tag(tag_id)
    if tag is None:
        raise PortraitError(f"tag '{tag_id}' is not in the catalogue{nearest(tag_id, [tag.id for tag in pack.catalogue])}")
    return tag


def _former(tag_id: str, version: int) -> Tag:
    with open_home().warehouse.open("look for a version") as session:
        return versions.definition(session, tag_id, version)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _as_object(tag: Tag) -> dict[str, Any]:
    """A tag as one JSON object: what was declared, the columns its value reads, the tags it builds on."""
    return tag.model_dump(mode="json", exclude={"fractions", "inputs", "builds_on"}) | {
        "reads": sorted(tag.inputs),
        "builds_on": sorted(tag.builds_on),
    }
