"""Where items that nobody has bought yet are placed, by words and by sentences, and whether buyers agree later.

    PORTRAIT_HOME=var .venv/bin/python -m portrait_assets.bench.items 2017-06-01 2017-08-01

Items first bought on or after each of the days, LEAST times or more; vectors as of that day. Their nearest among the items bought KNOWN
times before it: of the same category? among those they are bought with later? Needs the extra `text`; writes nothing.
"""

import sys
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from portrait_assets.assets.training import ITEMS, VISITS
from portrait_assets.errors import PortraitError
from portrait_assets.home import open_home
from portrait_assets.kernels.items import ItemVectors, item_vectors
from portrait_assets.partitions import as_of_of, parse_date
from portrait_assets.resources.sentence_model import sentence_model

LEAST, KNOWN = 20, 50  # visits with an item
NEAREST, REACH, FRIENDS = 10, 50, 10


@dataclass(frozen=True)
class Later:
    """C new and K known items, and what came after: the share of visits with either, and of the new item's visits with the known one."""

    new: list[str]
    known: list[str]
    share: np.ndarray  # (K,)
    together: np.ndarray  # (C, K)

    @property
    def lift(self) -> np.ndarray:
        """(C, K) how many times more often they are bought together than by chance."""
        return self.together / np.maximum(self.share, 1e-12)

    @property
    def friends(self) -> np.ndarray:
        """(C, FRIENDS) places of the known items a new one goes with most: by cosine of their visits, ties by id."""
        return first(self.together / np.sqrt(np.maximum(self.share, 1e-12)), FRIENDS)


def first(score: np.ndarray, count: int) -> np.ndarray:
    """(C, count) places of the greatest of each row."""
    return np.argsort(-score, axis=1, kind="stable")[:, :count]


def bought(visits: pl.DataFrame) -> pl.DataFrame:
    """visit, item_id: each item of a visit once."""
    lines = visits.with_row_index("visit").select("visit", "event_types", pl.col("item_ids").alias("item_id"))
    lines = lines.explode("event_types", "item_id").filter(pl.col("event_types") == "purchase")
    return lines.drop_nulls("item_id").select("visit", "item_id").unique()


def later_of(visits: pl.DataFrame, described: set[str], as_of: date, least: int = LEAST, known: int = KNOWN) -> Later:
    """Which items are new at `as_of` and which known, and how they are bought from then on."""
    before = bought(visits.filter(pl.col("event_date") < as_of))
    after = bought(visits.filter(pl.col("event_date") >= as_of))
    counts = dict(after["item_id"].value_counts().iter_rows())
    ever = dict(before["item_id"].value_counts().iter_rows())
    new = sorted(item for item, n in counts.items() if n >= least and item not in ever and item in described)
    old = sorted(item for item, n in ever.items() if n >= known and item in described)
    pairs = after.filter(pl.col("item_id").is_in(new)).join(after.filter(pl.col("item_id").is_in(old)), on="visit")
    together = np.zeros((len(new), len(old)))
    place = {item: i for items in (new, old) for i, item in enumerate(items)}
    for a, b, n in pairs.group_by("item_id", "item_id_right").len().iter_rows():
        together[place[a], place[b]] = n / counts[a]
    total = max(after["visit"].n_unique(), 1)
    return Later(new, old, np.array([counts.get(item, 0) / total for item in old]), together)


def judged(vectors: ItemVectors, later: Later, categories: dict[str, str | None]) -> dict[str, np.ndarray]:
    """Measure -> (C,), of each new item: share of its NEAREST in its category; of its FRIENDS among the REACH nearest; lift of NEAREST."""
    row = {item: i for i, item in enumerate(vectors.ids)}
    a, b = (vectors.matrix[[row[item] for item in items]] for items in (later.new, later.known))
    length = np.maximum(np.outer(np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)), 1e-9)
    near = first(a @ b.T / length, REACH)
    same = [
        np.mean([categories[later.known[k]] == categories[item] for k in near[i, :NEAREST]]) for i, item in enumerate(later.new)
    ]
    found = [len(set(near[i]) & set(friends)) / len(friends) for i, friends in enumerate(later.friends)]
    lift = np.take_along_axis(later.lift, near[:, :NEAREST], axis=1).mean(1)
    return {"same category": np.array(same), "recall of friends": np.array(found), "lift": lift}


def main(days: list[str]) -> None:
    home, model = open_home(), sentence_model()
    with home.warehouse.open("read items and visits") as session:
        items, visits = session.frame(ITEMS), session.frame(VISITS, as_of=as_of_of(home.days.end))
    categories = dict(items.select("item_id", "category").iter_rows())
    console = Console(highlight=False, soft_wrap=True)
    for day in days:
        as_of = parse_date(day, "a day")
        later = later_of(visits, set(items.drop_nulls("item_type")["item_id"]), as_of)
        console.print(f"{as_of}: {len(later.new)} new items, {len(later.known)} known ones")
        told = {
            name: judged(item_vectors(items, visits, as_of, sentences=sentences), later, categories)
            for name, sentences in (("words", None), ("sentences", model.vectors))
        }
        table = Table("measure", *told, "difference", "its standard error", box=None, pad_edge=False)
        for measure, words in told["words"].items():
            more = told["sentences"][measure] - words
            figures = (words.mean(), told["sentences"][measure].mean(), more.mean(), more.std() / max(len(more), 1) ** 0.5)
            table.add_row(measure, *(f"{figure:.4f}" for figure in figures))
        console.print(table)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except PortraitError as error:
        sys.exit(f"portrait: {error}")
