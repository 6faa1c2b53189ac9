"""The ranker at a past cutoff, beside what is simpler: popularity, personal frequency, neighbours, TIFU-KNN, and plain boosting.

Everything is scored by one protocol (`measures`), on the same users, in the same run.
"""

from dataclasses import dataclass, replace
from datetime import date, timedelta

import lightgbm
import numpy as np
import polars as pl
from scipy import sparse

from portrait_assets.kernels.boosting import raw_scores
from portrait_assets.kernels.ranking.candidates import best_unknown
from portrait_assets.kernels.ranking.deletion import deletion_frame
from portrait_assets.kernels.ranking.diversity import diversity_frame
from portrait_assets.kernels.ranking.everyone import best_sellers, everyone_at
from portrait_assets.kernels.ranking.known import known_at
from portrait_assets.kernels.ranking.lines import Lines, before
from portrait_assets.kernels.ranking.measures import DEEP, K, Measured, measure, targets_of, top
from portrait_assets.kernels.ranking.neighbours import sorted_csr, strongest, unit_rows, values_at
from portrait_assets.kernels.ranking.ranker import RankerConfig, Read, examples_of, fit_on, grades, read_at, read_of
from portrait_assets.kernels.ranking.slices import slices_frame
from portrait_assets.kernels.sequences import day_number

# Thirty-five numbers an engineer would think of first; the ranker's rival is boosted on these alone, over what the user bought before.
PLAIN = (
    "pair_visits", "pair_visits_decayed_14d", "pair_visits_decayed_45d", "pair_visits_decayed_120d", "pair_since_days", "pair_known_days",
    "pair_gap_days", "pair_due", "pair_last_gap_days", "pair_visits_since", "pair_visit_share", "pair_price_cents", "pair_reduced_share",
    "item_type_visits", "item_type_since_days", "item_type_gap_days", "item_type_due", "category_visits", "category_since_days",
    "category_visit_share", "item_buyers_7d", "item_buyers_28d", "item_buyers_84d", "item_trend", "item_bought_again", "item_price_cents",
    "item_reduced_14d", "item_sold_in_place_42d", "user_visits_28d", "user_visits_84d", "user_since_days", "user_visits", "user_basket",
    "user_items", "alike",
)  # fmt: skip
PLAIN_WINDOWS = 2
SEEDS = (7, 8, 9)
POPULAR = 300
DRAWS = 2000
RATIO_OF = (("window", "recall"), ("window", "ndcg"), ("basket", "recall"), ("basket", "ndcg"))


@dataclass(frozen=True)
class Assessed:
    """rivals: rival, target, measure, users, mean. ratio: what the served is to plain boosting, with its 95 % interval over users.

    generators: candidates a generator named and the share of the window's purchases among them. lists: how varied what is shown is;
    diversity: what making it more varied costs. slices: the window's measures for some users alone, beside plain boosting (`slices`).
    reasons: what taking out the events that a reason names does to the score (`deletion`), and the share that names none.
    """

    rivals: pl.DataFrame
    ratio: pl.DataFrame
    generators: pl.DataFrame
    lists: pl.DataFrame
    slices: pl.DataFrame
    diversity: pl.DataFrame
    reasons: pl.DataFrame


def assess_ranking(
    lines: Lines, cutoff: date, config: RankerConfig, attributes: pl.DataFrame, seeds: tuple[int, ...] = SEEDS
) -> Assessed:
    """`lines` must reach a horizon beyond `cutoff`; rankers learn from lines before it only. `attributes` are declared: for slices."""
    past = before(lines, cutoff)
    everyone = everyone_at(past, cutoff, config.horizon_days)
    read = read_of(everyone, past)
    examples = examples_of(past, cutoff, config)
    rankers = [fit_on(examples, replace(config, seed=seed)) for seed in seeds]
    scores = [ranker.scores(read.x)[0] for ranker in rankers]
    served = [judged(lines, read, score, config) for score in scores]
    plain = [judged_again(lines, read, score, config) for score in plain_scores(lines, read, config, seeds)]
    rivals = {"served": served[0], "plain boosting": plain[0]} | simple_rivals(lines, read, config)
    frames = [measured.frame().select(pl.lit(name).alias("rival"), pl.all()) for name, measured in rivals.items()]
    return Assessed(
        pl.concat(frames),
        ratio_frame(served, plain),
        generators_frame(lines, read, config),
        lists_frame(lines, read, scores[0]),
        slices_frame(lines, cutoff, served[0], plain[0], attributes),
        diversity_frame(lines, read, scores[0], config.horizon_days, RATIO_OF, DRAWS),
        deletion_frame(rankers[0], everyone, read),
    )


def judged(lines: Lines, read: Read, score: np.ndarray, config: RankerConfig) -> Measured:
    return measure(lines, read.as_of, config.horizon_days, read.candidates.user, read.candidates.item, score)


def judged_again(lines: Lines, read: Read, score: np.ndarray, config: RankerConfig) -> Measured:
    """Of a rival that ranks only what the user bought before."""
    again = read.candidates.by["again"]
    return measure(
        lines, read.as_of, config.horizon_days, read.candidates.user[again], read.candidates.item[again], score[again]
    )


def plain_scores(lines: Lines, read: Read, config: RankerConfig, seeds: tuple[int, ...]) -> list[np.ndarray]:
    """(N,) of each seed: LightGBM, log loss, PLAIN columns, learnt from PLAIN_WINDOWS windows before the cutoff."""
    columns, xs, ys = [read.names.index(name) for name in PLAIN], [], []
    for k in range(1, PLAIN_WINDOWS + 1):
        past = read_at(lines, read.as_of - timedelta(days=config.horizon_days * k), config.horizon_days)
        again = past.candidates.by["again"]
        xs.append(past.x[again][:, columns])
        ys.append(grades(lines, past, config.horizon_days)[again] > 0)
    parameters = {
        "objective": "binary", "num_leaves": 63, "learning_rate": 0.05, "min_data_in_leaf": 100, "feature_fraction": 0.8,
        "bagging_fraction": 0.8, "bagging_freq": 1, "num_threads": config.threads, "deterministic": True,
        "force_col_wise": True, "verbosity": -1,
    }  # fmt: skip
    x, y = np.concatenate(xs), np.concatenate(ys).astype(np.float32)
    texts = [
        lightgbm.train(parameters | {"seed": s}, lightgbm.Dataset(x, y), num_boost_round=300).model_to_string() for s in seeds
    ]
    return [raw_scores(text, read.x[:, columns], config.threads) for text in texts]


def simple_rivals(lines: Lines, read: Read, config: RankerConfig) -> dict[str, Measured]:
    """Rankings without learning."""
    number = {name: read.x[:, k].astype(np.float64) for k, name in enumerate(read.names)}
    return {
        "TIFU-KNN": over_everything(lines, read, tifu_knn(lines, read.as_of), config),
        "item-kNN": over_everything(lines, read, read.near.goes_with, config),
        "users alike": over_everything(lines, read, read.near.alike, config),
        "frequency, half-life 45 days": judged_again(lines, read, number["pair_visits_decayed_45d"], config),
        "frequency": judged_again(lines, read, number["pair_visits"] + 1e-3 * number["pair_visits_decayed_45d"], config),
        "popular": popular(lines, read, config),
    }


def popular(lines: Lines, read: Read, config: RankerConfig) -> Measured:
    """Of the POPULAR items with most buyers lately, for every user: enough that few have bought nearly all of them."""
    known = known_at(lines, read.as_of, config.horizon_days)
    best = best_sellers(known, np.zeros(len(lines.items), np.int64), POPULAR)[0]
    best, users = best[best >= 0], np.flatnonzero(known.visits)
    score = np.tile(-np.arange(len(best), dtype=np.float64), len(users))
    return measure(lines, read.as_of, config.horizon_days, np.repeat(users, len(best)), np.tile(best, len(users)), score)


def over_everything(lines: Lines, read: Read, scores: sparse.csr_matrix, config: RankerConfig) -> Measured:
    """Measures of a (U, I) matrix of scores, every item a candidate: what the user bought before, and the best of all else."""
    again = lines.pairs_before(read.as_of)
    pair = np.union1d(again, best_unknown(scores, lines, read.as_of, DEEP * K))
    user, item = pair // len(lines.items), pair % len(lines.items)
    return measure(lines, read.as_of, config.horizon_days, user, item, values_at(scores, user, item))


def tifu_knn(
    lines: Lines,
    as_of: date,
    groups: int = 7,
    within: float = 0.9,
    across: float = 0.7,
    neighbours: int = 300,
    own: float = 0.7,
) -> sparse.csr_matrix:
    """(U, I): Hu, He, Gao, Zhang (SIGIR 2020). Visits fade within a group and groups fade; blended with the nearest users' mean."""
    known = lines.before(as_of)
    number, user = lines.visit_number[lines.visit[known]], lines.user[known]
    visits = np.bincount(lines.visit_user[lines.visit_day < day_number(as_of)], minlength=len(lines.users))
    size = np.maximum(np.ceil(visits / groups), 1).astype(np.int64)
    back = visits[user] - number  # 0 is the last visit
    group, place = back // size[user], back % size[user]
    weight = within**place * across**group / (size * np.maximum(np.ceil(visits / size), 1))[user]
    habits = sparse.csr_matrix((weight, (user, lines.item[known])), shape=(len(lines.users), len(lines.items)))
    shape = unit_rows(habits)
    near = strongest(shape, shape.T.tocsr(), neighbours, np.arange(len(lines.users)))
    near.data[:] = 1 / neighbours
    return sorted_csr(own * habits + (1 - own) * (near @ habits))


def ratio_frame(served: list[Measured], plain: list[Measured]) -> pl.DataFrame:
    """Mean over RATIO_OF of served to plain, averaged over seeds; interval by a bootstrap over users, paired."""
    rng, users = np.random.default_rng(0), served[0].users["window"]
    pairs = [
        [np.mean([one.values[target][name] for one in many], axis=0) for many in (served, plain)] for target, name in RATIO_OF
    ]
    ratio = float(np.mean([ours.mean() / theirs.mean() for ours, theirs in pairs]))
    draws = rng.integers(0, len(users), (DRAWS, len(users)))
    drawn = np.mean([ours[draws].mean(1) / theirs[draws].mean(1) for ours, theirs in pairs], axis=0)
    by_seed = [
        float(np.mean([a.values[t][m].mean() / b.values[t][m].mean() for t, m in RATIO_OF]))
        for a, b in zip(served, plain, strict=True)
    ]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return pl.DataFrame(
        {"ratio": [ratio], "low": [float(low)], "high": [float(high)], "users": [len(users)], "by_seed": [by_seed]}
    )


def generators_frame(lines: Lines, read: Read, config: RankerConfig) -> pl.DataFrame:
    """generator, candidates, recall of the window's purchases, alone."""

    window = targets_of(lines, read.as_of, config.horizon_days)["window"]
    pair = read.candidates.user * len(lines.items) + read.candidates.item
    rows = [
        (name, int(named.sum()), float(np.isin(window, pair[named]).mean()) if len(window) else None)
        for name, named in read.candidates.by.items()
    ]
    rows.append(("all together", len(pair), float(np.isin(window, pair).mean()) if len(window) else None))
    return pl.DataFrame(rows, schema={"generator": pl.String, "candidates": pl.Int64, "recall": pl.Float64}, orient="row")


def lists_frame(lines: Lines, read: Read, score: np.ndarray, k: int = K) -> pl.DataFrame:
    """Of the k best: items ever shown, mean log rarity of what is shown (novelty, bits), item types a list, share of the top hundred."""

    best, _ = top(read.candidates.user, read.candidates.item, score, k)
    user, item = read.candidates.user[best], read.candidates.item[best]
    buyers = np.bincount(lines.pairs_before(read.as_of) % len(lines.items), minlength=len(lines.items))
    users = max(len(np.unique(user)), 1)
    popular = np.isin(item, np.argsort(-buyers, kind="stable")[:100])
    kinds = len(np.unique(user * (int(lines.groups["item_type"].max(initial=-1)) + 2) + lines.groups["item_type"][item] + 1))
    rows = [
        ("items ever shown", float(len(np.unique(item)))),
        ("novelty, bits", float(-np.log2(np.maximum(buyers[item], 1) / users).mean()) if len(item) else None),
        ("item types in a list", kinds / users),
        ("share of the hundred most bought", float(popular.mean()) if len(item) else None),
    ]
    return pl.DataFrame(rows, schema={"figure": pl.String, "value": pl.Float64}, orient="row")
