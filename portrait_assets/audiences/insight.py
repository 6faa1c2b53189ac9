"""What is special about an audience: every tag value's share in it against its share in all, with 95 % intervals."""

from dataclasses import dataclass
from math import inf, sqrt

import polars as pl

from portrait_assets.audiences.members import Audience
from portrait_assets.errors import PortraitError

Z = 1.959963984540054
"""Two-sided 95 % of the normal distribution."""


@dataclass(frozen=True)
class IndexLine:
    """One tag value: how many of the audience and of all have it, and the index (TGI): 100 is as common as in all."""

    tag_id: str
    value: str
    members: int
    all: int
    share: float
    share_of_all: float
    index: float
    low: float
    high: float

    @property
    def is_different(self) -> bool:
        """Whether the interval leaves 100 out."""
        return not self.low <= 100 <= self.high


@dataclass(frozen=True)
class Overlap:
    """Two audiences of one export. `lift` is how many they share over how many they would by chance; None where that is none."""

    first: int
    second: int
    both: int
    either: int
    jaccard: float | None
    lift: float | None


def insight(group: Audience) -> list[IndexLine]:
    """Every value of every tag that anyone has and that is not stale, the most different first; empty for an audience of nobody."""
    if group.size == 0:
        return []
    tags = group.export.scan("tags").filter(~pl.col("is_stale")).select("user_id", "tag_id", "value").collect()
    counts = (
        tags.join(group.facts.select("user_id", "is_member"), on="user_id")
        .group_by("tag_id", "value")
        .agg(pl.col("is_member").sum().alias("members"), pl.len().alias("all"))
    )
    lines = [_line(row, group.size, group.of) for row in counts.to_dicts()]
    return sorted(lines, key=lambda line: (-_distance(line), line.tag_id, line.value))


def overlap(one: Audience, other: Audience) -> Overlap:
    """How two audiences share users; PortraitError where they are of different generations."""
    if one.export.generation != other.export.generation:
        raise PortraitError(f"generations {one.export.generation} and {other.export.generation} differ; overlap is within one")
    first, second = one.ids(), other.ids()
    both, either = len(first & second), len(first | second)
    by_chance = len(first) * len(second) / one.of if one.of else 0
    return Overlap(
        len(first), len(second), both, either, both / either if either else None, both / by_chance if by_chance else None
    )


def _line(row: dict, size: int, of: int) -> IndexLine:
    members, total = row["members"], row["all"]
    low, high = index_interval(members, size, total - members, of - size)
    return IndexLine(
        row["tag_id"], row["value"], members, total, members / size, total / of, 100 * members * of / (size * total), low, high
    )  # fmt: skip


def _distance(line: IndexLine) -> float:
    """How far the interval stays from 100, as a ratio; below 1 where it holds 100."""
    return max(line.low / 100, 100 / line.high if line.high else inf)


def index_interval(members: int, size: int, others: int, rest: int) -> tuple[float, float]:
    """95 % interval of the index of a value that `members` of `size` have, and `others` of the `rest` outside the audience.

    The audience is part of all, so its index is 100 / (w + (1 - w) / ratio), with w its share of all and ratio that of the two
    independent shares inside and outside. It rises with the ratio, whose interval (MOVER-R on Wilson's, Donner and Zou 2012) is
    therefore carried over. It stays sound at counts of nought, where the usual logarithm has none.
    """
    if rest == 0:
        return 100.0, 100.0
    inside, outside = members / size, others / rest
    (low_in, high_in), (low_out, high_out) = wilson(members, size), wilson(others, rest)
    product = inside * outside

    def part(bound: float, share: float) -> float:
        return bound * (2 * share - bound)

    top, bottom = part(low_in, inside), part(high_out, outside)
    scale = product + sqrt(max(0.0, product**2 - top * bottom))
    low_ratio = top / scale if scale else 0.0
    top, bottom = part(high_in, inside), part(low_out, outside)
    high_ratio = (product + sqrt(max(0.0, product**2 - top * bottom))) / bottom if bottom > 0 else inf
    weight = size / (size + rest)
    return _index(low_ratio, weight), _index(high_ratio, weight)


def _index(ratio: float, weight: float) -> float:
    return 0.0 if ratio == 0 else 100 / (weight + (1 - weight) / ratio)


def wilson(count: int, of: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share; exactly 0 and 1 at its ends."""
    share = count / of
    middle = share + Z**2 / (2 * of)
    spread = Z * sqrt(share * (1 - share) / of + Z**2 / (4 * of**2))
    low, high = ((middle + sign * spread) / (1 + Z**2 / of) for sign in (-1, 1))
    return (0.0 if count == 0 else low), (1.0 if count == of else high)
