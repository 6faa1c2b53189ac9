"""The declared mapping: what its TOML file may say, as frozen models."""

import re
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from portrait_assets.sources.values import EPOCHS, ISO
from portrait_assets.words_near import nearest

Format = Literal["csv", "tsv", "ndjson", "json", "parquet", "whitespace", "fixed"]
Times = Literal["local", "utc"]


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, (str, dict)) else value


def _as_sql(value: Any) -> Any:
    return str(value) if isinstance(value, (int, float)) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_as_list)]
Sql = Annotated[str, BeforeValidator(_as_sql)]


class Declared(BaseModel):
    """A part of a mapping: nothing but its declared keys, and never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class SourceTable(Declared):
    """Files of one shape, and how to read them."""

    files: Names = Field(description="glob or list of globs, relative to root")
    format: Format | None = Field(
        None, description="csv, tsv, ndjson, json, parquet, whitespace or fixed; by default from the file's ending"
    )
    records: str | None = Field(
        None, description="where the rows are in a JSON object: the key of its list, e.g. orders or data.orders"
    )
    delimiter: str | None = Field(
        None, description="what stands between fields, up to four characters; `,` for csv, a tab for tsv"
    )
    quote: str = Field('"', description="character around a field that holds delimiters")
    header: bool = Field(True, description="whether the first line names the columns; if not, give columns")
    columns: Names = Field((), description="column names, where no header gives them")
    widths: tuple[int, ...] = Field((), description="widths of the fields of a fixed-width file")
    skip: int = Field(0, ge=0, description="lines to pass over before the header")
    encoding: str | None = Field(
        None,
        description="any encoding that Python knows, e.g. latin-1, cp1252; by default as a byte order mark says, else UTF-8",
    )
    decimal: str = Field(".", description="decimal mark of numbers")
    thousands: str = Field("", description="mark between thousands of numbers")
    nulls: Names = Field(("",), description="texts that mean unknown")
    numbers: Names = Field((), description="columns that are numbers; only these can be calculated with")
    times: dict[str, Names] = Field(
        {},
        description="columns that are times, with their strptime format, iso, epoch_s, epoch_ms, epoch_us or epoch_ns; or a list",
    )
    optional: Names = Field((), description="columns that a file may lack; they are then null")
    fill_down: Names = Field((), description="columns that continuation rows leave blank: they take the value above")
    fill_within: Names = Field((), description="columns that rows of one group share: nothing is filled down across groups")

    @model_validator(mode="after")
    def _readable(self) -> "SourceTable":
        if self.delimiter is not None and not 0 < len(self.delimiter.encode()) <= 4:
            raise ValueError(f"delimiter is one to four characters, not {self.delimiter!r}")
        if len(self.quote.encode()) > 1:
            raise ValueError(f"quote is one plain character, or empty, not {self.quote!r}")
        for column, formats in self.times.items():
            for written in formats:
                if "%" not in written and written not in (ISO, *EPOCHS):
                    known = (
                        nearest(written, (ISO, *EPOCHS))
                        or f"; write {', '.join((ISO, *EPOCHS))}, or a pattern such as %d/%m/%Y %H:%M"
                    )
                    raise ValueError(f"times.{column}: {written!r} is no format{known}")
        if self.fill_within and not self.fill_down:
            raise ValueError("`fill_within` needs `fill_down`: the columns to fill")
        return self


class Lookup(Declared):
    """Another table, at most one row of which goes with each row of the stream."""

    table: str = Field(description="the table to look into")
    on: Names | dict[str, str] = Field(
        description="the column both share, a list of them, or {this side = that table's column}"
    )
    where: Sql | None = Field(None, description="which rows of that table count")
    summary: dict[str, Sql] = Field({}, description="name = aggregate: makes one row of the several that share a key")

    @property
    def pairs(self) -> dict[str, str]:
        """Expression of the stream's side -> column of the table looked into."""
        return self.on if isinstance(self.on, dict) else {column: column for column in self.on}


class Stream(Declared):
    """Rows of one table, each turned into canonical columns by SQL expressions."""

    table: str = Field(alias="from", description="the table whose rows are read")
    stream: str = Field("", description="the stream's name in the ledger; by default the table's, or items, or users")
    lookups: dict[str, Lookup] = Field({}, description="tables joined to each row, used as lookup.column")
    each: Sql | None = Field(
        None,
        description="a list that a row holds: its elements are the rows, as element and element_number; empty ones are skipped",
    )
    where: Sql | None = Field(None, description="which rows of the table are this stream's; the others are counted as skipped")
    reject: dict[str, Sql] = Field({}, description="reason = condition: rows to put in quarantine")

    def expressions(self) -> dict[str, str]:
        """Canonical column -> SQL expression, for those that the mapping gives."""
        return {column: sql for column in self.canonical() if (sql := getattr(self, column)) is not None}

    @classmethod
    def canonical(cls) -> list[str]:
        """The canonical columns that a stream of this kind can give."""
        return [name for name in cls.model_fields if name not in STRUCTURE]

    @property
    def identity(self) -> str:
        """The column that says whom or what a row is about."""
        return "user_id" if "user_id" in type(self).model_fields else "item_id"


class EventStream(Stream):
    """One stream of events."""

    duplicates: Literal["same", "distinct"] = Field(
        "same", description="whether equal rows are one event received twice, or two events"
    )
    corrects: str | None = Field(None, description="the stream whose events (by key) this one corrects or takes back")
    times: Times | None = Field(None, description="as at the top, for this stream alone")
    key: Annotated[tuple[Sql, ...], BeforeValidator(lambda value: _as_list(_as_sql(value)))] = Field(
        (), description="expressions that identify an event; without them its whole row does"
    )
    event_time: Sql = Field(description="when it happened")
    user_id: Sql = Field(description="who")
    event_type: Sql = Field(description="a canonical event type, bare, or an expression that gives one")
    item_id: Sql | None = Field(None, description="the item concerned")
    session_id: Sql | None = Field(None, description="basket, order or visit that events share")
    quantity: Sql | None = Field(None, description="units; kept in thousandths")
    amount: Sql | None = Field(None, description="money paid (or paid back); kept in cents")
    discount: Sql | None = Field(None, description="price reductions the shop gave")
    coupon: Sql | None = Field(None, description="reductions by coupon")
    rating: Sql | None = Field(None, description="stars or points of a review")
    text: Sql | None = Field(None, description="search words or review text")
    place_id: Sql | None = Field(None, description="shop, branch or channel")
    campaign_id: Sql | None = Field(None, description="campaign of a coupon or an exposure")
    version: Sql | None = Field(None, description="whole number; the newest version of a key wins")
    is_deletion: Sql | None = Field(None, description="true where the row takes the event of its key back")
    ingested_at: Sql | None = Field(None, description="when the source learnt it")
    has_time: Sql | None = Field(
        None, description="false where event_time is a date without an hour; by default known from how the time is written"
    )

    @model_validator(mode="after")
    def _key_or_distinct(self) -> "EventStream":
        if self.key and self.duplicates == "distinct":
            raise ValueError('a key says what is one event: leave out either `key` or `duplicates = "distinct"`')
        if self.corrects and not self.key:
            raise ValueError("`corrects` needs a `key`, the same as that of the stream it corrects")
        return self


class DescriptionStream(Stream):
    """What is known of items or users. Of several values the latest counts, or where the stream keeps the first, the first."""

    keep: Literal["latest", "first"] = Field(
        "latest", description="which value holds where files differ; first yields to what another stream keeps latest"
    )


class ItemStream(DescriptionStream):
    """Descriptions of items; what is null says nothing."""

    item_id: Sql = Field(description="the item, as events name it")
    department: Sql | None = Field(None, description="top of the hierarchy")
    category: Sql | None = Field(None, description="middle of the hierarchy")
    item_type: Sql | None = Field(None, description="bottom of the hierarchy")
    brand: Sql | None = Field(None, description="brand or brand class")
    maker: Sql | None = Field(None, description="manufacturer")
    name: Sql | None = Field(None, description="what a person would call it")
    size: Sql | None = Field(None, description="package size as written")
    unit: Sql | None = Field(None, description="unit of quantity where it is not pieces, e.g. gallon")
    ingested_at: Sql | None = Field(None, description="when the source learnt it; the newest counts")


class UserStream(DescriptionStream):
    """Declared attributes of users, under their names in the pack (`loading` judges them); what is null says nothing."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Sql]

    user_id: Sql = Field(description="the user, as events name them")
    ingested_at: Sql | None = Field(None, description="when the source learnt it; the newest counts")

    def expressions(self) -> dict[str, str]:
        """Attributes among them, in the order of the pack."""
        said = super().expressions()
        return {"user_id": said.pop("user_id"), **self.__pydantic_extra__, **said}


class CouponStream(Stream):
    """Which items a coupon is for. Read when a campaign asks; nothing of it is landed."""

    coupon_id: Sql = Field(description="the coupon")
    item_id: Sql = Field(description="an item it is for, as events name it")
    campaign_id: Sql | None = Field(None, description="the campaign it is of, as events name it")


STRUCTURE = {*Stream.model_fields, "key", "duplicates", "corrects", "times", "keep"}


OF_THE_PACK = ("event_types", "refund_types")
"""What a source has that no mapping says."""


class Source(Declared):
    """A whole mapping. `path` is the TOML file, `root` the resolved folder of its files."""

    path: Path = Field(exclude=True, description="the mapping's own file")
    name: str = Field(description="lower case, digits and _; what raw rows say they come from")
    title: str = Field("", description="the name for people")
    event_types: tuple[str, ...] = Field((), exclude=True, description="what may happen, as the pack says")
    refund_types: tuple[str, ...] = Field((), exclude=True, description="those of them that pay back, as the pack says")
    pack: str | None = Field(None, description="its domain pack: a shipped one's name, or a folder, relative to the mapping")
    root: Path = Field(exclude=True, description="folder of the files: relative to the mapping, or package:NAME/FOLDER")
    time_zone: str = Field("UTC", description="IANA name of the zone of the source's wall clocks")
    times: Times = Field("local", description="local or utc: what times without an offset are")
    start: date | None = Field(None, description="first UTC day of the data")
    end: date | None = Field(None, description="last UTC day of the data")
    notes: str = Field("", description="what a reader should know")
    licence: str = Field("", description="who may use the data, for what")
    tables: dict[str, SourceTable]
    events: Annotated[tuple[EventStream, ...], BeforeValidator(_as_list)] = ()
    items: Annotated[tuple[ItemStream, ...], BeforeValidator(_as_list)] = ()
    users: Annotated[tuple[UserStream, ...], BeforeValidator(_as_list)] = ()
    coupons: CouponStream | None = Field(None, description="which items each coupon is for")

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise ValueError(f"'{name}' is not a name; use lower case letters, digits and _, e.g. online_shop")
        return name

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        if zone not in available_timezones():
            raise ValueError(
                f"'{zone}' is not a time zone{nearest(zone, available_timezones())}; see the IANA list, e.g. Europe/Paris"
            )
        return zone

    @property
    def streams(self) -> tuple[Stream, ...]:
        """All streams in the order they land: what describes before what happens."""
        return (*self.items, *self.users, *self.events)
