"""A world small enough to check by eye: a hand-made shop, landed by a real mapping into a real DuckDB warehouse.

Everything after landing is done by the functions the assets use; Dagster alone is left out.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from portrait_assets import columns as c
from portrait_assets import sources
from portrait_assets.assets.daily import FEATURES, UNDATED, rebuild_undated, refresh_path, write_days, write_path
from portrait_assets.assets.derivation import stage_features
from portrait_assets.assets.recommending import write_recommendations
from portrait_assets.home import extend, extend_to_landed, open_home
from portrait_assets.partitions import Window
from portrait_assets.resources.session import Session
from portrait_assets.settings import Settings
from portrait_assets.tables import Relation

NEW_YORK = "America/New_York"
FIRST_DAY, LAST_DAY = date(2024, 1, 1), date(2024, 3, 31)
NOW = datetime(2026, 1, 1)

MAPPING = """\
name = "corner_shop"
time_zone = "{zone}"
times = "utc"

[tables.events]
files = "events*.ndjson"
numbers = ["quantity", "amount", "discount", "coupon", "rating", "version"]

[tables.items]
files = "items*.ndjson"

[tables.users]
files = "users*.ndjson"

[[events]]
from = "events"
key = "id"
event_time = "time"
user_id = "user_id"
event_type = "type"
item_id = "item"
session_id = "session"
quantity = "quantity"
amount = "amount"
discount = "discount"
coupon = "coupon"
rating = "rating"
campaign_id = "campaign"
version = "version"
is_deletion = "deleted"
ingested_at = "told"

[items]
from = "items"
item_id = "item"
department = "department"
category = "category"
brand = "brand"
name = "name"

[users]
from = "users"
user_id = "user_id"
age = "age"
income = "income"
"""

EVENT = dict.fromkeys(
    ("id", "time", "user_id", "type", "item", "session", "quantity", "amount", "discount", "coupon", "rating", "campaign",
     "version", "deleted", "told")
)  # fmt: skip
ITEM = dict.fromkeys(("item", "department", "category", "brand", "name"))
USER = dict.fromkeys(("user_id", "age", "income"))

ITEMS = (
    {"item": "milk", "department": "food", "category": "dairy", "brand": "own", "name": "Milk"},
    {"item": "cheese", "department": "food", "category": "dairy", "brand": "alm", "name": "Cheese"},
    {"item": "bread", "department": "food", "category": "bakery", "brand": "own", "name": "Bread"},
    {"item": "soap", "department": "home", "category": "care", "brand": "pure", "name": "Soap"},
)
USERS = ({"user_id": "ann", "age": "35-44", "income": None}, {"user_id": "bob", "age": None, "income": "50-74K"})


def event(number: int | str, user: str, time: str, kind: str = "purchase", item: str | None = "milk", **fields: Any) -> dict:
    """One line of an event file; purchases cost 2.00 and are one piece unless said otherwise."""
    priced = {"quantity": 1, "amount": 2.0} if kind == "purchase" else {}
    return {**EVENT, "id": str(number), "user_id": user, "time": time, "type": kind, "item": item, **priced, **fields}


def write_mapping(folder: Path, start: date | None = FIRST_DAY, end: date | None = LAST_DAY, zone: str = NEW_YORK) -> Path:
    """The mapping in `folder`, with one file each of items, users and (no) events, as an empty shop would have."""
    folder.mkdir(parents=True, exist_ok=True)
    mapping = folder / "corner_shop.toml"
    declared = "".join(f"{name} = {day}\n" for name, day in (("start", start), ("end", end)) if day)
    mapping.write_text(declared + MAPPING.replace("{zone}", zone))
    write_lines(folder / "items.ndjson", [{**ITEM, **item} for item in ITEMS])
    write_lines(folder / "users.ndjson", [{**USER, **user} for user in USERS])
    return mapping


def write_lines(file: Path, rows: Iterable[dict]) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


class World:
    """A shop's folder and its home. Inside `open`, `session` is the warehouse."""

    session: Session

    def __init__(
        self,
        folder: Path,
        start: date = FIRST_DAY,
        end: date = LAST_DAY,
        declared: bool = True,
        zone: str = NEW_YORK,
        measures: str = "",
        **settings_of_home: Any,
    ) -> None:
        self.shop = folder / "shop"
        mapping = write_mapping(self.shop, *((start, end) if declared else (None, None)), zone=zone)
        settings = Settings(home=folder / "home", **settings_of_home)
        settings.home_dir.mkdir(parents=True, exist_ok=True)
        (settings.home_dir / "audiences.toml").write_text(
            '[buyers]\nexpression = "purchases >= 2 and not lifecycle = lapsed"\n'
        )
        if measures:
            (settings.home_dir / "pack").mkdir(exist_ok=True)
            (settings.home_dir / "pack" / "measures.toml").write_text(measures, encoding="utf-8")
        self.home = extend(open_home(settings, str(mapping)), Window(start, end))
        self.files = 0

    @contextmanager
    def open(self) -> Iterator["World"]:
        with self.home.warehouse.open("test") as self.session:
            self.land_own()
            yield self

    def land_own(self) -> None:
        """Land the shop's own files of items and users, as far as they are new."""
        sources.land(self.session.connection, self.home.source.model_copy(update={"events": ()}), NOW)

    def land(self, *events: dict) -> sources.Batch:
        """Land one file of events; the home then covers their days."""
        self.files += 1
        file = write_lines(self.shop / f"events-{self.files}.ndjson", events)
        [batch] = sources.land(self.session.connection, self.home.source, NOW, [file])
        self.home = extend_to_landed(self.home, self.session)
        return batch

    def describe(self, *items: dict, now: datetime = NOW) -> None:
        """Land one file of items."""
        self.files += 1
        file = write_lines(self.shop / f"items-{self.files}.ndjson", [{**ITEM, **item} for item in items])
        sources.land(self.session.connection, self.home.source, now, [file])

    def declare(self, *users: dict, now: datetime = NOW) -> None:
        """Land one file of users."""
        self.files += 1
        file = write_lines(self.shop / f"users-{self.files}.ndjson", [{**USER, **user} for user in users])
        sources.land(self.session.connection, self.home.source, now, [file])

    def clean(self, start: date | None = None, end: date | None = None) -> "World":
        """The clean tables alone."""
        for table in UNDATED:
            rebuild_undated(self.session, table)
        write_days(self.session, self.home, c.CLEAN_EVENTS, self._window(start, end))
        return self

    def derive(self, start: date | None = None, end: date | None = None) -> "World":
        """Clean tables and the daily features, without cut points and portraits."""
        self.clean(start, end)
        for table in FEATURES[1:-1]:
            write_days(self.session, self.home, table, self._window(start, end))
        return self

    def build(self, start: date | None = None, end: date | None = None) -> "World":
        """Clean, features, snapshots and changes of the days from `start` through `end`."""
        write_path(self.session, self.home, self._window(start, end))
        return self

    def refresh(self, start: date | None = None, end: date | None = None) -> "World":
        """What is due of those days, and nothing else."""
        refresh_path(self.session, self.home, self._window(start, end))
        return self

    def _window(self, start: date | None, end: date | None) -> Window:
        return Window(start or self.home.days.start, end or self.home.days.end)

    def recommend(self, day: date) -> None:
        write_recommendations(self.session, self.home, day)

    def features(self, as_of: date) -> dict[str, dict[str, Any]]:
        """User -> what is known of them at `as_of`, derived now."""
        stage_features(self.session, self.home, [as_of - timedelta(days=1)])
        return {row["user_id"]: row for row in self.rows("from as_of_features")}

    def rows(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        return self.session.frame(sql, **parameters).to_dicts()

    def row(self, table: Relation, **where: Any) -> dict[str, Any]:
        """The one row of `table` where these columns have these values."""
        condition = " and ".join(f'"{name}" = ${name}' for name in where)
        [row] = self.rows(f"select * from {table.name} where {condition}", **where)
        return row

    def table(self, table: Relation, without: tuple[str, ...] = (), through: date | None = None) -> pl.DataFrame:
        """All of a table, in a total order, up to a day."""
        until = f"where {table.partition} <= $through" if through and table.partition else ""
        names = ", ".join(f'"{name}"' for name in self.session.schema.of(table).column_names if name not in without)
        return self.session.frame(f"select {names} from {table.name} {until} order by all", through=through)


MORE_MEASURES = """\
[[measures]]
name = "cart_days"
unit = "days"
operation = "dates"
where = "event_type = 'cart'"
windowed = true
meaning = "local dates on which something was put into the cart"

[[measures]]
name = "brand_days"
label = "Brands bought"
unit = "brands"
operation = "distinct"
of = "brand"
where = "event_type = 'purchase'"
windowed = true
meaning = "distinct brands bought, each local date anew"

[[measures]]
name = "lunch_visits"
unit = "visits"
operation = "visits"
hours = [11, 13]
weekdays = [1, 2, 3, 4, 5]
windowed = true
meaning = "visits that begin at noon of a working day"

[[measures]]
name = "weekend_spend_cents"
label = "Spend at weekends"
unit = "cents"
operation = "sum"
of = "case when local_weekday >= 6 then amount_cents end"
where = "event_type = 'purchase'"
windowed = true
meaning = "paid on Saturdays and Sundays"

[[measures]]
name = "least_paid_cents"
unit = "cents"
operation = "least"
of = "amount_cents"
where = "event_type = 'purchase'"
meaning = "the cheapest line"

[[measures]]
name = "most_paid_cents"
unit = "cents"
operation = "greatest"
of = "amount_cents"
where = "event_type = 'purchase'"
meaning = "the dearest line"

[[measures]]
name = "last_item_bought"
unit = "item"
operation = "last"
of = "item_id"
where = "event_type = 'purchase'"
meaning = "what was bought last"

[[ratios]]
name = "weekend_spend_share"
of = "weekend_spend_cents"
per = "spend_cents"
meaning = "of what was paid, the share at weekends"
"""
"""A measure of each operation, to lie over the pack's: what must hold of its measures must hold of these."""

MORE_ATTRIBUTES = """\
[[attributes]]
name = "loyalty_level"
label = "Loyalty level"
sensitivity = "ordinary"
meaning = "level of the loyalty card"

[[attributes]]
name = "allergy"
label = "Allergy"
sensitivity = "sensitive"
inferred = false
meaning = "what must not be offered"
"""
"""Attributes to lie over the pack's: one that may be inferred, and one that may not."""
