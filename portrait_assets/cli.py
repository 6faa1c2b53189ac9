"""The `portrait` command. Exit 0 only on success; a mistake of the user's is one line on stderr and exit 2."""

import dataclasses
import logging
import os
import sys
import traceback
from datetime import date
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Optional

import typer
from rich.logging import RichHandler
from rich.markup import escape
from typer.core import TyperGroup

from portrait_assets.commands.options import JsonOption, PackOption, SourceOption, print_json
from portrait_assets.errors import PortraitError
from portrait_assets.partitions import parse_date, partition_of
from portrait_assets.terminal import Plain, Terminal, printable, styled

LATER = (
    "audience",
    "campaign",
    "explain",
    "items",
    "models",
    "packs",
    "recommend",
    "rules",
    "segments",
    "sql",
    "tags",
)  # modules of `commands`, imported when asked for


class Groups(TyperGroup):
    """The commands of this module and, read only when one of them is asked for, those of LATER: `portrait show` need not wait for them."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *LATER]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in LATER:
            command = typer.main.get_command(import_module(f"portrait_assets.commands.{cmd_name}").app)
            command.name = cmd_name
            return command
        return super().get_command(ctx, cmd_name)


app = typer.Typer(
    cls=Groups,
    help="Living, explainable user portraits from raw events.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
sources_app = typer.Typer(help="Look at sources and try mappings.", no_args_is_help=True)
app.add_typer(sources_app, name="sources")

console = Terminal()
progress = Terminal(stderr=True)

KnownAtOption = Annotated[
    Optional[str],
    typer.Option("--known-at", help="As one would have seen it at 00:00 UTC of this day: without what was learnt since."),
]


def _date(text: str | None, what: str) -> date | None:
    return None if text is None else parse_date(text, what)


@app.command()
def run(
    source: SourceOption = None,
    first: Annotated[
        Optional[str],
        typer.Option(
            "--from",
            help="First day of the history of tags and portraits (YYYY-MM-DD); a later run may begin earlier, not later. Default: the first day of the data.",
        ),
    ] = None,
    through: Annotated[Optional[str], typer.Option("--through", help="Last day, included (YYYY-MM-DD).")] = None,
    pack: PackOption = None,
    as_json: JsonOption = False,
) -> None:
    """Materialize the whole path for a range of days: landing to published portraits."""
    from portrait_assets import operations, summary
    from portrait_assets.home import open_home

    last = _date(through, "--through")
    home = open_home(source=source, through=last, pack=pack)
    outcome = operations.run(home, _date(first, "--from"), last)
    facts = summary.facts(home, outcome)
    if as_json:
        print_json(facts)
    else:
        summary.show(console, home, facts)


@app.command()
def ingest(files: Annotated[list[Path], typer.Argument(help="Files of events.")], source: SourceOption = None) -> None:
    """Land files of events: into raw, the ledger and, where rows are bad, quarantine."""
    from portrait_assets import operations, summary
    from portrait_assets.home import open_home

    _, batches = operations.ingest(open_home(source=source), files)
    summary.show_batches(console, batches)


@app.command()
def refresh(source: SourceOption = None) -> None:
    """Bring all that is stale up to date, as the sensor would: the landing folder's files first."""
    from portrait_assets import operations, summary
    from portrait_assets.home import open_home

    home, outcome = operations.refresh(open_home(source=source))
    summary.show(console, home, summary.facts(home, outcome))


@app.command()
def replay(
    first: Annotated[
        Optional[str], typer.Option("--from", help="First day to deliver, in an empty home; earlier events are landed at once.")
    ] = None,
    through: Annotated[Optional[str], typer.Option("--through", help="Last day, included; default: the source's last.")] = None,
    to: Annotated[
        str, typer.Option("--to", help="'landing', the home's landing folder, or the address of the live service.")
    ] = "landing",
    pace: Annotated[float, typer.Option("--pace", min=0, help="Seconds a day takes at least; 0 is as fast as possible.")] = 5,
    late_share: Annotated[
        Optional[float], typer.Option("--late-share", min=0, max=1, help="Share of the events that come late; default 0.")
    ] = None,
    late_days: Annotated[
        Optional[int], typer.Option("--late-days", min=1, help="How many days late at the most; default 10.")
    ] = None,
    seed: Annotated[Optional[int], typer.Option("--seed", help="Another seed makes other events late; default 0.")] = None,
    refresh: Annotated[bool, typer.Option("--refresh", help="Bring portraits up to date after each day.")] = False,
    source: SourceOption = None,
) -> None:
    """Deliver the source's past again, day by day, so that one can watch portraits move. Called again it goes on."""
    from portrait_assets import replay as replaying
    from portrait_assets.home import open_home

    home = replaying.plan(
        open_home(source=source), _date(first, "--from"), _date(through, "--through"),
        late_share=late_share, late_days=late_days, seed=seed,
    )  # fmt: skip
    home = replaying.replay(home, replaying.target_of(home, to), pace, refresh)
    console.print(styled("Delivered through [bold]{}[/bold] to {}.", home.days.end, to))
    if to == "landing" and not refresh:
        console.print(
            "`portrait run` trains a model and makes portraits; later `portrait refresh` takes in what was delivered."
        )


@app.command()
def snapshot(
    as_of: Annotated[str, typer.Option("--as-of", help="The instant 00:00 UTC of this day; only earlier events count.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the export; made if it does not exist.")],
    known_at: KnownAtOption = None,
    source: SourceOption = None,
    pack: PackOption = None,
) -> None:
    """Export the state at a day, computing and training first whatever is missing, from earlier events only."""
    from portrait_assets import operations
    from portrait_assets.home import open_home

    moment = parse_date(as_of, "--as-of")
    home = open_home(source=source, through=partition_of(moment), pack=pack)
    known = _date(known_at, "--known-at")
    manifest = operations.snapshot_as_known(home, moment, known, out) if known else operations.snapshot(home, moment, out)
    console.print(styled("The state at [bold]{}[/bold] is in [bold]{}[/bold]:", moment, out))
    for name, rows in manifest["rows"].items():
        console.print(f"  {name:26s} {rows:>10,} rows")


@app.command()
def show(
    user: Annotated[str, typer.Argument(help="A user id as the source writes it.")],
    as_of: Annotated[Optional[str], typer.Option("--as-of", help="As the portrait was on this day.")] = None,
    known_at: KnownAtOption = None,
    source: SourceOption = None,
    as_json: JsonOption = False,
) -> None:
    """A user's card: who this is, how sure we are, what changed, what to offer and why."""
    from portrait_assets import operations
    from portrait_assets.home import open_home
    from portrait_assets.narration import narrated
    from portrait_assets.reading import Export
    from portrait_assets.reading.card import card
    from portrait_assets.reading.render import render

    moment, known = _date(as_of, "--as-of"), _date(known_at, "--known-at")
    home = open_home(source=source, through=partition_of(moment) if moment else None)
    with TemporaryDirectory(prefix="portrait-known-") as beside:
        if known:
            operations.snapshot_as_known(home, moment or known, known, Path(beside))
            export = Export.open(beside)
        else:
            export = Export.open(operations.export_of(home, moment)) if moment else Export.current(home.settings.published_dir)
        shown = narrated(card(export, user), home.settings)
    if as_json:
        print_json(shown.as_dict())
    else:
        console.print(render(shown))


@app.command()
def verify(
    first: Annotated[Optional[str], typer.Option("--from", help="First day to compare.")] = None,
    through: Annotated[Optional[str], typer.Option("--through", help="Last day to compare, included.")] = None,
    source: SourceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Recompute from raw beside the stored tables and report differences; exit 1 if there are any."""
    from portrait_assets import verification
    from portrait_assets.home import open_home

    home = open_home(source=source)
    report = verification.verify(home, _date(first, "--from"), _date(through, "--through"))
    if as_json:
        print_json([dataclasses.asdict(line) for line in report])
    else:
        verification.show(console, report)
    if any(line.missing or line.surplus for line in report):
        raise typer.Exit(1)


@app.command()
def status(source: SourceOption = None, as_json: JsonOption = False) -> None:
    """How far each layer has come, what waits, what failed, what is unusual; models and last runs."""
    from portrait_assets.home import open_home
    from portrait_assets.status import show_status
    from portrait_assets.status import status as status_of

    facts = status_of(open_home(source=source))
    if as_json:
        print_json(facts)
    else:
        show_status(console, facts)


@app.command()
def ui(
    source: SourceOption = None,
    dagster_port: Annotated[int, typer.Option("--dagster-port", min=1, max=65535, help="Dagster's port.")] = 3000,
    mlflow_port: Annotated[int, typer.Option("--mlflow-port", min=1, max=65535, help="MLflow's port.")] = 5000,
    explorer_port: Annotated[int, typer.Option("--explorer-port", min=1, max=65535, help="The explorer's port.")] = 2718,
) -> None:
    """Dagster, MLflow and the explorer in the browser, on 127.0.0.1, until Ctrl-C."""
    from portrait_assets.home import open_home
    from portrait_assets.ui import Service, serve

    def say(services: list[Service]) -> None:
        for service in services:
            console.print(styled("  {} [bold]{}[/bold]   {}", f"{service.name:10s}", service.address, service.shows))
        console.print(f"They show {home.settings.home_dir}. Ctrl-C stops all three.")
        if not (home.settings.published_dir / "current").exists():
            console.print(
                "Nothing is published yet. In another terminal: `portrait run`. Or in Dagster, under Jobs, materialize in this order: "
                "ingest and portraits (all days), train between them (one week), then publish (one day)."
            )

    home = open_home(source=source)
    progress.print("Starting Dagster, MLflow and the explorer ...")
    serve(home.settings, {"Dagster": dagster_port, "MLflow": mlflow_port, "Explorer": explorer_port}, say)


@app.command()
def serve(
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="The port on 127.0.0.1.")] = 8000,
    source: SourceOption = None,
) -> None:
    """The live service: events in over HTTP, durable when acknowledged, in the card a moment later; until Ctrl-C."""
    from portrait_assets.home import open_home
    from portrait_assets.serving.app import serve as serve_home

    home = open_home(source=source)
    console.print(
        styled("Live portraits of {} on [bold]http://127.0.0.1:{}/docs[/bold]. Ctrl-C stops.", home.settings.home_dir, port)
    )
    serve_home(home, port)


@sources_app.command("check")
def sources_check(
    mapping: Annotated[str, typer.Argument(help="A mapping file, or a shipped source's name.")],
    rows: Annotated[int, typer.Option("--rows", min=1, help="How many rows of each file to try from its beginning.")] = 10_000,
    as_json: JsonOption = False,
) -> None:
    """Try a mapping on all its files and show what becomes of each column; nothing is landed. Exit 1 where `run` would stop at a file, or
    would land nothing of a stream."""
    from portrait_assets import sources

    with progress.status("Reading the mapping ...") as status:
        report = sources.check(sources.load(mapping), rows, at=lambda file: status.update(f"Trying {escape(file)} ..."))
    if as_json:
        print_json({**dataclasses.asdict(report), "lands": report.lands})
    else:
        console.print(sources.render(report))
    raise typer.Exit(code=int(not report.lands))


def main() -> None:
    """Entry point: one line for a user's mistake, a traceback for ours."""
    handler = RichHandler(console=progress, show_path=False, show_level=False, log_time_format="%H:%M:%S")
    handler.setFormatter(Plain())
    logging.getLogger("portrait").addHandler(handler)
    logging.getLogger("portrait").setLevel(logging.INFO)
    code = _exit_code()
    sys.stdout.flush()
    sys.stderr.flush()
    # Everything is closed and written by now. An ordinary exit would have DuckDB's bindings print a page about references that
    # torch and MLflow still hold, under the card.
    os._exit(code)


def _exit_code() -> int:
    try:
        app()
    except PortraitError as error:
        progress.print(f"portrait: {printable(str(error))}", style="bold red", soft_wrap=True)
        return 2
    except SystemExit as asked:
        return asked.code if isinstance(asked.code, int) else int(asked.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0
