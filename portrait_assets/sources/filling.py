"""Continuation rows: rows of an export that leave blank what stands on the row they continue."""

from pathlib import Path

import duckdb

from portrait_assets.errors import PortraitError
from portrait_assets.sources.expressions import literal, named, quoted
from portrait_assets.sources.mapping import SourceTable
from portrait_assets.sources.staged import OWN, PROBLEM, ROW
from portrait_assets.words_near import nearest


def fill_down(con: duckdb.DuckDBPyConnection, table: SourceTable, path: Path, name: str) -> None:
    """Give the blank cells of the staged table's `fill_down` columns the value above.

    With `fill_within`, the nearest value above among the rows that agree in those columns. Without it a row whose first such column
    is blank continues the last row where it is not; a malformed line, which may be that row, is then a PortraitError.
    """
    present = [column for column, *_ in con.execute(f"describe {name}").fetchall() if column not in OWN]
    filled = [_column(path, present, column, "fill_down") for column in table.fill_down]
    group = ", ".join(quoted(_column(path, present, column, "fill_within")) for column in table.fill_within) or "__block"
    nulls = ", ".join(literal(text.strip()) for text in {"", *table.nulls})
    known = {c: f"case when trim({quoted(c)}::varchar) not in ({nulls}) then {quoted(c)} end" for c in filled}
    if table.fill_within:
        over = f"over (partition by {group} order by {ROW} rows between unbounded preceding and current row)"
        values = {c: f"last_value({sql} ignore nulls) {over}" for c, sql in known.items()}
    else:
        _refuse_malformed(con, path, name)
        over = f"over (partition by {group} order by {ROW})"
        values = {c: f"coalesce({sql}, case when __block > 0 then first_value({sql}) {over} end)" for c, sql in known.items()}
    replaced = ", ".join(f"case when {PROBLEM} is null then {sql} end as {quoted(c)}" for c, sql in values.items())
    con.execute(
        f"create or replace temp table {name} as select * exclude (__block) replace ({replaced}) from "
        f"(select *, count({known[filled[0]]}) over (order by {ROW}) as __block from {name}) order by {ROW}"
    )


def _column(path: Path, present: list[str], column: str, key: str) -> str:
    found = named(column, present)
    if found is None:
        raise PortraitError(
            f"{path}: {key} names '{column}', which the file has not{nearest(column, present)}; it has {', '.join(present)}"
        )
    return found


def _refuse_malformed(con: duckdb.DuckDBPyConnection, path: Path, name: str) -> None:
    found = con.execute(f"select {PROBLEM} from {name} where {PROBLEM} is not null order by {ROW} limit 1").fetchone()
    if found:
        raise PortraitError(
            f"{path}: {found[0]}; rows after it may continue it, so nothing below can be filled down: mend the line, or name what rows of a "
            "group share under fill_within"
        )
