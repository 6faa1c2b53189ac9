"""Visits as arrays: what each user did, visit by visit and line by line, and what they did in a window.

A `History` is cut at an instant by its readers: every function here that takes an `as_of` reads only lines with
time < as_of (inputs) or as_of <= time < as_of + horizon (labels).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import numpy as np
import polars as pl

EPOCH = date(1970, 1, 1)
LEVELS = ("item", "item_type", "category", "department", "brand")
VISIT_NUMBERS = 12
OF_VISITS = ("visit_day", "visit_outcome", "visit_numbers", "spend_cents", "refund_cents", "has_coupon")


def day_number(day: date | datetime) -> int:
    """Days since 1970-01-01; an as-of is 00:00 UTC of its date."""
    return ((day.date() if isinstance(day, datetime) else day) - EPOCH).days


@dataclass(frozen=True)
class History:
    """V visits by (user, time) and their E lines, as arrays. Codes of a level index its sorted names, -1 = unknown."""

    users: list[str]  # (U,) sorted
    visit_user: np.ndarray  # (V,) int64
    visit_day: np.ndarray  # (V,) float64 days since epoch
    visit_outcome: np.ndarray  # (V,) bool: has an outcome event
    visit_numbers: np.ndarray  # (V, VISIT_NUMBERS) float32
    spend_cents: np.ndarray  # (V,) float64 paid for what was bought
    refund_cents: np.ndarray  # (V,) float64 paid back for what was returned
    has_coupon: np.ndarray  # (V,) bool
    line_visit: np.ndarray  # (E,) int64
    line_outcome: np.ndarray  # (E,) bool
    names: dict[str, list[str]]  # level -> sorted names
    codes: dict[str, np.ndarray]  # level -> (E,) int64

    def line_day(self) -> np.ndarray:
        return self.visit_day[self.line_visit]

    def line_user(self) -> np.ndarray:
        return self.visit_user[self.line_visit]

    def recode(self, level: str, targets: list[str]) -> np.ndarray:
        """(E,) index of each line into `targets`, -1 where it is none of them."""
        place = {name: i for i, name in enumerate(targets)}
        table = np.array([place.get(name, -1) for name in self.names[level]] + [-1], np.int64)
        return table[self.codes[level]]

    def seen_before(self, as_of: date) -> np.ndarray:
        """Indices of users with any event before as_of, ascending (so by user_id)."""
        return np.unique(self.visit_user[self.visit_day < day_number(as_of)])

    def popular(self, level: str, as_of: date, days: int, count: int) -> list[str]:
        """The `count` names with most outcome lines in the `days` before as_of; ties by name."""
        end, day, code = day_number(as_of), self.line_day(), self.codes[level]
        keep = self.line_outcome & (day < end) & (day >= end - days) & (code >= 0)
        lines = np.bincount(code[keep], minlength=len(self.names[level]))
        order = np.lexsort((np.arange(len(lines)), -lines))[:count]
        return [self.names[level][i] for i in order if lines[i] > 0]

    def before(self, as_of: date) -> "History":
        """As if it were made of the visits before as_of alone, to the bit."""
        visits = self.visit_day < day_number(as_of)
        if visits.all():
            return self
        users, lines = np.unique(self.visit_user[visits]), visits[self.line_visit]
        names, codes = {}, {}
        for level, code in self.codes.items():
            of_lines = code[lines]
            used = np.flatnonzero(np.bincount(of_lines + 1, minlength=len(self.names[level]) + 1)[1:])
            place = np.full(len(self.names[level]) + 1, -1, np.int64)
            place[used] = np.arange(len(used))
            names[level], codes[level] = [self.names[level][i] for i in used], place[of_lines]
        return replace(
            self,
            users=[self.users[i] for i in users],
            **{name: getattr(self, name)[visits] for name in OF_VISITS},
            visit_user=np.searchsorted(users, self.visit_user[visits]),
            line_visit=(np.cumsum(visits) - 1)[self.line_visit[lines]],
            line_outcome=self.line_outcome[lines],
            names=names,
            codes=codes,
        )


def joined(parts: Sequence[History]) -> History:
    """One history of users in order, each of them whole in one of `parts`, as if it were made of all their visits at once, to the bit."""
    visits, users = (
        np.cumsum([0, *(len(of) for of in sizes)])[:-1] for sizes in zip(*((p.visit_user, p.users) for p in parts), strict=True)
    )
    names, codes = {}, {}
    for level in LEVELS:
        names[level], codes[level] = together([part.names[level] for part in parts], [part.codes[level] for part in parts])
    return History(
        users=[user for part in parts for user in part.users],
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in OF_VISITS},
        visit_user=np.concatenate([part.visit_user + first for part, first in zip(parts, users, strict=True)]),
        line_visit=np.concatenate([part.line_visit + first for part, first in zip(parts, visits, strict=True)]),
        line_outcome=np.concatenate([part.line_outcome for part in parts]),
        names=names,
        codes=codes,
    )


def history_from(visits: pl.DataFrame, items: pl.DataFrame, before: date, outcome_event: str) -> History:
    """Arrays of `visits` with visit_time < `before` (00:00 UTC); later rows are dropped, whoever passed them."""
    limit = datetime(before.year, before.month, before.day)
    visits = visits.with_columns(pl.col("visit_time").dt.replace_time_zone(None).cast(pl.Datetime("us")))
    visits = visits.filter(pl.col("visit_time") < limit).sort(
        "user_id", "visit_time", "event_types", "item_ids", maintain_order=True
    )
    users = visits["user_id"].unique().sort()
    lines = explode_lines(visits, items)
    outcome = (lines["event_type"] == outcome_event).fill_null(False).to_numpy()
    line_visit = lines["visit"].to_numpy().astype(np.int64)
    names, codes = {}, {}
    for level in LEVELS:
        names[level], codes[level] = encode(lines[level])
    return History(
        users=users.to_list(),
        visit_user=visits["user_id"]
        .replace_strict(users, np.arange(len(users)), return_dtype=pl.Int64)
        .to_numpy()
        .astype(np.int64),
        visit_day=visits["visit_time"].dt.epoch("us").to_numpy() / 86_400e6,
        visit_outcome=np.bincount(line_visit[outcome], minlength=visits.height) > 0,
        visit_numbers=visit_numbers(visits),
        spend_cents=finite(visits["spend_cents"]).fill_null(0).to_numpy(),
        refund_cents=finite(visits["refund_cents"]).fill_null(0).to_numpy(),
        has_coupon=(finite(visits["coupon_cents"]).fill_null(0) > 0).to_numpy()
        | visits["event_types"].list.contains("coupon").fill_null(False).to_numpy(),
        line_visit=line_visit,
        line_outcome=outcome,
        names=names,
        codes=codes,
    )


def explode_lines(visits: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    """One row per event of a visit: visit (row number), event_type and the LEVELS, in visit order."""
    lists = {"event_type": "event_types", "item": "item_ids", "category": "categories", "department": "departments"}
    lines = visits.select(
        pl.int_range(pl.len()).alias("visit"), *(pl.col(column).alias(name) for name, column in lists.items())
    )
    lines = lines.explode("event_type", "item", "category", "department")
    known = items.select(pl.col("item_id").alias("item"), "item_type", "brand").unique(
        "item", keep="first", maintain_order=True
    )
    return lines.join(known, on="item", how="left", maintain_order="left").with_columns(pl.col(LEVELS).cast(pl.String))


def encode(values: pl.Series) -> tuple[list[str], np.ndarray]:
    """Sorted distinct non-null names, and the index of each value among them (-1 for null)."""
    names = values.drop_nulls().unique().sort()
    coded = (
        values.replace_strict(names, np.arange(len(names)), default=-1, return_dtype=pl.Int64)
        if len(names)
        else pl.repeat(-1, len(values), dtype=pl.Int64, eager=True)
    )
    return names.to_list(), coded.fill_null(-1).to_numpy()


def together(names: Sequence[list[str]], codes: Sequence[np.ndarray]) -> tuple[list[str], np.ndarray]:
    """What `encode` gives for several series one after the other, from what it gives for each."""
    every = sorted(set().union(*names))
    place = {name: code for code, name in enumerate(every)}
    tables = [np.array([*(place[name] for name in of_part), -1], np.int64) for of_part in names]
    return every, np.concatenate([table[of_part] for table, of_part in zip(tables, codes, strict=True)])


def finite(values: pl.Series) -> pl.Series:
    """As float64; NaN and infinity are null."""
    values = values.cast(pl.Float64)
    return values.set(~values.is_finite(), None)


def visit_numbers(visits: pl.DataFrame) -> np.ndarray:
    """(V, VISIT_NUMBERS) float32: money, size, gap before the visit, calendar; missing money is zero beside its own flag."""
    spend, discount, coupon, lines = (
        finite(visits[c]) for c in ("spend_cents", "discount_cents", "coupon_cents", "line_count")
    )
    gap = (
        visits.select(pl.col("visit_time").diff().over("user_id").dt.total_seconds().fill_null(0) / 86_400)
        .to_series()
        .to_numpy()
    )
    money = [np.log1p(np.maximum(s.fill_null(0).to_numpy(), 0) / 100) for s in (spend, discount, coupon)]
    hour = visits["local_hour"].cast(pl.Float64).to_numpy() * (
        2 * np.pi / 24
    )  # NaN where unknown: no place on the clock, 0 and 0
    weekday = visits["local_weekday"].cast(pl.Float64).fill_null(0).to_numpy() * (2 * np.pi / 7)
    count = np.log1p(lines.fill_null(0).to_numpy())
    calendar = [np.sin(hour), np.cos(hour), np.sin(weekday), np.cos(weekday)]
    month = visits["event_date"].dt.ordinal_day().to_numpy() * (2 * np.pi / 365.25)
    columns = [*money, spend.is_null().to_numpy().astype(float), count, np.log1p(gap), *calendar, np.sin(month), np.cos(month)]
    return np.nan_to_num(np.stack(columns, axis=1)).astype(np.float32)
