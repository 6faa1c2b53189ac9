"""Two exports compared, row by row and column by column: python -m portrait_assets.bench.compare BEFORE AFTER [--ignore COLUMN].

For each Parquet file: columns that only one side has, rows of each side, and how many rows of either have no equal on the other
(`except all`, both ways, over the columns that both have). Where rows differ, each column is compared alone, so that one sees which
moved. Exit status 1 where a row differs, or a file is missing on one side; columns that only one side has are named, and do not count.
"""

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from portrait_assets.errors import PortraitError
from portrait_assets.sources.expressions import literal, quoted


@dataclass(frozen=True)
class Compared:
    """One file of two exports. `missing` rows are those of BEFORE without an equal in AFTER, `surplus` the other way; `moved` names
    the columns whose values, each taken alone, are not the same multiset."""

    file: str
    before: int | None
    after: int | None
    missing: int = 0
    surplus: int = 0
    moved: tuple[str, ...] = ()
    only_before: tuple[str, ...] = ()
    only_after: tuple[str, ...] = ()

    @property
    def is_equal(self) -> bool:
        """Whether both exports have the file, with equal rows in the columns they share."""
        return self.before is not None and self.after is not None and not (self.missing or self.surplus)


def compare(before: Path, after: Path, ignored: Iterable[str] = ()) -> list[Compared]:
    """Every Parquet file of two export folders, by name. Columns named in `ignored` are left out; PortraitError for a folder without files."""
    names: set[str] = set()
    for folder in (before, after):
        found = {file.name for file in folder.glob("*.parquet")}
        if not found:
            raise PortraitError(f"{folder}: no Parquet file is there; give the folder of an export")
        names |= found
    with duckdb.connect() as connection:
        return [_compared(connection, before / name, after / name, set(ignored)) for name in sorted(names)]


def _compared(connection: duckdb.DuckDBPyConnection, before: Path, after: Path, ignored: set[str]) -> Compared:
    rows = {one: _scalar(connection, f"select count(*) from {literal(str(one))}") for one in (before, after) if one.exists()}
    if len(rows) < 2:
        return Compared(before.name, rows.get(before), rows.get(after))
    mine, theirs = _columns(connection, before), _columns(connection, after)
    shared = [name for name in mine if name in theirs and name not in ignored]
    missing, surplus = _differing(connection, before, after, shared)
    return Compared(
        before.name,
        rows[before],
        rows[after],
        missing,
        surplus,
        tuple(name for name in shared if (missing or surplus) and any(_differing(connection, before, after, [name]))),
        tuple(name for name in mine if name not in theirs),
        tuple(name for name in theirs if name not in mine),
    )


def _columns(connection: duckdb.DuckDBPyConnection, file: Path) -> list[str]:
    return [name for name, *_ in connection.execute(f"describe select * from {literal(str(file))}").fetchall()]


def _differing(connection: duckdb.DuckDBPyConnection, before: Path, after: Path, columns: list[str]) -> tuple[int, int]:
    """Rows of each side without an equal on the other, over `columns`."""
    listed = ", ".join(map(quoted, columns))
    one, other = (f"(select {listed} from {literal(str(file))})" for file in (before, after))
    return (
        _scalar(connection, f"select count(*) from ({one} except all {other})"),
        _scalar(connection, f"select count(*) from ({other} except all {one})"),
    )


def _scalar(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    [(value,)] = connection.execute(sql).fetchall()
    return int(value)


def show(console: Console, found: list[Compared]) -> None:
    """The comparison as a table, a line a file."""
    table = Table("file", "rows before", "rows after", "missing", "surplus", "columns that moved", box=None, pad_edge=False)
    for line in found:
        counts = ("none" if count is None else f"{count:,}" for count in (line.before, line.after))
        style = "" if line.is_equal else "red"
        table.add_row(line.file, *counts, f"{line.missing:,}", f"{line.surplus:,}", ", ".join(line.moved), style=style)
    console.print(table)
    for line in found:
        for where, columns in (("before", line.only_before), ("after", line.only_after)):
            if columns:
                console.print(f"{line.file}: only {where}: {', '.join(columns)}")


def main() -> int:
    """Compare, print, and say by the exit status whether all rows are equal."""
    parser = argparse.ArgumentParser(prog="python -m portrait_assets.bench.compare", description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--ignore", action="append", default=[], metavar="COLUMN", help="a column to leave out, in every file")
    arguments = parser.parse_args()
    try:
        found = compare(arguments.before, arguments.after, arguments.ignore)
    except PortraitError as error:
        print(error, file=sys.stderr)
        return 2
    show(Console(), found)
    return int(not all(line.is_equal for line in found))


if __name__ == "__main__":
    sys.exit(main())
