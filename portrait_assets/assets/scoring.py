"""What the model in force says of every user at the end of each day."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

import polars as pl

from portrait_assets import columns as c
from portrait_assets.assets.daily import runs_of, write_days
from portrait_assets.assets.derivation import days_at_once
from portrait_assets.assets.training import features_at, history_at
from portrait_assets.home import Home
from portrait_assets.lineage import models_in_force
from portrait_assets.partitions import Window, as_of_of
from portrait_assets.resources.session import Session
from portrait_assets.tables import Table

if TYPE_CHECKING:
    from portrait_assets.kernels.behaviour import Scores
    from portrait_assets.kernels.sequences import History
    from portrait_assets.kernels.trained import TrainedModel

SCORED_AT_ONCE = 50_000  # users times days, each with features and some fifty rows
OF_PURCHASES = pl.col("target").str.contains("^(category|item)_14d=")


@dataclass(frozen=True)
class ScoredDay:
    """One day's scores, the features they read, and the version of the model that made them."""

    day: date
    version: str
    features: pl.DataFrame
    scores: "Scores"


def model_in(home: Home, version: str) -> "TrainedModel":
    """A model of the home. Of its heads for attributes those alone that the pack lets infer now, whatever it was when they were trained."""
    from portrait_assets.kernels import storage

    model = storage.load(home.settings.models_dir / version)[0]
    heads = {name: head for name, head in model.attribute_heads.items() if name in home.pack.schema.inferred}
    return replace(model, attribute_heads=heads)


def scored_days(session: Session, home: Home, window: Window, history: "History | None" = None) -> Iterator[ScoredDay]:
    """Scores of each day that has a model in force, one after the other: those of a day are large. Features and models are read once for
    the whole window.

    `history` is what all did before the end of the window or of a later one, where it was read already.
    """
    from portrait_assets.kernels import behaviour

    versions = {day: version for day, version in models_in_force(session, window).items() if version is not None}
    if not versions:
        return
    features = features_at(session, home, list(versions))
    models = {version: model_in(home, version) for version in set(versions.values())}
    history = history or history_at(session, as_of_of(max(versions)))
    for day, version in versions.items():
        as_of = as_of_of(day)
        of_day = features.filter(pl.col("as_of") == as_of)
        yield ScoredDay(day, version, of_day, behaviour.score_history(models[version], history.before(as_of), of_day, as_of))


def vector_rows(scored: ScoredDay) -> pl.DataFrame:
    """Rows of scores.vectors. Users who never did anything (campaigns sent to them are all we know) have feature blocks only."""
    from portrait_assets.kernels import behaviour

    known = scored.scores.embeddings
    silent = scored.features.join(known, on="user_id", how="anti")
    vectors = known if silent.is_empty() else pl.concat([known, behaviour.blocks_only(silent)]).sort("user_id")
    return _dated(vectors, scored.day, scored.version)


def portrait_rows(scored: ScoredDay) -> pl.DataFrame:
    """Rows of scores.predictions: all that is not about what will be bought."""
    chances = _split(scored, ~OF_PURCHASES)
    return pl.concat([chances, _dated(scored.scores.amounts, scored.day, scored.version)], how="diagonal")


def segment_rows(scored: ScoredDay) -> pl.DataFrame:
    """Rows of scores.segments."""
    return _dated(scored.scores.clusters, scored.day, scored.version)


def purchase_rows(scored: ScoredDay) -> pl.DataFrame:
    """Rows of scores.next_purchases."""
    return _split(scored, OF_PURCHASES)


def blocks_at(session: Session, home: Home, day: date) -> pl.DataFrame:
    """Rows of scores.vectors for a day before the first model: its feature blocks, the model's part zero."""
    from portrait_assets.kernels import behaviour

    return _dated(behaviour.blocks_only(features_at(session, home, [day])), day, None)


def write_chances(session: Session, home: Home, window: Window) -> tuple[int, int]:
    """Score the days of the window, as many at once as fit into memory; returns the rows of scores.predictions and scores.segments."""
    modelled = [day for day, version in models_in_force(session, window).items() if version is not None]
    pieces = [piece for run in runs_of(modelled) for piece in run.cut(days_at_once(session, run.end, SCORED_AT_ONCE))]
    history = history_at(session, as_of_of(max(modelled))) if modelled else None
    predicted = clustered = 0
    for piece in (*runs_of(set(window) - set(modelled)), *pieces):
        rows = list(
            map(_kept_rows, scored_days(session, home, piece, history))
        )  # a loop would hold each day until the next is scored
        predicted += write_scores(session, home, c.SCORES_PREDICTIONS, piece, [chances for chances, _ in rows])
        clustered += write_scores(session, home, c.SCORES_SEGMENTS, piece, [clusters for _, clusters in rows])
    return predicted, clustered


def write_scores(session: Session, home: Home, table: Table, window: Window, parts: list[pl.DataFrame]) -> int:
    """Replace the window of a scores table; days without rows are written as such."""
    if not parts:
        return write_days(session, home, table, window, f"select * from {table.name} where false")
    session.stage_frame("scored", pl.concat(parts))
    return write_days(session, home, table, window, "select * from scored")


def _kept_rows(scored: ScoredDay) -> tuple[pl.DataFrame, pl.DataFrame]:
    return portrait_rows(scored), segment_rows(scored)


def _split(scored: ScoredDay, kept: pl.Expr) -> pl.DataFrame:
    """`age=55-64` as target and class, of the predictions that are `kept`."""
    parts = pl.col("target").str.splitn("=", 2).struct
    split = scored.scores.predictions.filter(kept).with_columns(
        parts.field("field_0").alias("target"), parts.field("field_1").alias("class")
    )
    return _dated(split, scored.day, scored.version)


def _dated(frame: pl.DataFrame, day: date, version: str | None) -> pl.DataFrame:
    return frame.with_columns(pl.lit(day).alias("event_date"), pl.lit(version, pl.String).alias("model_version"))
