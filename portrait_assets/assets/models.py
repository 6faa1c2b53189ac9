"""models and scores: the behaviour model of a week, its gate, and what it says of each user on each day."""

from datetime import date

import dagster as dg
import polars as pl

from portrait_assets import columns as c
from portrait_assets import plots
from portrait_assets.assets.common import (
    DAILY,
    OWNERS,
    SINGLE_RUN,
    WEEKLY,
    HomeParam,
    definition_metadata,
    markdown_table,
    picture,
    shown,
    window_of,
    windows_to_score,
)
from portrait_assets.assets.modelling import Champion, fit_and_judge, record
from portrait_assets.assets.recomputation import recomputed
from portrait_assets.assets.scoring import (
    blocks_at,
    purchase_rows,
    scored_days,
    vector_rows,
    write_chances,
    write_scores,
)
from portrait_assets.assets.training import frames_for, learnt_later
from portrait_assets.lineage import SCORE_TABLES
from portrait_assets.partitions import Window, as_of_of, partition_of
from portrait_assets.resources.tracking import Tracking
from portrait_assets.resources.warehouse import Warehouse
from portrait_assets.tables import Table


class Training(dg.Config):
    """When to train for, and with which configuration."""

    trained_through: str | None = None
    """An as-of inside the partition's week; by default the Monday that ends it, or the last day of data where that is earlier."""


def _spec(key: list[str], group: str, description: str, metadata: dict, kinds: set[str]) -> dg.AssetSpec:
    return dg.AssetSpec(
        key,
        deps=[
            ["features", "visit"],
            ["features", "user_state"],
            ["features", "interests"],
            ["features", "cut_points"],
            ["clean", "items"],
            ["clean", "users"],
        ],
        description=description,
        group_name=group,
        owners=OWNERS,
        kinds=kinds,
        metadata=metadata,
        partitions_def=WEEKLY,
    )


@dg.multi_asset(
    name="models__behaviour",
    specs=[
        _spec(
            ["models", "behaviour"],
            "models",
            "The behaviour model: a sequence network and boosted heads, trained on events before its as-of only, judged on later "
            "windows against windowed counts, and made champion only where it is no worse than the champion before it.",
            definition_metadata(c.MODELS_REGISTRY),
            {"pytorch", "mlflow"},
        ),
        _spec(
            ["features", "selection"],
            "models",
            "Feature selection, explicit: which columns were dropped and why.",
            definition_metadata(c.FEATURES_SELECTION),
            {"polars"},
        ),
        _spec(
            ["features", "fusion"],
            "models",
            "Feature fusion, explicit: which blocks make the user vector, and what weight each has.",
            definition_metadata(c.FEATURES_FUSION),
            {"polars"},
        ),
        _spec(
            ["models", "segments"],
            "models",
            "Clusters of the user vectors, named for what sets their users apart, numbered as the champion's before.",
            definition_metadata(c.MODELS_SEGMENTS),
            {"scikitlearn"},
        ),
    ],
)
def behaviour(context: dg.AssetExecutionContext, config: Training, warehouse: Warehouse, home: HomeParam, tracking: Tracking):
    """Train, judge, record. The warehouse is held to read and to record, never while training."""
    week_end = min(context.partition_time_window.end.date(), as_of_of(home.days.end))
    trained_through = date.fromisoformat(config.trained_through) if config.trained_through else week_end
    day = partition_of(trained_through)
    with warehouse.open("read for training") as session:
        champion = Champion.before(session, trained_through)
        knows_more = learnt_later(session, trained_through)
        if not knows_more:
            frames = frames_for(session, home, trained_through)
    if knows_more:
        # Events that were learnt later would teach the model from its future: train on what was known then.
        with recomputed(home, Window(home.days.start, day), known_at=trained_through) as session:
            frames = frames_for(session, home, trained_through)
    outcome = fit_and_judge(home, frames, trained_through, tracking, champion, dagster_run=context.run_id)
    with warehouse.open("record the model") as session:
        record(session, outcome)
        yield dg.MaterializeResult(
            asset_key=["models", "behaviour"],
            metadata={
                "version": outcome.version,
                "status": outcome.status,
                "reason": outcome.reason,
                "trained through": str(trained_through),
                "MLflow run": outcome.mlflow_run_id,
                "validation": dg.MetadataValue.md(markdown_table(outcome.metrics)),
                "plot": picture(outcome.plot),
            },
        )
        yield shown(context, session, c.FEATURES_SELECTION, len(outcome.selection))
        yield shown(context, session, c.FEATURES_FUSION, len(outcome.fusion))
        yield shown(context, session, c.MODELS_SEGMENTS, len(outcome.segments))


def _scores_spec(table: Table, description: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        table.name.split("."),
        deps=[["models", "behaviour"], ["features", "visit"], ["features", "user_state"], ["features", "interests"]],
        description=description,
        group_name="scores",
        owners=OWNERS,
        kinds={"pytorch", "duckdb"},
        metadata=definition_metadata(table),
        partitions_def=DAILY,
    )


@dg.multi_asset(
    name="scores__predictions",
    specs=[
        _scores_spec(
            c.SCORES_PREDICTIONS,
            "Calibrated probabilities a portrait shows: churn, undeclared attributes. No rows before the first model.",
        ),
        _scores_spec(c.SCORES_SEGMENTS, "The cluster each user's vector stands in. No rows before the first model."),
    ],
    backfill_policy=SINGLE_RUN,
)
def predictions(context: dg.AssetExecutionContext, warehouse: Warehouse, home: HomeParam):
    """Score each day of the window with the model in force on it."""
    whole, predicted, clustered = window_of(context), 0, 0
    with warehouse.open("scores/predictions") as session:
        for window in windows_to_score(context, session, home, SCORE_TABLES):
            written = write_chances(session, home, window)
            predicted, clustered = predicted + written[0], clustered + written[1]
        yield shown(context, session, c.SCORES_PREDICTIONS, predicted, whole)
        sizes, flows = (
            session.frame(session.sql(f"published/segment_{what}.sql"), day=whole.end) for what in ("sizes", "flows")
        )
        labelled = sizes.with_columns(label=pl.format("{} {}", pl.col("segment_id"), pl.col("segment")))
        plot = plots.bars(labelled, "label", "users", f"Users by segment at the end of {whole.end}")
        moved = {"flows": dg.MetadataValue.md(markdown_table(flows))}
        yield shown(context, session, c.SCORES_SEGMENTS, clustered, whole, plot=plot, **moved)


@dg.multi_asset(
    name="scores__published",
    specs=[
        _scores_spec(
            c.SCORES_VECTORS,
            "One vector a user for the published days; behaviour only, no declared attribute. Feature blocks before the first model.",
        ),
        _scores_spec(c.SCORES_NEXT_PURCHASES, "Calibrated probabilities of the categories and items of the next 14 days."),
    ],
    backfill_policy=dg.BackfillPolicy.multi_run(1),
)
def published_scores(context: dg.AssetExecutionContext, warehouse: Warehouse, home: HomeParam):
    """Vectors and next purchases, for the days that are published."""
    window = window_of(context)
    with warehouse.open("scores/vectors") as session:
        days = list(scored_days(session, home, window))
        vectors = [vector_rows(day) for day in days] or [blocks_at(session, home, day) for day in window]
        rows = write_scores(session, home, c.SCORES_VECTORS, window, vectors)
        yield shown(context, session, c.SCORES_VECTORS, rows, window)
        rows = write_scores(session, home, c.SCORES_NEXT_PURCHASES, window, [purchase_rows(day) for day in days])
        yield shown(context, session, c.SCORES_NEXT_PURCHASES, rows, window)
