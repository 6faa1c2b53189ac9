"""What the ranker knows of a user and an item at an as-of: some hundred numbers, each with a name that says what it is.

Blocks: the pair's own rhythm; the same of the item's type, make, category, maker and department; the item; the user; neighbours;
ranks among the user's candidates. Nothing reads a line of the as-of or later.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np

from portrait_assets.kernels.ranking.candidates import Candidates
from portrait_assets.kernels.ranking.lines import GROUPS, Lines
from portrait_assets.kernels.ranking.neighbours import Neighbours, values_at
from portrait_assets.kernels.ranking.rhythm import NEVER_DAYS, Rhythm, Runs, return_chance, rhythm, runs_of
from portrait_assets.kernels.sequences import day_number

FULL_GROUPS = ("item_type", "make", "category")  # whose whole rhythm is told; of the others a few numbers
BRIEF = ("visits_decayed_45d", "visits_decayed_120d", "visits", "since_days", "visit_share", "due")
RANKED = (
    "pair_visits_decayed_14d",
    "pair_visits_decayed_45d",
    "pair_visits_decayed_120d",
    "pair_chance",
    "alike",
    "goes_with",
    "taste",
)
WEEK_DAYS = (7, 14, 28, 84)

Block = dict[str, np.ndarray]


@dataclass(frozen=True)
class Known:
    """The lines before an as-of, the pairs they make, and the user's visits."""

    lines: Lines
    now: float
    horizon: float
    at: np.ndarray  # (K,) places in `lines`
    user: np.ndarray  # (K,)
    item: np.ndarray
    day: np.ndarray
    age: np.ndarray
    pairs: Runs
    visits: np.ndarray  # (U,) visits of each user
    visit_user: np.ndarray  # visits before the as-of
    visit_age: np.ndarray


def known_at(lines: Lines, as_of: date, horizon: float) -> Known:
    """Cut `lines` at as_of."""
    now, at = float(day_number(as_of)), np.flatnonzero(lines.before(as_of))
    past = lines.visit_day < now
    user, day = lines.user[at], lines.day[at]
    return Known(
        lines=lines,
        now=now,
        horizon=horizon,
        at=at,
        user=user,
        item=lines.item[at],
        day=day,
        age=now - day,
        pairs=runs_of(lines.pair[at]),
        visits=np.bincount(lines.visit_user[past], minlength=len(lines.users)),
        visit_user=lines.visit_user[past],
        visit_age=now - lines.visit_day[past],
    )


def pair_features(
    lines: Lines, as_of: date, candidates: Candidates, near: Neighbours, horizon: float
) -> tuple[np.ndarray, list[str]]:
    """(N, F) float32 of the candidates, NaN where there is nothing to tell, and the F names."""
    known = known_at(lines, as_of, horizon)
    user, item = candidates.user, candidates.item
    own = rhythm_of(known.pairs, known, known.at)
    block = placed(own_block(known, own), *known.pairs.find(user * len(lines.items) + item), "pair")
    block |= item_block(known, own, item)
    for group in GROUPS:
        block |= group_block(known, group, block, user, item)
    block |= place_block(known, user, item) | user_block(known, user)
    block |= chance_block(known, block, user)
    block |= {"alike": values_at(near.alike, user, item), "goes_with": values_at(near.goes_with, user, item)}
    block["taste"] = near.taste_at(user, item)
    block["brand"], block["department"] = lines.brand[item], lines.groups["department"][item]
    block |= {f"rank_{name}": rank_within(user, block[name]) for name in RANKED}
    of_type = user * (int(lines.groups["item_type"].max(initial=-1)) + 2) + lines.groups["item_type"][item] + 1
    block |= {f"rank_in_type_{name}": rank_within(of_type, block[name]) for name in ("pair_visits_decayed_120d", "alike")}
    names = list(block)
    return np.stack([np.asarray(block[name], np.float32) for name in names], axis=1), names


def rhythm_of(runs: Runs, known: Known, at: np.ndarray) -> Rhythm:
    """The rhythm of runs over the lines at `at`, each a visit."""
    lines = known.lines
    number, users = lines.visit_number[lines.visit[at]].astype(np.float64), lines.user[at[runs.start]]
    return rhythm(runs, lines.day[at], number, known.visits[users].astype(np.float64), known.now)


def placed(numbers: Block, run: np.ndarray, found: np.ndarray, prefix: str) -> Block:
    """Numbers of runs laid out for candidates: counts are zero and all else NaN where a candidate has no run."""
    out = {}
    for name, values in numbers.items():
        absent = 0.0 if name.startswith("visits_decayed") or name == "visits" else np.nan
        out[f"{prefix}_{name}"] = np.where(found, values[run], absent) if len(values) else np.full(len(run), absent)
    return out


def own_block(known: Known, own: Rhythm) -> Block:
    """The pair: its rhythm, what it costs and how often reduced, and whether such waits end within the horizon."""
    lines, pairs, at = known.lines, known.pairs, known.at
    cents, discount = pairs.sum(lines.cents[at]), pairs.sum(lines.discount[at])
    kind = known.item[pairs.start]
    return own.numbers | {
        "price_cents": cents / np.maximum(pairs.sum(lines.units[at]), 1),
        "reduction": discount / np.maximum(cents + discount, 1),
        "reduced_share": pairs.sum(lines.discount[at] > 0) / np.maximum(pairs.length, 1),
        "return_chance": return_chance(known.item[own.follows], own.gap[own.follows], kind, own.since, known.horizon, 10.0),
    }


def group_block(known: Known, group: str, block: Block, user: np.ndarray, item: np.ndarray) -> Block:
    """The rhythm of the item's group, and what part of it the item has."""
    lines, code = known.lines, known.lines.groups[group]
    width = int(code.max(initial=-1)) + 1
    order = lines.by_group[group]
    order = order[(lines.day[order] < known.now) & (code[lines.item[order]] >= 0)]
    key, visit = lines.user[order] * width + code[lines.item[order]], lines.visit[order]
    first = np.ones(len(order), bool)
    first[1:] = (key[1:] != key[:-1]) | (visit[1:] != visit[:-1])
    runs, at = runs_of(key[first]), order[first]
    found = rhythm_of(runs, known, at)
    kind = runs.key % max(width, 1)
    numbers = dict(found.numbers) if group in FULL_GROUPS else {name: found.numbers[name] for name in BRIEF}
    kinds = code[lines.item[at]][found.follows]
    numbers["return_chance"] = return_chance(kinds, found.gap[found.follows], kind, found.since, known.horizon, 20.0)
    run, is_found = runs.find(user * width + np.maximum(code[item], 0))
    out = placed(numbers, run, is_found & (code[item] >= 0), group)
    of_pair = known.user[known.pairs.start] * width + np.maximum(code[known.item[known.pairs.start]], 0)
    kinds_of_user = runs_of(np.sort(of_pair))
    run, is_found = kinds_of_user.find(user * width + np.maximum(code[item], 0))
    out[f"{group}_items"] = np.where(is_found, kinds_of_user.length[run], 0) if len(kinds_of_user.key) else np.zeros(len(user))
    for half in (45, 120):
        share = block[f"pair_visits_decayed_{half}d"] / np.maximum(out[f"{group}_visits_decayed_{half}d"], 1e-9)
        out[f"share_in_{group}_{half}d"] = share
    return out


def item_block(known: Known, own: Rhythm, item: np.ndarray) -> Block:
    """The item among all users: buyers, trend, how often it is bought again, price and reductions lately."""
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
    returned = np.append(np.where(own.follows[1:], own.gap[1:], NEVER_DAYS), NEVER_DAYS)[: len(age)] <= known.horizon
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
    return {name: values[item] for name, values in out.items()}


def place_block(known: Known, user: np.ndarray, item: np.ndarray) -> Block:
    """How often the item was sold lately where the user mostly goes, and how faithful the user is to that place."""
    lines, users, width = known.lines, len(known.lines.users), max(known.lines.places, 1)
    place = lines.place[known.at]
    told = place >= 0
    mass = np.bincount(known.user[told] * width + place[told], weights=2.0 ** (-known.age[told] / 45), minlength=users * width)
    mass = mass.reshape(users, width)
    main = mass.argmax(1)
    out: Block = {"user_place_share": (mass.max(1) / np.maximum(mass.sum(1), 1e-9))[user]}
    for days in (14, 42):
        lately = told & (known.age <= days)
        runs = runs_of(np.sort(known.item[lately] * width + place[lately]))
        run, found = runs.find(item * width + main[user])
        out[f"item_sold_in_place_{days}d"] = np.where(found, runs.length[run], 0) if len(runs.key) else np.zeros(len(user))
    return out


def user_block(known: Known, user: np.ndarray) -> Block:
    """The user alone: what a score may be different for."""
    lines, users = known.lines, len(known.lines.users)
    out: Block = {f"user_visits_{d}d": np.bincount(known.visit_user[known.visit_age <= d], minlength=users) for d in WEEK_DAYS}
    nearest, farthest = np.full(users, NEVER_DAYS), np.zeros(users)
    np.minimum.at(nearest, known.visit_user, known.visit_age)
    np.maximum.at(farthest, known.visit_user, known.visit_age)
    out["user_since_days"], out["user_known_days"], out["user_visits"] = nearest, farthest, known.visits
    season = known.age <= 84
    out["user_basket"] = np.bincount(known.user[season], minlength=users) / np.maximum(out["user_visits_84d"], 1)
    again = (np.arange(len(known.at)) > known.pairs.start[known.pairs.of]) if len(known.at) else np.zeros(0, bool)
    lately = known.age <= 56
    lines_lately = np.bincount(known.user[lately], minlength=users)
    out["user_again_share"] = np.bincount(known.user[lately & again], minlength=users) / np.maximum(lines_lately, 1)
    reduced = np.bincount(known.user[lines.discount[known.at] > 0], minlength=users)
    out["user_reduced_share"] = reduced / np.maximum(np.bincount(known.user, minlength=users), 1)
    out["user_items"] = np.bincount(known.user[known.pairs.start], minlength=users)
    fading = np.bincount(known.visit_user, weights=2.0 ** (-known.visit_age / 28), minlength=users)
    out["user_visits_expected"] = fading * known.horizon * np.log(2) / 28
    return {name: values[user] for name, values in out.items()}


def chance_block(known: Known, block: Block, user: np.ndarray) -> Block:
    """What the decayed shares of visits come to over the visits expected in the horizon."""
    users, out = len(known.lines.users), {}
    for half in (45, 120):
        visits = np.bincount(known.visit_user, weights=2.0 ** (-known.visit_age / half), minlength=users)
        out[f"pair_visit_share_{half}d"] = np.clip(block[f"pair_visits_decayed_{half}d"] / np.maximum(visits[user], 1e-9), 0, 1)
    out["pair_chance"] = 1 - (1 - out["pair_visit_share_45d"]) ** block["user_visits_expected"]
    return out


def rank_within(group: np.ndarray, value: np.ndarray) -> np.ndarray:
    """(N,) 0 for the largest value of each group, ties in the given order, NaN last."""
    order = np.lexsort((np.arange(len(value)), -np.nan_to_num(value, nan=-np.inf), group))
    runs = runs_of(group[order])
    rank = np.empty(len(value))
    rank[order] = np.arange(len(value)) - runs.start[runs.of] if len(value) else 0
    return rank
