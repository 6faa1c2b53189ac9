"""A check's report for the terminal."""

from rich.console import Group
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from portrait_assets.sources.checking import ColumnReport, Report, StreamReport


def render(report: Report) -> Group:
    """The report as something rich can print: a panel for each stream, and a verdict."""
    verdict = (
        Text("Everything read is accepted. ", "bold green") if report.is_fine else Text("Have a look above. ", "bold yellow")
    )
    verdict.append(f"Tried the first {report.rows:,} rows of each file; nothing was landed.", "dim")
    return Group(Text(report.title or report.source, "bold"), *(_stream(stream) for stream in report.streams), verdict)


def _stream(stream: StreamReport) -> Panel:
    batch = stream.batch
    counts = Text.assemble(
        (f"{batch.rows_in:,} rows", "bold"),
        " = ",
        (f"{batch.rows_accepted:,} accepted", "green"),
        f" + {batch.rows_duplicate:,} duplicate + ",
        (f"{batch.rows_rejected:,} rejected", "red" if batch.rows_rejected else ""),
        f"; {batch.rows_skipped:,} skipped by where" if batch.rows_skipped else "",
    )
    days = [Text(f"{batch.first_date} to {batch.last_date} (UTC)", "dim")] if batch.first_date else []
    notes = [Text(f"! {warning}", "yellow") for warning in stream.warnings]
    if stream.unmapped:
        notes.append(Text(f"columns not used: {', '.join(stream.unmapped)}", "dim"))
    tables = [_columns(stream.columns), *([_reasons(stream)] if stream.reasons else [])]
    title = f"[bold]{escape(batch.stream)}[/] from {escape(stream.table)} ({escape(batch.files)})"
    return Panel(Group(counts, *days, *tables, *notes), title=title, title_align="left")


def _columns(columns: tuple[ColumnReport, ...]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("column", style="cyan", no_wrap=True)
    table.add_column("expression", style="dim", overflow="fold", ratio=2)
    table.add_column("in → out", overflow="fold", ratio=3)
    table.add_column("empty", justify="right")
    table.add_column("rejected", justify="right")
    for column in columns:
        examples = "\n".join(f"{into} → {out}" if into else f"→ {out}" for into, out in column.examples)
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
        table.add_row(f"{times:,}", Text(reason))
    return table
