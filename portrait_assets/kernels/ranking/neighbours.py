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
LEAST_ALIKE = 4  # an item of fewer is not told by users alike
TASTE_HALF_LIFE = 60.0
RECENT_HALF_LIFE = 30.0
ROWS_AT_ONCE = 2000


@dataclass(frozen=True)
class Neighbours:
    """(U, I) sparse scores: `alike` of users like this one, `goes_with` of the user's recent items, `recent` the user's own.

    Tastes are the strongest singular directions of the weighted counts (latent semantic analysis).
    """

    alike: sparse.csr_matrix
    goes_with: sparse.csr_matrix
    recent: sparse.csr_matrix
    peers: sparse.csr_matrix  # (U, U) weights of the users most like each
    partners: sparse.csr_matrix  # (I, I) row: an item, column: what goes with it
    user_taste: np.ndarray  # (U, TASTES)
    item_taste: np.ndarray  # (I, TASTES), zero for an item of few buyers

    def taste_at(self, user: np.ndarray, item: np.ndarray) -> np.ndarray:
        """(N,) how well an item fits the user's main tastes."""
        return np.einsum("nt,nt->n", self.user_taste[user], self.item_taste[item])


def neighbours_at(lines: Lines, as_of: date) -> Neighbours:
    """From lines before as_of only."""
    known = lines.before(as_of)
    age = day_number(as_of) - lines.day[known]
    shape, cells = (len(lines.users), len(lines.items)), (lines.user[known], lines.item[known])
    taste = sparse.csr_matrix((2.0 ** (-age / TASTE_HALF_LIFE), cells), shape=shape)
    taste.data = np.log1p(4 * taste.data)
    recent = sparse.csr_matrix((2.0 ** (-age / RECENT_HALF_LIFE), cells), shape=shape)
    recent.data = np.log1p(recent.data)
    buyers = np.bincount(taste.indices, minlength=shape[1])
    rarity = np.log((shape[0] + 1) / (buyers + 1))
    weighted = unit_rows(taste @ sparse.diags(rarity))
    alike = strongest(weighted, ALIKE_USERS)
    alike.data **= 2
    weight = np.asarray(alike.sum(1)).ravel()
    alike = sparse.diags(1 / np.maximum(weight, 1e-12)) @ alike
    told = sparse.csr_matrix(recent @ sparse.diags((buyers >= LEAST_ALIKE).astype(np.float64)))
    told.eliminate_zeros()
    common = np.flatnonzero(buyers >= LEAST_BUYERS)
    goes = strongest(unit_rows(taste[:, common].T.tocsr()), ALIKE_ITEMS)
    scores = (recent[:, common] @ goes).tocsr()
    goes_with = sparse.csr_matrix((scores.data, common[scores.indices], scores.indptr), shape=shape)
    item_taste = np.zeros((shape[1], TASTES))
    user_taste, item_taste[common] = tastes(weighted[:, common])
    place = sparse.coo_matrix(goes)
    partners = sparse.csr_matrix((place.data, (common[place.row], common[place.col])), shape=(shape[1], shape[1]))
    return Neighbours(
        alike=sorted_csr(alike @ told),
        goes_with=sorted_csr(goes_with),
        recent=sorted_csr(recent),
        peers=sorted_csr(alike),
        partners=sorted_csr(partners),
        user_taste=user_taste,
        item_taste=item_taste,
    )


def tastes(weighted: sparse.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """(U, TASTES) and (D, TASTES) whose products are the best approximation of (U, D) of their rank; zeros where it is tiny."""
    users, items = np.zeros((weighted.shape[0], TASTES)), np.zeros((weighted.shape[1], TASTES))
    rank = min(TASTES, min(weighted.shape) - 1)
    if rank > 0 and weighted.nnz:
        start = np.random.default_rng(0).standard_normal(min(weighted.shape))
        left, values, right = svds(weighted, k=rank, v0=start)
        users[:, :rank], items[:, :rank] = left * values, right.T
    return users, items


def unit_rows(x: sparse.spmatrix) -> sparse.csr_matrix:
    """Rows of length one; an empty row stays empty."""
    length = np.sqrt(np.asarray(x.multiply(x).sum(1)).ravel())
    return sparse.csr_matrix(sparse.diags(1 / np.maximum(length, 1e-12)) @ x)


def strongest(x: sparse.csr_matrix, count: int) -> sparse.csr_matrix:
    """(N, N) the `count` largest products of each row of x (N, D) with other rows; made a slab of rows at a time."""
    size, parts = x.shape[0], []
    count = min(count, max(size - 1, 0))
    turned = x.T.tocsc()
    for start in range(0, size, ROWS_AT_ONCE):
        slab = (x[start : start + ROWS_AT_ONCE] @ turned).toarray()
        rows = len(slab)
        slab[np.arange(rows), start + np.arange(rows)] = 0.0
        best = np.argpartition(-slab, count - 1, axis=1)[:, :count] if count else np.zeros((rows, 0), np.int64)
        cells = (np.repeat(np.arange(rows), count), best.ravel())
        parts.append(sparse.csr_matrix((np.take_along_axis(slab, best, 1).ravel(), cells), shape=(rows, size)))
    return sparse.vstack(parts).tocsr() if parts else sparse.csr_matrix((0, 0))


def sorted_csr(x: sparse.spmatrix) -> sparse.csr_matrix:
    x = sparse.csr_matrix(x)
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
