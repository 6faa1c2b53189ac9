"""The batch path's own `.sql` files, run on a few users in memory, many times a second.

A wide statement takes DuckDB five times longer to plan than to run on ten users, and DuckDB 2.0 plans every statement anew
that reads a table. One that reads functions is planned once, when it is prepared. So here every input is a function that
returns what Python put there for this turn, wrapped in a view of the name that the `.sql` files know; a parameter that is
used twice would have the plan made again too, so parameters are columns of a row or variables of the connection.
See docs/decisions/0006-the-live-service-runs-the-batch-sql.md.
"""

import re
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from duckdb.func import PythonUDFType

from portrait_assets import columns as c
from portrait_assets.assets.derivation import parameters
from portrait_assets.errors import PortraitError
from portrait_assets.home import Home
from portrait_assets.packs import Pack
from portrait_assets.packs.schema import Schema
from portrait_assets.packs.tag_sql import tag_export
from portrait_assets.resources.sql import COMMENT, PARAMETER, read_sql
from portrait_assets.serving.events import LINE_COLUMNS
from portrait_assets.sources.compiling import CANONICAL_STREAM, row_wise
from portrait_assets.sources.expressions import literal
from portrait_assets.sources.landing import stage_and_compile
from portrait_assets.sources.planning import work_of
from portrait_assets.state import SEGMENT_NAME, event_columns
from portrait_assets.tables import Relation

EVER, FOREVER = "date '1970-01-01'", "date '9999-12-31'"


def row_types(schema: Schema) -> dict[str, str]:
    """Input -> the columns of its rows."""
    return {
        "lines": "line varchar, row_number bigint",
        "raw_events": ", ".join(f'"{column.name}" {column.type}' for column in c.RAW_EVENTS.columns),
        "items": ", ".join(("item_id varchar", *(f'"{level.name}" varchar' for level in schema.entities.described))),
        "identities": "source varchar, source_user_id varchar, user_id varchar, valid_from date, valid_to date",
        "events": ", ".join(
            f'"{column.name}" {column.type}' for column in schema.events.columns if column.name in event_columns(schema)
        ),
        "user_state": ", ".join(f'"{column.name}" {column.type}' for column in schema.user_state.columns),
        "interest_days": ", ".join(f'"{column.name}" {column.type}' for column in schema.interest_days.columns),
        "users": ", ".join(f'"{column.name}" varchar' for column in schema.users.columns),
        "cut_points": "event_date date, measure varchar, cuts bigint[]",
        "predictions": "event_date date, user_id varchar, target varchar, class varchar, probability double, value double, model_version varchar",
        "interests": ", ".join(f'"{column.name}" {column.type}' for column in schema.interests.columns),
        "tags": 'user_id varchar, tag_id varchar, "value" varchar, valid_from date, valid_to date',
    }


VIEWS = {
    "raw.events": "raw_events",
    "clean.items": "items",
    "clean.identities": "identities",
    "clean.users": "users",
    "features.cut_points": "cut_points",
    "scores.predictions": "predictions",
    "portraits.tags": "tags",
}


class Arithmetic:
    """A connection whose statements are planned once, over inputs that are given for each execution. For one thread at a time."""

    def __init__(self, schema: Schema) -> None:
        self._inputs: dict[str, pa.Table] = {}
        self._con = duckdb.connect(config={"threads": 1})
        self._con.execute("set timezone = 'UTC'")
        self.schemas = {name: self._declare(name, types) for name, types in row_types(schema).items()}
        for layer in ("raw", "clean", "features", "scores", "portraits"):
            self._con.execute(f"create schema {layer}")
        for view, name in VIEWS.items():
            self._con.execute(f"create view {view} as {_rows_of(name)}")

    def close(self) -> None:
        self._con.close()

    @property
    def is_usable(self) -> bool:
        """Whether the connection still answers: an error of DuckDB's own ends it."""
        try:
            return self._con.execute("select true").fetchall() == [(True,)]
        except duckdb.Error:
            return False

    def empty(self, name: str) -> pa.Table:
        """No rows of an input."""
        return self.schemas[name].empty_table()

    def _run(self, statement: str, inputs: dict[str, pa.Table]) -> pa.Table:
        self._inputs |= inputs
        return self._con.sql(f"execute {statement}").to_arrow_table()

    def _run_rows(self, statement: str, inputs: dict[str, pa.Table]) -> list[dict[str, Any]]:
        """The same as rows for Python, which a relation would bind, keep and read once more to make."""
        self._inputs |= inputs
        rows = self._con.execute(f"execute {statement}")
        names = [column[0] for column in rows.description]
        return [dict(zip(names, row, strict=True)) for row in rows.fetchall()]

    def _declare(self, name: str, types: str) -> pa.Schema:
        """Make the function `input_<name>`; returns the schema that its rows must have."""
        rows = f"struct({types})[]"
        schema = self._con.sql(f"select unnest(null::{rows}, max_depth := 2) limit 0").to_arrow_table().schema
        inputs = self._inputs  # not self: DuckDB keeps the function as long as the connection, and self keeps the connection

        def listed(_: pa.Array) -> pa.Array:
            table = inputs[name]
            structs = pa.StructArray.from_arrays([column.combine_chunks() for column in table.columns], fields=list(schema))
            return pa.ListArray.from_arrays(pa.array([0, len(table)], pa.int32()), structs)

        self._con.create_function(
            f"input_{name}", listed, ["INTEGER"], duckdb.sqltype(rows), type=PythonUDFType.ARROW, side_effects=True
        )
        return schema


class Cleaning(Arithmetic):
    """Lines of the log to clean events."""

    def __init__(self, home: Home):
        super().__init__(home.pack.schema)
        self._prepare_reading(home)
        self._con.execute(f"prepare cleaning as {_cleaning(home.pack.schema, _constants(home))}")

    def read(self, lines: list[str]) -> tuple[pa.Table, dict[int, str]]:
        """Lines of the log as rows of raw.events, by the very expressions that land a canonical file; and of those that would not
        land, their places in `lines` and why."""
        rows = pa.table({"line": lines, "row_number": range(1, len(lines) + 1)}, self.schemas["lines"])
        read = self._run("reading", {"lines": rows})
        is_fine = pc.is_null(read["reason"])
        refused = read.filter(pc.invert(is_fine))
        reasons = {row["row_number"] - 1: row["reason"] for row in refused.to_pylist()}
        return read.filter(is_fine).drop_columns(["reason"]), reasons

    def clean(self, raw_events: pa.Table, items: pa.Table) -> pa.Table:
        """Rows of raw.events as rows of clean.events, by user; `items` describes at least the items they name."""
        users = raw_events.select(["source", "user_id"]).group_by(["source", "user_id"]).aggregate([])
        nobody = pa.nulls(len(users), pa.date32())
        columns = [users["source"], users["user_id"], users["user_id"], nobody, nobody]
        identities = pa.table(columns, schema=self.schemas["identities"])
        return self._run("cleaning", {"raw_events": raw_events, "items": items, "identities": identities})

    def _prepare_reading(self, home: Home) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / SEGMENT_NAME.format(number=0)
            path.write_text("{" + ", ".join(f'"{name}": null' for name in LINE_COLUMNS) + "}\n", encoding="utf-8")
            [work] = work_of(self._con, home.source, [path])
            if work.stream.stream != CANONICAL_STREAM:
                raise PortraitError(
                    f"{home.source.path}: files of [tables.{work.stream.table}] may be called {path.name}, as the live log's are; "
                    "give that table narrower names, so that live events are not read as its rows"
                )
            mapped = stage_and_compile(self._con, work, path, {}).mapped
        self._con.execute("drop view received")
        self._con.execute("drop table staged")
        fields = ", ".join(f"line ->> '/{name}' as \"{name}\"" for name in LINE_COLUMNS)
        self._con.execute(
            f"create temp view staged as select row_number as __row, null::varchar as __problem, null::varchar as __line, {fields} "
            f"from ({_rows_of('lines')})"
        )
        listed = ", ".join(
            _raw_column(column.name, column.type, home) + f' as "{column.name}"' for column in c.RAW_EVENTS.columns
        )
        with row_wise(self._con):
            self._con.execute(
                f"prepare reading as select {listed}, reason from ({_bound(mapped, latest=FOREVER)}) order by row_number"
            )


class Portraying(Arithmetic):
    """Users' events and state to their portraits and tags."""

    def __init__(self, home: Home):
        super().__init__(home.pack.schema)
        self._con.execute(f"prepare portraying as {_portraying(home.pack, _constants(home))}")

    def portray(self, last_day: date, first_day: date, inputs: dict[str, pa.Table]) -> list[dict[str, Any]]:
        """Portraits at the end of `last_day`: a snapshot's columns, and `tags`, a list of rows as in tags.parquet.

        `inputs` are the users' rows of events since the day before `first_day`, of user_state, interest_days and interests before it (later ones
        are left out), of users, cut_points, predictions and tags.
        """
        return self._run_rows(f"portraying(last_day := date '{last_day}', first_day := date '{first_day}')", inputs)


def _constants(home: Home) -> dict[str, str]:
    return {name: _constant(value) for name, value in parameters(home, home.days, history=date(1970, 1, 1)).items()}


def _rows_of(name: str) -> str:
    return f"select unnest(input_{name}(1), max_depth := 2)"


def _raw_column(name: str, type_: str, home: Home) -> str:
    """What a landed row holds in a column of raw.events; one live row is one event, received once."""
    told = {
        "source": literal(home.source.name), "event_key": "declared_key", "event_date": "event_time::date", "batch_id": "'live'",
        "batch_seq": "0", "is_first": "true", "key_hash": "hash(declared_key)",
    }  # fmt: skip
    return f"({told.get(name, name)})::{type_}"


def _cleaning(schema: Schema, constants: dict[str, str]) -> str:
    steps = {
        "due_events": "from raw.events",
        "cleaned": _file("clean/events.sql", schema, **constants, start=EVER, end=FOREVER),
    }
    return _statement(
        steps, f"select {', '.join(event_columns(schema))} from cleaned order by user_id, event_time, source, event_key"
    )


def _portraying(pack: Pack, constants: dict[str, str]) -> str:
    """The chain of files as one statement: what each reads is the common table expression of that name before it."""
    last_day, first_day = "(select last_day from turn)", "(select first_day from turn)"
    schema = pack.schema
    every_day = {**constants, "start": EVER, "end": last_day}
    tags = tag_export(pack.tags)
    since_first_day = every_day | {"start": first_day}
    steps = {
        "turn": "select $last_day::date as last_day, $first_day::date as first_day",
        "wanted_days": "select last_day as event_date from turn",
        "scoped_events": _rows_of("events"),
        "scoped_user_day": _stored(c.FEATURES_USER_DAY, schema, **every_day),
        "scoped_interest_days": _known_and_new("interest_days", c.FEATURES_USER_DAY_INTEREST, schema, **since_first_day),
        "scoped_user_state": _known_and_new("user_state", c.FEATURES_USER_STATE, schema, **since_first_day),
        "scoped_interests": _known_and_new("interests", c.FEATURES_INTERESTS, schema, **since_first_day),
        "known_interests": "from scoped_interests",
        "as_of_features": _file("features/as_of.sql", schema, **every_day),
        "portrait_rows": _stored(c.PORTRAITS_SNAPSHOTS, schema, **every_day),
        # Each tag scans the rows, and a scan costs by the column: so those that tags name, and no others.
        "snapshot_rows": f"select {', '.join(_named_in(tags, schema))} from portrait_rows",
        "exported_tags": tags,
        "tag_lists": "select user_id, list({'tag_id': tag_id, 'value': \"value\", 'confidence': confidence, 'kind': kind, "
        "'evidence': evidence, 'valid_from': valid_from, 'is_stale': is_stale} order by tag_id) as tags from exported_tags group by user_id",
    }
    return _statement(steps, "select portrait_rows.*, tag_lists.tags from portrait_rows left join tag_lists using (user_id)")


def _named_in(sql: str, schema: Schema) -> list[str]:
    """The columns of a snapshot that a query over it may read."""
    words = set(re.findall(r"\w+", sql))
    return [name for name in schema.snapshots.column_names if name in words]


def _statement(steps: dict[str, str], select: str) -> str:
    listed = ",\n".join(f"{name} as materialized (\n{sql}\n)" for name, sql in steps.items())
    return f"with\n{listed}\n{select}"


def _stored(relation: Relation, schema: Schema, **parameters: str) -> str:
    """What a table's file makes, in the types that the table stores."""
    columns = ", ".join(f'"{column.name}"::{column.type} as "{column.name}"' for column in schema.of(relation).columns)
    return f"select {columns} from (\n{_file(relation.name.replace('.', '/') + '.sql', schema, **parameters)}\n)"


def _known_and_new(name: str, relation: Relation, schema: Schema, **parameters: str) -> str:
    """What was published of the days before the first new one, and what the table's file makes of that day and later ones."""
    known = f"select * from ({_rows_of(name)}) where event_date < {parameters['start']}"
    return f"with scoped_{name} as ({known}) from scoped_{name} union all by name ({_stored(relation, schema, **parameters)})"


def _file(name: str, schema: Schema, **parameters: str) -> str:
    return _bound(read_sql(name, schema), **parameters)


def _bound(sql: str, **parameters: str) -> str:
    """`sql` with each parameter as the SQL given for it."""
    return PARAMETER.sub(lambda found: parameters[found[1]], COMMENT.sub("", sql))


def _constant(value: Any) -> str:
    """A parameter's value as SQL: planned once, it is part of the plan."""
    if isinstance(value, list):
        return f"[{', '.join(map(_constant, value))}]"
    return literal(value) if isinstance(value, str) else f"date '{value}'" if isinstance(value, date) else repr(value)
