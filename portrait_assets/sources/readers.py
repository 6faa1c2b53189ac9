"""One file into one temporary table, as received: text stays text, and a line that can't be read keeps its number.

A staged table has the columns of the file, and before them `__row` (from 1), `__problem` (null, or what is wrong with
the line) and `__line` (the text of such a line). No row of the file is lost.
"""

import codecs
import csv
import gzip
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import duckdb

from portrait_assets.errors import PortraitError
from portrait_assets.sources.expressions import first_line, literal, quoted
from portrait_assets.sources.files import format_of
from portrait_assets.sources.mapping import SourceTable

ROW, PROBLEM, LINE = "__row", "__problem", "__line"
OWN = (ROW, PROBLEM, LINE)
WELL_FORMED = f"null::varchar as {PROBLEM}, null::varchar as {LINE}"
NO_DELIMITER = "\x01"

# The errors that DuckDB names in its rejects table, for a person; others are told in its own words.
MALFORMED = {
    "UNQUOTED VALUE": "a quote is not closed, or not doubled inside a field",
    "INVALID ENCODING": "is not in the file's encoding; set encoding in the mapping",
    "LINE SIZE OVER MAXIMUM": "is longer than 2 MB; is a quote not closed?",
}


def stage(con: duckdb.DuckDBPyConnection, table: SourceTable, path: Path, name: str, rows: int | None = None) -> list[str]:
    """Make the temporary table `name` of a file's rows (its first `rows` if given); returns the file's columns."""
    kind = format_of(table, path)
    con.execute(f"drop table if exists {name}")
    try:
        if kind == "parquet":
            _stage_parquet(con, path, name, rows)
        elif kind in ("csv", "tsv"):
            _stage_csv(con, table, path, name, rows, table.delimiter or ("\t" if kind == "tsv" else ","))
        else:
            _stage_lines(con, table, path, name, rows, kind)
    except duckdb.Error as error:
        advice = "is it cut short? fetch it again" if kind == "parquet" else "see the reader options in docs/mapping.md"
        raise PortraitError(f"{path}: can't be read as {kind}: {first_line(error)}; {advice}") from None
    return [column for column, *_ in con.execute(f"describe {name}").fetchall() if column not in OWN]


def _stage_parquet(con: duckdb.DuckDBPyConnection, path: Path, name: str, rows: int | None) -> None:
    first = "" if rows is None else f"where file_row_number < {int(rows)}"
    con.execute(
        f"create temp table {name} as select file_row_number + 1 as {ROW}, {WELL_FORMED}, * exclude (file_row_number) "
        f"from read_parquet($path, file_row_number = true) {first} order by {ROW}",
        {"path": str(path)},
    )


def _stage_csv(
    con: duckdb.DuckDBPyConnection, table: SourceTable, path: Path, name: str, rows: int | None, delimiter: str
) -> None:
    columns = _header(table, path, delimiter)
    options = {"header": table.header, "delim": delimiter, "quote": table.quote, "escape": table.quote, "skip": table.skip}
    try:
        with _utf8(path, table.encoding) as readable:
            _read(con, readable, columns, options, rows)
    except duckdb.InvalidInputException:
        # DuckDB gives up on a file whose lines end in different ways.
        with _utf8(path, table.encoding, plain=True) as readable:
            _read(con, readable, columns, options, rows)
    con.execute(
        f"create temp table {name} as select rowid + 1 as {ROW}, {WELL_FORMED}, * from __good union all by name "
        f"select (select count(*) from __good) + number as {ROW}, problem as {PROBLEM}, line as {LINE} from __bad order by {ROW}"
    )


def _stage_lines(
    con: duckdb.DuckDBPyConnection, table: SourceTable, path: Path, name: str, rows: int | None, kind: str
) -> None:
    with _utf8(path, table.encoding) as readable:
        options = {"header": False, "delim": NO_DELIMITER, "quote": "", "escape": "", "skip": table.skip}
        _read(con, readable, ["line"], options, rows)
    con.execute(
        f"create or replace temp table __lines as select rowid + {1 + table.skip} as number, line from __good "
        f"where trim(coalesce(line, '')) <> '' order by rowid"
    )
    fields, problem = _split_json(con) if kind == "ndjson" else _split_text(con, table, path, kind)
    listed = "".join(f", {sql} as {quoted(column)}" for column, sql in fields.items())
    con.execute(
        f"create temp table {name} as select row_number() over (order by number, line) as {ROW}, {PROBLEM}, {LINE}, * exclude "
        f"(number, line, {PROBLEM}, {LINE}) from (select number, line, {problem} as {PROBLEM}, "
        f"case when {PROBLEM} is not null then line end as {LINE}{listed} from __lines "
        f"union all by name select number, problem as {PROBLEM}, line as {LINE} from __bad) order by {ROW}"
    )


def _split_json(con: duckdb.DuckDBPyConnection) -> tuple[dict[str, str], str]:
    """SQL of each key of the objects in `__lines`, as text, in the order they first appear; and of what is wrong."""
    is_object = "coalesce(try(json_type(line) = 'OBJECT'), false)"
    keys = con.execute(
        f"select key, min(number * 10000 + place) as seen from (select number, unnest(json_keys(line)) as key, "
        f"generate_subscripts(json_keys(line), 1) as place from __lines where {is_object}) group by key order by seen"
    ).fetchall()
    pointers = {key: "/" + key.replace("~", "~0").replace("/", "~1") for key, _ in keys}
    fields = {key: f"case when {is_object} then line ->> {literal(pointer)} end" for key, pointer in pointers.items()}
    return fields, f"case when not {is_object} then 'line ' || number || ' is not a JSON object' end"


def _split_text(con: duckdb.DuckDBPyConnection, table: SourceTable, path: Path, kind: str) -> tuple[dict[str, str], str]:
    """SQL of each field of the lines in `__lines`, whose header is taken away; and of what is wrong."""
    header = con.execute("select line from __lines order by number limit 1").fetchone() if table.header else None
    if header:
        con.execute("delete from __lines where number = (select min(number) from __lines)")
    columns = list(table.columns) or (header[0].split() if header and kind == "whitespace" else [])
    if not columns or (kind == "fixed" and len(columns) != len(table.widths)):
        raise PortraitError(
            f"{path}: give columns{' and as many widths' if kind == 'fixed' else ''} for this file in the mapping"
        )
    if kind == "fixed":
        starts = [sum(table.widths[:n]) + 1 for n in range(len(columns))]
        places = zip(columns, starts, table.widths, strict=True)
        return {c: f"trim(line[{start}:{start + width - 1}])" for c, start, width in places}, "null"
    parts = r"string_split_regex(trim(line), '\s+')"
    wrong = f"'line ' || number || ' has ' || len({parts}) || ' fields, expected {len(columns)}'"
    return {c: f"{parts}[{n}]" for n, c in enumerate(columns, 1)}, f"case when len({parts}) <> {len(columns)} then {wrong} end"


def _read(con: duckdb.DuckDBPyConnection, path: Path, columns: list[str], options: dict[str, object], rows: int | None) -> None:
    """Make `__good`, the rows of a delimited file as text, and `__bad` (number, problem, line), its malformed lines."""
    for leftover in ("__good", "__bad", "__errors", "__scans"):
        con.execute(f"drop table if exists {leftover}")
    named = ", ".join(f"{option} = ${option}" for option in options)
    con.execute(
        f"create temp table __good as select * from read_csv($path, columns = $columns, {named}, auto_detect = false, "
        f"store_rejects = true, rejects_table = '__errors', rejects_scan = '__scans', rejects_limit = 0) {_limit(rows)}",
        {"path": str(path), "columns": dict.fromkeys(columns, "VARCHAR"), **options},
    )
    told = " ".join(f"when {literal(kind)} then {literal(text)}" for kind, text in MALFORMED.items())
    con.execute(
        f"create temp table __bad as select row_number() over (order by line) as number, 'line ' || line || ': ' || "
        f"first(case error_type::varchar {told} else error_message end order by byte_position) as problem, "
        f"trim(first(csv_line order by byte_position), chr(10) || chr(13)) as line from __errors group by line order by line"
    )


def _header(table: SourceTable, path: Path, delimiter: str) -> list[str]:
    """The column names of a delimited file, made distinct."""
    if table.columns:
        return list(table.columns)
    if not table.header:
        raise PortraitError(f'{path}: without a header the mapping must give columns = ["…", …] for this file')
    with _opened(path, table.encoding, errors="replace") as file:
        for _ in range(table.skip):
            file.readline()
        names = next(csv.reader(file, delimiter=delimiter, quotechar=table.quote), [])
    if not names:
        raise PortraitError(f"{path}: is empty, not even a header; fetch it again")
    distinct: list[str] = []
    for place, name in enumerate(names, 1):
        wanted = name.strip() or f"column{place}"
        taken = sum(other.lower() == wanted.lower() for other in distinct)
        distinct.append(f"{wanted}_{place}" if taken else wanted)
    return distinct


@contextmanager
def _utf8(path: Path, encoding: str, plain: bool = False) -> Iterator[Path]:
    """The file itself if it is UTF-8, else a copy of it in UTF-8 that lives as long as the block.

    A `plain` one is always a copy, whose lines all end alike.
    """
    if _codec(path, encoding) == "utf-8" and not plain:
        yield path
        return
    errors = "surrogateescape" if plain else "strict"
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "utf8.txt"
        with (
            _opened(path, encoding, errors, None if plain else "") as file,
            copy.open("w", encoding="utf-8", errors=errors, newline="") as out,
        ):
            shutil.copyfileobj(file, out)
        yield copy


@contextmanager
def _opened(path: Path, encoding: str, errors: str = "strict", newline: str | None = "") -> Iterator[IO[str]]:
    codec = _codec(path, encoding)
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8-sig" if codec == "utf-8" else codec, newline=newline, errors=errors) as file:
            yield file
    except UnicodeError as error:
        raise PortraitError(f"{path}: is not {encoding}: {error}; set encoding in its table of the mapping") from None


def _codec(path: Path, encoding: str) -> str:
    try:
        return codecs.lookup(encoding).name
    except LookupError:
        raise PortraitError(f"{path}: encoding '{encoding}' is unknown; use for example utf-8, latin-1 or cp1252") from None


def _limit(rows: int | None) -> str:
    return "" if rows is None else f"limit {int(rows)}"
