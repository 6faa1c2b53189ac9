"""A vector for every item, bought or not: what it is (words and hierarchy) beside what it is bought with.

Content: TF-IDF of words, one for each level of the hierarchy and each word of its texts, and their truncated SVD; or, if asked for, the
principal components of what a sentence model says of its texts. Company: truncated SVD
of the visit x item table, each count over the roots of the visit's and the item's totals (correspondence analysis). An item of
few purchases stands mostly where its content puts it: a ridge regression predicts company from content, and purchases take over.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from scipy.sparse import csr_matrix, diags_array
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from threadpoolctl import threadpool_limits

HIERARCHY = ("department", "category", "item_type", "brand", "maker")
TEXTS = ("category", "item_type", "name", "size")
SPOKEN = ("item_type", "name", "category", "department", "brand")  # of a sentence; a size says nothing that helps
WORD = re.compile(r"[^\W_]+")
SIZE = 64  # of either half
TRUSTED_PURCHASES = 20.0  # as many purchases as the word of the content counts for
RIDGE = 1.0


@dataclass(frozen=True)
class ItemVectors:
    """`ids` sorted; `matrix` (I, 2 * SIZE) float32: content, then company, each of length one, or zero where nothing is known."""

    ids: list[str]
    matrix: np.ndarray

    def nearest(self, item_id: str, count: int) -> list[tuple[str, float]]:
        """The `count` items of greatest cosine to an item, nearest first, ties by id; KeyError if it is not there."""
        place = {name: i for i, name in enumerate(self.ids)}[item_id]
        length = np.maximum(np.linalg.norm(self.matrix, axis=1), 1e-9)
        cosine = self.matrix @ self.matrix[place] / (length * length[place])
        cosine[place] = -np.inf
        order = np.lexsort((np.arange(len(cosine)), -cosine))[:count]
        return [(self.ids[i], float(cosine[i])) for i in order if np.isfinite(cosine[i])]


def item_vectors(
    items: pl.DataFrame,
    visits: pl.DataFrame,
    as_of: date,
    outcome_event: str = "purchase",
    seed: int = 7,
    sentences: Callable[[list[str]], np.ndarray] | None = None,
) -> ItemVectors:
    """Of every item described in `items` or bought before `as_of`. Reads item_id and what there is of HIERARCHY and TEXTS; of `visits`
    event_date, event_types and item_ids. `sentences` gives (N, C) numbers for N sentences, C at least SIZE; without it words are counted.
    """
    lines = (
        visits.filter(pl.col("event_date") < as_of)
        .sort("user_id", "visit_time", "item_ids")
        .select(pl.int_range(pl.len()).alias("visit"), "event_types", pl.col("item_ids").alias("item_id"))
        .explode("event_types", "item_id")
        .filter((pl.col("event_types") == outcome_event) & pl.col("item_id").is_not_null())
        .unique(["visit", "item_id"])
        .sort("visit", "item_id")
    )
    ids = pl.concat([items["item_id"].cast(pl.String), lines["item_id"].cast(pl.String)]).drop_nulls().unique().sort()
    described = pl.DataFrame({"item_id": ids}).join(
        items.unique("item_id", keep="first", maintain_order=True), on="item_id", how="left", maintain_order="left"
    )
    with threadpool_limits(1):  # sums in one order, whatever the machine
        content = content_vectors(described, seed) if sentences is None else meanings(described, sentences)
        item = lines["item_id"].replace_strict(ids, np.arange(len(ids)), return_dtype=pl.Int64).to_numpy().astype(np.int64)
        company, bought = company_vectors(lines["visit"].to_numpy(), item, len(ids), seed)
        placed = place_by_content(content, company, bought)
    return ItemVectors(ids.to_list(), np.concatenate([content, placed], axis=1).astype(np.float32))


def content_vectors(described: pl.DataFrame, seed: int) -> np.ndarray:
    """(I, SIZE) unit rows; zero for an item of which no word is known."""
    levels, texts = ([n for n in names if n in described.columns] for names in (HIERARCHY, TEXTS))
    documents = []
    for row in described.select(*dict.fromkeys([*levels, *texts])).iter_rows(named=True):
        words = [f"{level}={row[level]}" for level in levels if row[level] is not None]
        said = (word for text in texts for word in words_of(row[text]))
        documents.append(words + list(dict.fromkeys(said)))  # once: a name often only repeats what type and size say
    if not any(documents):
        return np.zeros((len(documents), SIZE))
    table = TfidfVectorizer(analyzer=lambda words: words, sublinear_tf=True).fit_transform(documents)
    return unit(components(table, seed))


def words_of(text: str | None) -> list[str]:
    """In small letters."""
    return [word.lower() for word in WORD.findall(text or "")]


def meanings(described: pl.DataFrame, sentences: Callable[[list[str]], np.ndarray]) -> np.ndarray:
    """(I, SIZE) unit rows: principal components of the sentences' vectors; zero for an item of which nothing is known."""
    texts, place = np.unique(sentences_of(described), return_inverse=True)
    told = texts[place] != ""
    x = sentences(texts.tolist()).astype(np.float64)[place]
    x = np.where(told[:, None], x - x[told].mean(0) if told.any() else x, 0.0)
    _, axes = np.linalg.eigh(x.T @ x)
    return unit(x @ axes[:, -SIZE:])


def sentences_of(described: pl.DataFrame) -> list[str]:
    """What each item is, in small letters: those of SPOKEN, without one whose words are all in its size or were said before."""
    spoken = [name for name in SPOKEN if name in described.columns]
    found = []
    for row in described.iter_rows(named=True):
        parts, said = [], set(words_of(row.get("size")))
        for text in (row[name] for name in spoken):
            if not said.issuperset(words_of(text)):
                parts.append(text.lower())
                said.update(words_of(text))
        found.append(", ".join(parts))
    return found


def company_vectors(visit: np.ndarray, item: np.ndarray, items: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(items, SIZE) unit rows from distinct (visit, item) pairs, zero for what was not bought; and (items,) visits with each."""
    bought = np.bincount(item, minlength=items).astype(float)
    if not len(item):
        return np.zeros((items, SIZE)), bought
    counts = csr_matrix((np.ones(len(item)), (item, visit)), shape=(items, int(visit.max()) + 1))
    size = np.asarray(counts.sum(0)).ravel()
    scaled = diags_array(1 / np.sqrt(np.maximum(bought, 1))) @ counts @ diags_array(1 / np.sqrt(np.maximum(size, 1)))
    found, known = components(csr_matrix(scaled), seed), np.sqrt(bought / bought.sum())
    return unit(
        found - np.outer(known, known @ found)
    ), bought  # without the direction that says only how much an item is bought


def components(table: csr_matrix, seed: int) -> np.ndarray:
    """(N, SIZE) truncated SVD, padded with zeros where the table has fewer dimensions."""
    found = TruncatedSVD(min(SIZE, *table.shape), random_state=seed).fit_transform(table)
    return np.pad(found, ((0, 0), (0, SIZE - found.shape[1])))


def place_by_content(content: np.ndarray, company: np.ndarray, bought: np.ndarray) -> np.ndarray:
    """(I, SIZE) unit rows: company as bought, drawn to what content predicts by TRUSTED_PURCHASES of purchases."""
    weight = np.minimum(bought, TRUSTED_PURCHASES)[:, None]
    left = content.T @ (weight * content) + RIDGE * np.eye(SIZE)
    told = unit(content @ np.linalg.solve(left, content.T @ (weight * company)))
    trust = bought[:, None] / (bought[:, None] + TRUSTED_PURCHASES)
    return unit(np.where(content.any(1, keepdims=True), trust * company + (1 - trust) * told, company))


def unit(x: np.ndarray) -> np.ndarray:
    """Rows of length one; rows of next to nothing are zero."""
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return np.divide(x, length, out=np.zeros_like(x, dtype=float), where=length > 1e-9)
