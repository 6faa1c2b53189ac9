"""One user's lists on request: what the user did up to now, read against what everyone did up to a day before.

What is made here for an as-of is what `recommend` makes for it, as far as everyone's numbers are the same: they stay those of the
standing's own as-of. An item that nobody had bought by then has none, so it is not offered; that the user was there counts.
"""

from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from portrait_assets.kernels.ranking.candidates import candidates_of
from portrait_assets.kernels.ranking.context import NOWHERE, Context
from portrait_assets.kernels.ranking.features import pair_features
from portrait_assets.kernels.ranking.lines import DAY_US, USUAL_PLACE, Lines
from portrait_assets.kernels.ranking.neighbours import neighbours_of
from portrait_assets.kernels.ranking.ranker import NO_PAIRS, Read
from portrait_assets.kernels.ranking.recommend import DRAWN, Standing, ranked, reasons_of
from portrait_assets.kernels.ranking.rhythm import runs_of
from portrait_assets.kernels.ranking.seen import NOTHING, Seen


@dataclass(frozen=True)
class Bought:
    """M purchases of one user, in any order."""

    item: pa.StringArray
    visit: pa.StringArray
    place: pa.StringArray  # null where it is not known
    time_us: np.ndarray  # (M,) microseconds since 1970-01-01, UTC
    cents: np.ndarray  # (M,) float64, as the next two
    discount: np.ndarray
    coupon: np.ndarray


def lines_of(everyone: Lines, user_id: str, bought: Bought) -> Lines:
    """What one user bought as lines under everyone's codes, as `lines_from` makes them."""
    names, visit = encoded(bought.visit)
    began = np.full(len(names), np.iinfo(np.int64).max)
    np.minimum.at(began, visit, bought.time_us)
    visits = sorted(range(len(names)), key=lambda k: (began[k], names[k]))
    number = np.empty(len(names), np.int64)
    number[visits] = np.arange(len(names))
    code = coded(bought.item, everyone.item_codes)
    key = code * len(visits) + number[visit]
    order = np.argsort(key, kind="stable")[np.count_nonzero(code < 0) :]
    runs = runs_of(key[order])
    place = coded(bought.place, everyone.place_codes)[order]
    return replace(
        everyone,
        users=[user_id],
        user=np.zeros(len(runs.key), np.int64),
        item=runs.key // max(len(visits), 1),
        visit=runs.key % max(len(visits), 1),
        units=runs.length.astype(np.float64),
        cents=runs.sum(bought.cents[order]),
        discount=runs.sum(bought.discount[order]),
        has_coupon=runs.sum(bought.coupon[order]) > 0,
        place=np.maximum.reduceat(place, runs.start) if len(order) else place,
        visit_user=np.zeros(len(visits), np.int64),
        visit_day=began[visits] / DAY_US,
    )


def encoded(texts: pa.StringArray) -> tuple[list[str | None], np.ndarray]:
    """The distinct of (M,) texts, and (M,) which of them each is: few words to look up for many lines."""
    told = texts.dictionary_encode(null_encoding="encode")
    return told.dictionary.to_pylist(), told.indices.to_numpy().astype(np.int64)


def coded(texts: pa.StringArray, codes: dict[str | None, int]) -> np.ndarray:
    """(M,) the code of each, -1 for none."""
    names, which = encoded(texts)
    return np.array([codes.get(name, -1) for name in names], np.int64)[which]


def recommend_live(
    standing: Standing, lines: Lines, as_of: date, context: Context = NOWHERE, which: str = "blended", seen: Seen = NOTHING
) -> list[dict[str, Any]] | None:
    """Rows of one list of the one user of `lines`, which `lines_of` made, as an export has them. None where nothing is known.

    `which` is a field of Lists, `seen` what the user knows without having bought it. What is in the basket is not offered, and counts as just bought for what goes with it, for nothing else.
    A KeyError where the place is none of everyone's.
    """
    if not len(lines.item):
        return None
    codes = standing.everyone.lines.item_codes
    place = USUAL_PLACE if context.place is None else standing.everyone.lines.place_codes[context.place]
    basket = np.array([codes[item] for item in context.basket if item in codes], np.int64)
    everyone = replace(standing.everyone, as_of=as_of)  # so the user is read as of then
    near = neighbours_of(everyone.near, lines, as_of, basket)
    candidates = candidates_of(everyone, lines, near, NO_PAIRS)
    read = Read(as_of, candidates, near, *pair_features(everyone, lines, candidates, near, place))
    made = ranked(standing, lines, read, basket, seen)
    rows, ranks = getattr(made.lists, which)
    described, (value, chance) = standing.described, made.ordered_by(which)
    return [
        {
            "rank": int(rank),
            "item_id": lines.items[item],
            "score": float(value[row]),
            "probability": float(made.probability[row]),
            "reason": reason if np.isnan(chance[row]) else DRAWN + reason,
            "list": "again" if candidates.by["again"][row] else "discover",
            "item_name": described["name"][item],
            "category": described["category"][item],
        }
        | ({"draw_chance": None if np.isnan(chance[row]) else float(chance[row])} if which == "blended" else {})
        for row, rank, item, reason in zip(
            rows, ranks, candidates.item[rows].tolist(), reasons_of(standing, read, rows), strict=True
        )
    ]
