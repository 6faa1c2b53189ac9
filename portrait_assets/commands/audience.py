"""`portrait audience`: groups of users by their tags and numbers. Every answer names the generation it was read from."""

import json
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.table import Table

from portrait_assets.audiences import Audience, audience, insight, lookalike, saved
from portrait_assets.audiences.members import stale_note, write
from portrait_assets.audiences.why import why
from portrait_assets.commands.options import JsonOption
from portrait_assets.errors import PortraitError
from portrait_assets.home import open_home
from portrait_assets.partitions import parse_date, partition_of
from portrait_assets.reading import Export
from portrait_assets.reading.words import counted, percent
from portrait_assets.settings import Settings
from portrait_assets.terminal import Terminal, printable

app = typer.Typer(
    help="Groups of users by tags and numbers: how many, what is special, why, and who is like them.", no_args_is_help=True
)
console = Terminal()

Group = Annotated[
    str, typer.Argument(help="""An expression, such as 'lifecycle = lapsing and categories has "CHEESE"', or a saved name.""")
]
AsOf = Annotated[
    Optional[str], typer.Option("--as-of", help="A day's generation, made if it is not there; default: the current one.")
]
SHOWN = 20


@app.command()
def size(group: Group, as_of: AsOf = None, as_json: JsonOption = False) -> None:
    """How many users are in it, and who the first few are."""
    found = _audience(group, as_of)
    users = found.members["user_id"].to_list()
    if as_json:
        _print_json(
            found.export,
            expression=str(found.expression),
            size=found.size,
            size_with_stale=found.size_with_stale,
            of=found.of,
            user_ids=users,
        )
        return
    console.print(_counted(found))
    if users:
        console.print(_listed(users))


@app.command(name="insight")
def show_insight(
    group: Group,
    every: Annotated[bool, typer.Option("--all", help="Also values no more or less common than in all.")] = False,
    as_of: AsOf = None,
    as_json: JsonOption = False,
) -> None:
    """What is special about it: every tag value's index against all (100 is as common) with 95 % intervals."""
    found = _audience(group, as_of)
    lines = insight.insight(found)
    if as_json:
        content = [asdict(line) | {"is_different": line.is_different} for line in lines]
        _print_json(found.export, expression=str(found.expression), size=found.size, of=found.of, index=content)
        return
    console.print(_counted(found))
    table = _table("tag", "value", ">members", ">share", ">of all", ">index", ">95 %")
    for line in lines:
        if every or line.is_different:
            interval = f"{line.low:,.0f} to {line.high:,.0f}"
            shares = (f"{line.members:,}", percent(line.share), percent(line.share_of_all), f"{line.index:,.0f}", interval)
            table.add_row(line.tag_id, printable(line.value), *shares)
    if table.row_count:
        console.print(table)
    elif lines:
        console.print("No tag value is more or less common than in all; --all lists them.")


@app.command()
def overlap(group: Group, other: Group, as_of: AsOf = None, as_json: JsonOption = False) -> None:
    """How many users two audiences share."""
    export = _export(as_of)
    one, two = (_on(export, text) for text in (group, other))
    found = insight.overlap(one, two)
    if as_json:
        _print_json(export, first_expression=str(one.expression), second_expression=str(two.expression), **asdict(found))
        return
    for side in (one, two):
        console.print(_counted(side))
    console.print(f"In both {found.both:,}, in either {found.either:,}.")
    if found.jaccard is not None and found.lift is not None:
        console.print(f"Shared of either {percent(found.jaccard)}; {found.lift:.2f} times as many in both as by chance.")


@app.command(name="why")
def show_why(
    group: Group,
    user: Annotated[str, typer.Argument(help="A user id as the source writes it.")],
    as_of: AsOf = None,
    as_json: JsonOption = False,
) -> None:
    """Why a user is in it or not: each condition, met or not, what the user has and how far off that is."""
    found = _audience(group, as_of)
    reasons = why(found, user)
    if as_json:
        _print_json(
            found.export,
            expression=str(found.expression),
            user_id=user,
            is_member=reasons[0].is_met,
            reasons=[asdict(r) for r in reasons],
        )
        return
    console.print(f"User {printable(user)} is {'in' if reasons[0].is_met else 'out'}. {_source(found.export)}")
    table = _table("", "condition", "has", "off by")
    for reason in reasons:
        table.add_row(
            "yes" if reason.is_met else "no",
            "  " * reason.depth + printable(reason.text),
            printable(reason.has),
            printable(reason.off),
        )
    console.print(table)


@app.command()
def export(
    group: Group,
    out: Annotated[Path, typer.Option("--out", help="A file ending in .parquet, .csv or .ndjson; replaced if it exists.")],
    as_of: AsOf = None,
) -> None:
    """Write its users, with what their conditions read and the generation, to a file."""
    found = _audience(group, as_of)
    write(found, out)
    console.print(_counted(found))
    console.print(f"Written to {out}.")


@app.command(name="lookalike")
def show_lookalike(
    group: Group,
    count: Annotated[int, typer.Option("--count", min=1, help="How many users to find.")] = 100,
    as_of: AsOf = None,
    as_json: JsonOption = False,
) -> None:
    """Users outside it whose published vectors are most like its own, and how well that finds its own hidden half."""
    found = _audience(group, as_of)
    alike, measured = lookalike.expand(found, count), lookalike.quality(found)
    if as_json:
        _print_json(found.export, expression=str(found.expression), quality=asdict(measured), users=alike.to_dicts())
        return
    console.print(_counted(found))
    console.print(
        f"Hiding half of it {measured.splits} times, {percent(measured.recall)} of the {measured.hidden:,} hidden are among as many "
        f"found, by chance {percent(measured.recall_by_chance)}: lift {measured.lift:.1f} "
        f"({measured.lift_low:.1f} to {measured.lift_high:.1f}, 5th to 95th of 100 halves)."
    )
    table = _table("user", ">similarity")
    for row in alike.head(SHOWN).to_dicts():
        table.add_row(printable(row["user_id"]), f"{row['similarity']:.3f}")
    console.print(table)
    if len(alike) > SHOWN:
        console.print(f"and {len(alike) - SHOWN:,} more; --json lists them all")


@app.command()
def save(
    name: Annotated[str, typer.Argument(help="Lower case, digits, - and _.")],
    expression: Annotated[str, typer.Argument(help="What it means.")],
) -> None:
    """Give an audience a name, kept in the home's audiences.toml."""
    if not re.fullmatch(saved.NAME, name):
        raise PortraitError(
            f"'{name}' is no name for an audience; it takes lower case, digits, - and _, beginning with a letter"
        )
    found = _on(_export(None), expression)
    saved.save(_file(), name, found)
    console.print(_counted(found))
    console.print(f"Saved as {name} in {_file()}.")


@app.command(name="list")
def list_saved(
    name: Annotated[Optional[str], typer.Argument(help="One saved audience; default: all.")] = None,
    first: Annotated[
        Optional[str], typer.Option("--from", help="A day or a generation's folder: who came and went since.")
    ] = None,
    last: Annotated[
        Optional[str], typer.Option("--to", help="A day or a generation's folder; default: the current one.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Saved audiences and their sizes; with --from also who entered and left between two days or generations."""
    entries = saved.load(_file())
    if name is not None and name not in entries:
        raise PortraitError(f"no audience is saved as '{name}'; saved are {', '.join(sorted(entries)) or 'none'}")
    chosen = {name: entries[name]} if name else entries
    if first is None and last is not None:
        raise PortraitError("--to needs --from: the day or generation to compare with")
    after = _export(last)
    before = _export(first) if first else after
    moved = {each: saved.moves(text, before, after) for each, text in sorted(chosen.items())}
    if as_json:
        content = [
            {
                "name": each,
                "expression": str(m.after.expression),
                "size": m.after.size,
                "size_with_stale": m.after.size_with_stale,
                "entered": m.entered,
                "left": m.left,
                "changed": m.changed,
            }
            for each, m in moved.items()
        ]
        _print_json(after, since=before.generation, audiences=content)
        return
    console.print(_source(after) + (f" Since {before.generation}, as of {before.as_of}." if first else ""))
    for each, m in moved.items():
        console.print(f"{each}: {counted(m.after.size, 'user')}: {m.after.expression}")
        if note := stale_note(m.after):
            console.print(f"  {note}")
        if first:
            console.print(f"  entered {len(m.entered):,}{_few(m.entered)}; left {len(m.left):,}{_few(m.left)}")
            for condition, count in m.changed.items():
                console.print(f"  {condition}: turned for {count:,} of them")
    if not moved:
        console.print("No audience is saved; `portrait audience save NAME EXPRESSION` does that.")


@app.command()
def history(
    name: Annotated[str, typer.Argument(help="A saved audience.")],
    days: Annotated[int, typer.Option("--days", min=1, help="How many of the latest days.")] = 28,
    as_of: AsOf = None,
    as_json: JsonOption = False,
) -> None:
    """A saved audience as published: its members since when, and who entered and left on each of the latest days."""
    export = _export(as_of)
    found = saved.history(export, name, days)
    if as_json:
        _print_json(
            export, name=name, expression=found.expression, members=found.members.to_dicts(), moves=found.moves.to_dicts()
        )
        return
    console.print(f"{name}: {counted(len(found.members), 'user')}: {found.expression}\n{_source(export)}")
    table = _table("day", ">entered", ">left", "who")
    for day, entered, left in found.by_day():
        who = [f"+{user_id}" for user_id in entered] + [f"-{user_id}" for user_id in left]
        table.add_row(
            str(day), f"{len(entered):,}", f"{len(left):,}", printable(", ".join(who[:8])) + (", ..." if len(who) > 8 else "")
        )
    console.print(table if table.row_count else f"Nobody entered or left in the last {days} days.")


def _file() -> Path:
    return Settings().home_dir / "audiences.toml"


def _audience(text: str, as_of: str | None) -> Audience:
    return _on(_export(as_of), text)


def _on(export: Export, text: str) -> Audience:
    expression, is_saved = saved.expression_of(text, _file())
    return audience(export, expression, values=not is_saved)


def _export(which: str | None) -> Export:
    """The current generation, the one in a folder of that name, or a day's: its newest, made now where there is none."""
    published = Settings().published_dir
    if which is None:
        return Export.current(published)
    if (published / which / "manifest.json").exists():
        return Export.open(published / which)
    moment = parse_date(which, "a day or generation")
    made = sorted(published.glob(f"{moment}-*/manifest.json"), key=lambda manifest: manifest.stat().st_mtime)
    if made:
        return Export.open(made[-1].parent)
    from portrait_assets import operations

    return Export.open(operations.export_of(open_home(through=partition_of(moment)), moment))


def _source(export: Export) -> str:
    return f"Generation {export.generation}, as of {export.as_of}."


def _counted(found: Audience) -> str:
    size = f"{found.size:,} of {counted(found.of, 'user')}" if found.size else f"Nobody of {counted(found.of, 'user')}"
    share = f" ({percent(found.size / found.of)})" if found.size else ""
    stale = f"{stale_note(found)}\n" if stale_note(found) else ""
    return f"{size}{share}: {found.expression}\n{stale}{_source(found.export)}"


def _listed(users: list[str]) -> str:
    more = f" and {len(users) - SHOWN:,} more" if len(users) > SHOWN else ""
    return printable(f"Users {', '.join(users[:SHOWN])}{more}")


def _few(users: list[str]) -> str:
    return f" ({', '.join(users[:5])}{', ...' if len(users) > 5 else ''})" if users else ""


def _table(*columns: str) -> Table:
    """A plain table; a column whose title begins with `>` is set to the right."""
    table = Table(box=None, pad_edge=False)
    for title in columns:
        table.add_column(title.removeprefix(">"), overflow="fold", justify="right" if title.startswith(">") else "left")
    return table


def _print_json(export: Export, **content: Any) -> None:
    said = {"generation": export.generation, "as_of": str(export.as_of), **content}
    sys.stdout.write(json.dumps(said, indent=2, default=str, ensure_ascii=False) + "\n")
