"""From histories to the network's batches: users of similar length together, visits flat, as-of points beside them."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import torch

from portrait_assets.kernels import habits
from portrait_assets.kernels.behaviour_model import BAGS, Batch
from portrait_assets.kernels.config import BehaviourConfig
from portrait_assets.kernels.sequences import History, day_number


@dataclass(frozen=True)
class Reading:
    """What the network reads of a history: bag codes of every line (0 = unknown), and the as-of points."""

    visit_day: np.ndarray  # (V,) float64, as in the history
    visit_numbers: np.ndarray  # (V, VISIT_NUMBERS) float32
    lines: dict[str, np.ndarray]  # bag -> (E,) int64 codes
    first_line: np.ndarray  # (V + 1,) CSR of lines by visit
    first_visit: np.ndarray  # (U + 1,) CSR of visits by user
    as_of_days: np.ndarray  # (K,)
    row: np.ndarray  # (U, K) row of the feature table, -1 where the user is not yet seen
    features: torch.Tensor  # (R, D) float32
    habits: dict[str, torch.Tensor]  # level -> (R, targets, H) float16: counts of at most a few hundred


def read(
    history: History,
    vocabulary: dict[str, list[str]],
    targets: dict[str, list[str]],
    as_ofs: list[date],
    features: np.ndarray,
    config: BehaviourConfig,
) -> Reading:
    """`features` (R, D): for each as-of in order, one row per user seen before it, in user order."""
    row = np.full((len(history.users), len(as_ofs)), -1, np.int64)
    memory: dict[str, list[np.ndarray]] = {level: [] for level in targets}
    start = 0
    for k, as_of in enumerate(as_ofs):
        users = history.seen_before(as_of)
        row[users, k] = start + np.arange(len(users))
        start += len(users)
        for level in targets:
            codes = history.recode(level, targets[level])
            memory[level].append(
                habits.decayed_counts(history, codes, len(targets[level]), as_of, config.half_lives_days)[users].astype(
                    np.float16
                )
            )
    return Reading(
        history.visit_day,
        history.visit_numbers,
        {bag: history.recode(bag, vocabulary[bag]) + 1 for bag in BAGS},
        np.searchsorted(history.line_visit, np.arange(len(history.visit_user) + 1)),
        np.searchsorted(history.visit_user, np.arange(len(history.users) + 1)),
        np.array([day_number(a) for a in as_ofs], np.float64),
        row,
        torch.from_numpy(features.astype(np.float32)),
        {level: torch.from_numpy(np.concatenate(parts)) for level, parts in memory.items()},
    )


def user_batches(reading: Reading, config: BehaviourConfig) -> list[np.ndarray]:
    """User indices in batches of similar history length (ties by user), users without any as-of point left out."""
    users = np.flatnonzero((reading.row >= 0).any(1))
    length = np.minimum(np.diff(reading.first_visit), config.visits_kept)[users]
    users = users[np.lexsort((users, length))]
    return [users[i : i + config.batch_users] for i in range(0, len(users), config.batch_users)]


def make_batch(reading: Reading, users: np.ndarray, config: BehaviourConfig) -> Batch:
    """Tensors of some users; only their latest `visits_kept` visits enter."""
    last = reading.first_visit[users + 1]
    first = np.maximum(reading.first_visit[users], last - config.visits_kept)
    length = last - first
    size = max(int(length.max()), 1)
    visits = ranges(first, length)  # (n,) indices of visits
    place = np.repeat(np.arange(len(users)) * size, length) + ranges(np.zeros_like(length), length)
    day = np.full(len(users) * size, np.inf)
    day[place] = reading.visit_day[visits]
    count = reading.first_line[visits + 1] - reading.first_line[visits]
    lines = ranges(reading.first_line[visits], count)  # (L,) indices of lines
    row = torch.from_numpy(reading.row[users])
    origin = reading.as_of_days.max()  # days are counted from the latest as-of, so that float32 keeps the minutes
    return Batch(
        slot=torch.from_numpy(place),
        numbers=torch.from_numpy(reading.visit_numbers[visits]),
        lines={bag: torch.from_numpy(codes[lines]) for bag, codes in reading.lines.items()},
        offsets=torch.from_numpy(
            np.concatenate([[0], np.cumsum(count)[:-1]]).astype(np.int64) if len(count) else np.zeros(0, np.int64)
        ),
        visit_day=torch.from_numpy((day - origin).reshape(len(users), size).astype(np.float32)),
        as_of_day=torch.from_numpy((reading.as_of_days - origin).astype(np.float32)).expand(len(users), -1),
        features=reading.features[row.clamp(min=0)],
        habits={level: table[row.clamp(min=0)].float() for level, table in reading.habits.items()},
        row=row,
    )


def ranges(start: np.ndarray, length: np.ndarray) -> np.ndarray:
    """start[0], start[0]+1, ... (length[0] of them), start[1], ...: the ranges one after another."""
    step = np.repeat(start - np.concatenate([[0], np.cumsum(length)[:-1]]), length)
    return (step + np.arange(length.sum())).astype(np.int64)
