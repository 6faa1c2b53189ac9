"""What a changed catalogue would do to the users of an export, before it is published."""

import json
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any

import duckdb
import polars as pl

from portrait_assets.packs import Tag
from portrait_assets.packs.tag_sql import tag_export
from portrait_assets.reading.export import Export
from portrait_assets.reading.words import counted

ABSENT = "absent"


@dataclass(frozen=True)
class MovedUser:
    """One user who would move, and the numbers that decide: the evidence of whichever definition has some."""

    user_id: str
    evidence: dict[str, Any]

    def told(self, change: "TagChange") -> str:
        """The user and the numbers in one line."""
        numbers = ", ".join(f"{name} {'unknown' if value is None else value}" for name, value in self.evidence.items())
        return f"user {self.user_id}: {numbers}"


@dataclass(frozen=True)
class Move:
    """Users who would go from one value to another; None is absent."""

    from_value: str | None
    to_value: str | None
    users: list[MovedUser]

    def headline(self) -> str:
        """`active -> lapsing: 12 users`."""
        return f"{self.from_value or ABSENT} -> {self.to_value or ABSENT}: {counted(len(self.users), 'user')}"


@dataclass(frozen=True)
class TagChange:
    """A tag some users would have otherwise: with its versions before and after; None where it is not in the catalogue."""

    tag_id: str
    version_before: int | None
    version_after: int | None
    users_before: int
    users_after: int
    moves: list[Move]

    def headline(self) -> str:
        """The tag, its versions, and how many users have it before and after."""
        before, after = (
            f"version {version}" if version else "not there" for version in (self.version_before, self.version_after)
        )
        same = self.version_before == self.version_after
        warning = "; its definition differs under one version: raise it" if same else ""
        return f"{self.tag_id}: {before} -> {after}, {self.users_before:,} -> {counted(self.users_after, 'user')}{warning}"

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def tag_diff(export: Export, before: tuple[Tag, ...], after: tuple[Tag, ...]) -> list[TagChange]:
    """The tags that some user of `export` would have otherwise under `after`, in the order of `after`; removed ones last."""
    old, new = {tag.id: tag for tag in before}, {tag.id: tag for tag in after}
    differing = [
        tag_id for tag_id in [*new, *(set(old) - set(new))] if _definition(old.get(tag_id)) != _definition(new.get(tag_id))
    ]
    was = _values(export, [old[tag_id] for tag_id in differing if tag_id in old])
    will = _values(export, [new[tag_id] for tag_id in differing if tag_id in new])
    changes = []
    for tag_id in differing:
        left, right = was.get(tag_id, {}), will.get(tag_id, {})
        moves: dict[tuple[str | None, str | None], list[MovedUser]] = defaultdict(list)
        for user_id in sorted(left.keys() | right.keys()):
            from_value, from_evidence = left.get(user_id, (None, {}))
            to_value, to_evidence = right.get(user_id, (None, {}))
            if from_value != to_value:
                moves[from_value, to_value].append(MovedUser(user_id, to_evidence or from_evidence))
        if moves:
            found = [Move(*pair, users) for pair, users in sorted(moves.items(), key=lambda item: -len(item[1]))]
            versions = (old[tag_id].version if tag_id in old else None, new[tag_id].version if tag_id in new else None)
            changes.append(TagChange(tag_id, *versions, len(left), len(right), found))
    return changes


def _definition(tag: Tag | None) -> tuple[Any, ...] | None:
    return (tag.value, tag.origin) if tag else None


def _values(export: Export, tags: list[Tag]) -> dict[str, dict[str, tuple[str, dict[str, Any]]]]:
    """tag -> user -> (value, evidence), computed from the export's portraits by the SQL that publishing runs."""
    if not tags:
        return {}
    portraits = export.scan("portraits").with_columns((pl.col("as_of") - pl.duration(days=1)).alias("event_date")).collect()
    with duckdb.connect() as connection:
        connection.execute("create schema portraits")
        snapshots = export.pack.schema.snapshots
        connection.execute(snapshots.ddl())
        connection.register("portraits_frame", portraits.to_arrow())
        connection.execute(f"insert into {snapshots.name} by name select * from portraits_frame")
        connection.execute(f"create temp view snapshot_rows as from {snapshots.name}")
        # No history is read: what matters here is who has which value, not since when.
        connection.execute(
            'create view portraits.tags as select null::varchar as user_id, null::varchar as tag_id, null::varchar as "value", '
            "null::date as valid_from, null::date as valid_to where false"
        )
        rows = connection.execute(f'select tag_id, user_id, "value", evidence from ({tag_export(tags)})').fetchall()
    found: dict[str, dict[str, tuple[str, dict[str, Any]]]] = defaultdict(dict)
    for tag_id, user_id, value, evidence in rows:
        found[tag_id][user_id] = (value, json.loads(evidence))
    return found
