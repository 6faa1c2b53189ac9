"""What a client may send: one event as a model, and a batch judged row by row.

A row that passes here lands as it is through the batch path: the log holds it as one line of a canonical file.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import uuid4

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from portrait_assets.columns import EVENT_TYPES, LARGEST
from portrait_assets.sources.compiling import LIVE_STREAM, key_of

CLOCK_GRACE = timedelta(seconds=60)  # a client's clock may be ahead of ours by as much


def _instant(value: Any) -> datetime:
    if not isinstance(value, str):
        raise ValueError("is not a text; expected ISO 8601, for example 2026-01-31T12:00:00Z")
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        raise ValueError(f"'{value[:60]}' is not a time; expected ISO 8601, for example 2026-01-31T12:00:00Z") from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if moment.year < 1970:
        raise ValueError(f"{moment:%Y-%m-%d %H:%M:%S} is before 1970")
    return moment


def _plain(value: str) -> str:
    if "\0" in value:
        raise ValueError("holds a NUL character")
    return value


Instant = Annotated[datetime, BeforeValidator(_instant)]
Id = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_plain)]
Quantity = Annotated[float, Field(ge=-LARGEST["quantity"], le=LARGEST["quantity"], allow_inf_nan=False)]
Money = Annotated[float, Field(ge=-LARGEST["amount"], le=LARGEST["amount"], allow_inf_nan=False)]
Rating = Annotated[float, Field(ge=-LARGEST["rating"], le=LARGEST["rating"], allow_inf_nan=False)]


class Event(BaseModel):
    """One event. Times without an offset are UTC; money is in currency units, to the cent."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, coerce_numbers_to_str=True)

    event_time: Instant = Field(description="when it happened, ISO 8601")
    user_id: Id = Field(description="who, as the source names them")
    event_type: Literal[EVENT_TYPES] = Field(description="what happened")  # type: ignore[valid-type]
    event_id: Id | None = Field(
        None, description="names this event among its user's; repeat it when you retry. Without one, one is made"
    )
    item_id: Id | None = Field(None, description="the item concerned")
    session_id: Id | None = Field(None, description="basket, order or visit that events share")
    quantity: Quantity | None = Field(None, description="units; kept in thousandths")
    amount: Money | None = Field(None, description="money paid, or paid back for a return")
    discount: Money | None = Field(None, description="price reductions the shop gave")
    coupon: Money | None = Field(None, description="reductions by coupon")
    rating: Rating | None = Field(None, description="stars or points of a review")
    text: Annotated[str, Field(max_length=10_000), AfterValidator(_plain)] | None = Field(
        None, description="search words or review text"
    )
    place_id: Id | None = Field(None, description="shop, branch or channel")
    campaign_id: Id | None = Field(None, description="campaign of a coupon or an exposure")


LINE_COLUMNS = (*Event.model_fields, "ingested_at")


@dataclass(frozen=True)
class Line:
    """One accepted event: whose it is, its UTC day, its key, and its line of the log without the newline."""

    user_id: str
    day: date
    key: str
    text: str


@dataclass(frozen=True)
class Rejection:
    """A row of the request (from 0) and why it was not taken."""

    row: int
    reason: str


def judge(rows: Iterable[Any], now: datetime) -> tuple[list[Line], list[Rejection]]:
    """The rows that can be taken, as lines of the log, and those that can not. `now` (aware) is when we learnt them."""
    lines, rejections = [], []
    for number, row in enumerate(rows):
        try:
            event = Event.model_validate(row)
        except ValidationError as error:
            rejections.append(Rejection(number, _reason(error)))
            continue
        if reason := _broken_rule(event, now):
            rejections.append(Rejection(number, reason))
        else:
            lines.append(_line(event, now))
    return lines, rejections


def _broken_rule(event: Event, now: datetime) -> str | None:
    if event.event_time > now + CLOCK_GRACE:
        return f"event_time {event.event_time:%Y-%m-%d %H:%M:%S} is an event from the future; it is {now:%Y-%m-%d %H:%M:%S} UTC here"
    for name in ("quantity", "amount", "discount", "coupon"):
        value = getattr(event, name)
        if value is not None and value < 0 and event.event_type != "return":
            return f"{name} {value} is negative; only a return may be"
    return None


def _reason(error: ValidationError) -> str:
    told = []
    for problem in error.errors(include_url=False):
        field = ".".join(map(str, problem["loc"])) or "event"
        message = str(problem.get("ctx", {}).get("error", problem["msg"]))
        told.append(f"{field} is unknown" if problem["type"] == "extra_forbidden" else f"{field}: {message}")
    return "; ".join(told)


def _line(event: Event, now: datetime) -> Line:
    times = {"event_time": _text(event.event_time), "ingested_at": _text(now)}
    return _as_line({"event_id": event.event_id or uuid4().hex, **event.model_dump(exclude_none=True), **times})


def _as_line(said: dict[str, Any]) -> Line:
    key = key_of(LIVE_STREAM, said["event_id"], said["user_id"])
    text = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
    return Line(said["user_id"], date.fromisoformat(said["event_time"][:10]), key, text)


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse(text: str) -> Line:
    """A line of the log read back; one of before version 6 of the layout as it would be written now."""
    said = json.loads(text)
    if (key := said.pop("key", None)) is not None:
        said = {"event_id": key.removesuffix(f"|{said['user_id']}"), **said}
    return _as_line(said)
