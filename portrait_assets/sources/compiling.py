"""A stream compiled: its expressions to one SQL query of canonical rows, each with the reason it is rejected, if any.

The query reads staged tables and needs the parameter `$latest`. Its stages: `read` (expressions evaluated, none of them
able to abort), `judged` (canonical values, and what is wrong with each) and `mapped`, one row per row of the stream.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

import duckdb

from portrait_assets.columns import EVENT_BODY
from portrait_assets.sources.expressions import literal, quoted
from portrait_assets.sources.mapping import EventStream, Source, Stream
from portrait_assets.sources.relation import TYPED, Relation, Staged, joined_text
from portrait_assets.sources.staged import ELEMENT_NUMBER, LINE, PROBLEM, ROW
from portrait_assets.sources.values import SCALES, TIMES, WALL_CLOCK, Marks, Value, canonical, timed

AMOUNTS = {
    "quantity": "quantity_milli", "amount": "amount_cents", "discount": "discount_cents", "coupon": "coupon_cents",
}  # fmt: skip
REQUIRED = ("event_time", "user_id", "event_type")
CANONICAL_STREAM = "canonical"
LIVE_STREAM = "live"  # the live service's events, in keys
HAS_HOUR = "__has_hour"  # whether what an event's time was read from has an hour
CANNOT_FAIL = re.compile(r"""\w+(\.\w+)*|"[^"]+"|'[^']*'""")


@dataclass(frozen=True)
class Compiled:
    """A stream as SQL. `fields` are its expressions by name, as `declared` but with columns quoted; `reads` the (lookup,
    column) pairs that each of them reads, `used` all columns of each lookup, the table's own (`base`) under ''."""

    mapped: str
    judged: str
    base: Staged
    fields: Mapping[str, str]
    declared: Mapping[str, str]
    reads: Mapping[str, list[tuple[str, str]]]
    used: Mapping[str, set[str]]


@contextmanager
def row_wise(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """A block in which `try` holds: DuckDB 2.0 moves what two expressions share out of their `try`, where it aborts."""
    [(before,)] = con.execute("select current_setting('disabled_optimizers')").fetchall()
    con.execute(f"set disabled_optimizers = {literal(','.join(filter(None, [before, 'common_subexpressions'])))}")
    try:
        yield
    finally:
        con.execute(f"set disabled_optimizers = {literal(before)}")


def clock_of(source: Source, stream: Stream) -> str:
    """The zone of times without an offset."""
    return source.time_zone if (getattr(stream, "times", None) or source.times) == "local" else "UTC"


def compiled(
    con: duckdb.DuckDBPyConnection, source: Source, stream: Stream, staged: Mapping[str, Staged], last: date | None = None
) -> Compiled:
    """The SQL of a stream over its staged tables, of events from the declared start through the day `last`.

    What does not fit is a PortraitError naming stream and field.
    """
    clock = clock_of(source, stream)
    place = f"{source.path.name}, stream '{stream.stream}'"
    relation = Relation.of(con, place, clock, stream, staged, source.event_types)
    fields = _fields(relation, stream)
    reads = {name: relation.use(name, sql) for name, sql in fields.items()}
    values = _values(relation, fields, clock, source.time_zone)
    rejects = _rejects(source, stream)
    judged = f"with read as (\n{_read(relation, stream, fields, rejects)}\n)\n{_judged(values)}\nfrom read"
    if isinstance(stream, EventStream):
        final = f"{_events(source, stream, fields, last)}\nfrom judged"
    else:
        final = f"{_descriptions(stream)}\nfrom judged where not ({_says_nothing(stream, rejects)})"
    mapped = f"with judged as (\n{judged}\n)\n{final}"
    return Compiled(mapped, judged, relation.base, fields, stream.expressions(), reads, relation.used)


@dataclass(frozen=True)
class Rejects:
    """What a stream rejects, where several read a table: each row is rejected once, by the first of them, events before others."""

    lines: bool
    """Malformed lines of the file."""
    rows: bool
    """Rows that no stream can use, of those that read the same rows: the elements of the same list."""
    by: Stream
    """The stream that rejects those rows."""


def _rejects(source: Source, stream: Stream) -> Rejects:
    readers = [other for other in (*source.events, *source.items, *source.users) if other.table == stream.table]
    if stream.stream not in {other.stream for other in readers}:  # a canonical file, or coupons
        readers = [stream]
    alike = [other for other in readers if other.each == stream.each]
    return Rejects(readers[0].stream == stream.stream, alike[0].stream == stream.stream, alike[0])


def _fields(relation: Relation, stream: Stream) -> dict[str, str]:
    """Every expression of the stream under the name that messages give it."""
    keys = {f"key {n}": sql for n, sql in enumerate(getattr(stream, "key", ()), 1)}
    rules = {f"reject {literal(reason)}": sql for reason, sql in stream.reject.items()}
    where = {"where": stream.where} if stream.where else {}
    return {name: relation.resolved(sql, name) for name, sql in (stream.expressions() | keys | rules | where).items()}


def _values(relation: Relation, fields: Mapping[str, str], clock: str, zone: str) -> dict[str, Value]:
    """The canonical value of each field, with what is wrong with it, over the columns of `read`. Times without an offset are on `clock`;
    a date without an hour is a day of the source's `zone`."""
    marks = Marks(relation.base.table.decimal, relation.base.table.thousands)
    types = {name: relation.type_of(name, sql, _tried(name, sql)) for name, sql in fields.items()}
    values, has_time = {}, _has_time(types)
    for name, sql in fields.items():
        value = Value(quoted(name))
        if not _is_condition(name):
            here = literal(clock)
            if name == "event_time" and clock != zone:
                here = f"case when {has_time} then {here} else {literal(zone)} end"
            value = canonical(name, quoted(name), types[name], marks, here, relation.place)
        failed = f"case when {quoted('failed ' + name)} then {literal(f'{name} can not be computed: {sql}')} end"
        values[name] = value if CANNOT_FAIL.fullmatch(sql) else Value(value.sql, joined_text([failed, value.problem]))
    if "event_time" in fields:
        given = values.get("has_time", Value("null"))
        values["has_time"] = Value(f"coalesce({given.sql}, {has_time})", given.problem)
    return values


def _has_time(types: Mapping[str, str]) -> str:
    """SQL over the columns of `read` of whether an event's time has an hour."""
    type_ = types.get("event_time", "")
    return quoted(HAS_HOUR) if WALL_CLOCK.fullmatch(type_) and type_ != "DATE" else timed(type_, quoted("event_time"))


def _tried(name: str, sql: str, after: str = "") -> str:
    """SQL of an expression (and what comes `after` it) that is null, and aborts nothing, where it fails on a row."""
    whole = f"cast(({sql}\n) as boolean)" if _is_condition(name) else f"({sql}\n)"
    return whole if CANNOT_FAIL.fullmatch(sql) else f"try({whole}{after})"


def _is_condition(name: str) -> bool:
    return name == "where" or name.startswith("reject ")


def _read(relation: Relation, stream: Stream, fields: Mapping[str, str], rejects: Rejects) -> str:
    """SQL of the stream's rows with each expression evaluated; one that fails on a row is null there, and flagged.

    Malformed lines, and rows that are none, are among them where the stream `rejects` them.
    """
    columns = [f"{_tried(name, sql)} as {quoted(name)}" for name, sql in fields.items()]
    for name, sql in fields.items():
        if not CANNOT_FAIL.fullmatch(sql):
            columns.append(f"{_tried(name, sql, ' is null')} is null as {quoted('failed ' + name)}")
    if "event_time" in fields:
        columns.append(f"{relation.has_time('event_time', fields['event_time'])} as {HAS_HOUR}")
    looked_up = [f"{quoted(name)}.{TYPED}" for name in relation.lookups]
    typed = joined_text([f"{quoted(relation.base.name)}.{TYPED}", *looked_up])
    rows = f"select {ROW}, {PROBLEM}, {LINE}, {typed} as {TYPED},\n" + ",\n".join(columns) + f"\nfrom {relation.rows}"
    kept = []
    if stream.each:
        rows = rows.replace(f"select {ROW}, ", f"select {ROW}, {ELEMENT_NUMBER}, ", 1)
        kept.append(f"{ELEMENT_NUMBER} is not null")
    if stream.where:
        unsure = f"{TYPED} is not null" if CANNOT_FAIL.fullmatch(fields["where"]) else f'{TYPED} is not null or "failed where"'
        kept.append(f'coalesce("where", {unsure})')
    usable = f"{PROBLEM} is null and {' and '.join(kept)}" if kept else f"{PROBLEM} is null"
    is_rejected = f"{PROBLEM} is not null"
    if not (rejects.lines and rejects.rows):
        is_rejected = (
            f"{LINE} is not null" if rejects.lines else f"{PROBLEM} is not null and {LINE} is null" if rejects.rows else "false"
        )
    return f"select * from (\n{rows}\n) where {is_rejected} or ({usable})"


def _judged(values: Mapping[str, Value]) -> str:
    """Select list over `read`: each field as its canonical value, and as "problem …" what is wrong with it."""
    columns = [f"{value.sql} as {quoted(name)}" for name, value in values.items()]
    problems = [f"{value.problem} as {quoted('problem ' + name)}" for name, value in values.items() if value.problem != "null"]
    wrong = joined_text([TYPED, *(value.problem for value in values.values())])
    return f"select {ROW}, {PROBLEM}, {wrong} as __wrong,\n" + ",\n".join(columns + problems)


def _events(source: Source, stream: EventStream, given: Mapping[str, str], last: date | None) -> str:
    """Select list over `judged`: what raw.events holds of an event, before its key and batch are known."""
    columns = {c.name: quoted(c.name) if c.name in given else f"null::{c.type}" for c in EVENT_BODY}
    for name, stored in AMOUNTS.items():
        if name in given:
            columns[stored] = f"case when {_is_refund(source)} then abs({quoted(name)}) else {quoted(name)} end"
    columns["event_time"] = _utc("event_time")
    columns["local_time"] = f"try(event_time at time zone {literal(source.time_zone)})"  # fails for years that are rejected
    columns["has_time"] = "has_time"
    columns["declared_key"] = _key(stream)
    columns["event_version"] = "coalesce(version, 0)" if "version" in given else "0::bigint"
    columns["is_deletion"] = "coalesce(is_deletion, false)" if "is_deletion" in given else "false"
    columns["ingested_at"] = _utc("ingested_at") if "ingested_at" in given else "null::timestamp"
    rules = [*_event_rules(source, stream, given), *_day_rules(source.start, last)]
    reason = _reason([*REQUIRED, *(f"key {n}" for n in range(1, len(stream.key) + 1))], rules)
    return f"select {ROW} as row_number, {reason} as reason,\n" + _listed(columns)


def _descriptions(stream: Stream) -> str:
    """Select list over `judged`: an item's columns; a user's attributes as a list of those that are known."""
    given = stream.expressions()
    columns = {c: quoted(c) if c in given else "null::varchar" for c in stream.canonical()}
    if stream.identity == "user_id":
        named = [column for column in given if column not in stream.canonical()]
        pairs = ", ".join(f"{{'attribute': {literal(name)}, 'value': {quoted(name)}}}" for name in named)
        pairs = f'[{pairs}]::struct(attribute varchar, "value" varchar)[]'
        columns = {"user_id": "user_id", "attributes": f"list_filter({pairs}, lambda pair: pair.value is not null)"}
    columns["ingested_at"] = _utc("ingested_at") if "ingested_at" in given else "null::timestamp"
    rules = _time_rules("ingested_at") if "ingested_at" in given else []
    reason = _reason([stream.identity], rules + _declared_rules(stream))
    return f"select {ROW} as row_number, {reason} as reason,\n" + _listed(columns)


def _says_nothing(stream: Stream, rejects: Rejects) -> str:
    """SQL of which rows describe nobody and are another stream's to reject: those without an id, and where it is the same id that the
    other stream reads, those whose id can't be read."""
    if rejects.rows:
        return "false"
    is_same = stream.expressions()[stream.identity] == rejects.by.expressions().get(stream.identity)
    return f"{quoted(stream.identity)} is null" + ("" if is_same else " and __wrong is null")


def _listed(columns: Mapping[str, str]) -> str:
    return ",\n".join(f"{sql} as {quoted(name)}" for name, sql in columns.items())


def _utc(column: str) -> str:
    """SQL of an instant as a UTC timestamp: the same microseconds, no calendar."""
    return f"make_timestamp(epoch_us({column}))"


def key_of(stream: str, *parts: str) -> str:
    """The key of an event of `stream`: the list of the stream and what identifies the event in it, as one text. Different lists are
    different texts, whatever they hold, because a `|` or a backslash in them is escaped."""
    return "|".join(part.replace("\\", "\\\\").replace("|", "\\|") for part in (stream, *parts))


def _key(stream: EventStream) -> str:
    """SQL of the declared key, as `key_of` makes it. A canonical file gives the stored key itself, or names an event of another stream.

    It is never one of a row without a declared key, which has no `|` (see keyed.sql)."""
    if not stream.key:
        return "null::varchar"
    parts = [quoted(f"key {n}") for n in range(1, len(stream.key) + 1)]
    if stream.stream == CANONICAL_STREAM and not stream.corrects:
        return parts[0]
    escaped = [f"replace(replace({part}, '\\', '\\\\'), '|', '\\|')" for part in parts]
    return " || '|' || ".join([literal(key_of(stream.corrects or stream.stream)), *escaped])


def _event_rules(source: Source, stream: EventStream, given: Mapping[str, str]) -> list[str]:
    types = source.event_types
    alike = "jaro_winkler_similarity({}, lower(event_type))"
    nearer = f"case when {alike.format('b')} > {alike.format('a')} then b else a end"
    nearest = f"list_reduce([{', '.join(map(literal, types))}], lambda a, b: {nearer})"
    unknown = (
        f"'event_type \"' || left(event_type, 60) || '\" is unknown; expected one of {', '.join(types)}' "
        f"|| case when {alike.format(nearest)} > 0.8 then '; nearest is ' || {nearest} else '' end"
    )
    rules = [rule for column in TIMES if column in given for rule in _time_rules(column)]
    rules.append(f"case when event_type not in ({', '.join(map(literal, types))}) then {unknown} end")
    refunds = " or ".join(f"a {name}" for name in source.refund_types) or "none"
    is_kept = f"not coalesce({_is_refund(source)}, false)"
    for name in AMOUNTS:
        if name in given:
            negative = f"'{name} ' || {quoted(name)} / {SCALES[name]}.0 || {literal(f' is negative; only {refunds} may be')}"
            rules.append(f"case when {quoted(name)} < 0 and {is_kept} then {negative} end")
    return rules + _declared_rules(stream)


def _is_refund(source: Source) -> str:
    """SQL of whether an event pays back."""
    return f"list_contains([{', '.join(map(literal, source.refund_types))}]::varchar[], event_type)"


def _time_rules(column: str) -> list[str]:
    """SQL of what is wrong with an instant that nobody can have written down: each null where nothing is."""
    shown = f"{literal(column + ' ')} || coalesce(try(strftime({column} at time zone 'UTC', '%Y-%m-%d %H:%M:%S')), '')"
    future = " is an event from the future" if column == "event_time" else " is in the future"
    return [
        f"case when {column} < timestamptz '1970-01-01 00:00:00+00' then {shown} || ' is before 1970' end",
        f"case when {column} > $latest::timestamp at time zone 'UTC' then {shown} || {literal(future)} end",
    ]


def _day_rules(start: date | None, end: date | None) -> list[str]:
    """SQL of which of the declared days an event is outside of: each null where it is inside."""
    day = "try(strftime(event_time at time zone 'UTC', '%Y-%m-%d'))"
    before = f"case when {day} < '{start}' then 'event_time ' || {day} || ' is before the declared start {start}' end"
    after = f"case when {day} > '{end}' then 'event_time ' || {day} || ' is after the declared end {end}' end"
    return [*([before] if start else []), *([after] if end else [])]


def _declared_rules(stream: Stream) -> list[str]:
    return [f"case when {quoted(f'reject {literal(reason)}')} then {literal(reason)} end" for reason in stream.reject]


def _reason(required: list[str], rules: list[str]) -> str:
    """SQL of why a row is rejected: its line, else its values, else what is empty, else the rules; null if it is fine."""
    empty = [f"case when {quoted(name)} is null then {literal(name + ' is empty')} end" for name in required]
    return f"coalesce({PROBLEM}, __wrong, {joined_text(empty)}, {joined_text(rules)})"
