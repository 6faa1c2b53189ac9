"""What a generation hands to the live service: clean events and small tables, as immutable files shared by generations.

The files lie in `published/state/`, named for what is in them, so a generation writes only what no earlier one has written. The
manifest lists its files, and the segments of the live log whose events it holds already.
"""

import hashlib
import os
from datetime import date
from pathlib import Path
from typing import Any

from portrait_assets.home import Home
from portrait_assets.lineage import Ledger, stale_days
from portrait_assets.packs.schema import Schema
from portrait_assets.partitions import DAY, Window
from portrait_assets.resources.session import Session
from portrait_assets.sources.planning import LIVE_FILE
from portrait_assets.tables import Relation, Table

STATE_FOLDER = "state"
STATE_FORMAT = 3  # of what the manifest says and the files hold: the service serves no other
SINGLE_DAYS = 31  # files of a day each, for the days that new events are mostly of; older ones lie in files of a month
SEGMENT_NAME = "live-{number:012d}.ndjson"
NOT_LIVE = (
    "is_known_item",
    "campaign_id",
    "ingested_at",
    "batch_seq",
    "is_corrected",
)  # of an event, what no portrait is made of
DAILY: tuple[str, ...] = ("events", "user_state", "interest_days")  # tables of a schema, by the names of their files
TABLES = {
    "items": "select item_id, department, category, item_type, brand, maker, name from clean.items order by item_id",
    "users": "select * from clean.users order by user_id",
    "cut_points": "select event_date, measure, cuts from features.cut_points where event_date <= $day order by event_date, measure",
    "predictions": "select user_id, target, class, probability, value, model_version from scores.predictions where event_date = $day "
    "order by user_id, target, class",
}


def event_columns(schema: Schema) -> list[str]:
    """The columns of an event that portraits are made of."""
    return [name for name in schema.events.column_names if name not in NOT_LIVE]


def write_state(session: Session, home: Home, day: date) -> dict[str, Any]:
    """Write what is missing of the state at the end of `day`; returns what the manifest says of it.

    `daily` are names -> files of a day or a month; `tables` name -> file; `days` the first and last day; `segments` closed ranges of the
    numbers of the live log's segments whose events all are in; `recommending` the rules that the lists were made by.
    """
    folder = home.settings.published_dir / STATE_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    days, ledger = Window(home.days.start, day), Ledger(session, home)
    return {
        "format": STATE_FORMAT,
        "recommending": home.recommending.model_dump(mode="json", exclude_none=True),
        "days": [str(days.start), str(days.end)],
        "daily": {name: _write_days(session, ledger, folder, name, days) for name in DAILY},
        "tables": {name: _write_table(session, folder, name, day) for name in TABLES},
        "segments": _ranges(_included_segments(session, home, days)),
    }


def _write_days(session: Session, ledger: Ledger, folder: Path, name: str, days: Window) -> list[str]:
    """The files of a daily table: one a month where no event comes so late any more, else one a day, as far as there are rows.

    Each is named by what the ledger knows of its days: those that nothing touched keep their file.
    """
    table: Table = getattr(session.schema, name)
    told_once = {level.name for level in session.schema.entities.described}  # the table of items has it
    columns = tuple(column for column in table.column_names if name != "events" or column not in (*NOT_LIVE, *told_once))
    content = ledger.content(table, days)
    files = {span: folder / f"{name}-{_told(span, columns, content)}.parquet" for span in _spans(days)}
    missing = [span for span, file in files.items() if not file.exists()]
    filled = _filled(session, table, missing)
    for span in missing:
        if filled.intersection(span):
            _copy(
                session,
                f"select {', '.join(columns)} from {table.name} where event_date between $start and $end",
                span,
                files[span],
            )
    return [file.name for span, file in files.items() if span not in missing or filled.intersection(span)]


def _spans(days: Window) -> list[Window]:
    """The days in order: whole months, and those of the last SINGLE_DAYS and of the month that they begin in one by one."""
    spans: list[Window] = []
    settled = days.end - DAY * SINGLE_DAYS
    for day in days:
        month = spans[-1] if spans and spans[-1].start.replace(day=1) == day.replace(day=1) else None
        if month and month.end == day - DAY and day < settled.replace(day=1):
            spans[-1] = Window(month.start, day)
        else:
            spans.append(Window(day, day))
    return spans


def _told(span: Window, columns: tuple[str, ...], content: dict[date, str]) -> str:
    told = " ".join((*columns, *(content[day] for day in span)))
    return f"{span.start}-{hashlib.sha256(told.encode()).hexdigest()[:16]}"


def _filled(session: Session, table: Relation, spans: list[Window]) -> set[date]:
    """The days of the spans that have rows."""
    if not spans:
        return set()
    return {
        day
        for (day,) in session.rows(
            f"select distinct event_date from {table.name} where event_date between $start and $end",
            start=min(span.start for span in spans),
            end=max(span.end for span in spans),
        )
    }


def _copy(session: Session, select: str, span: Window, file: Path) -> None:
    draft = file.with_name(f".{file.name}.{os.getpid()}.draft")
    session.execute(
        f"copy ({select}) to '{str(draft).replace(chr(39), chr(39) * 2)}' (format parquet, compression zstd)",
        start=span.start,
        end=span.end,
    )
    draft.replace(file)


def _write_table(session: Session, folder: Path, name: str, day: date) -> str:
    """The file of a small table, named by a hash of its bytes."""
    draft = folder / f".{name}.{os.getpid()}.draft"
    session.frame(TABLES[name], day=day).write_parquet(draft, compression="zstd")
    file = folder / f"{name}-{hashlib.sha256(draft.read_bytes()).hexdigest()[:12]}.parquet"
    draft.replace(file)
    return file.name


def _included_segments(session: Session, home: Home, days: Window) -> list[int]:
    """Numbers of the live segments that landed and of whose events clean.events holds all that there is to hold."""
    stale = set(stale_days(session, home, days)[session.schema.events.name])
    landed = session.rows(
        "select regexp_extract(files, $pattern, 1)::bigint, first_date, last_date from raw.batches "
        "where regexp_full_match(files, $pattern) order by all",
        pattern=LIVE_FILE.pattern,
    )
    return sorted(
        {
            number
            for number, first, last in landed
            if first is None or (last <= days.end and stale.isdisjoint(Window(first, last)))
        }
    )


def _ranges(numbers: list[int]) -> list[list[int]]:
    """Ascending numbers as closed ranges: [1, 2, 3, 7] is [[1, 3], [7, 7]]."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ranges
