"""A second warehouse beside the home's own, with everything derived from raw in one pass: to compare with, or as known at an instant."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from portrait_assets import columns as c
from portrait_assets.assets.daily import write_features, write_portraits
from portrait_assets.assets.scoring import portrait_rows, scored_days, segment_rows, write_scores
from portrait_assets.home import Home
from portrait_assets.lineage import SCORE_TABLES
from portrait_assets.partitions import Window
from portrait_assets.resources.session import Session
from portrait_assets.resources.warehouse import Warehouse, warehouse_of
from portrait_assets.tables import Table

LEARNT = (c.RAW_EVENTS, c.RAW_ITEMS, c.RAW_ATTRIBUTES)
RAW = (c.RAW_EVENTS, c.RAW_ITEMS, c.RAW_ATTRIBUTES, c.RAW_BATCHES)
GIVEN = (*RAW, c.MODELS_REGISTRY, c.MODELS_SEGMENTS, *SCORE_TABLES, c.META_HISTORY)


@contextmanager
def recomputed(
    home: Home, days: Window, portraits: Window | None = None, known_at: date | None = None, learnt: tuple[Table, ...] = LEARNT
) -> Iterator[Session]:
    """A session on a warehouse with the features of `days` and the portraits of `portraits`, made from the home's raw tables.

    With `known_at`, what the tables in `learnt` hold of that instant (00:00 UTC) or later is left out, and portraits are scored anew by
    the models there are. What bears no time of learning was known from the start. The warehouse is gone afterwards.
    """
    given = [table for table in GIVEN if not (known_at and table in SCORE_TABLES)]
    with tempfile.TemporaryDirectory(prefix="portrait-beside-", dir=home.settings.home_dir) as folder:
        with warehouse_of(home.settings).open("read raw for a recomputation") as stored:
            for table in given:
                known = "where ingested_at is null or ingested_at < $known_at" if known_at and table in learnt else ""
                stored.execute(f"copy (select * from {table.name} {known}) to '{_file(folder, table)}'", known_at=known_at)
        beside = Warehouse(
            database=str(Path(folder) / "recomputed.duckdb"),
            threads=home.settings.threads,
            memory_limit=home.settings.memory_limit,
        )
        with beside.open("recompute") as session:
            for table in given:
                session.execute(f"insert into {table.name} by name select * from '{_file(folder, table)}'")
            write_features(session, home, days)
            if portraits and known_at:
                scored = scored_days(session, home, portraits)
                write_scores(session, home, c.SCORES_PREDICTIONS, portraits, [portrait_rows(day) for day in scored])
                write_scores(session, home, c.SCORES_SEGMENTS, portraits, [segment_rows(day) for day in scored])
            if portraits:
                write_portraits(session, home, portraits)
            yield session


def _file(folder: str, table: Table) -> str:
    return str(Path(folder) / f"{table.name}.parquet").replace("'", "''")
