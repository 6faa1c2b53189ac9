"""What the expressions of a stream read: the rows of its table, typed as declared, each with its lookups as structs.

Everything here builds SQL over staged temporary tables (see readers), and stops with one clear line where names,
expressions or joins don't fit.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import duckdb

from portrait_assets.errors import PortraitError
from portrait_assets.sources.expressions import (
    ROW_WISE,
    first_line,
    json_text,
    literal,
    named,
    quoted,
    references,
    strptime_formats,
)
from portrait_assets.sources.mapping import Lookup, SourceTable, Stream
from portrait_assets.sources.staged import ELEMENT, ELEMENT_NUMBER, LINE, OWN, PROBLEM, ROW
from portrait_assets.sources.values import HOUR, Marks, Value, as_text, is_text, rounded, timed, typed, unless
from portrait_assets.words_near import nearest

TYPED = "__typed"  # what is wrong with the typed columns that the stream uses
TIMED = "__timed "  # begins the name of a column that says whether a time was written with an hour


@dataclass(frozen=True)
class Staged:
    """A table of the mapping as it lies staged: its temporary table and the types of its columns.

    `types` grows by what expressions name inside of JSON and structs, `a.b`: such a path is a column of its own. `paths` says of
    what SQL, as received, and what is wrong where it can't be read; `parents` into which column it leads. `is_empty` tables have
    any column that is asked for. `lacking` are columns that one of several files has not, with its name.
    """

    name: str
    relation: str
    table: SourceTable
    place: str
    types: dict[str, str]
    is_empty: bool
    lacking: Mapping[str, str]
    paths: dict[str, Value] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        con: duckdb.DuckDBPyConnection,
        name: str,
        relation: str,
        table: SourceTable,
        place: str,
        lacking: Mapping[str, str] | None = None,
    ) -> "Staged":
        """The staged table with its declared columns checked; those that are optional and absent are null."""
        types = {column: type_ for column, type_, *_ in con.execute(f"describe {relation}").fetchall() if column not in OWN}
        for column in (*table.numbers, *table.times) if set(types) - {ELEMENT, ELEMENT_NUMBER} else ():
            parents = [*types, *table.optional, ELEMENT]
            if named(column, parents[:-1]) is None and ("." not in column or named(column.split(".")[0], parents) is None):
                raise PortraitError(
                    f"{place}: [tables.{name}] declares '{column}', which its file has not{nearest(column, types)}"
                )
        absent = {c: "NULL" for c in table.optional if named(c, types) is None and named(c.split(".")[0], types) is None}
        is_empty = not set(types) - {ELEMENT, ELEMENT_NUMBER}
        lacking = {c: file for c, file in (lacking or {}).items() if named(c, table.optional) is None}
        return cls(name, relation, table, place, {**types, **absent}, is_empty, lacking)

    def meant(self, con: duckdb.DuckDBPyConnection, names: Sequence[str]) -> str | None:
        """The column that a dotted name means: one of the file's, or a path into one that holds JSON or structs."""
        if column := named(".".join(names), self.types):
            return column
        parent = named(names[0], self.types) or (self._added(names[0], "NULL") if self.is_empty else None)
        if parent is None or len(names) == 1:
            return parent
        path = ".".join((parent, *names[1:]))
        self.parents[path] = parent
        if is_text(self.types[parent]) or self.types[parent] == "NULL":
            pointer = "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in names[1:])
            text = self.received(parent)
            value = f"case when json_valid({text}) then {json_text(text, pointer)} end"
            fine = f"{text} is null or trim({text}) = '' or json_valid({text})"
            self.paths[path] = Value(value, unless(fine, parent, text, f"JSON, so it has no {path}"))
            return self._added(path, "VARCHAR")
        if self.types[parent].startswith("STRUCT("):
            sql = ".".join(map(quoted, (parent, *names[1:])))
            try:
                [(_, type_, *_)] = con.execute(f"describe select {sql} from {self.relation}").fetchall()
            except duckdb.BinderException:
                if not named(path, self.table.optional):
                    raise
                sql, type_ = "null::varchar", "NULL"
            self.paths[path] = Value(sql)
            return self._added(path, type_)
        return None

    def _added(self, column: str, type_: str) -> str:
        self.types[column] = type_
        return column

    def received(self, column: str) -> str:
        """SQL of one column as it was received."""
        if column in self.paths:
            return self.paths[column].sql
        return "null::varchar" if self.types[column] == "NULL" else quoted(column)

    def advice(self, con: duckdb.DuckDBPyConnection) -> str:
        """What may be the matter where an expression names a column that the file has not."""
        columns = [column for column, type_ in self.types.items() if column not in self.paths and type_ != "NULL"]
        for mark in (";", "\t", "|", ","):
            if len(columns) == 1 and mark in columns[0]:
                return f"; its first line looks separated by {mark!r}: write delimiter = {json.dumps(mark)} in [tables.{self.name}]"
        if columns and not self.table.columns and not re.search("[^\\W\\d]", "".join(columns).replace("_", "")):
            return f"; its first line looks like data: write header = false and columns in [tables.{self.name}]"
        rows = (
            con.execute(f"select {', '.join(map(quoted, columns))} from {self.relation} limit 2").fetchall() if columns else []
        )
        if len(rows) == 1 and not self.table.records:
            texts = {column: text for column, text in zip(columns, rows[0], strict=True) if isinstance(text, str)}
            if path := next((p for column, text in texts.items() if (p := _list_inside(column, text))), None):
                return f'; if its one JSON object holds the rows in a list, write records = "{path}" in [tables.{self.name}]'
        return ""

    def value(self, column: str, clock: str) -> Value:
        """SQL of one column, its null texts taken away and typed if it is declared to be."""
        kind = "VARCHAR" if self.types[column] == "NULL" else self.types[column]
        sql = self.received(column)
        unread = self.paths[column].problem if column in self.paths else "null"
        if is_text(kind):
            nulls = ", ".join(literal(text.strip()) for text in {"", *self.table.nulls})
            sql = f"case when trim({sql}) not in ({nulls}) then {sql} end"
        marks = Marks(self.table.decimal, self.table.thousands)
        formats = next((formats for name, formats in self.table.times.items() if name.lower() == column.lower()), None)
        if formats is None and not named(column, self.table.numbers):
            return Value(sql, unread, timed(kind))
        value = typed(column, sql, kind, formats, marks, clock)
        return replace(value, problem=joined_text([unread, value.problem]))

    def select(self, clock: str, used: set[str]) -> str:
        """The rows with typed columns, and in `__typed` what is wrong with the `used` ones."""
        values = {column: self.value(column, clock) for column in self.types}
        listed = "".join(f", {value.sql} as {quoted(column)}" for column, value in values.items())
        varied = {column: value.has_time for column, value in values.items() if column in used and varies(value.has_time)}
        listed += "".join(f", {sql} as {quoted(TIMED + column)}" for column, sql in varied.items())
        problems = joined_text(values[column].problem for column in self.types if column in used)
        return f"select {ROW}, {PROBLEM}, {LINE}, {problems} as {TYPED}{listed} from {self.relation}"


def _joined_by(name: str, sql: str, type_: str) -> Value:
    """What rows are joined by, of either side: text as it is, and a number as the text that it is in any other type."""
    return Value(f"cast({sql} as varchar)" if is_text(type_) else as_text(sql, type_), rounded(name, sql, type_))


def varies(has_time: str) -> bool:
    """Whether some values of a column have an hour and others may not."""
    return has_time not in ("true", "false")


def _list_inside(path: str, text: str) -> str | None:
    """The dotted path to the first list of objects inside of JSON text."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, list):
        return path if any(isinstance(element, dict) for element in value) else None
    parts = value.items() if isinstance(value, dict) else ()
    return next(
        (f"{path}.{key}" for key, part in parts if isinstance(part, list) and _list_inside(key, json.dumps(part))), None
    )


def joined_text(problems: object) -> str:
    """SQL of the non-null texts joined by '; ', null if there are none."""
    listed = [problem for problem in problems if problem != "null"]  # type: ignore[attr-defined]
    return f"nullif(concat_ws('; ', {', '.join(listed)}), '')" if listed else "null::varchar"


@dataclass
class Relation:
    """The rows a stream reads, growing by one lookup after another; `place` starts every error message."""

    con: duckdb.DuckDBPyConnection
    place: str
    clock: str
    base: Staged
    lookups: dict[str, tuple[Lookup, Staged]]
    used: dict[str, set[str]] = field(default_factory=dict)
    sql: str = ""
    event_types: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        con: duckdb.DuckDBPyConnection,
        place: str,
        clock: str,
        stream: Stream,
        staged: Mapping[str, Staged],
        event_types: tuple[str, ...],
    ) -> "Relation":
        """The relation of a stream, joined; every expression of the stream is parsed to know what it uses."""
        lookups = {name: (lookup, staged[lookup.table]) for name, lookup in stream.lookups.items()}
        relation = cls(con, place, clock, staged[stream.table], lookups, event_types=event_types)
        relation._judge_lookup_names()
        expressions = {**stream.expressions(), **stream.reject, "where": stream.where or "true"}
        keys = {f"key {n}": sql for n, sql in enumerate(getattr(stream, "key", ()), 1)}
        for field_, sql in {**expressions, **keys}.items():
            relation.use(field_, relation.resolved(sql, field_))
        for name, (lookup, _) in lookups.items():
            for sql in lookup.pairs:
                relation.use(f"lookups.{name}.on", relation.resolved(sql, f"lookups.{name}.on"))
        relation.sql = relation.base.select(clock, relation.used.get("", set()))
        for name in lookups:
            relation._join(name)
        return relation

    def resolved(self, sql: str, field_: str) -> str:
        """The expression with its columns quoted: one that is all of it, spaces and all, and paths into JSON and structs, which are
        columns too (see Staged). A bare event type is itself."""
        if column := named(sql, self.base.types):
            return quoted(column)
        if field_ == "event_type" and sql.strip() in self.event_types:
            return literal(sql.strip())
        try:
            found_names = references(self.con, sql, f"{self.place}, {field_}")
        except PortraitError:
            if not re.fullmatch(r"\s*[^\W\d][\w ]*", sql):
                raise
            [(_, column)] = self._meant((sql.strip(),), field_)  # one word of SQL, such as `at`, was meant as a column
            return quoted(column)
        text = sql.encode()
        dotted = [found for found in found_names if len(found.names) > 1]
        for found in sorted(dotted, key=lambda found: found.start, reverse=True):
            if replaced := self._path(found.names, field_):
                text = text[: found.start] + replaced.encode() + text[found.end :]
        return text.decode()

    def _path(self, names: tuple[str, ...], field_: str) -> str | None:
        """SQL of the column that a dotted name means, or None where it is none and SQL can say what it is."""
        first, *rest = names
        try:
            if (lookup := named(first, self.lookups)) and not named(first, self.base.types):
                column = None if self.lookups[lookup][0].summary else self.lookups[lookup][1].meant(self.con, rest)
                return column and f"{quoted(lookup)}.{quoted(column)}"
            if column := self.base.meant(self.con, names):
                return quoted(column)
        except duckdb.Error as error:
            raise PortraitError(f"{self.place}, {field_}: {first_line(error)}") from None
        return self._path(tuple(rest), field_) if len(rest) > 1 and first.lower() == self.base.name.lower() else None

    def use(self, field_: str, sql: str) -> list[tuple[str, str]]:
        """(lookup or '', column) pairs that an expression reads, noted as used; an unknown one is a PortraitError."""
        found: list[tuple[str, str]] = []
        for reference in references(self.con, sql, f"{self.place}, {field_}"):
            found.extend(self._meant(reference.names, field_))
        for lookup, column in found:
            self.used.setdefault(lookup, set()).add(column)
        return found

    def type_of(self, field_: str, sql: str, tried: str | None = None) -> str:
        """DuckDB type of an expression over the rows, `tried` as it will be; what DuckDB refuses is a PortraitError."""
        try:
            [(_, type_, *_)] = self.con.execute(f"describe select {tried or sql}\n as x from {self.rows}").fetchall()
        except duckdb.Error as error:
            advice = self._advice(field_, sql, str(error))
            raise PortraitError(f"{self.place}, {field_}: `{sql}` can't be used: {first_line(error)}; {advice}") from None
        return type_

    def has_time(self, field_: str, sql: str) -> str:
        """SQL over the rows of whether the time that an expression gives has an hour: any of what it reads has one."""
        if formats := strptime_formats(self.con, sql):
            return str(any(HOUR.search(pattern) for pattern in formats)).lower()
        read = [self._has_time_of(lookup, column) for lookup, column in self.use(field_, sql)]
        if not read or "true" in read:
            return "true"
        return " or ".join(f"coalesce({one}, false)" for one in dict.fromkeys(read) if varies(one)) or "false"

    def _has_time_of(self, lookup: str, column: str) -> str:
        if not lookup:
            told = self.base.value(column, self.clock).has_time
            return quoted(TIMED + column) if varies(told) else told
        declared, staged = self.lookups[lookup]
        if declared.summary:
            rows = Relation(self.con, self.place, self.clock, staged, {})
            told = rows.has_time(column, rows.resolved(declared.summary[column], column))
            return "true" if varies(told) else told
        told = staged.value(column, self.clock).has_time
        return f"{quoted(lookup)}.{quoted(TIMED + column)}" if varies(told) else told

    @property
    def rows(self) -> str:
        """The relation as something to select from, under its table's name."""
        return f"({self.sql}) as {quoted(self.base.name)}"

    def _advice(self, field_: str, sql: str, error: str) -> str:
        if " TRY " in error:
            return ROW_WISE
        declared = [*self.base.table.numbers, *self.base.table.times]
        read = [column for lookup, column in self.use(field_, sql) if not lookup and named(column, declared) is None]
        texts = " or ".join(column for column in read if is_text(self.base.types[column]))
        if not texts:
            return "mend the expression"
        return f"text can't be calculated with: declare numbers or times in [tables.{self.base.name}], here {texts}"

    def _meant(self, names: tuple[str, ...], field_: str) -> list[tuple[str, str]]:
        first, *rest = names
        if column := named(first, self.base.types):
            return [("", column)]
        if lookup := named(first, self.lookups):
            return self._of_lookup(lookup, rest, field_)
        if rest and first.lower() == self.base.name.lower():
            return self._meant(tuple(rest), field_)
        if self.base.is_empty and (column := self.base.meant(self.con, names)):
            return [("", column)]
        known = [*self.base.types, *self.lookups]
        advice = nearest(first, known) + self.base.advice(self.con)
        raise PortraitError(
            f"{self.place}, {field_}: no column '{first}' in {self.base.name}{advice}; it has {', '.join(known)}"
        )

    def _of_lookup(self, name: str, rest: list[str], field_: str) -> list[tuple[str, str]]:
        lookup, staged = self.lookups[name]
        known = list(lookup.summary) or list(staged.types)
        if not rest:
            return [(name, column) for column in known]
        column = named(rest[0], known) or (staged.meant(self.con, rest[:1]) if staged.is_empty else None)
        if column is None:
            raise PortraitError(
                f"{self.place}, {field_}: lookup {name} has no '{rest[0]}'{nearest(rest[0], known)}; it has {', '.join(known)}"
            )
        return [(name, column)]

    def _judge_lookup_names(self) -> None:
        reserved = {
            word
            for (word,) in self.con.execute(
                "select keyword_name from duckdb_keywords() where keyword_category = 'reserved'"
            ).fetchall()
        }
        for name in self.lookups:
            if name.lower() in reserved or not name.isidentifier():
                raise PortraitError(f"{self.place}: lookup '{name}' is not a name SQL can use; call it {name}s, say")
            if named(name, [*self.base.types, self.base.name]):
                raise PortraitError(
                    f"{self.place}: lookup '{name}' is also the table or one of its columns; give it another name"
                )

    def _join(self, name: str) -> None:
        """Left join one lookup, as a struct column under its name; one that would multiply rows is a PortraitError."""
        lookup, staged = self.lookups[name]
        place = f"{self.place}, lookups.{name}"
        keys = [self._column(staged, column, place) for column in lookup.pairs.values()]
        relation = self._looked_up(name, lookup, staged, keys, place)
        self._refuse_many(place, relation, keys, lookup)
        here = {written: self.resolved(written, f"lookups.{name}.on") for written in lookup.pairs}
        types = {written: self.type_of(f"lookups.{name}.on", sql) for written, sql in here.items()}
        joined = [_joined_by(written, f"({sql}\n)", types[written]) for written, sql in here.items()]
        same = " and ".join(f"{value.sql} = __found.__key{n}" for n, value in enumerate(joined))
        typed_here = joined_text([f"{quoted(self.base.name)}.{TYPED}", *(value.problem for value in joined)])
        found = f"__found.__row as {quoted(name)}"
        self.sql = (
            f"select {quoted(self.base.name)}.* replace ({typed_here} as {TYPED}), {found} from {self.rows} "
            f"left join ({relation}) as __found on {same}"
        )

    def _looked_up(self, name: str, lookup: Lookup, staged: Staged, keys: list[str], place: str) -> str:
        """SQL of a lookup's rows: its keys as text, and a struct `__row` of what the stream uses of it."""
        used = self.used.get(name, set())
        rows = Relation(self.con, place, self.clock, staged, {})
        summary = {column: rows.resolved(sql, column) for column, sql in lookup.summary.items()}
        where = rows.resolved(lookup.where or "true", "where")
        for field_, sql in {**summary, "where": where}.items():
            rows.use(field_, sql)
        read = rows.used.get("", set()) if summary else used
        for column in (*keys, *(staged.parents.get(column, column) for column in read)):
            if column in staged.lacking:
                raise PortraitError(
                    f"{place}: {staged.lacking[column]} has no column '{column}', as other files of {staged.name} have; mend its header, or "
                    f"declare it optional"
                )
        rows.sql = staged.select(self.clock, read)
        wanted = {column: summary.get(column, quoted(column)) for column in used}
        for column, sql in {**wanted, "where": where}.items():
            rows.type_of(column, sql)
        if not lookup.summary:
            wanted |= {TIMED + c: quoted(TIMED + c) for c in used if varies(staged.value(c, self.clock).has_time)}
        fields = "".join(f", {quoted(column)} := ({sql}\n)" for column, sql in sorted(wanted.items()))
        problem = f"min({TYPED})" if summary else TYPED
        ids = [_joined_by(key, quoted(key), rows.type_of(key, quoted(key))) for key in keys]
        listed = ", ".join(f"{value.sql} as __key{n}" for n, value in enumerate(ids))
        grouped = f"group by {', '.join(f'__key{n}' for n in range(len(keys)))}" if summary else ""
        return (
            f"select {listed}, struct_pack({TYPED} := {problem}{fields}) as __row from {rows.rows} "
            f"where {PROBLEM} is null and coalesce(({where}\n), false) {grouped}"
        )

    def _column(self, staged: Staged, column: str, place: str) -> str:
        found = staged.meant(self.con, column.split("."))
        if found is None:
            has = ", ".join(staged.types)
            raise PortraitError(
                f"{place}.on: no column '{column}' in {staged.name}{nearest(column, staged.types)}; it has {has}"
            )
        return found

    def _refuse_many(self, place: str, relation: str, keys: list[str], lookup: Lookup) -> None:
        """A key that several rows share would make one event several."""
        columns = ", ".join(f"__key{n}" for n in range(len(keys)))
        some = self.con.execute(
            f"select {columns}, count(*) as times from ({relation}) group by {columns} "
            f"having count(*) > 1 and count(*) = count(({columns})) order by {columns} limit 1"
        ).fetchone()
        if some and all(value is not None for value in some):
            shared = ", ".join(f"{key} {value}" for key, value in zip(keys, some[:-1], strict=True))
            raise PortraitError(
                f"{place}: {some[-1]} rows of {lookup.table} share {shared}, so the join would multiply events; add a column "
                f'to `on`, a `where`, or a `summary` that adds them up, e.g. summary = {{ total = "sum(…)" }}'
            )
