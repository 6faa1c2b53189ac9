"""What was bought, line by line, as arrays: what the ranker reads.

A line is one item in one visit of one user. Lines are sorted by (user, item, visit), so that all lines of a pair lie
together: sums over a pair are sums over a run.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property

import numpy as np
import polars as pl

from portrait_assets.kernels.ranking.rhythm import runs_of
from portrait_assets.kernels.sequences import day_number, encode, together

BY_LINE = ("user", "item", "units", "cents", "discount", "has_coupon", "place")
GROUPS = ("item_type", "category", "department", "maker", "make")  # what items are alike by; a make is a type of one maker
DAY_US = 86_400e6
USUAL_PLACE = -1  # in the place of a code: wherever each user mostly goes


@dataclass(frozen=True)
class Lines:
    """E lines of U users and I items in V visits. A code of -1 is unknown; days are since 1970-01-01, UTC."""

    users: list[str]  # (U,) sorted
    items: list[str]  # (I,) sorted
    groups: dict[str, np.ndarray]  # each of GROUPS -> (I,) int64 code
    brand: np.ndarray  # (I,) int64 code
    user: np.ndarray  # (E,) int64
    item: np.ndarray  # (E,) int64
    visit: np.ndarray  # (E,) int64
    units: np.ndarray  # (E,) float64 events of the item in the visit
    cents: np.ndarray  # (E,) float64 paid
    discount: np.ndarray  # (E,) float64 cents off
    has_coupon: np.ndarray  # (E,) bool
    place: np.ndarray  # (E,) int64 code
    places: list[str]  # (P,) sorted
    visit_user: np.ndarray  # (V,) int64, by user, then time
    visit_day: np.ndarray  # (V,) float64

    @cached_property
    def day(self) -> np.ndarray:
        """(E,) when the visit began."""
        return self.visit_day[self.visit]

    @cached_property
    def visit_number(self) -> np.ndarray:
        """(V,) which of its user's visits each is, from 1."""
        first = np.searchsorted(self.visit_user, np.arange(len(self.users)))
        return np.arange(len(self.visit_user)) - first[self.visit_user] + 1

    @cached_property
    def item_codes(self) -> dict[str | None, int]:
        """The code of each item."""
        return {name: code for code, name in enumerate(self.items)}

    @cached_property
    def place_codes(self) -> dict[str | None, int]:
        """The code of each place."""
        return {name: code for code, name in enumerate(self.places)}

    @cached_property
    def by_group(self) -> dict[str, np.ndarray]:
        """Each of GROUPS -> (E,) the lines by (user, group, visit)."""
        return {name: np.lexsort((self.visit, code[self.item], self.user)) for name, code in self.groups.items()}

    @cached_property
    def widths(self) -> dict[str, int]:
        """How many codes each of GROUPS has."""
        return {name: int(code.max(initial=-1)) + 1 for name, code in self.groups.items()}

    def width(self, group: str) -> int:
        """How many codes a group has."""
        return self.widths[group]

    def before(self, as_of: date) -> np.ndarray:
        """(E,) bool: the lines that an as-of knows."""
        return self.day < day_number(as_of)

    @cached_property
    def pair(self) -> np.ndarray:
        """(E,) one number for each (user, item), ascending."""
        return self.user * len(self.items) + self.item

    def events_of(self, user: int, as_of: date) -> np.ndarray:
        """Places of a user's lines that an as-of knows, latest first."""
        mine = np.arange(*np.searchsorted(self.user, [user, user + 1]))
        mine = mine[self.day[mine] < day_number(as_of)]
        return mine[np.lexsort((mine, -self.day[mine]))]

    def marked(self, items: Collection[str]) -> np.ndarray:
        """(I,) bool: which items these are."""
        chosen = set(items)
        return np.fromiter((item in chosen for item in self.items), bool, len(self.items))

    def pairs_before(self, as_of: date) -> np.ndarray:
        """Each (user, item) that an as-of knows, once, ascending."""
        return runs_of(self.pair[self.before(as_of)]).key


def before(lines: Lines, cutoff: date) -> Lines:
    """The lines before `cutoff` alone, under the same codes."""
    keep, visits = lines.before(cutoff), lines.visit_day < day_number(cutoff)
    return replace(
        lines,
        **{name: getattr(lines, name)[keep] for name in BY_LINE},
        visit=(np.cumsum(visits) - 1)[lines.visit[keep]],
        visit_user=lines.visit_user[visits],
        visit_day=lines.visit_day[visits],
    )


def without(lines: Lines, copies: Sequence[tuple[int, Sequence[int]]]) -> Lines:
    """Copy k is the user of copies[k] less the lines at some places; a visit of which nothing is left is none."""
    start = np.searchsorted(lines.user, np.arange(len(lines.users) + 1))
    kept = [np.setdiff1d(np.arange(start[user], start[user + 1]), gone, assume_unique=True) for user, gone in copies]
    at = np.concatenate([np.zeros(0, np.int64), *kept])
    user, size = np.repeat(np.arange(len(copies)), [len(rows) for rows in kept]), len(lines.visit_user)
    visits, visit = np.unique(user * size + lines.visit[at], return_inverse=True)
    return replace(
        lines,
        **{name: getattr(lines, name)[at] for name in BY_LINE} | {"user": user},
        users=[lines.users[user] for user, _ in copies],
        visit=visit,
        visit_user=visits // max(size, 1),
        visit_day=lines.visit_day[visits % max(size, 1)],
    )


def lines_from(frame: pl.DataFrame, items: pl.DataFrame) -> Lines:
    """Arrays of `frame` (user_id, item_id, visit_id, visit_time, units, cents, discount_cents, coupon_cents, place_id).

    One row per user, visit and item, in any order; `items` (item_id, item_type, category, department, brand, maker) may lack some.
    """
    visits = frame.group_by("user_id", "visit_id").agg(pl.col("visit_time").min()).sort("user_id", "visit_time", "visit_id")
    users, visit_user = encode(visits["user_id"])
    number = visits.select("user_id", "visit_id", visit=pl.int_range(pl.len(), dtype=pl.Int64))
    frame = frame.join(number, on=["user_id", "visit_id"], how="left", maintain_order="left")
    names, item = encode(frame["item_id"])
    _, user = encode(frame["user_id"])
    places, place_code = encode(frame["place_id"].cast(pl.String))
    visit = frame["visit"].to_numpy()
    order = np.lexsort((visit, item, user))
    numbers = {
        name: frame[name].cast(pl.Float64).fill_null(0).fill_nan(0).to_numpy()[order]
        for name in ("units", "cents", "discount_cents", "coupon_cents")
    }
    groups, brand = groups_of(names, items)
    return Lines(
        users=users,
        items=names,
        groups=groups,
        brand=brand,
        user=user[order],
        item=item[order],
        visit=visit[order],
        units=numbers["units"],
        cents=numbers["cents"],
        discount=numbers["discount_cents"],
        has_coupon=numbers["coupon_cents"] > 0,
        place=place_code[order],
        places=places,
        visit_user=visit_user,
        visit_day=visits["visit_time"].dt.epoch("us").to_numpy() / DAY_US,
    )


def joined(parts: Sequence[Lines], items: pl.DataFrame) -> Lines:
    """The lines of users in order, each of them whole in one of `parts`, as if they were made of all rows at once, to the bit."""
    names, item = together([part.items for part in parts], [part.item for part in parts])
    places, place = together([part.places for part in parts], [part.place for part in parts])
    first_user, first_visit = (
        np.cumsum([0, *sizes])[:-1] for sizes in ([len(part.users) for part in parts], [len(part.visit_user) for part in parts])
    )
    groups, brand = groups_of(names, items)
    return Lines(
        users=[user for part in parts for user in part.users],
        items=names,
        groups=groups,
        brand=brand,
        **{
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in ("units", "cents", "discount", "has_coupon")
        },
        user=np.concatenate([part.user + first for part, first in zip(parts, first_user, strict=True)]),
        item=item,
        visit=np.concatenate([part.visit + first for part, first in zip(parts, first_visit, strict=True)]),
        place=place,
        places=places,
        visit_user=np.concatenate([part.visit_user + first for part, first in zip(parts, first_user, strict=True)]),
        visit_day=np.concatenate([part.visit_day for part in parts]),
    )


def groups_of(names: list[str], items: pl.DataFrame) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The code of each item in each of GROUPS, and of its brand; an item without a description is -1 in all."""
    columns = ("item_type", "category", "department", "maker", "brand")
    known = items.select("item_id", *(pl.col(name).cast(pl.String) for name in columns)).unique("item_id", keep="first")
    told = pl.DataFrame({"item_id": pl.Series(names, dtype=pl.String)}).join(
        known, on="item_id", how="left", maintain_order="left"
    )
    told = told.with_columns(make=pl.concat_str("item_type", "maker", separator="\n"))
    return {name: encode(told[name])[1] for name in GROUPS}, encode(told["brand"])[1]
