"""What a client may send: one event as a model, and a batch judged row by row.

A row that passes here lands as it is through the batch path: the log holds it as one line of a canonical file.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from math import inf, isfinite, nan
from typing import Annotated, Any
from uuid import uuid4

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from portrait_assets.columns import LARGEST
from portrait_assets.packs.pack import Events
from portrait_assets.sources.compiling import LIVE_STREAM, key_of
from portrait_assets.sources.implausible import FAR
from portrait_assets.sources.values import ROUNDED, SPACES
from portrait_assets.words_near import nearest

CLOCK_GRACE = timedelta(seconds=60)  # a client's clock may be ahead of ours by as much
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)  # as a file of events writes one
LONGEST_ID = 1_000
PROBLEMS_NAMED = 5


def _text(value: Any) -> str:
    """A text that can be stored, as the batch path reads it: without the spaces around it."""
    if not isinstance(value, str):
        raise ValueError(f"{_shown(value)} is not a text")
    if "\0" in value:
        raise ValueError("holds a NUL character")
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        raise ValueError(f"{_shown(value)} is not Unicode; send UTF-8, and no half of a surrogate pair")
    return value.strip(SPACES)


def _id(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise ValueError(f"{_shown(value)} is no id: an id is a text or a whole number")
    if not (text := _text(value)):
        raise ValueError("is empty")
    if re.fullmatch(ROUNDED, text, re.ASCII):
        raise ValueError(f"{_shown(text)} is a number that was rounded; send ids as text")
    if len(text) > LONGEST_ID:
        raise ValueError(f"has {len(text):,} characters; an id has at most {LONGEST_ID:,}")
    return text


def _instant(value: Any) -> datetime:
    example = "expected ISO 8601, for example 2026-01-31T12:00:00Z"
    if not isinstance(value, str):
        raise ValueError(f"{_shown(value)} is not a text; {example}")
    try:
        moment = datetime.fromisoformat(value.strip())
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{_shown(value)} is not a time; {example}") from None
    if moment.year < 1970:
        raise ValueError(f"{moment:%Y-%m-%d %H:%M:%S} is before 1970")
    return moment


def _number(value: Any) -> float:
    is_number = NUMBER.fullmatch(value.strip(SPACES)) if isinstance(value, str) else isinstance(value, int | float)
    try:
        number = float(value) if is_number and not isinstance(value, bool) else nan
    except OverflowError:  # a whole number of hundreds of digits
        number = inf
    if not isfinite(number):
        raise ValueError(f"{_shown(value)} is not a number that can be kept")
    return number


def _shown(value: Any) -> str:
    """What was sent, as far as a message has room for it."""
    if isinstance(value, str):
        return f"'{sendable(value[:60])}'"
    if isinstance(value, float):
        return f"{value:.15g}"
    return json.dumps(value)[:60] if value is None or isinstance(value, bool | int) else "a list or object"


def sendable(text: str) -> str:
    """A text in characters that any answer can hold: halves of surrogate pairs are spelt out."""
    return text.encode("utf-8", "backslashreplace").decode()


Instant = Annotated[datetime, BeforeValidator(_instant)]
Id = Annotated[str, BeforeValidator(_id), Field(max_length=LONGEST_ID)]
Text = Annotated[str, BeforeValidator(_text), Field(max_length=10_000)]
Number = Annotated[float, BeforeValidator(_number)]
Quantity = Annotated[Number, Field(ge=-LARGEST["quantity"], le=LARGEST["quantity"])]
Money = Annotated[Number, Field(ge=-LARGEST["amount"], le=LARGEST["amount"])]
Rating = Annotated[Number, Field(ge=-LARGEST["rating"], le=LARGEST["rating"])]


@dataclass(frozen=True)
class Unreadable:
    """A row that is JSON and nothing that can be judged, and why."""

    reason: str


class Event(BaseModel):
    """One event. Times without an offset are UTC; money is in currency units, to the cent."""

    model_config = ConfigDict(extra="forbid")

    event_time: Instant = Field(description="when it happened, ISO 8601")
    has_time: bool | None = Field(None, description="false where only the date is known: then nothing is made of the hour")
    user_id: Id = Field(description="who, as the source names them")
    event_type: Text = Field(description="what happened, one of the pack's event types")
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
    text: Text | None = Field(None, description="search words or review text")
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


def judge(
    rows: Iterable[Any], now: datetime, events: Events, start: date | None = None, newest: date | None = None
) -> tuple[list[Line], list[Rejection]]:
    """The rows that can be taken, as lines of the log, and those that can not. `now` (aware) is when we learnt them, `events` are those of the pack, `start` is the first
    day that the source declares, if it does, `newest` the day that portraits have come to."""
    lines, rejections = [], []
    for number, row in enumerate(rows):
        judged = _judged(row, now, events, start, newest)
        if isinstance(judged, Line):
            lines.append(judged)
        else:
            rejections.append(Rejection(number, judged))
    return lines, rejections


def _judged(row: Any, now: datetime, events: Events, start: date | None, newest: date | None) -> Line | str:
    """A row as a line of the log, or why it is none."""
    if isinstance(row, Unreadable):
        return row.reason
    try:
        event = Event.model_validate(row)
    except ValidationError as error:
        return _reason(error)
    return _broken_rule(event, now, events, start, newest) or _line(event, now)


def _broken_rule(event: Event, now: datetime, events: Events, start: date | None, newest: date | None) -> str | None:
    if event.event_type not in events.types:
        kind = sendable(event.event_type)[:60]
        return f"event_type: '{kind}' is unknown; expected one of {', '.join(events.types)}{nearest(kind, events.types)}"
    day = event.event_time.date()
    if start and day < start:
        return f"event_time {day} is before the declared start {start}"
    if event.event_time > now + CLOCK_GRACE:
        return f"event_time {event.event_time:%Y-%m-%d %H:%M:%S} is an event from the future; it is {now:%Y-%m-%d %H:%M:%S} UTC here"
    if newest and day > newest + FAR:
        return (
            f"event_time {day} is {(day - newest).days:,} days after {newest}, the newest day of all others: is the date right? "
            f"If it is, make the days between first: `portrait run --through {day}`"
        )
    for name in ("quantity", "amount", "discount", "coupon"):
        value = getattr(event, name)
        if value is not None and value < 0 and event.event_type not in events.refunds:
            refunds = " or ".join(f"a {name}" for name in events.refunds) or "none"
            return f"{name} {value} is negative; only {refunds} may be"
    return None


def _reason(error: ValidationError) -> str:
    problems = error.errors(include_url=False)
    told = [_told(problem) for problem in problems[:PROBLEMS_NAMED]]
    more = len(problems) - len(told)
    return "; ".join(told) + (f"; and {more:,} more" if more else "")


def _told(problem: Any) -> str:
    if problem["type"] == "model_type":
        return "the event is not a JSON object"
    if problem["type"] == "string_unicode":
        return "the event has a name that is not Unicode"
    field = sendable(".".join(map(str, problem["loc"])))[:60] or "the event"
    if problem["type"] == "extra_forbidden":
        return f"{field} is unknown"
    return f"{field}: {problem.get('ctx', {}).get('error', problem['msg'])}"


def _line(event: Event, now: datetime) -> Line:
    times = {"event_time": _moment(event.event_time), "ingested_at": _moment(now)}
    return _as_line({"event_id": event.event_id or uuid4().hex, **event.model_dump(exclude_none=True), **times})


def _as_line(said: dict[str, Any]) -> Line:
    key = key_of(LIVE_STREAM, said["event_id"], said["user_id"])
    text = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
    return Line(said["user_id"], date.fromisoformat(said["event_time"][:10]), key, text)


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse(text: str) -> Line:
    """A line of the log read back; one of before version 6 of the layout as it would be written now."""
    said = json.loads(text)
    if (key := said.pop("key", None)) is not None:
        said = {"event_id": key.removesuffix(f"|{said['user_id']}"), **said}
    return _as_line(said)
