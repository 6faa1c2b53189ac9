"""A training from frames to registry: fit, judge, gate, log to MLflow, keep the files, record the verdict."""

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from portrait_assets import columns as c
from portrait_assets import model_card
from portrait_assets.assets.training import Frames, machine_for
from portrait_assets.errors import PortraitError
from portrait_assets.home import Home
from portrait_assets.lineage import ROLLED_BACK, models_in_force
from portrait_assets.partitions import DAY, Window, partition_of
from portrait_assets.plots import line_panels, metric_bars, reliability_panels
from portrait_assets.resources.session import Session
from portrait_assets.resources.tracking import REGISTERED_NAME, Tracking
from portrait_assets.spreadsheet import csv_text

if TYPE_CHECKING:
    from portrait_assets.kernels.behaviour import Report
    from portrait_assets.kernels.evaluation import Verdict
    from portrait_assets.kernels.ranking.ranker import Ranker
    from portrait_assets.kernels.trained import TrainedModel

logger = logging.getLogger("portrait")


@dataclass(frozen=True)
class Trained:
    """A training's outcome, ready to be recorded."""

    version: str
    trained_through: date
    status: str
    reason: str
    metrics: pl.DataFrame
    selection: pl.DataFrame
    fusion: pl.DataFrame
    segments: pl.DataFrame
    config: dict[str, Any]
    not_predicted: dict[str, str]
    plot: bytes
    mlflow_run_id: str
    mlflow_version: str


@dataclass(frozen=True)
class Champion:
    """The model to beat (None before the first), the numbers of its segments (cluster, segment_id), and the highest until then.

    Only models of earlier instants count. What is predicted of a day must not depend on whether later ones are there, and a training done
    again must not be judged against itself: it could not win, and would put its own week's champion out of force.
    """

    version: str | None
    numbers: pl.DataFrame
    highest: int

    @classmethod
    def before(cls, session: Session, trained_through: date) -> "Champion":
        """The newest champion of an instant before `trained_through`."""
        day = partition_of(trained_through) - DAY
        version = models_in_force(session, Window(day, day))[day]
        numbers = session.frame(
            "select cluster, segment_id from models.segments where model_version = $version", version=version
        )
        highest = session.scalar(
            "select coalesce(max(segment_id), 0) from models.segments as segments "
            "inner join models.registry as registry on segments.model_version = registry.version where trained_through < $through",
            through=trained_through,
        )
        return cls(version, numbers, highest)

    def load(self, home: Home) -> "TrainedModel | None":
        """PortraitError where its folder is damaged: asked before a training, not after the minutes it takes."""
        from portrait_assets.kernels import storage

        if self.version is None:
            return None
        try:
            return storage.load(home.settings.models_dir / self.version)[0]
        except PortraitError as error:
            raise PortraitError(
                f"{error}; or `portrait models rollback {self.version}`, and the champion before it is the one to beat"
            ) from error


def fit_and_judge(
    home: Home, frames: Frames, trained_through: date, tracking: Tracking, champion: Champion, dagster_run: str
) -> Trained:
    """Train for `trained_through`, put the result through the gate against `champion`, log both to MLflow."""
    import torch
    import torch._dynamo  # optimizers ask for it late: two threads that import it at once may each wait for the other
    from threadpoolctl import threadpool_limits

    from portrait_assets.kernels import behaviour, evaluation, storage
    from portrait_assets.kernels.config import PRESETS

    config = PRESETS[home.settings.model_size]
    old = champion.load(home)
    with (
        machine_for(home, f"trained through {trained_through}") as machine,
        tracking.run(f"behaviour {trained_through}", {"dagster_run_id": dagster_run, "source": home.source.name}) as mlflow,
    ):
        run_id = mlflow.active_run().info.run_id
        mlflow.log_params({**config.as_dict(), **machine.as_dict(), "trained_through": str(trained_through)})

        def log(epoch: int, values: dict[str, float]) -> None:
            mlflow.log_metrics(values, step=epoch)
            logger.info("epoch %d  %s", epoch, "  ".join(f"{name} {value:.4f}" for name, value in values.items()))

        # Two trainings that share nothing, side by side on two cores; threads are pinned around both, so that neither moves the other's sums.
        torch.set_num_threads(config.threads)
        with threadpool_limits(config.threads), ThreadPoolExecutor(1) as aside:
            ranking_aside = aside.submit(fit_ranking, home, frames, trained_through)
            model, report = behaviour.train(
                frames.visits, frames.features, frames.items, frames.attributes, trained_through, config, log, machine
            )
            ranker, ranking, refused = ranking_aside.result()
        model = replace(model, ranker=ranker)
        losses = None
        if old is not None:
            losses = behaviour.validation_losses(old, frames.visits, frames.features, frames.items, report.validation_as_of)
        verdict = evaluation.gate(report.losses, losses)
        version = storage.version_of(model)
        folder = home.settings.models_dir / version
        storage.save(model, folder)
        status, reason = judged(verdict, refused, storage.not_finite(model))
        plot = metric_bars(report.metrics)
        told = model_card.card(
            version, model_card.DataRange.of(home.source.name, frames.visits), report, status, reason, config.as_dict()
        )
        (folder / model_card.FILE).write_text(told, encoding="utf-8")
        mlflow.log_text(told, model_card.FILE)
        mlflow.log_text(csv_text(ranking), "tables/ranking.csv")
        for row in ranking.drop_nulls("mean").iter_rows(named=True):
            mlflow.log_metric(f"ranking/{row['target']}/{row['measure']}_at_10", row["mean"])
        number = _log_report(mlflow, home, report, version, status, reason, plot)
    return Trained(
        version=version,
        trained_through=trained_through,
        status=status,
        reason=reason,
        metrics=report.metrics,
        selection=report.selection,
        fusion=report.fusion,
        segments=named_segments(model, report.clusters, frames, champion, old),
        config=config.as_dict(),
        not_predicted=model.not_predicted,
        plot=plot,
        mlflow_run_id=run_id,
        mlflow_version=number,
    )


def judged(verdict: "Verdict", *refusals: str | None) -> tuple[str, str]:
    """Status and reason: what the gate says, unless something about the model speaks against using it at all."""
    against = [why for why in refusals if why is not None]
    return ("champion" if verdict.promoted and not against else "rejected"), "; ".join(against or verdict.reasons)


def named_segments(
    model: "TrainedModel", clusters: pl.DataFrame, frames: Frames, champion: Champion, old: "TrainedModel | None"
) -> pl.DataFrame:
    """Rows of models.segments: the `clusters` (user_id, cluster) of `model`, named, and numbered as those of `old`, the champion."""
    from portrait_assets.kernels import behaviour, segments

    before = clusters.rename({"cluster": "segment_id"}).clear()
    if old is not None:
        stood = behaviour.score(old, frames.visits, frames.features, frames.items, model.trained_through).clusters
        before = stood.join(champion.numbers, on="cluster").select("user_id", "segment_id")
    numbers = segments.matched(before, clusters, champion.highest)
    return segments.described(clusters, frames.traits).with_columns(
        segment_id=pl.col("cluster").replace_strict(numbers, return_dtype=pl.Int64),
        centre=pl.Series(model.centres.tolist(), dtype=pl.List(pl.Float32)),
    )


def fit_ranking(home: Home, frames: Frames, trained_through: date) -> tuple["Ranker | None", pl.DataFrame, str | None]:
    """The ranker, its measures on the held-out window, and why it is of no use; None, and no rows, where there is too little to learn from."""
    from portrait_assets.kernels.ranking.lines import lines_from
    from portrait_assets.kernels.ranking.measures import Measured
    from portrait_assets.kernels.ranking.ranker import RANKERS, UnusableRanker, fit_ranker

    nothing = Measured({}, {}).frame()
    if frames.lines is None or frames.lines.is_empty():
        return None, nothing, None
    try:
        ranker, measured = fit_ranker(
            lines_from(frames.lines, frames.items), trained_through, RANKERS[home.settings.model_size]
        )
    except UnusableRanker as error:
        return None, nothing, str(error)
    except PortraitError as error:
        logger.info("%s; until then lists go by habit", error)
        return None, nothing, None
    return ranker, measured.frame(), None


def _log_report(mlflow: Any, home: Home, report: "Report", version: str, status: str, reason: str, plot: bytes) -> str:
    """Metrics, tables, plots and the model itself; returns its number in the MLflow registry."""
    from portrait_assets import served_model

    for row in report.metrics.iter_rows(named=True):
        for measure in ("auc", "log_loss", "ece"):
            if row[measure] is not None:
                mlflow.log_metric(f"{row['head']}/{row['model'].replace(' ', '_')}/{measure}", row[measure])
    for row in report.outlook.filter(pl.col("model").is_not_null()).iter_rows(named=True):
        for measure in ("auc", "log_loss", "ece", "rmse", "mae", "told_over_seen", "come_by_then"):
            if row[measure] is not None:
                mlflow.log_metric(f"{row['head']}/{row['model']}/{measure}", row[measure])
    for row in report.attributes.filter(pl.col("outcome") == "served").iter_rows(named=True):
        for measure in ("auc", "counts_auc", "ece"):
            mlflow.log_metric(f"{row['attribute']}/{measure}", row[measure])
    for name in ("metrics", "outlook", "attributes", "reliability", "selection", "fusion", "curves"):
        mlflow.log_text(csv_text(getattr(report, name)), f"tables/{name}.csv")
    mlflow.log_text(reason, "gate.txt")
    _log_bytes(mlflow, plot, "plots/heads_against_windowed_counts.png")
    _log_bytes(mlflow, line_panels(report.curves), "plots/curves.png")
    _log_bytes(mlflow, reliability_panels(report.reliability), "plots/reliability.png")
    tags = {"trained_through": str(report.trained_through), "version": version, "status": status, "reason": reason[:400]}
    mlflow.set_tags(tags)
    info = served_model.log(mlflow, home.settings.models_dir / version, report)
    client = mlflow.MlflowClient()
    registered = mlflow.register_model(info.model_uri, REGISTERED_NAME, tags=tags)
    if status == "champion":
        client.set_registered_model_alias(REGISTERED_NAME, "champion", registered.version)
    return str(registered.version)


def _log_bytes(mlflow: Any, content: bytes, name: str) -> None:
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / Path(name).name
        file.write_bytes(content)
        mlflow.log_artifact(str(file), str(Path(name).parent))


def record(session: Session, trained: Trained) -> None:
    """Write the verdict, the selection, the fusion and the segments of a training into the warehouse, in one transaction."""
    row = pl.DataFrame(
        {
            "version": [trained.version],
            "trained_through": [trained.trained_through],
            "status": [trained.status],
            "reason": [trained.reason],
            "metrics": [json.dumps(trained.metrics.to_dicts())],
            "config": [json.dumps(trained.config)],
            "mlflow_run_id": [trained.mlflow_run_id],
            "mlflow_version": [trained.mlflow_version],
            "recorded_at": [datetime.now(UTC).replace(tzinfo=None)],
            "not_predicted": [json.dumps(trained.not_predicted, ensure_ascii=False)],
        }
    )
    # A model that a person took back stays back, however often it is trained again.
    told = session.rows("select status, reason from models.registry where version = $version", version=trained.version)
    if told and told[0][0] == ROLLED_BACK:
        row = row.with_columns(status=pl.lit(told[0][0]), reason=pl.lit(told[0][1]))
    session.stage_frame("trained_row", row)
    session.stage_frame("trained_selection", trained.selection.rename({"column": "feature"}))
    session.stage_frame("trained_fusion", trained.fusion)
    session.stage_frame("trained_segments", trained.segments)
    with session.transaction():
        for table in (c.FEATURES_SELECTION, c.FEATURES_FUSION):
            session.execute(f"delete from {table.name} where model_version = $version", version=trained.version)
        session.execute("delete from models.registry where version = $version", version=trained.version)
        session.execute(f"insert into {c.MODELS_REGISTRY.name} by name select * from trained_row")
        for table, staged in ((c.FEATURES_SELECTION, "trained_selection"), (c.FEATURES_FUSION, "trained_fusion")):
            session.execute(
                f"insert into {table.name} by name select $version as model_version, * from {staged}", version=trained.version
            )
        # What people call a segment does not change because its model is trained once more, beside another champion.
        session.execute(
            "insert into models.segments by name select $version as model_version, * from trained_segments "
            "where $version not in (select model_version from models.segments)",
            version=trained.version,
        )
