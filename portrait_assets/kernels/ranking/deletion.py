"""Whether a reason is why: the score of an item made again without the events that its reason names.

The user is read against everyone as if these events had never been; what everyone does stands. Beside it: without as many other events
of the user of about that age, and without the as many that a greedy search finds to matter most.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from portrait_assets.kernels.faithfulness import Deletions, faithfulness, matched_events, most_moving
from portrait_assets.kernels.ranking.everyone import Everyone
from portrait_assets.kernels.ranking.lines import Lines, without
from portrait_assets.kernels.ranking.lists import Policy, make_lists
from portrait_assets.kernels.ranking.ranker import Ranker, Read, read_of
from portrait_assets.kernels.ranking.reasons import NAMED, Names, middle_of, named_events, tell
from portrait_assets.kernels.sequences import day_number

CASES = 1000
SEARCHED_CASES = 100  # of which the best events are searched for: it takes long
SEARCHED = 12  # events of a user among which they are
AT_ONCE = 1000

SCHEMA = {
    "reason": pl.String, "cases": pl.Int64, "falls": pl.Float64, "fall": pl.Float64, "matched": pl.Float64,
    "over matched": pl.Float64, "low": pl.Float64, "of best": pl.Float64,
}  # fmt: skip


@dataclass(frozen=True)
class Cases:
    """N recommendations with the name of their reason, and the places in the lines of the events that it names."""

    user: np.ndarray
    item: np.ndarray
    reason: list[str]
    named: list[list[int]]


def deletion_frame(ranker: Ranker, everyone: Everyone, read: Read) -> pl.DataFrame:
    """One row a reason, one of all, and one of those whose reason names no event: they are counted and not tested.

    falls: the share of cases whose score falls without the named events; fall: the mean change, in standard deviations of scores;
    matched: without as many others; over matched: the one over the other, low: the lower end of its 95 % interval; of best: the
    share of the fall without the best as many, of SEARCHED_CASES.
    """
    cases, silent = sampled_cases(ranker, everyone.lines, read)
    scores, searched = deletions(ranker, everyone, cases), min(SEARCHED_CASES, len(cases.user))
    reason, rows = np.array(cases.reason), list[tuple[Any, ...]]()
    for name in ("all", *sorted(set(cases.reason))):
        of = np.flatnonzero((reason == name) | (name == "all"))
        if not len(of):
            continue
        told = faithfulness(Deletions(scores.full[of], scores.named[of], scores.matched[of], scores.named[of]))
        fall, most = (np.sum((scores.full - less)[of[of < searched]]) for less in (scores.named, scores.best))
        share = float(fall / most) if most > 0 else None
        over = told.over_matched
        rows.append((name, len(of), told.falls_share, told.named_change, told.matched_change, over.value, over.low, share))
    rows.append(("names no event", silent, *[None] * 6))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def sampled_cases(ranker: Ranker, lines: Lines, read: Read) -> tuple[Cases, int]:
    """CASES of the blended lists whose reason names an event, in a drawn order; and how many were passed over that name none."""
    score, _ = ranker.scores(read.x)
    listed, _ = make_lists(lines, read.candidates, score, np.ones(len(score), bool), Policy(), read.as_of).blended
    rows = np.random.default_rng(ranker.config.seed).permutation(listed)[: 2 * CASES]
    reasons, _ = tell(ranker, read, rows, middle_of(read.x), _codes(lines))
    named = [named_events(read, lines, int(row), reason).tolist() for row, reason in zip(rows, reasons, strict=True)]
    chosen = [k for k, events in enumerate(named) if events][:CASES]
    at, passed = rows[chosen], (chosen[-1] + 1 if chosen else len(rows)) - len(chosen)
    user, item = read.candidates.user[at], read.candidates.item[at]
    return Cases(user, item, [reasons[k] for k in chosen], [named[k] for k in chosen]), passed


def deletions(ranker: Ranker, everyone: Everyone, cases: Cases) -> Deletions:
    """Scores of the cases, whole and without events; `best` is searched for in the first SEARCHED_CASES, and `full` in the others."""
    lines, now = everyone.lines, day_number(everyone.as_of)
    score = partial(scores_without, ranker, everyone, cases)
    full = score([(n, ()) for n in range(len(cases.user))])
    matched = []
    for n, user in enumerate(cases.user):
        mine = lines.events_of(int(user), everyone.as_of)
        place = {int(at): k for k, at in enumerate(mine)}
        own = [place[at] for at in cases.named[n]]
        others = matched_events(np.zeros(len(mine), np.int64), now - lines.day[mine], own, [ranker.config.seed, n])
        matched.append([int(mine[k]) for k in others])
    near = [searched(everyone, cases, n) for n in range(min(SEARCHED_CASES, len(cases.user)))]
    found = most_moving(score, full, near, NAMED)
    named, best = score(list(enumerate(cases.named))), full.copy()
    best[: len(found)] = np.minimum(named[: len(found)], score(list(enumerate(found))))  # one by one, a search may stop early
    return Deletions(full, named, score(list(enumerate(matched))), best)


def scores_without(ranker: Ranker, everyone: Everyone, cases: Cases, gone: Sequence[tuple[int, Sequence[int]]]) -> np.ndarray:
    """(len(gone),) the score of the item of each case n for its user without the lines at some places: (n, places)."""
    found, width = [np.zeros(0)], len(everyone.lines.items)
    for start in range(0, len(gone), AT_ONCE):
        some = gone[start : start + AT_ONCE]
        pairs = np.arange(len(some)) * width + cases.item[[n for n, _ in some]]
        read = read_of(everyone, without(everyone.lines, [(int(cases.user[n]), events) for n, events in some]), pairs)
        rows = np.searchsorted(read.candidates.user * width + read.candidates.item, pairs)
        found.append(ranker.scores(read.x[rows])[0])
    return np.concatenate(found)


def searched(everyone: Everyone, cases: Cases, n: int) -> list[int]:
    """SEARCHED events of case n: those named, then the latest of the item, of its type, of its category, and of all."""
    lines, item = everyone.lines, cases.item[n]
    mine = lines.events_of(int(cases.user[n]), everyone.as_of)
    alike = [
        lines.item[mine] == item,
        *(lines.groups[g][lines.item[mine]] == lines.groups[g][item] for g in ("item_type", "category")),
    ]
    nearest = mine[np.argsort(-np.sum(alike, axis=0), kind="stable")]
    return list(dict.fromkeys([*cases.named[n], *nearest.tolist()]))[:SEARCHED]


def _codes(lines: Lines) -> Names:
    """Items and their types under any name: the words do not matter here."""
    return Names(lines.items, [None if code < 0 else "it" for code in lines.groups["item_type"]])
