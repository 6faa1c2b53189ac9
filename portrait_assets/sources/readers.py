"""One file into one temporary table, as received: text stays text, and a line that can't be read keeps its number.

A staged table has the columns of the file, and before them `__row` (from 1), `__problem` (null, or what is wrong with
the line) and `__line` (the text of such a line). No row of the file is lost.
"""

from dataclasses import dataclass
from pathlib import Path

import duckdb

from portrait_assets.errors import PortraitError
from portrait_assets.sources.contents import Contents, as_utf8, refuse_no_table, unpacked
from portrait_assets.sources.delimited import stage_csv
from portrait_assets.sources.expressions import first_line
from portrait_assets.sources.files import format_of
from portrait_assets.sources.filling import fill_down
from portrait_assets.sources.lines import stage_json, stage_lines
from portrait_assets.sources.mapping import SourceTable
from portrait_assets.sources.sampling import NUMBER, choose
from portrait_assets.sources.staged import OWN, PROBLEM, ROW, WELL_FORMED

DELIMITERS = {"csv": ",", "tsv": "\t"}


@dataclass(frozen=True)
class Shape:
    """What a staged file looks like: the type of each of its columns, and how many rows it has, staged or not."""

    types: dict[str, str]
    rows: int


def stage(con: duckdb.DuckDBPyConnection, table: SourceTable, path: Path, name: str, tried: int | None = None) -> Shape:
    """Make the temporary table `name` of a file's rows.

    With `tried`, of a longer file only its first rows, that many, and about as many of the rest; and every malformed line.
    What can't be read is a PortraitError that names the file.
    """
    con.execute(f"drop table if exists {name}")
    kind: str = table.format or "a table"
    try:
        with unpacked(path) as contents:
            kind = format_of(table, Path(contents.name))
            refuse_no_table(path, contents, kind)
            total = _stage(con, table, path, contents, kind, name, None if table.fill_down else tried)
    except duckdb.Error as error:
        advice = "is it cut short? fetch it again" if kind == "parquet" else "see the reader options in docs/mapping.md"
        raise PortraitError(f"{path}: can't be read as {kind}: {first_line(error)}; {advice}") from None
    except OSError as error:
        raise PortraitError(f"{path}: can't be read: {error.strerror or error}; check the name and its permissions") from None
    if table.fill_down:
        fill_down(con, table, path, name)
        total = _cut(con, name, tried)
    types = {column: type_ for column, type_, *_ in con.execute(f"describe {name}").fetchall() if column not in OWN}
    return Shape(types, total or _count(con, name))


def _stage(
    con: duckdb.DuckDBPyConnection,
    table: SourceTable,
    path: Path,
    contents: Contents,
    kind: str,
    name: str,
    tried: int | None,
) -> int:
    """Stage a file by its format; how many rows it has, or 0 where all are staged."""
    if kind == "parquet":
        return _stage_parquet(con, contents.path, name, tried)
    if kind in DELIMITERS:
        return stage_csv(con, table, path, contents, name, tried, table.delimiter or DELIMITERS[kind])
    with as_utf8(path, contents, table.encoding) as text:
        stage_text = stage_json if kind in ("json", "ndjson") else stage_lines
        return stage_text(con, table, path, text, name, tried, kind)


def _stage_parquet(con: duckdb.DuckDBPyConnection, path: Path, name: str, tried: int | None) -> int:
    reading = f"(select file_row_number + 1 as {NUMBER}, * exclude (file_row_number) from read_parquet($path, file_row_number = true))"
    picked, total = choose(con, reading, {"path": str(path)}, tried)
    con.execute(
        f"create temp table {name} as select {NUMBER} as {ROW}, {WELL_FORMED}, * exclude ({NUMBER}) from {reading} where {picked} "
        f"order by {ROW}",
        {"path": str(path)},
    )
    return total


def _cut(con: duckdb.DuckDBPyConnection, name: str, tried: int | None) -> int:
    """Leave of a table staged whole the rows to try, and the malformed ones; how many it had, or 0 where all are left."""
    picked, total = choose(con, name, {}, tried)
    if total:
        con.execute(f"delete from {name} where {PROBLEM} is null and not {picked.replace(NUMBER, ROW)}")
    return total


def _count(con: duckdb.DuckDBPyConnection, name: str) -> int:
    [(rows,)] = con.execute(f"select count(*) from {name}").fetchall()
    return rows
