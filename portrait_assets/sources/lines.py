"""Files of one record a line, and JSON documents: each record to a row, what is no record set aside with its number."""

import json
from pathlib import Path

import duckdb

from portrait_assets.errors import PortraitError
from portrait_assets.sources.delimited import distinct, read
from portrait_assets.sources.expressions import json_text, literal, quoted
from portrait_assets.sources.mapping import SourceTable
from portrait_assets.sources.sampling import NUMBER, Rows, choose
from portrait_assets.sources.staged import LINE, PROBLEM, ROW
from portrait_assets.words_near import nearest

NO_DELIMITER = "\x01"
NOT_BLANK = "trim(coalesce(line, '')) <> ''"
IS_OBJECT = "coalesce(try(json_type(line) = 'OBJECT'), false)"
LARGEST_LINE = 2_000_000
LARGEST_RECORD = 16_777_216  # bytes; DuckDB takes twice as much memory to read records


def stage_lines(
    con: duckdb.DuckDBPyConnection, table: SourceTable, path: Path, text: Path, name: str, tried: int | None, kind: str
) -> int:
    """Make the staged table `name` of a whitespace or fixed-width file; returns how many rows it has, or 0 where all are staged."""
    header = _first_line(text, table.skip) if table.header else ""
    columns = list(table.columns) or (header.split() if kind == "whitespace" else [])
    if not columns or (kind == "fixed" and len(columns) != len(table.widths)):
        raise PortraitError(
            f"{path}: give columns{' and as many widths' if kind == 'fixed' else ''} for this file in the mapping"
        )
    fields, is_wrong, wrong = _split_fixed(columns, table.widths) if kind == "fixed" else _split_words(columns)
    rows = _lines(con, table, text, tried, always=is_wrong)
    if header.strip():
        con.execute("delete from __lines where number = (select min(number) from __lines)")
    _finish(con, name, dict(zip(distinct(columns), fields, strict=True)), is_wrong, wrong)
    return rows.total and rows.total - bool(header.strip())


def stage_json(
    con: duckdb.DuckDBPyConnection, table: SourceTable, path: Path, text: Path, name: str, tried: int | None, kind: str
) -> int:
    """The same of JSON: of one object a line, or where the format is json, also of an array or of objects written over several lines."""
    layout = _layout(table, path, text, kind)
    if kind == "ndjson" and layout == "array":
        raise PortraitError(
            f'{path}: is a JSON array, not one object a line; write format = "json" in its table of the mapping'
        )
    if kind == "ndjson" or layout == "lines":
        rows = _lines(con, table, text, tried, always=f"{NOT_BLANK} and not {IS_OBJECT}")
        what = "line"
    else:
        rows = _records(con, table, path, text, tried, layout)
        what = "record"
    _finish(con, name, _keys(con, rows), f"not {IS_OBJECT}", f"'{what} ' || number || ' is not a JSON object'")
    return rows.total


def _lines(con: duckdb.DuckDBPyConnection, table: SourceTable, text: Path, tried: int | None, always: str) -> Rows:
    """Make `__lines` (number, line) of the lines that are not blank, under their numbers in the file."""
    options = {"header": False, "delim": NO_DELIMITER, "quote": "", "escape": "", "skip": table.skip}
    rows = read(con, text, ["line"], options, tried, NOT_BLANK, always)
    # A line that is not in the encoding is no row: those after it have higher numbers than rows.
    shift = f"(select count(*) from __bad where line_number - number < {table.skip} + {NUMBER})"
    [(malformed,)] = con.execute("select count(*) from __bad").fetchall()
    number = f"{NUMBER} + {table.skip}" + (f" + {shift}" if malformed else "")
    con.execute(
        f"create or replace temp table __lines as select {number} as number, line from {rows.chosen} where {NOT_BLANK} order by number"
    )
    return rows


def _records(
    con: duckdb.DuckDBPyConnection, table: SourceTable, path: Path, text: Path, tried: int | None, layout: str
) -> Rows:
    """Make `__lines` (number, line) of the records of JSON documents: the elements of an array, or of the list that `records` names."""
    reading = f"read_json_objects($path, format = {literal(layout)}, compression = 'none', maximum_object_size = $largest)"
    largest = text.stat().st_size + 1 if layout == "unstructured" else 0
    parameters = {"path": str(text), "largest": min(max(LARGEST_RECORD, largest), 2**31)}
    if table.records:
        _judge_records(con, path, table.records, reading, parameters)
        lists = f"unnest(json_extract(json, {literal(_json_path(table.records) + '[*]')}))"
        reading = f"(select {lists}::varchar as line from {reading})"
    else:
        reading = f"(select json::varchar as line from {reading})"
    numbered = f"(select row_number() over () as {NUMBER}, line from {reading})"
    picked, total = choose(con, reading, parameters, tried)
    con.execute(
        f"create or replace temp table __lines as select {NUMBER} as number, line from {numbered} where {picked} or not {IS_OBJECT} "
        f"order by number",
        parameters,
    )
    con.execute("create or replace temp table __bad (number bigint, line_number bigint, problem varchar, line varchar)")
    return Rows("__lines", numbered, parameters, total)


def _judge_records(
    con: duckdb.DuckDBPyConnection, path: Path, records: str, reading: str, parameters: dict[str, object]
) -> None:
    """PortraitError where no document has the list that `records` names."""
    where = literal(_json_path(records))
    [(lists, first)] = con.execute(
        f"select count(*) filter (where json_type(json, {where}) = 'ARRAY'), any_value(case when {IS_OBJECT} then json_keys(line) end) "
        f"from (select json, json::varchar as line from {reading})",
        parameters,
    ).fetchall()
    if not lists:
        keys = first or []
        has = f"it has {', '.join(keys[:20])}" if keys else "it is no object; is `records` needed?"
        raise PortraitError(f'{path}: has no list at records = "{records}"{nearest(records, keys)}; {has}')


def _json_path(dotted: str) -> str:
    return "$" + "".join(f'."{key}"' for key in dotted.split("."))


def _layout(table: SourceTable, path: Path, text: Path, kind: str) -> str:
    """How a JSON file is laid out: lines (of one object each), array or unstructured, by how it begins."""
    if table.skip:
        return "lines"
    with text.open(encoding="utf-8-sig", errors="replace") as file:
        first = next((line for line in iter(lambda: file.readline(LARGEST_LINE), "") if line.strip()), "").strip()
    if first.startswith("["):
        _refuse_open_array(path, text)
        return "array"
    if kind == "ndjson" or not first or (not table.records and _is_object(first)):
        return "lines"
    if not first.startswith("{"):
        raise PortraitError(f"{path}: begins with {first[:20]!r}, not with [ or {{; is it JSON?")
    return "unstructured"


def _refuse_open_array(path: Path, text: Path) -> None:
    """PortraitError where an array does not end: DuckDB takes one that was cut short behind an element for whole."""
    with text.open("rb") as file:
        file.seek(max(0, text.stat().st_size - LARGEST_LINE))
        end = file.read().rstrip()
    if not end.endswith(b"]"):
        raise PortraitError(f"{path}: is a JSON array without its end; it was cut short, fetch it again")


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _keys(con: duckdb.DuckDBPyConnection, rows: Rows) -> dict[str, str]:
    """Column -> SQL of each key of the objects, as text, in the order they first appear in the file."""
    found = con.execute(
        f"select key, min({NUMBER} * 10000 + place) as seen from (select {NUMBER}, unnest(json_keys(line)) as key, "
        f"generate_subscripts(json_keys(line), 1) as place from {rows.all} where {IS_OBJECT}) group by key order by seen",
        rows.parameters,
    ).fetchall()
    keys = [key for key, _ in found]
    pointers = ["/" + key.replace("~", "~0").replace("/", "~1") for key in keys]
    values = (f"case when {IS_OBJECT} then {json_text('line', pointer)} end" for pointer in pointers)
    return dict(zip(distinct(keys), values, strict=True))


def _split_fixed(columns: list[str], widths: tuple[int, ...]) -> tuple[list[str], str, str]:
    """SQL of each field of `line`, of whether the line is malformed, and of what is wrong with it."""
    starts = [sum(widths[:n]) + 1 for n in range(len(columns))]
    return [f"trim(line[{start}:{start + width - 1}])" for start, width in zip(starts, widths, strict=True)], "false", "null"


def _split_words(columns: list[str]) -> tuple[list[str], str, str]:
    parts = r"string_split_regex(trim(line), '\s+')"
    wrong = f"'line ' || number || ' has ' || len({parts}) || ' fields, expected {len(columns)}'"
    return [f"{parts}[{n}]" for n in range(1, len(columns) + 1)], f"len({parts}) <> {len(columns)}", wrong


def _finish(con: duckdb.DuckDBPyConnection, name: str, fields: dict[str, str], is_wrong: str, wrong: str) -> None:
    """Make the staged table `name` of `__lines` and `__bad`, each line under its number."""
    listed = "".join(f", {sql} as {quoted(column)}" for column, sql in fields.items())
    con.execute(
        f"create temp table {name} as select row_number() over (order by __number, __text) as {ROW}, {PROBLEM}, {LINE}, * exclude "
        f"(__number, __text, {PROBLEM}, {LINE}) from (select number as __number, line as __text, "
        f"case when {is_wrong} then {wrong} end as {PROBLEM}, "
        f"case when {PROBLEM} is not null then line end as {LINE}{listed} from __lines "
        f"union all by name select line_number as __number, problem as {PROBLEM}, line as {LINE} from __bad) order by {ROW}"
    )


def _first_line(text: Path, skip: int) -> str:
    """The first line that is not blank, after those that are skipped."""
    with text.open(encoding="utf-8-sig", errors="replace") as file:
        for _ in range(skip):
            file.readline()
        return next((line for line in iter(lambda: file.readline(LARGEST_LINE), "") if line.strip()), "")
