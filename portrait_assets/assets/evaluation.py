"""models/evaluation: how good the model would have been at past cutoffs, beside everything simpler. On demand: it trains once a cutoff."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from portrait_assets import columns as c
from portrait_assets.assets.common import OWNERS, HomeParam, definition_metadata, markdown_table, shown
from portrait_assets.assets.training import HORIZON, frames_at, machine_for, sampled, training_days
from portrait_assets.errors import PortraitError
from portrait_assets.home import Home
from portrait_assets.lineage import models_in_force
from portrait_assets.model_card import table
from portrait_assets.partitions import DAY, Window, as_of_of, parse_date
from portrait_assets.plots import metric_bars
from portrait_assets.resources.tracking import Tracking
from portrait_assets.resources.warehouse import Warehouse
from portrait_assets.spreadsheet import csv_text

TITLES = {
    "heads": "Heads: mean AUC of a head's targets over users active in the 90 days before the cutoff, log loss, calibration error",
    "ablation": "Vectors: mean AUC of a fixed standardised logistic head, five folds over the same users",
    "slices": "Slices: AUC and log loss over some users and all their targets together",
    "leaks": "Leaks: what would show a look ahead",
}


class Evaluation(dg.Config):
    """At which instants to look."""

    cutoffs: list[str] | None = None
    """As-ofs, each with a whole horizon of data after it; by default two, a horizon and three before the end of the data."""


@dataclass(frozen=True)
class Tables:
    """TITLES's tables of all cutoffs; `cutoff` is their first column."""

    heads: pl.DataFrame
    ablation: pl.DataFrame
    slices: pl.DataFrame
    leaks: pl.DataFrame


@dg.asset(
    key=["models", "evaluation"],
    deps=[["features", "visit"], ["features", "user_state"], ["features", "interests"], ["clean", "items"], ["clean", "users"]],
    group_name="evaluation",
    owners=OWNERS,
    kinds={"pytorch", "mlflow"},
    metadata=definition_metadata(c.MODELS_EVALUATION),
    description="The model trained as on past days and asked about the fortnight after each, beside boosting, the network, windowed counts, "
    "LSA and the champion; the vector without each of its blocks; figures of some users alone; tests for leaks. On demand.",
)
def evaluation(
    context: dg.AssetExecutionContext, config: Evaluation, warehouse: Warehouse, home: HomeParam, tracking: Tracking
):
    """Assess every cutoff, log one table and plot to MLflow, write the tables as Markdown into the home."""
    chosen = cutoffs_of(config, home)
    tables = assessed(home, warehouse, chosen)
    plot = metric_bars(tables.heads.filter(pl.col("cutoff") == chosen[-1]))
    with tracking.run(f"evaluation {', '.join(map(str, chosen))}", {"dagster_run_id": context.run_id}) as mlflow:
        for name in TITLES:
            mlflow.log_text(csv_text(getattr(tables, name)), f"tables/{name}.csv")
        for row in tables.heads.drop_nulls("auc").iter_rows(named=True):
            mlflow.log_metric(f"{row['cutoff']}/{row['head']}/{row['model'].replace(' ', '_')}/auc", row["auc"])
        folder = write_markdown(home, tables)
        mlflow.log_artifacts(str(folder), "markdown")
    told: dict[str, Any] = {name: dg.MetadataValue.md(markdown_table(getattr(tables, name))) for name in TITLES}
    with warehouse.open("record the evaluation") as session:
        session.stage_frame("evaluated", tables.heads)
        with session.transaction():
            session.execute(f"delete from {c.MODELS_EVALUATION.name} where cutoff in (select cutoff from evaluated)")
            session.execute(f"insert into {c.MODELS_EVALUATION.name} by name select * from evaluated")
        return shown(context, session, c.MODELS_EVALUATION, tables.heads.height, plot=plot, **told, Markdown=str(folder))


def cutoffs_of(config: Evaluation, home: Home) -> list[date]:
    """The cutoffs asked for; by default a horizon, and three, before the end of the data, the earlier one first.

    Raises PortraitError where the data do not reach a whole horizon beyond one.
    """
    end = as_of_of(home.days.end)
    chosen = [parse_date(text, "cutoffs") for text in config.cutoffs or []] or [end - 3 * HORIZON, end - HORIZON]
    for cutoff in chosen:
        if end < cutoff + HORIZON:
            raise PortraitError(
                f"cutoff {cutoff}: the data end at {end}, before the {HORIZON.days} days after it; choose an earlier one"
            )
    return chosen


def assessed(home: Home, warehouse: Warehouse, cutoffs: list[date]) -> Tables:
    """One assessment a cutoff; the warehouse is held to read only."""
    from portrait_assets.kernels import assessment, storage
    from portrait_assets.kernels.config import PRESETS

    found = []
    for cutoff in cutoffs:
        with warehouse.open("read for evaluation") as session:
            frames = sampled(frames_at(session, home, cutoff + HORIZON, training_days(home, cutoff)))
            version = models_in_force(session, Window(cutoff - DAY, cutoff - DAY))[cutoff - DAY]
        champion = storage.load(home.settings.models_dir / version)[0] if version else None
        config = PRESETS[home.settings.model_size]
        with machine_for(home, f"evaluation {cutoff}") as machine:
            one = assessment.assess(
                frames.visits, frames.features, frames.items, frames.attributes, cutoff, config, champion, machine
            )
        parts = (one.heads, one.profile, one.slices.filter(pl.col("users") > 0), one.leaks)
        found.append([part.select(pl.lit(cutoff).alias("cutoff"), pl.all()) for part in parts])
    return Tables(*(pl.concat(parts) for parts in zip(*found, strict=True)))


def write_markdown(home: Home, tables: Tables) -> Path:
    """One file a table, in the home's folder `evaluation`."""
    folder = home.settings.home_dir / "evaluation"
    folder.mkdir(parents=True, exist_ok=True)
    cutoffs = " ".join(f"--as-of {day}" for day in tables.heads["cutoff"].unique(maintain_order=True))
    for name, title in TITLES.items():
        text = (
            f"# {title}\n\nMade by `portrait models evaluate {cutoffs} --out docs/model`.\n\n{table(getattr(tables, name))}\n"
        )
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    return folder
