"""What all users together say at an as-of: each item's sales, how long one waits for what, what sells where, who is like whom.

Anyone's lines can then be read against it: all users', one user's as of this moment, or a user's with some events left out.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np

from portrait_assets.kernels.ranking.known import Known, known_at, visits_with
from portrait_assets.kernels.ranking.lines import GROUPS, Lines
from portrait_assets.kernels.ranking.neighbours import Neighbourhood, neighbourhood_at
from portrait_assets.kernels.ranking.rhythm import NEVER_DAYS, Runs, Waits, gaps_of, runs_of, waits_of

WEEK_DAYS = (7, 14, 28, 84)
PLACE_DAYS = (14, 42)
POPULAR_DAYS = 28
NEW_ITEMS = 20  # a user and generator of candidates
LEADERS = 4  # of an item type
ARRIVAL_DAYS = 28  # an item first sold within these days is new to everybody

Block = dict[str, np.ndarray]


@dataclass(frozen=True)
class Everyone:
    """From `lines` before `as_of` alone."""

    lines: Lines
    as_of: date
    horizon: float  # days
    items: Block  # name -> (I,)
    waits: dict[str, Waits]  # of an "item" and of each of GROUPS
    sold_in_place: dict[int, Runs]  # each of PLACE_DAYS -> how often an item was sold in a place: key is item * places + place
    sellers: dict[
        str, np.ndarray
    ]  # popular (1, n), leaders and arrivals (item types, n): items most bought lately, -1 for none
    near: Neighbourhood


def everyone_at(lines: Lines, as_of: date, horizon: float) -> Everyone:
    """From lines before as_of only."""
    known = known_at(lines, as_of, horizon)
    gap, follows = gaps_of(known.pairs, known.day)
    waits = {"item": waits_of(known.item[follows], gap[follows])}
    for group in GROUPS:
        runs, at = visits_with(known, group)
        gap, follows = gaps_of(runs, lines.day[at])
        waits[group] = waits_of(lines.groups[group][lines.item[at[follows]]], gap[follows])
    return Everyone(
        lines=lines,
        as_of=as_of,
        horizon=horizon,
        items=item_numbers(known),
        waits=waits,
        sold_in_place={days: sold_in_place(known, days) for days in PLACE_DAYS},
        sellers=sellers(known),
        near=neighbourhood_at(lines, as_of),
    )


def item_numbers(known: Known) -> Block:
    """(I,) each: buyers, trend, how often the item is bought again, price and reductions lately."""
    lines, count, age = known.lines, len(known.lines.items), known.age
    pairs, kind = known.pairs, known.item[known.pairs.start]
    out: Block = {}
    for days in WEEK_DAYS:
        lately = runs_of(lines.pair[known.at][age <= days]).key % count
        out[f"item_buyers_{days}d"] = np.log1p(np.bincount(lately, minlength=count))
    sold = {days: np.bincount(known.item[age <= days], minlength=count) for days in WEEK_DAYS}
    out["item_trend"] = np.log((sold[14] + 0.5) / (sold[84] / 6 + 0.5))
    last, first = np.full(count, known.now - NEVER_DAYS), np.full(count, known.now + 1)
    np.maximum.at(last, known.item, known.day)
    np.minimum.at(first, known.item, known.day)
    out["item_last_sold_days"], out["item_first_sold_days"] = known.now - last, known.now - first
    buyers = np.bincount(kind, minlength=count)
    out["item_bought_again"] = (np.bincount(kind[pairs.length > 1], minlength=count) + 1) / (buyers + 4)
    out["item_visits_per_buyer"] = np.bincount(known.item, minlength=count) / np.maximum(buyers, 1)
    settled = (age > known.horizon) & (age <= 70)
    gap, follows = gaps_of(pairs, known.day)
    returned = np.append(np.where(follows[1:], gap[1:], NEVER_DAYS), NEVER_DAYS)[: len(age)] <= known.horizon
    out["item_again_in_horizon"] = (np.bincount(known.item[settled & returned], minlength=count) + 1) / (
        np.bincount(known.item[settled], minlength=count) + 8
    )
    cents, units, is_reduced = lines.cents[known.at], lines.units[known.at], lines.discount[known.at] > 0
    price = {}
    for days in (14, 84):
        lately = age <= days
        paid, sold_units = (np.bincount(known.item[lately], weights=x[lately], minlength=count) for x in (cents, units))
        price[days] = paid / np.maximum(sold_units, 1)
    out["item_price_cents"] = price[84]
    out["item_price_lately"] = np.where((price[14] > 0) & (price[84] > 0), price[14] / np.maximum(price[84], 1), np.nan)
    for days in (7, 14, 84):
        reduced = np.bincount(known.item[(age <= days) & is_reduced], minlength=count)
        out[f"item_reduced_{days}d"] = (reduced + 0.2) / (sold[days] + 1)
    return out


def sold_in_place(known: Known, days: int) -> Runs:
    """How often each item was sold in each place within `days`."""
    place = known.lines.place[known.at]
    lately = (place >= 0) & (known.age <= days)
    return runs_of(np.sort(known.item[lately] * max(len(known.lines.places), 1) + place[lately]))


def sellers(known: Known) -> dict[str, np.ndarray]:
    """What sells best: of all, of each item type, and of each item type among what nobody bought before the last days."""
    kind = known.lines.groups["item_type"]
    first = np.full(len(kind), np.inf)
    np.minimum.at(first, known.item, known.day)
    fresh = np.isfinite(first) & (first >= known.now - ARRIVAL_DAYS)
    return {
        "popular": best_sellers(known, np.zeros(len(kind), np.int64), NEW_ITEMS),
        "leaders": best_sellers(known, kind, LEADERS),
        "arrivals": best_sellers(known, np.where(fresh, kind, -1), LEADERS),
    }


def best_sellers(known: Known, group: np.ndarray, count: int) -> np.ndarray:
    """(groups, count) items of each group with most buyers lately, -1 where there are fewer; ties by item."""
    pairs, items = runs_of(known.lines.pair[known.at[known.age <= POPULAR_DAYS]]).key, len(group)
    buyers = np.bincount(pairs % items, minlength=items) if items else np.zeros(0, np.int64)
    sold = np.flatnonzero((buyers > 0) & (group >= 0))
    table = np.full((int(group.max(initial=-1)) + 1, count), -1, np.int64)
    order = sold[np.lexsort((sold, -buyers[sold], group[sold]))]
    runs = runs_of(group[order])
    rank = np.arange(len(order)) - runs.start[runs.of] if len(order) else order
    keep = rank < count
    table[group[order[keep]], rank[keep]] = order[keep]
    return table
