"""What users know otherwise than by an outcome: looked at it, put it into the cart, rated it, returned it. None of it is new to them."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from portrait_assets.kernels.ranking.candidates import Candidates
from portrait_assets.kernels.ranking.lines import Lines

NONE = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Seen:
    """Pairs of some users as user * I + item, ascending. What was judged (rated, returned) is offered no more, but for buying it again;
    what is gone, all of it returned, not even for that; what was only looked at is not discovered."""

    looked_at: np.ndarray
    judged: np.ndarray
    gone: np.ndarray  # some of the judged

    def of(self, users: np.ndarray, count: int) -> "Seen":
        """The same of `users` alone, numbered from 0 in their order; `count` items there are."""
        return Seen(*(_part(pairs, users, count) for pairs in (self.looked_at, self.judged, self.gone)))

    def among(self, candidates: Candidates, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(N,) bool each: whether a candidate was looked at, whether it was judged, and whether it is gone."""
        pair = candidates.user * count + candidates.item
        return np.isin(pair, self.looked_at), np.isin(pair, self.judged), np.isin(pair, self.gone)


NOTHING = Seen(NONE, NONE, NONE)


def seen_from(frames: Iterable[pl.DataFrame], lines: Lines) -> Seen:
    """From rows of user_id, item_id, is_judged, is_gone, all of a user in one frame; users and items of no line are left out, for they are no
    candidates."""
    count = len(lines.items)
    users = pl.DataFrame({"user_id": lines.users, "user": np.arange(len(lines.users))}, schema_overrides={"user_id": pl.String})
    items = pl.DataFrame({"item_id": lines.items, "item": np.arange(count)}, schema_overrides={"item_id": pl.String})
    looked_at, judged, gone = [NONE], [NONE], [NONE]
    for frame in frames:
        named = frame.with_columns(pl.col("user_id", "item_id").cast(pl.String))
        known = named.join(users, on="user_id").join(items, on="item_id")
        pair = (known["user"] * count + known["item"]).to_numpy()
        is_judged, is_gone = known["is_judged"].to_numpy(), known["is_gone"].to_numpy()
        for pairs, of in ((looked_at, ~is_judged), (judged, is_judged), (gone, is_gone)):
            pairs.append(pair[of])
    return Seen(*(np.unique(np.concatenate(pairs)) for pairs in (looked_at, judged, gone)))


def _part(pairs: np.ndarray, users: np.ndarray, count: int) -> np.ndarray:
    bounds = np.searchsorted(pairs, np.stack([users, users + 1]) * count)
    parts = [pairs[low:high] - (user - k) * count for k, (user, low, high) in enumerate(zip(users, *bounds, strict=True))]
    return np.concatenate([NONE, *parts])
