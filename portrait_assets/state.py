"""What a generation hands to the live service: clean events and small tables, as immutable files shared by generations.

The files lie in `published/state/`, named for what is in them, so a generation writes only what no earlier one has written. The
manifest lists its files, and the segments of the live log whose events it holds already.
"""

import hashlib
import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from portrait_assets import columns as c
from portrait_assets.home import Home
from portrait_assets.lineage import Ledger, stale_days
from portrait_assets.partitions import Window
from portrait_assets.resources.session import Session

STATE_FOLDER = "state"
DAYS_AT_ONCE = 31  # read together: a query a day takes longer than writing its file
SEGMENT_NAME = "live-{number:012d}.ndjson"
SEGMENT_PATTERN = r"live-(\d{12})\.ndjson"
EVENT_COLUMNS = (
    "event_date", "event_time", "local_hour", "local_weekday", "user_id", "event_type", "item_id", "department", "category",
    "brand", "price_band", "visit_id", "quantity_milli", "amount_cents", "discount_cents", "coupon_cents", "is_outlier",
    "rating_milli", "source", "event_key",
)  # fmt: skip
DAILY = {
    "events": (c.CLEAN_EVENTS, EVENT_COLUMNS),
    "user_state": (c.FEATURES_USER_STATE, tuple(c.FEATURES_USER_STATE.column_names)),
    "interest_days": (c.FEATURES_USER_DAY_INTEREST, tuple(c.FEATURES_USER_DAY_INTEREST.column_names)),
}
TABLES = {
    "items": "select item_id, department, category, brand from clean.items order by item_id",
    "users": "select * from clean.users order by user_id",
    "cut_points": "select event_date, measure, cuts from features.cut_points where event_date <= $day order by event_date, measure",
    "predictions": "select user_id, target, class, probability, value, model_version from scores.predictions where event_date = $day "
    "order by user_id, target, class",
}


def write_state(session: Session, home: Home, day: date) -> dict[str, Any]:
    """Write what is missing of the state at the end of `day`; returns what the manifest says of it.

    `daily` are names -> files, one a day; `tables` name -> file; `days` the first and last day; `segments` closed ranges of the
    numbers of the live log's segments whose events all are in.
    """
    folder = home.settings.published_dir / STATE_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    days, ledger = Window(home.days.start, day), Ledger(session, home)
    return {
        "days": [str(days.start), str(days.end)],
        "daily": {name: _write_days(session, ledger, folder, name, days) for name in DAILY},
        "tables": {name: _write_table(session, folder, name, day) for name in TABLES},
        "segments": _ranges(_included_segments(session, home, days)),
    }


def _write_days(session: Session, ledger: Ledger, folder: Path, name: str, days: Window) -> list[str]:
    """One file a day, named by what the ledger knows of it: a day that nothing touched keeps its file."""
    table, columns = DAILY[name]
    filled = {
        day
        for (day,) in session.rows(
            f"select distinct event_date from {table.name} where event_date between $start and $end",
            start=days.start,
            end=days.end,
        )
    }
    files = {
        day: folder / f"{name}-{day}-{content}.parquet" for day, content in ledger.content(table, days).items() if day in filled
    }
    missing = [day for day, file in files.items() if not file.exists()]
    for run in _in_runs(missing):
        rows = session.frame(
            f"select {', '.join(columns)} from {table.name} where event_date in (select unnest($days::date[])) "
            "order by event_date, user_id",
            days=run,
        )
        for (day,), rows_of_day in rows.partition_by("event_date", as_dict=True, maintain_order=True).items():
            _write(rows_of_day, files[day])
    return [file.name for file in files.values()]


def _in_runs(days: list[date]) -> Iterator[list[date]]:
    for begins in range(0, len(days), DAYS_AT_ONCE):
        yield days[begins : begins + DAYS_AT_ONCE]


def _write_table(session: Session, folder: Path, name: str, day: date) -> str:
    """The file of a small table, named by a hash of its bytes."""
    draft = folder / f".{name}.{os.getpid()}.draft"
    session.frame(TABLES[name], day=day).write_parquet(draft, compression="zstd")
    file = folder / f"{name}-{hashlib.sha256(draft.read_bytes()).hexdigest()[:12]}.parquet"
    draft.replace(file)
    return file.name


def _write(frame: pl.DataFrame, file: Path) -> None:
    draft = file.with_name(f".{file.name}.{os.getpid()}.draft")
    frame.write_parquet(draft, compression="zstd")
    draft.replace(file)


def _included_segments(session: Session, home: Home, days: Window) -> list[int]:
    """Numbers of the live segments that landed and of whose events clean.events holds all that there is to hold."""
    stale = set(stale_days(session, home, days)[c.CLEAN_EVENTS.name])
    landed = session.rows(
        "select regexp_extract(files, $pattern, 1)::bigint, first_date, last_date from raw.batches "
        "where regexp_full_match(files, $pattern) order by all",
        pattern=SEGMENT_PATTERN,
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
