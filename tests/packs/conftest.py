"""A small warehouse of snapshot rows, real DuckDB in memory."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import duckdb
import pytest

from portrait_assets.columns import PORTRAITS_CHANGES, TAGS_VIEW
from portrait_assets.packs import Tag, load_pack
from portrait_assets.packs.tag_sql import tag_changes, tag_export, tag_values
from portrait_assets.tables import Table

PORTRAITS_SNAPSHOTS, CLEAN_EVENTS = load_pack().schema.snapshots, load_pack().schema.events
COUNTS = {column.name: 0 for column in PORTRAITS_SNAPSHOTS.columns if column.type == "bigint" and "score" not in column.name}


class SmallWarehouse:
    """Snapshots, events and changes, and the three statements made from a catalogue run on them."""

    def __init__(self) -> None:
        self.connection = duckdb.connect()
        self.connection.execute("create schema portraits; create schema clean")
        for table in (PORTRAITS_SNAPSHOTS, CLEAN_EVENTS, PORTRAITS_CHANGES):
            self.connection.execute(table.ddl())
        self.connection.execute(TAGS_VIEW)
        self.connection.execute(f"create temp view snapshot_rows as select * from {PORTRAITS_SNAPSHOTS.name}")

    def clear(self) -> None:
        for table in (PORTRAITS_SNAPSHOTS, CLEAN_EVENTS, PORTRAITS_CHANGES):
            self.connection.execute(f"delete from {table.name}")

    def insert(self, table: Table, rows: Iterable[dict[str, Any]]) -> None:
        """Rows by column name; a column that is not named is null."""
        for row in rows:
            names = ", ".join(f'"{name}"' for name in row)
            values = ", ".join(f"${name}" for name in row)
            self.connection.execute(f"insert into {table.name} ({names}) values ({values})", row)

    def snapshot(self, user_id: str, event_date: date, **fields: Any) -> None:
        """One snapshot row; counts that are not named are 0, everything else is null."""
        row = {**COUNTS, "user_id": user_id, "event_date": event_date, "as_of": event_date + timedelta(days=1), **fields}
        self.insert(PORTRAITS_SNAPSHOTS, [row])

    def active(self, user_id: str, event_date: date, batch_seq: int = 1, is_corrected: bool = False) -> None:
        """The user had an event that day, told by a batch."""
        told = {"batch_seq": batch_seq, "is_corrected": is_corrected}
        self.insert(CLEAN_EVENTS, [{"user_id": user_id, "event_date": event_date, **told}])

    def rows(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        cursor = self.connection.execute(sql, parameters)
        names = [column[0] for column in cursor.description or []]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def values(self, tags: Iterable[Tag]) -> list[dict[str, Any]]:
        return self.rows(f"{tag_values(tags)} order by user_id, event_date")

    def changes(self, tags: Iterable[Tag], start: date, end: date) -> list[dict[str, Any]]:
        """What `tag_changes` finds, reading the days it is promised and no others."""
        self.connection.execute(
            f"create or replace temp table tag_values as select * from ({tag_values(tags)}) "
            "where event_date between $first and $end",
            {"first": start - timedelta(days=1), "end": end},
        )
        return self.rows(tag_changes(tags), start=start, end=end)

    def export(self, tags: Iterable[Tag]) -> list[dict[str, Any]]:
        return self.rows(tag_export(tags))


@pytest.fixture
def small_warehouse() -> SmallWarehouse:
    return SmallWarehouse()
