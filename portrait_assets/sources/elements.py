"""One row for each element of a list: the rows of a stream that declares `each`."""

import duckdb

from portrait_assets.errors import PortraitError
from portrait_assets.sources.expressions import json_text, literal, named, quoted
from portrait_assets.sources.relation import Relation, Staged
from portrait_assets.sources.staged import ELEMENT, LINE, PROBLEM, ROW
from portrait_assets.sources.staged import ELEMENT_NUMBER as NUMBER
from portrait_assets.sources.values import is_text, unless


def explode(con: duckdb.DuckDBPyConnection, base: Staged, each: str, clock: str) -> None:
    """Make the temporary table `elements`: of each row of `base` one for each element of the list that the expression `each` gives.

    Beside the row's own columns it has `element` and `element_number`, from 1; the list itself is left out where it could be read. A row
    whose list is empty or absent stays as one without a number; one whose value is no list, and an element that is null, have
    their `__problem`.
    """
    if base.is_empty:
        con.execute(
            f"create or replace temp table elements as select *, null::varchar as {ELEMENT}, null::bigint as {NUMBER} from staged"
        )
        return
    relation = Relation(con, base.place, clock, base, {})
    for name in (ELEMENT, NUMBER):
        if column := named(name, base.types):
            raise PortraitError(f"{base.place}: a column is named '{column}', as each names its own; rename it in the file")
    sql = relation.resolved(each, "each")
    relation.use("each", sql)
    relation.sql = base.select(clock, relation.used.get("", set()))
    elements, problem = _elements(relation, sql, each)
    columns = [column for column in base.types if column not in base.paths and base.types[column] != "NULL"]
    listed = "".join(
        f", case when {NUMBER} is null then {quoted(c)} end as {quoted(c)}" if quoted(c) == sql else f", {quoted(c)}"
        for c in columns
    )
    con.execute(
        f"create or replace temp table elements as with lists as (select {ROW}, {elements} as list, {problem} as wrong from "
        f"(select {ROW}, try({sql}\n) as value from {relation.rows})), "
        f"parts as (select base.*, lists.wrong, unnest(case when len(list) > 0 then list else [null] end) as {ELEMENT}, "
        f"unnest(case when len(list) > 0 then range(1, len(list) + 1) else [null] end) as {NUMBER} "
        f"from {base.relation} as base inner join lists on base.{ROW} = lists.{ROW}) "
        f"select row_number() over (order by {ROW}, {NUMBER}) as {ROW}, coalesce({PROBLEM}, wrong, case when {ELEMENT} is null "
        f"and {NUMBER} is not null then 'element ' || {NUMBER} || {literal(f' of {each} is null')} end) as {PROBLEM}, {LINE}{listed}, "
        f"{ELEMENT}, {NUMBER} from parts order by 1"
    )


def _elements(relation: Relation, sql: str, each: str) -> tuple[str, str]:
    """SQL over `value` of the list, its elements unquoted where they are JSON, and of what is wrong with the value."""
    type_ = relation.type_of("each", sql, f"try({sql}\n)")
    if is_text(type_):
        kind = "coalesce(try(json_type(value)), '')"
        listed = f"list_transform(json_extract(value, '$[*]'), lambda element: {json_text('element', '$')})"
        elements = f"case when {kind} = 'ARRAY' then {listed} end"
        return elements, unless(f"value is null or {kind} in ('ARRAY', 'NULL')", each, "value", "a JSON list")
    if type_ == "JSON[]":
        return f"list_transform(value, lambda element: {json_text('element', '$')})", "null"
    if type_.endswith("[]"):
        return "value", "null"
    raise PortraitError(f"{relation.place}, each: `{each}` is {type_}, not a list")
