"""Delimited text read by DuckDB: every field as text, every malformed line set aside with its number."""

import csv
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from typing import TextIO

import duckdb

from portrait_assets.errors import PortraitError
from portrait_assets.sources.contents import Contents, as_utf8
from portrait_assets.sources.expressions import literal
from portrait_assets.sources.mapping import SourceTable
from portrait_assets.sources.sampling import NUMBER, Rows, choose
from portrait_assets.sources.staged import LINE, PROBLEM, ROW, WELL_FORMED

# The errors that DuckDB names in its rejects table, for a person; others are given in its own words.
MALFORMED = {
    "UNQUOTED VALUE": "a quote is not closed, or not doubled inside a field",
    "INVALID ENCODING": "is not in the file's encoding; set encoding in the mapping, e.g. latin-1 or cp1252",
    "LINE SIZE OVER MAXIMUM": "is longer than 2 MB; is a quote not closed?",
}


def stage_csv(
    con: duckdb.DuckDBPyConnection,
    table: SourceTable,
    path: Path,
    contents: Contents,
    name: str,
    tried: int | None,
    delimiter: str,
) -> int:
    """Make the staged table `name` of a delimited file; returns how many rows the file has, or 0 where all are staged."""
    options = {"header": table.header, "delim": delimiter, "quote": table.quote, "escape": table.quote, "skip": table.skip}
    try:
        with as_utf8(path, contents, table.encoding) as text:
            columns = _header(table, path, text, delimiter)
            rows = read(con, text, columns, options, tried)
    except duckdb.InvalidInputException:
        # DuckDB gives up on a file whose lines end in different ways.
        with as_utf8(path, contents, table.encoding, one_line_end=True) as text:
            rows = read(con, text, columns, options, tried)
    con.execute(
        f"create temp table {name} as select {NUMBER} as {ROW}, {WELL_FORMED}, * exclude ({NUMBER}) from {rows.chosen} "
        f"union all by name select (select coalesce(max({NUMBER}), 0) from {rows.chosen}) + number as {ROW}, problem as {PROBLEM}, "
        f"line as {LINE} from __bad order by {ROW}"
    )
    [(malformed,)] = con.execute("select count(*) from __bad").fetchall()
    return rows.total and rows.total + malformed


def read(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    columns: list[str],
    options: dict[str, object],
    tried: int | None,
    counted: str = "true",
    always: str = "false",
) -> Rows:
    """The rows of a delimited file as text; `__bad` (number, line_number, problem, line) then holds its malformed lines.

    Only rows for which the SQL `counted` is true count as such; where a part is tried, those for which `always` is true are in it.
    """
    for leftover in ("__good", "__bad", "__errors", "__scans"):
        con.execute(f"drop table if exists {leftover}")
    named = ", ".join(f"{option} = ${option}" for option in options)
    reading = f"read_csv($path, columns = $columns, {named}, auto_detect = false, compression = 'none'"
    kept = f"{reading}, store_rejects = true, rejects_table = '__errors', rejects_scan = '__scans', rejects_limit = 0)"
    parameters = {"path": str(path), "columns": dict.fromkeys(columns, "VARCHAR"), **options}
    picked, total = choose(con, f"{reading}, ignore_errors = true) where {counted}", parameters, tried)
    if total:
        numbered = f"(select row_number() over () as {NUMBER}, * from {kept})"
        con.execute(f"create temp table __good as select * from {numbered} where {picked} or {always}", parameters)
        whole = f"(select row_number() over () as {NUMBER}, * from {reading}, ignore_errors = true))"
        rows = Rows("__good", whole, parameters, total)
    else:
        con.execute(f"create temp table __good as select * from {kept}", parameters)
        numbered = f"(select rowid + 1 as {NUMBER}, * from __good)"
        rows = Rows(numbered, numbered)
    described = " ".join(f"when {literal(kind)} then {literal(text)}" for kind, text in MALFORMED.items())
    con.execute(
        f"create temp table __bad as select row_number() over (order by line) as number, line as line_number, "
        f"'line ' || line || ': ' || first(case error_type::varchar {described} else error_message end order by byte_position) "
        f"as problem, trim(first(csv_line order by byte_position), chr(10) || chr(13)) as line from __errors group by line order by line"
    )
    return rows


def _header(table: SourceTable, path: Path, text: Path, delimiter: str) -> list[str]:
    """The column names of a delimited file, made distinct."""
    if table.columns:
        return list(table.columns)
    if not table.header:
        raise PortraitError(f'{path}: without a header the mapping must give columns = ["…", …] for this file')
    with text.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        for _ in range(table.skip):
            file.readline()
        names = _fields(table, path, file, delimiter)
    if not names:
        raise PortraitError(f"{path}: is empty, not even a header; fetch it again")
    return distinct(name.strip() or f"column{place}" for place, name in enumerate(names, 1))


def _fields(table: SourceTable, path: Path, file: TextIO, delimiter: str) -> list[str]:
    """The fields of the next line; Python reads them between single characters only."""
    if len(delimiter) > 1:
        line = file.readline().rstrip("\r\n")
        return [field.strip(table.quote or None) for field in line.split(delimiter)] if line else []
    reader = (
        csv.reader(file, delimiter=delimiter, quotechar=table.quote)
        if table.quote
        else csv.reader(file, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    )
    try:
        return next(reader, [])
    except csv.Error as error:
        raise PortraitError(f"{path}: its first line is no header: {error}; is it delimited text?") from None


def distinct(names: Iterable[str]) -> list[str]:
    """The names, in order; one that is taken, whatever its case, gets the number of its place, as SQL needs it."""
    found: list[str] = []
    for place, name in enumerate(names, 1):
        taken = {other.lower() for other in found}
        found.append(
            name
            if name.lower() not in taken
            else next(other for n in count(place) if (other := f"{name}_{n}").lower() not in taken)
        )
    return found
