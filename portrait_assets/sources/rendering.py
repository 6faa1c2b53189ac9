"""A check's report for the terminal."""

from rich.console import Group
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from portrait_assets.errors import printable
from portrait_assets.sources.checking import ColumnReport, Report, StreamReport


def render(report: Report) -> Group:
    """The report as something rich can print: a panel for each stream, and a verdict."""
    return Group(Text(report.title or report.source, "bold"), *(_stream(stream) for stream in report.streams), _verdict(report))


def _verdict(report: Report) -> Text:
    """What `run` would do, and what that is known from: no more than was tried."""
    if report.is_fine:
        verdict = Text("Everything tried is accepted. ", "bold green")
    elif report.lands:
        verdict = Text("What is accepted would land; have a look above. ", "bold yellow")
    else:
        stopped = len([file for file in report.files if file.error])
        empty = [stream.batch.stream for stream in report.streams if not stream.lands and not stream.batch.rows_accepted]
        why = (
            [f"`portrait run` would stop: {stopped} of {_counted(len(report.files), 'file')} can't be read"] if stopped else []
        )
        why += [f"nothing of {', '.join(empty)} would land"] if empty else []
        verdict = Text("; ".join(why) + ". ", "bold red")
    files = [file for file in report.files if not file.error]
    rows, tried = sum(file.rows for file in files), sum(file.tried for file in files)
    said = f"Tried {len(files):,} of {_counted(len(report.files), 'file')}, {tried:,} of {_counted(rows, 'row')}"
    if report.looked_up:
        said += f"; read whole {_counted(report.looked_up, 'file')} that are looked into"
    if tried < rows:
        said += f"; of a longer file its first {report.rows:,} rows, a sample of the rest, and every malformed line"
    return verdict.append(f"{said}; nothing was landed.", "dim")


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _stream(stream: StreamReport) -> Panel:
    batch = stream.batch
    counts = Text.assemble(
        (_counted(batch.rows_in, "row"), "bold"),
        " = ",
        (f"{batch.rows_accepted:,} accepted", "green"),
        f" + {batch.rows_duplicate:,} duplicate + ",
        (f"{batch.rows_rejected:,} rejected", "red" if batch.rows_rejected else ""),
        f"; {batch.rows_skipped:,} skipped" if batch.rows_skipped else "",
    )
    days = [Text(f"{batch.first_date} to {batch.last_date} (UTC)", "dim")] if batch.first_date else []
    notes = [Text(f"✗ {printable(file.name)}: {file.error}", "red") for file in stream.files if file.error]
    notes += [Text(f"! {printable(warning)}", "yellow") for warning in stream.warnings]
    if stream.unmapped:
        notes.append(Text(f"columns not used: {printable(', '.join(stream.unmapped))}", "dim"))
    tables = [_columns(stream.columns), *([_reasons(stream)] if stream.reasons else [])]
    names = [printable(file.name) for file in stream.files]
    files = names[0] if len(names) == 1 else f"{len(names):,} files, {names[0]} to {names[-1]}"
    title = f"[bold]{escape(batch.stream)}[/] from {escape(stream.table)} ({escape(files)})"
    return Panel(Group(counts, *days, *tables, *notes), title=title, title_align="left")


def _columns(columns: tuple[ColumnReport, ...]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("column", style="cyan", no_wrap=True)
    table.add_column("expression", style="dim", overflow="fold", ratio=2)
    table.add_column("in → out", overflow="fold", ratio=3)
    table.add_column("empty", justify="right")
    table.add_column("rejected", justify="right")
    for column in columns:
        pairs = [(printable(into), printable(out)) for into, out in column.examples]
        examples = "\n".join(f"{into} → {out}" if into else f"→ {out}" for into, out in pairs)
        rejected = Text(f"{column.rejected:,}", "red" if column.rejected else "dim")
        table.add_row(
            column.column, Text(" ".join(column.expression.split())), Text(examples), Text(f"{column.nulls:,}", "dim"), rejected
        )
    return table


def _reasons(stream: StreamReport) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("rows", justify="right", style="red")
    table.add_column("why rejected (an example)", overflow="fold")
    for reason, times in stream.reasons:
        table.add_row(f"{times:,}", Text(printable(reason)))
    return table
