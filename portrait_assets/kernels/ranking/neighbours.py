"""What users like this one buy, and what goes with what this one buys: cosine neighbours over decayed counts.

User neighbours after UP-CF (Faggioli, Polato, Aiolli, UMAP 2020): similar users, recent purchases. Item neighbours are plain item-kNN.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import svds

from portrait_assets.kernels.ranking.lines import Lines
from portrait_assets.kernels.sequences import day_number

ALIKE_USERS = 40
ALIKE_ITEMS = 50
TASTES = 32
LEAST_BUYERS = 20  # an item of fewer has no neighbours of its own
LEAST_ALIKE = 4  # an item of fewer is not scored by users alike
TASTE_HALF_LIFE = 60.0
RECENT_HALF_LIFE = 30.0
NO_ITEMS = np.zeros(0, np.int64)
ROWS_AT_ONCE = 200  # slabs that stay in the cache


@dataclass(frozen=True)
class Neighbourhood:
    """What everybody bought, laid out so that anybody's nearest can be found."""

    users: dict[str, int]  # a user's row
    rarity: np.ndarray  # (I,) log of users to buyers
    common: np.ndarray  # (D,) items of enough buyers
    weighted: sparse.csr_matrix  # (U, I) unit rows of decayed counts, rarer items weighing more
    by_item: sparse.csr_matrix  # (I, U) the same, turned
    buyers: sparse.csr_matrix  # (I, U) decayed counts, fast fading
    told: sparse.csr_matrix  # (U, I) the same, turned, without items of too few buyers
    partners: sparse.csr_matrix  # (I, I) row: an item, column: what goes with it
    partner_of: sparse.csr_matrix  # (I, I) the same, turned
    item_taste: np.ndarray  # (I, TASTES), zero for an item of few buyers


@dataclass(frozen=True)
class Neighbours:
    """Of U users: (U, I) sparse scores `alike` of users like each, `goes_with` of its recent items; `recent` its own.

    Tastes are the strongest singular directions of everybody's weighted counts (latent semantic analysis).
    """

    alike: sparse.csr_matrix
    goes_with: sparse.csr_matrix
    recent: sparse.csr_matrix
    peers: sparse.csr_matrix  # weights of those of the neighbourhood most like each
    user_taste: np.ndarray  # (U, TASTES)
    hood: Neighbourhood
    basket: np.ndarray  # (B,) items that every user of these holds now

    def taste_at(self, user: np.ndarray, item: np.ndarray) -> np.ndarray:
        """(N,) how well an item fits the user's main tastes."""
        return np.einsum("nt,nt->n", self.user_taste[user], self.hood.item_taste[item])


def neighbourhood_at(lines: Lines, as_of: date) -> Neighbourhood:
    """From lines before as_of only."""
    counts, recent = habits_at(lines, as_of)
    buyers = np.bincount(counts.indices, minlength=counts.shape[1])
    rarity = np.log((len(lines.users) + 1) / (buyers + 1))
    weighted = unit_rows(by_column(counts, rarity))
    common = np.flatnonzero(buyers >= LEAST_BUYERS)
    between = unit_rows(counts[:, common].T.tocsr())
    place = sparse.coo_matrix(strongest(between, between.T.tocsr(), ALIKE_ITEMS, np.arange(len(common))))
    item_taste = np.zeros((len(lines.items), TASTES))
    item_taste[common] = tastes(weighted[:, common])
    partners = sorted_csr(sparse.csr_matrix((place.data, (common[place.row], common[place.col])), shape=(len(rarity),) * 2))
    return Neighbourhood(
        users={name: row for row, name in enumerate(lines.users)},
        rarity=rarity,
        common=common,
        weighted=weighted,
        by_item=weighted.T.tocsr(),
        buyers=sorted_csr(recent.T),
        told=sorted_csr(by_column(recent, buyers >= LEAST_ALIKE)),
        partners=partners,
        partner_of=sorted_csr(partners.T),
        item_taste=item_taste,
    )


def neighbours_of(hood: Neighbourhood, lines: Lines, as_of: date, basket: np.ndarray = NO_ITEMS) -> Neighbours:
    """Of the users of `lines`; nobody is like oneself. What goes with the items in the `basket` counts as if they were just bought."""
    counts, recent = habits_at(lines, as_of, basket)
    weighted = unit_rows(by_column(counts, hood.rarity))
    oneself = np.array([hood.users.get(name, -1) for name in lines.users], np.int64)
    peers = strongest(weighted, hood.by_item, ALIKE_USERS, oneself)
    peers.data **= 2
    peers = by_row(peers, 1 / np.maximum(np.asarray(peers.sum(1)).ravel(), 1e-12))
    return Neighbours(
        alike=sorted_csr(peers @ hood.told),
        goes_with=sorted_csr(recent @ hood.partners),
        recent=sorted_csr(recent),
        peers=sorted_csr(peers),
        user_taste=weighted @ hood.item_taste,
        hood=hood,
        basket=basket,
    )


def habits_at(lines: Lines, as_of: date, basket: np.ndarray = NO_ITEMS) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """(U, I) decayed counts of what each user bought, slowly and fast fading, logarithms taken; the `basket` is in the fast one alone."""
    known = lines.before(as_of)
    age, cells = day_number(as_of) - lines.day[known], (lines.user[known], lines.item[known])
    shape = (len(lines.users), len(lines.items))
    slow = sparse.csr_matrix((taste_mass(age), cells), shape=shape)
    slow.data = damped(slow.data)
    users = len(lines.users)
    held = (np.repeat(np.arange(users), len(basket)), np.tile(basket, users))
    mass = np.concatenate([2.0 ** (-age / RECENT_HALF_LIFE), np.ones(len(held[0]))])
    fast = sparse.csr_matrix((mass, tuple(map(np.concatenate, zip(cells, held, strict=True)))), shape=shape)
    fast.data = np.log1p(fast.data)
    return slow, fast


def taste_mass(age: np.ndarray) -> np.ndarray:
    """What a purchase of so many days ago counts."""
    return 2.0 ** (-age / TASTE_HALF_LIFE)


def damped(count: np.ndarray) -> np.ndarray:
    """Many purchases of a thing say little more than some."""
    return np.log1p(4 * count)


def tastes(weighted: sparse.csr_matrix) -> np.ndarray:
    """(D, TASTES) the strongest directions of the rows of (U, D), fewer and then zeros where it is tiny.

    None where everybody bought everything: no item is rare then, and all weights are nought.
    """
    items = np.zeros((weighted.shape[1], TASTES))
    rank = min(TASTES, min(weighted.shape) - 1)
    if rank > 0 and weighted.count_nonzero():
        start = np.random.default_rng(0).standard_normal(min(weighted.shape))
        items[:, :rank] = svds(weighted, k=rank, v0=start)[2].T
    return items


def unit_rows(x: sparse.csr_matrix) -> sparse.csr_matrix:
    """Rows of length one; an empty row stays empty."""
    squares = sparse.csr_matrix((x.data**2, x.indices, x.indptr), shape=x.shape)
    return by_row(x, 1 / np.maximum(np.sqrt(np.asarray(squares.sum(1)).ravel()), 1e-12))


def by_row(x: sparse.csr_matrix, weight: np.ndarray) -> sparse.csr_matrix:
    """Rows times their weights (N,)."""
    return sparse.csr_matrix((x.data * np.repeat(weight, np.diff(x.indptr)), x.indices, x.indptr), shape=x.shape)


def by_column(x: sparse.csr_matrix, weight: np.ndarray) -> sparse.csr_matrix:
    """Columns times their weights (D,)."""
    return sparse.csr_matrix((x.data * weight[x.indices], x.indices, x.indptr), shape=x.shape)


def strongest(x: sparse.csr_matrix, others: sparse.csr_matrix, count: int, oneself: np.ndarray) -> sparse.csr_matrix:
    """(N, M) the `count` largest products of each row of x (N, D) with columns of others (D, M), a slab of rows at a time.

    `oneself` (N,) is the column of `others` that does not count, -1 for none.
    """
    size, parts = others.shape[1], []
    count = min(count, max(size - 1, 0))
    for start in range(0, x.shape[0], ROWS_AT_ONCE):
        slab = (x[start : start + ROWS_AT_ONCE] @ others).toarray()
        rows, own = len(slab), oneself[start : start + ROWS_AT_ONCE]
        slab[np.flatnonzero(own >= 0), own[own >= 0]] = 0.0
        best = np.argpartition(-slab, count - 1, axis=1)[:, :count] if count else np.zeros((rows, 0), np.int64)
        cells = (np.repeat(np.arange(rows), count), best.ravel())
        parts.append(sparse.csr_matrix((np.take_along_axis(slab, best, 1).ravel(), cells), shape=(rows, size)))
    return sparse.vstack(parts).tocsr() if parts else sparse.csr_matrix((0, size))


def sorted_csr(x: sparse.spmatrix) -> sparse.csr_matrix:
    """A copy: matrices made by weighing rows or columns share their places, which dropping zeros moves."""
    x = sparse.csr_matrix(x, copy=True)
    x.eliminate_zeros()
    x.sort_indices()
    return x


def values_at(x: sparse.csr_matrix, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """(N,) the entries of a sorted matrix at the places asked for, 0 where it holds none."""
    width = x.shape[1]
    keys = np.repeat(np.arange(x.shape[0]), np.diff(x.indptr)) * width + x.indices
    if not len(keys):
        return np.zeros(len(row))
    asked = row * width + column
    place = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    return np.where(keys[place] == asked, x.data[place], 0.0)
