"""A second warehouse beside the home's own, with everything derived from raw in one pass: to compare with, or as known at an instant."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from portrait_assets import columns as c
from portrait_assets.assets.daily import runs_of, write_features, write_portraits
from portrait_assets.assets.scoring import write_chances
from portrait_assets.home import Home
from portrait_assets.lineage import SCORE_TABLES, Ledger, models_in_force
from portrait_assets.partitions import Window
from portrait_assets.resources.session import Session
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
        with home.warehouse.open("read raw for a recomputation") as stored:
            for table in given:
                known = "where ingested_at is null or ingested_at < $known_at" if known_at and table in learnt else ""
                stored.execute(f"copy (select * from {table.name} {known}) to '{_file(folder, table)}'", known_at=known_at)
        with home.warehouse_in(Path(folder) / "recomputed.duckdb").open("recompute") as session:
            for table in given:
                session.execute(f"insert into {table.name} by name select * from '{_file(folder, table)}'")
            write_features(session, home, days)
            if portraits:
                for run in runs_of(_days_without_scores(session, home, portraits, known_at)):
                    write_chances(session, home, run)
                write_portraits(session, home, portraits)
            yield session


def _days_without_scores(session: Session, home: Home, portraits: Window, known_at: date | None) -> list[date]:
    """The days that have a model and no given scores: all as known then, else those whose predictions the home does not keep."""
    first_kept = Ledger(session, home).first_kept(portraits.end)
    given = {day for (day,) in session.rows("select distinct event_date from scores.predictions")}
    modelled = [day for day, version in models_in_force(session, portraits).items() if version is not None]
    return [day for day in modelled if day not in given and (known_at or day < first_kept)]


def _file(folder: str, table: Table) -> str:
    return str(Path(folder) / f"{table.name}.parquet").replace("'", "''")
