"""A published generation in memory: any user's rows at hand without a query."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from portrait_assets.errors import PortraitError
from portrait_assets.home import Home
from portrait_assets.packs.schema import Schema
from portrait_assets.partitions import DAY, partition_of
from portrait_assets.reading.export import FILES, Export
from portrait_assets.serving.popular import popular_items
from portrait_assets.sources.expressions import first_line
from portrait_assets.state import STATE_FOLDER, STATE_FORMAT, event_columns

READ = tuple(name for name in FILES if name != "embeddings")


class ByUser:
    """A table whose rows of one user lie together."""

    def __init__(self, table: pa.Table):
        self.table = table.combine_chunks()
        users = pc.run_end_encode(self.table["user_id"].combine_chunks()) if len(table) else None
        ends = users.run_ends.to_pylist() if users else []
        names = users.values.to_pylist() if users else []
        self._spans = {name: (start, end - start) for name, start, end in zip(names, [0, *ends], ends)}  # noqa: B905

    def __contains__(self, user_id: str) -> bool:
        return user_id in self._spans

    def __len__(self) -> int:
        return len(self._spans)

    def users(self) -> Iterable[str]:
        return self._spans.keys()

    def of(self, user_id: str) -> pa.Table:
        """One user's rows; none for a user that has none."""
        return self.table.slice(*self.span(user_id))

    def span(self, user_id: str) -> tuple[int, int]:
        """Where a user's rows begin, and how many there are."""
        return self._spans.get(user_id, (0, 0))

    def of_all(self, users: Iterable[str], since: date | None = None) -> pa.Table:
        """The rows of several users; with `since`, of that day and later ones alone, where the rows of each lie in the order of days."""
        spans = [self.span(user_id) for user_id in users]
        if since is not None:
            first = int(np.datetime64(since).astype(np.int64))
            spans = [(start + k, count - k) for start, count in spans for k in [self._before(start, count, first)]]
        return pa.concat_tables([self.table.slice(0, 0), *(self.table.slice(start, count) for start, count in spans)])

    def _before(self, start: int, count: int, day: int) -> int:
        """How many of some rows are of days before `day`."""
        return int(np.searchsorted(self._days[start : start + count], day))

    @cached_property
    def _days(self) -> np.ndarray:
        """Each row's day since 1970-01-01: the column's own memory."""
        if not len(self.table):
            return np.zeros(0, np.int32)
        return self.table["event_date"].combine_chunks().view(pa.int32()).to_numpy(zero_copy_only=True)


@dataclass(frozen=True)
class Generation:
    """What was published, and the state behind it. Never changed."""

    export: Export
    name: str
    segments: tuple[tuple[int, int], ...]
    rows: dict[str, ByUser]
    events: ByUser
    user_state: ByUser
    state_days: list[date]
    interest_days: ByUser
    attributes: ByUser
    predictions: ByUser
    cut_points: pa.Table
    items: pa.Table
    item_places: dict[str, int]
    recommending: dict[str, Any]  # the rules that the lists were made by, as recommendations.toml says them
    popular: list[dict[str, Any]]  # rows of a list for whom nothing personal is known

    @classmethod
    def load(cls, folder: Path, home: Home) -> "Generation":
        """The generation in `folder`; a PortraitError where it can not be served."""
        try:
            return cls._read(folder, home)
        except duckdb.Error as error:
            raise PortraitError(f"{folder}: {first_line(error)}; `portrait refresh` publishes it again") from None

    @classmethod
    def _read(cls, folder: Path, home: Home) -> "Generation":
        export = Export.open(folder)
        state = export.manifest.get("run", {}).get("state") or {}
        if state.get("format") != STATE_FORMAT:
            raise PortraitError(f"{folder} was published by another version; move it away and run `portrait refresh`")
        if export.manifest.get("pack_version") != home.pack.version:
            raise PortraitError(f"{folder} was made by another version of the pack {home.pack.name}; run `portrait refresh`")
        files = folder.parent / STATE_FOLDER
        with duckdb.connect(config={"threads": 1}) as con:
            con.execute("set timezone = 'UTC'")
            con.execute("set enable_progress_bar = false")

            def table(path: Path, columns: str = "*") -> pa.Table:
                return con.sql(f"select {columns} from read_parquet($path)", params={"path": str(path)}).to_arrow_table()

            tables = {name: files / file for name, file in state["tables"].items()}

            def daily(name: str, select: str = "from rows") -> ByUser:
                paths = [str(files / file) for file in state["daily"][name]]
                sql = f"with rows as (from read_parquet($paths)) {select} order by user_id, event_date"
                return ByUser(con.sql(sql, params={"paths": paths}).to_arrow_table())

            schema = home.pack.schema
            of_item = {level.name for level in schema.entities.described}
            described = ", ".join(
                f"{'items' if name in of_item else 'rows'}.{name} as {name}" for name in event_columns(schema)
            )

            items, user_state = table(tables["items"]), daily("user_state")
            con.register("items", items)
            return cls(
                export=export,
                name=folder.name,
                segments=tuple((first, last) for first, last in state["segments"]),
                rows={name: ByUser(table(folder / f"{name}.parquet")) for name in READ},
                events=daily("events", f"select {described} from rows left join items on rows.item_id = items.item_id"),
                user_state=user_state,
                state_days=user_state.table["event_date"].to_pylist(),
                interest_days=daily("interest_days"),
                attributes=ByUser(table(tables["users"])),
                predictions=ByUser(
                    table(
                        tables["predictions"],
                        'null::date as event_date, user_id, target, "class", probability, "value", model_version',
                    )
                ),
                cut_points=table(tables["cut_points"]),
                items=items,
                item_places={item_id: place for place, item_id in enumerate(items["item_id"].to_pylist())},
                recommending=state["recommending"],
                popular=popular_items(export, home),
            )

    @property
    def last_day(self) -> date:
        """The last whole day that is in."""
        return partition_of(self.export.as_of)

    def includes(self, segment: int) -> bool:
        """Whether all events of a segment of the log are in."""
        return any(first <= segment <= last for first, last in self.segments)

    def keys_of(self, user_id: str) -> set[str]:
        """The keys of the user's events."""
        return set(self.events.of(user_id)["event_key"].to_pylist())

    @property
    def schema(self) -> Schema:
        """Of the pack that it was published with."""
        return self.export.pack.schema

    def described(self, item_ids: Iterable[str]) -> pa.Table:
        """The rows of clean.items of these items, as far as they are known."""
        places = [place for item_id in item_ids if (place := self.item_places.get(item_id)) is not None]
        return self.items.select(["item_id", *(level.name for level in self.schema.entities.described)]).take(
            pa.array(places, pa.int64())
        )

    def interests_of(self, users: Iterable[str], day: date) -> pa.Table:
        """The users' interests, which only events change, as if of `day`."""
        columns = [name for name in self.schema.interests.column_names if name != "event_date"]
        known = self.rows["portraits"].of_all(users).select(columns)
        known = known.filter(pc.is_valid(known[self.schema.entities.main_facet.plural]))
        return known.add_column(0, "event_date", pa.array([day] * len(known), pa.date32()))

    def state_of(self, users: Iterable[str], first_day: date, day: date) -> pa.Table:
        """Of each user's running totals before the first new day, those that features at the end of `day` look at: the first, the last,
        and of each window the last before it begins and that of its first day."""
        places: list[int] = []
        looks = [
            day,
            *(day - DAY * (window - opening) for window in self.schema.measures.windows for opening in (0, 1)),
        ]
        ends = {min(look, first_day - DAY) for look in looks}
        for user_id in users:
            start, count = self.user_state.span(user_id)
            wanted = {bisect_right(self.state_days, end, start, start + count) - 1 for end in ends} | {start}
            places += sorted(place for place in wanted if start <= place < start + count)
        return self.user_state.table.take(pa.array(places, pa.int64()))

    def cut_points_of(self, day: date) -> tuple[pa.Table, date | None]:
        """The newest cut points for the month of `day`, as that month's, and the month that they were made for."""
        month = day.replace(day=1)
        known = self.cut_points.filter(pc.less_equal(self.cut_points["event_date"], pa.scalar(month)))
        if not len(known):
            return known, None
        newest = pc.max(known["event_date"])
        latest = known.filter(pc.equal(known["event_date"], newest))
        return latest.set_column(0, "event_date", pa.array([month] * len(latest), pa.date32())), newest.as_py()


@dataclass(frozen=True)
class UserExport(Export):
    """One user's rows, read as an export is."""

    rows: dict[str, list[dict[str, Any]]]

    def of_user(self, name: str, user_id: str) -> list[dict[str, Any]]:
        return self.rows[name]
