"""Why an item is offered: the group of features without which its score would fall most, said in words with their own numbers.

Each group of features is put to what it is for a middling candidate, and the candidate scored again: least without what contributed
most. So no reason is given that the score does not contain.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import sparse

from portrait_assets.kernels.ranking.lines import GROUPS, Lines
from portrait_assets.kernels.ranking.neighbours import Neighbours, damped, taste_mass, values_at
from portrait_assets.kernels.ranking.ranker import Ranker, Read
from portrait_assets.kernels.sequences import day_number
from portrait_assets.settings import CORES

NAMED = 5  # events at most that a reason speaks of
REGULAR = 4  # visits from which a rhythm is said: three gaps
POPULAR = 2  # buyers of 28 days from which anything is called popular
ROWS_AT_ONCE = 500
GROUPED = tuple(f"{group}_" for group in GROUPS)


def reason_group(feature: str) -> str | None:
    """The reason a feature belongs to; None for what is the same for all of a user's candidates, or for all users."""
    name = feature.removeprefix("rank_in_type_").removeprefix("rank_")
    if name.startswith(("pair_", "share_in_")):
        return "habit"
    if name.startswith(("item_price", "item_reduced")):
        return "price"
    if name in ("alike", "taste"):
        return "alike"
    if name == "goes_with":
        return "goes_with"
    if name.startswith(GROUPED):
        return "kind"
    return "everyone" if name.startswith("item_") else None


REASONS = ("habit", "kind", "alike", "goes_with", "everyone", "price")
LEAST = {
    "habit": ("pair_visits", 1),
    "kind": ("item_type_visits", 1),
    "goes_with": ("goes_with", np.finfo(np.float32).smallest_subnormal),
    "price": ("item_reduced_14d", 0.05),
}  # reason -> the number that it says, and from where there is something to say


@dataclass(frozen=True)
class Names:
    """What to call things: (I,) of items and of their types and categories; None where there is no name."""

    item: list[str]
    kind: list[str | None]


def scores_lacking(ranker: Ranker, x: np.ndarray, middle: np.ndarray, asked: np.ndarray, threads: int = CORES) -> np.ndarray:
    """(N, REASONS) the score that each row would have with each group as in `middle` (F,), infinite where not `asked` (N, REASONS)."""
    scores = np.full(asked.shape, np.inf)
    for start in range(0, len(x), ROWS_AT_ONCE):
        row, group = np.nonzero(asked[start : start + ROWS_AT_ONCE])
        versions = x[start + row]  # of one row beside each other: they take the same ways through the trees
        for k, columns in enumerate(columns_of(ranker.names)):
            versions[np.ix_(group == k, columns)] = middle[columns]
        scores[start + row, group] = ranker.scores(versions, threads)[0]
    return scores


@lru_cache(maxsize=2)
def columns_of(names: tuple[str, ...]) -> tuple[np.ndarray, ...]:
    """The columns of each of REASONS among the features `names`."""
    groups = [reason_group(name) for name in names]
    return tuple(np.array([j for j, group in enumerate(groups) if group == reason], np.int64) for reason in REASONS)


def middle_of(x: np.ndarray) -> np.ndarray:
    """(F,) the median candidate, NaN where most have nothing to say."""
    told = ~np.isnan(x)
    half = told.mean(0) >= 0.5 if len(x) else np.zeros(x.shape[1], bool)
    middle = np.full(x.shape[1], np.nan, np.float32)
    middle[half] = np.nanmedian(x[:, half], axis=0)
    return middle


def tell(
    ranker: Ranker, read: Read, rows: np.ndarray, middle: np.ndarray, names: Names, threads: int = CORES
) -> tuple[list[str], list[str]]:
    """Of each of `rows` (M,) of the candidates, against `middle` (F,): the reason's name and its words.

    A reason that cannot be said yields to the next; of what the numbers alone rule out, no score is asked.
    """
    column, x = {name: j for j, name in enumerate(read.names)}, read.x[rows]
    order = np.argsort(scores_lacking(ranker, x, middle, tellable(x, column), threads), axis=1, kind="stable")
    found, texts = [], []
    for row, ranked in zip(rows, order, strict=True):
        facts = Facts(read, int(row), column, names)
        told = ((REASONS[k], SAY[REASONS[k]](facts)) for k in ranked)
        reason, text = next((r, t) for r, t in told if t is not None)
        found.append(reason)
        texts.append(text)
    return found, texts


def tellable(x: np.ndarray, column: dict[str, int]) -> np.ndarray:
    """(M, REASONS) bool: whether the numbers of `x` (M, F) leave something to say."""
    is_told = np.ones((len(x), len(REASONS)), bool)
    for reason, (name, least) in LEAST.items():
        is_told[:, REASONS.index(reason)] = x[:, column[name]] >= least
    return is_told


@dataclass(frozen=True)
class Facts:
    """One candidate's numbers, by name."""

    read: Read
    row: int
    column: dict[str, int]
    names: Names

    def number(self, name: str) -> float:
        return float(self.read.x[self.row, self.column[name]])

    @property
    def user(self) -> int:
        return int(self.read.candidates.user[self.row])

    @property
    def item(self) -> int:
        return int(self.read.candidates.item[self.row])


def _habit(facts: Facts) -> str:
    times = facts.number("pair_visits")
    last = ago(facts.number("pair_since_days"))
    if times >= REGULAR:
        return f"bought about every {days(facts.number('pair_gap_days'))}, {times:.0f} times so far; last {last}"
    return f"bought {('once', 'twice', '3 times')[int(times) - 1]} so far; last {last}"


def _kind(facts: Facts) -> str | None:
    kind, times = facts.names.kind[facts.item], facts.number("item_type_visits")
    if kind is None:
        return None
    last = ago(facts.number("item_type_since_days"))
    if facts.number("pair_visits") >= 1:
        return f"{kind} was bought on {visits(times)}, last {last}"
    return f"new, of a kind bought on {visits(times)}: {kind}, last {last}"


def _alike(facts: Facts) -> str | None:
    count = peers_with(facts.read.near, facts.user, facts.item)
    if not count:
        return None
    peers = peers_of(facts.read.near, facts.user)
    return f"bought by {count} of the {peers} users most alike" if peers > 1 else "bought by the user most alike"


def _goes_with(facts: Facts) -> str | None:
    partner = strongest_partner(facts.read.near, facts.user, facts.item)
    if partner is None:
        return None
    return f"goes with {facts.names.item[partner]}, {'in the basket' if partner in facts.read.near.basket else 'bought lately'}"


def _everyone(facts: Facts) -> str:
    buyers = round(float(np.expm1(facts.number("item_buyers_28d"))))
    if buyers < POPULAR:
        return f"bought by {('nobody', '1 user')[buyers]} in the last 28 days, and before"
    return f"popular with everyone: {buyers} users in the last 28 days"


def _price(facts: Facts) -> str:
    return f"reduced lately, in {facts.number('item_reduced_14d'):.0%} of its sales of the last 14 days"


SAY = {"habit": _habit, "kind": _kind, "alike": _alike, "goes_with": _goes_with, "everyone": _everyone, "price": _price}


def named_events(read: Read, lines: Lines, row: int, reason: str) -> np.ndarray:
    """Places in `lines` of at most NAMED events that a reason speaks of, latest first; none where it is not about the user.

    A habit is the item's own purchases, a kind those of its type; what goes with it are the partner's, and users are alike by what
    they have in common: of each such item the last purchase.
    """
    user, item = int(read.candidates.user[row]), int(read.candidates.item[row])
    mine = lines.events_of(user, read.as_of)
    what, kind = lines.item[mine], lines.groups["item_type"]
    if reason == "habit":
        return mine[what == item][:NAMED]
    if reason == "kind":
        return mine[(kind[what] == kind[item]) & (kind[item] >= 0)][:NAMED]
    if reason == "goes_with":
        return mine[what == strongest_partner(read.near, user, item)][:NAMED]
    if reason == "alike":
        weight = likeness(read.near, lines, user, item, mine, day_number(read.as_of))
        best = np.argsort(-weight, kind="stable")[:NAMED]
        return mine[best[weight[best] > 0]]
    return mine[:0]


def likeness(near: Neighbours, lines: Lines, user: int, item: int, mine: np.ndarray, now: float) -> np.ndarray:
    """(M,) how much `alike` of the item owes to each of the user's lines: to first order, what it loses without the line.

    A peer counts by the square of its cosine, so the derivative by a cosine is the cosine times how far the peer's own share of the
    item is above the mean; a line's part of a cosine is what its item's decayed count, damped and weighted, loses without it.
    """
    peers, weight = row_of(near.peers, user)
    above = np.sqrt(weight) * (values_at(near.hood.told, peers, np.full(len(peers), item)) - near.alike[user, item])
    pull = np.asarray((sparse.csr_matrix(above) @ near.hood.weighted[peers]).todense()).ravel()
    what, mass = lines.item[mine], taste_mass(now - lines.day[mine])
    count = np.bincount(what, weights=mass, minlength=len(lines.items))[what]
    return pull[what] * near.hood.rarity[what] * (damped(count) - damped(count - mass))


def ago(number: float) -> str:
    """Whole days, said as people do."""
    whole = int(number)
    return "today" if whole == 0 else f"{days(whole)} ago"


def days(number: float) -> str:
    whole = max(round(number), 1) if number > 0 else 0
    return f"{whole} day" if whole == 1 else f"{whole} days"


def visits(number: float) -> str:
    return "1 visit" if number == 1 else f"{number:.0f} visits"


def row_of(matrix: sparse.csr_matrix, row: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns and values of one row."""
    cells = slice(matrix.indptr[row], matrix.indptr[row + 1])
    return matrix.indices[cells], matrix.data[cells]


def peers_of(near: Neighbours, user: int) -> int:
    return len(row_of(near.peers, user)[0])


def peers_with(near: Neighbours, user: int, item: int) -> int:
    """How many of the users most alike have bought the item."""
    peers, buyers = row_of(near.peers, user)[0], row_of(near.hood.buyers, item)[0]
    if not len(buyers):
        return 0
    return int((buyers[np.minimum(np.searchsorted(buyers, peers), len(buyers) - 1)] == peers).sum())


def strongest_partner(near: Neighbours, user: int, item: int) -> int | None:
    """The user's own item that says most for `item`; ties to the first."""
    own, weight = row_of(near.recent, user)
    partner, strength = row_of(near.hood.partner_of, item)
    both, mine, theirs = np.intersect1d(own, partner, assume_unique=True, return_indices=True)
    worth = weight[mine] * strength[theirs]
    return int(both[worth.argmax()]) if (worth > 0).any() else None
