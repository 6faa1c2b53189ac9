"""What the ranker knows of a user and an item at an as-of: some hundred numbers, each with a name that says what it is.

Blocks: the pair's own rhythm; the same of the item's type, make, category, maker and department; the item; the user; neighbours;
ranks among the user's candidates. Nothing reads a line of the as-of or later.
"""

import numpy as np

from portrait_assets.kernels.ranking.candidates import Candidates
from portrait_assets.kernels.ranking.everyone import WEEK_DAYS, Block, Everyone
from portrait_assets.kernels.ranking.known import Known, known_at, visits_with
from portrait_assets.kernels.ranking.lines import GROUPS, USUAL_PLACE, Lines
from portrait_assets.kernels.ranking.neighbours import Neighbours, values_at
from portrait_assets.kernels.ranking.rhythm import NEVER_DAYS, Runs, rhythm, runs_of

FULL_GROUPS = ("item_type", "make", "category")  # whose whole rhythm is read; of the others a few numbers
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


def pair_features(
    everyone: Everyone, lines: Lines, candidates: Candidates, near: Neighbours, place: int = USUAL_PLACE
) -> tuple[np.ndarray, list[str]]:
    """(N, F) float32 of the candidates of `lines`' users, who are at `place`; NaN where nothing is known. And the F names."""
    known = known_at(lines, everyone.as_of, everyone.horizon)
    user, item = candidates.user, candidates.item
    block = placed(own_block(everyone, known), *known.pairs.find(user * len(lines.items) + item), "pair")
    block |= {name: values[item] for name, values in everyone.items.items()}
    for group in GROUPS:
        block |= group_block(everyone, known, group, block, user, item)
    block |= place_block(everyone, known, user, item, place) | user_block(known, user)
    block |= chance_block(known, block, user)
    block |= {"alike": values_at(near.alike, user, item), "goes_with": values_at(near.goes_with, user, item)}
    block["taste"] = near.taste_at(user, item)
    block["brand"], block["department"] = lines.brand[item], lines.groups["department"][item]
    block |= {f"rank_{name}": rank_within(user, block[name]) for name in RANKED}
    of_type = user * (lines.width("item_type") + 1) + lines.groups["item_type"][item] + 1
    block |= {f"rank_in_type_{name}": rank_within(of_type, block[name]) for name in ("pair_visits_decayed_120d", "alike")}
    names = list(block)
    return np.stack([np.asarray(block[name], np.float32) for name in names], axis=1), names


def rhythm_of(runs: Runs, known: Known, at: np.ndarray) -> Block:
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


def own_block(everyone: Everyone, known: Known) -> Block:
    """The pair: its rhythm, what it costs and how often reduced, and whether such waits end within the horizon."""
    lines, pairs, at = known.lines, known.pairs, known.at
    cents, discount = pairs.sum(lines.cents[at]), pairs.sum(lines.discount[at])
    own, kind = rhythm_of(pairs, known, at), known.item[pairs.start]
    return own | {
        "price_cents": cents / np.maximum(pairs.sum(lines.units[at]), 1),
        "reduction": discount / np.maximum(cents + discount, 1),
        "reduced_share": pairs.sum(lines.discount[at] > 0) / np.maximum(pairs.length, 1),
        "return_chance": everyone.waits["item"].return_chance(kind, own["since_days"], known.horizon, 10.0),
    }


def group_block(everyone: Everyone, known: Known, group: str, block: Block, user: np.ndarray, item: np.ndarray) -> Block:
    """The rhythm of the item's group, and what part of it the item has."""
    code, width = known.lines.groups[group], max(known.lines.width(group), 1)  # 0 where nothing has a code
    runs, at = visits_with(known, group)
    found = rhythm_of(runs, known, at)
    numbers = dict(found) if group in FULL_GROUPS else {name: found[name] for name in BRIEF}
    kind = runs.key % width
    numbers["return_chance"] = everyone.waits[group].return_chance(kind, found["since_days"], known.horizon, 20.0)
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


def place_block(everyone: Everyone, known: Known, user: np.ndarray, item: np.ndarray, at: int) -> Block:
    """How often the item was sold lately where the users are, or else mostly go, and how faithful each is to that place."""
    lines, users, width = known.lines, len(known.lines.users), max(len(known.lines.places), 1)
    place = lines.place[known.at]
    told = place >= 0
    mass = np.bincount(known.user[told] * width + place[told], weights=2.0 ** (-known.age[told] / 45), minlength=users * width)
    mass = mass.reshape(users, width)
    main = mass.argmax(1) if at == USUAL_PLACE else np.full(users, at)
    out: Block = {"user_place_share": (mass[np.arange(users), main] / np.maximum(mass.sum(1), 1e-9))[user]}
    for days, runs in everyone.sold_in_place.items():
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
    order = np.lexsort((-np.nan_to_num(value, nan=-np.inf), group))
    runs = runs_of(group[order])
    rank = np.empty(len(value))
    rank[order] = np.arange(len(value)) - runs.start[runs.of] if len(value) else 0
    return rank
