"""`portrait verify`: recompute every table from raw beside the stored one, and compare row by row.

The recomputation is a second warehouse file that gets raw, the models' registry and their predictions as inputs, and
makes everything else with the same SQL in one pass. Integers, strings and dates must be equal, floats within 1e-9 relative.
"""

import tempfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.table import Table as RichTable

from portrait_assets import columns as c
from portrait_assets.assets.daily import FEATURES, PORTRAITS, UNDATED
from portrait_assets.assets.recomputation import recomputed
from portrait_assets.history import history_start
from portrait_assets.home import Home, extend_to_landed
from portrait_assets.lineage import Ledger
from portrait_assets.partitions import Window
from portrait_assets.resources.session import Session
from portrait_assets.tables import Relation
from portrait_assets.terminal import styled

COMPARED = (*UNDATED, *FEATURES, *PORTRAITS)
COMPARED_AT_ONCE = 500_000  # rows, on average


@dataclass(frozen=True)
class Difference:
    """One table's comparison: rows stored, rows that should be there and are not, rows that are there and should not be."""

    table: str
    rows: int
    missing: int
    surplus: int


def verify(home: Home, first: date | None = None, through: date | None = None) -> list[Difference]:
    """Recompute what is stored from raw and compare the days from `first` through `through`."""
    with home.warehouse.open("look what is stored") as stored:
        home = extend_to_landed(home, stored)  # a day that the home does not know of is missing, and is to be seen
        days, history = _stored_days(stored, home), history_start(stored, home)
    with tempfile.TemporaryDirectory(prefix="portrait-verify-", dir=home.settings.home_dir) as folder:
        with recomputed(home, days, Window(history, days.end)) as beside:
            for table in COMPARED:
                beside.execute(f"copy (select * from {table.name}) to '{_file(folder, table)}' (format parquet)")
        window = Window(max(first or days.start, days.start), min(through or days.end, days.end))
        with home.warehouse.open("compare") as stored:
            kept = max(Ledger(stored, home).first_kept(days.end), window.start)
            of_table = dict.fromkeys(COMPARED, window) | {c.PORTRAITS_SNAPSHOTS: Window(kept, max(kept, window.end))}
            return [_compare(stored, table, folder, of_table[table]) for table in COMPARED]


def _file(folder: str, table: Relation) -> str:
    return str(Path(folder) / f"{table.name}.parquet").replace("'", "''")


def _stored_days(stored: Session, home: Home) -> Window:
    last = stored.scalar("select max(event_date) from meta.materializations where table_name = 'portraits.snapshots'")
    return Window(home.days.start, last or home.days.end)


def _compare(stored: Session, table: Relation, folder: str, window: Window) -> Difference:
    """Rows compared as multisets, floats rounded to ten significant digits; of a table with days some days after the others."""
    listed = ", ".join(_comparable(column.name, column.type) for column in stored.schema.of(table).columns)
    within = f"where {table.partition} between $start and $end" if table.partition else ""
    here = f"(select {listed} from {table.name} {within})"
    there = f"(select {listed} from '{_file(folder, table)}' {within})"
    rows = stored.count(table, window if table.partition else None)
    pieces = window.cut(max(1, COMPARED_AT_ONCE * len(window) // max(rows, 1))) if table.partition else [window]
    missing, surplus = (
        sum(
            stored.scalar(f"select count(*) from ({one} except all {other})", start=piece.start, end=piece.end)
            for piece in pieces
        )
        for one, other in ((there, here), (here, there))
    )
    return Difference(table.name, rows, missing, surplus)


def _comparable(name: str, kind: str) -> str:
    return f"""printf('%.9e', "{name}") as "{name}\"""" if kind == "double" else f'"{name}"'


def show(console: Console, report: list[Difference]) -> None:
    """The comparison as a table."""
    table = RichTable(
        "table", "rows", "missing", "surplus", title="Stored tables against a recomputation from raw", title_justify="left"
    )
    for line in report:
        style = "bold red" if line.missing or line.surplus else ""
        table.add_row(line.table, f"{line.rows:,}", f"{line.missing:,}", f"{line.surplus:,}", style=style)
    console.print(table)
    differing = [line.table for line in report if line.missing or line.surplus]
    console.print(
        styled("[bold red]Differences in {}.[/] `portrait run` recomputes stale days.", ", ".join(differing))
        if differing
        else styled("[bold]No differences.[/]")
    )
