"""A stream compiled: its expressions to one SQL query of canonical rows, each with the reason it is rejected, if any.

The query reads staged tables and needs the parameter `$now`. Its stages: `read` (expressions evaluated, none of them
able to abort), `judged` (canonical values, and what is wrong with each) and the final select, one row per row read.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from portrait_assets.columns import ATTRIBUTES, EVENT_TYPES
from portrait_assets.errors import PortraitError
from portrait_assets.sources.expressions import literal, named, quoted
from portrait_assets.sources.mapping import EventStream, Source, Stream
from portrait_assets.sources.readers import LINE, PROBLEM, ROW
from portrait_assets.sources.relation import TYPED, Relation, Staged, joined_text
from portrait_assets.sources.values import TIMES, Marks, Value, canonical

AMOUNTS = {"quantity": "quantity_milli", "amount": "amount_cents", "discount": "discount_cents", "coupon": "coupon_cents"}
REQUIRED = ("event_time", "user_id", "event_type", "item_id")
CANONICAL_STREAM = "canonical"


@dataclass(frozen=True)
class Compiled:
    """A stream as SQL. `expressions` are those of its columns, `sources` the (lookup, column) pairs each reads."""

    read: str
    judged: str
    mapped: str
    expressions: Mapping[str, str]
    sources: Mapping[str, list[tuple[str, str]]]
    used: Mapping[str, set[str]]


def compiled(con: duckdb.DuckDBPyConnection, source: Source, stream: Stream, staged: Mapping[str, Staged]) -> Compiled:
    """The SQL of a stream over its staged tables. What does not fit is a PortraitError naming stream and field."""
    clock = source.time_zone if (getattr(stream, "times", None) or source.times) == "local" else "UTC"
    place = f"{source.path.name}, stream '{stream.stream}'"
    relation = Relation.of(con, place, clock, stream, staged)
    fields = _fields(relation, stream)
    types = {name: relation.type_of(name, sql) for name, sql in fields.items()}
    values = _values(relation, stream, fields, types, clock)
    read = _read(relation, stream, fields)
    judged = _judged(values)
    final = _events(source, stream, values) if isinstance(stream, EventStream) else _described(stream, values)
    mapped = f"with read as ({read}),\njudged as ({judged} from read)\n{final} from judged"
    pairs = {name: relation.use(name, sql) for name, sql in fields.items()}
    return Compiled(read, judged, mapped, fields, pairs, relation.used)


def _fields(relation: Relation, stream: Stream) -> dict[str, str]:
    """Every expression of the stream under the name that messages give it."""
    fields = {column: relation.resolved(sql) for column, sql in stream.expressions().items()}
    kind = fields.get("event_type", "").strip()
    if kind in EVENT_TYPES and named(kind, relation.base.types) is None:
        fields["event_type"] = literal(kind)
    return fields | {f"key {n}": relation.resolved(sql) for n, sql in enumerate(getattr(stream, "key", ()), 1)}
