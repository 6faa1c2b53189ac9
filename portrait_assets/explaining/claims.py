"""What is explained: a claim of the model about a user, the pieces of the history it may rest on, and the groups they fall into."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import polars as pl

from portrait_assets.packs import Tag
from portrait_assets.partitions import DAY
from portrait_assets.reading.words import counted, day, money
from portrait_assets.terminal import printable

CHANCES = ("churn", "churn_14d", "churn_28d", "churn_90d")
AGES = (0, 14, 60, 100_000)  # days before the as-of: what was lately, some time ago, and before
UNKNOWN = "unknown kind"


@dataclass(frozen=True)
class Claim:
    """That the model's `target` is likely for the user (`sign` 1), or that it is unlikely (-1)."""

    user_id: str
    target: str
    sign: int


@dataclass(frozen=True)
class Unit:
    """What is taken out at once: a visit, or what one visit bought of one kind. `group` is the reason it belongs to; `day` and `count`
    are of its events of this type, whatever else is in the visit (a review of the order comes days after it)."""

    numbers: tuple[int, ...]
    count: int
    day: date
    event_type: str
    kind: str | None
    cents: int
    group: str

    @property
    def told(self) -> str:
        """For a person: `12 Sep 2017: 3 lines of FLUID MILK, 5.97`."""
        what = "purchase" if self.event_type == "purchase" else self.event_type
        kind = f" of {printable(self.kind)}" if self.kind else ""
        paid = f", {money(self.cents)}" if self.cents else ""
        return f"{day(self.day)}: {counted(self.count, f'{what} line' if what == 'purchase' else what)}{kind}{paid}"


def target_of(tag: Tag, value: str, attributes: Sequence[str]) -> str | None:
    """The prediction that a tag's value comes from: `churn_14d`, `age=55-64`; None where no model has a say."""
    if chance := next((name for name in CHANCES if name in tag.inputs), None):
        return chance
    attribute = next((name for name in attributes if name in tag.inputs), None)
    return f"{attribute}={value}" if tag.kind == "attribute" and attribute else None


def units_of(events: pl.DataFrame, target: str | None, as_of: date, attributes: Sequence[str] = ()) -> list[Unit]:
    """The units of one user's numbered events, newest first. What a claim is about says how a visit is taken apart and grouped."""
    head, _, about = (target or "").partition("=")
    level = "department" if head in attributes else "category" if head.startswith("category_") else None
    events = events.filter(pl.col("event_type") != "exposure").with_columns(
        kind=pl.col(level) if level else pl.lit(None, pl.String)
    )
    purchase = pl.col("event_type") == "purchase"
    told_of = pl.col("event_type") == pl.when(purchase.any()).then(pl.lit("purchase")).otherwise(pl.col("event_type").first())
    grouped = events.group_by("visit_id", "kind", maintain_order=True).agg(
        pl.col("event_number"),
        told_of.sum().alias("count"),
        pl.col("event_date").filter(told_of).max(),
        pl.col("event_type").filter(told_of).first(),
        pl.col("amount_cents").filter(purchase).sum().alias("cents"),
        pl.col("department").first(),
    )
    departments = set(grouped.filter(pl.col("kind") == about)["department"]) - {None} if level == "category" else set()
    found = []
    for row in grouped.sort("event_date", "visit_id", descending=[True, False], maintain_order=True).iter_rows(named=True):
        if level is None:
            group = _lately(row["event_date"], as_of, "visits")
        elif level == "department":
            group = f"purchases of {row['kind'] or UNKNOWN}"
        elif row["kind"] == about:
            group = _lately(row["event_date"], as_of, f"purchases of {about}")
        else:
            group = f"purchases of other {row['department']}" if row["department"] in departments else "other purchases"
        numbers = tuple(row["event_number"])
        found.append(Unit(numbers, row["count"], row["event_date"], row["event_type"], row["kind"], row["cents"] or 0, group))
    return found


def _lately(then: date, as_of: date, what: str) -> str:
    age = (as_of - DAY - then).days
    low, high = next((low, high) for low, high in pairwise(AGES) if low <= age < high)
    if low == 0:
        return f"{what} in the last {high} days"
    return f"{what} {low} to {high} days ago" if high != AGES[-1] else f"{what} more than {low} days ago"
