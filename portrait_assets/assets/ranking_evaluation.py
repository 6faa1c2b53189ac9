"""models/ranking: how good the recommendations would have been at past cutoffs, beside everything simpler. On demand."""

from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from portrait_assets import columns as c
from portrait_assets.assets.common import OWNERS, HomeParam, definition_metadata, markdown_table, shown
from portrait_assets.assets.evaluation import Evaluation, cutoffs_of
from portrait_assets.assets.training import HORIZON, ITEMS, declared, lines_at
from portrait_assets.home import Home
from portrait_assets.model_card import table
from portrait_assets.plots import bars
from portrait_assets.resources.tracking import Tracking
from portrait_assets.resources.warehouse import Warehouse
from portrait_assets.spreadsheet import csv_text

FILE = "ranking.md"
TITLES = {
    "rivals": "Recall and NDCG at 10, every item a candidate: the window of a fortnight, its first visit, and apart what the "
    "user had bought before (again) and had not (discover); deep recall is at 20",
    "ratio": "The ranker to plain boosting (35 hand-made numbers, what was bought before, two windows): mean of recall and NDCG of "
    "window and first visit over the seeds, with its 95 % interval by a paired bootstrap over users",
    "generators": "Candidates, and the share of the window's purchases among them",
    "lists": "What the ten best are like",
    "slices": "Recall and NDCG of the window for some users alone, by visits before and by what they declared (30 users or more), beside plain "
    "boosting; ratio: the mean of the two",
    "diversity": "The blended list at some weights of diversity: mean of recall and NDCG of window and first visit to those without it, with "
    "its 95 % interval by a paired bootstrap over users; item types and categories among the first ten, and how alike two of these are",
    "reasons": "A thousand recommendations scored again without the events that their reason names (five at most): the share whose score "
    "falls and the mean fall, in standard deviations of scores; the fall without as many other events of the user of about that age, the ratio "
    "of the two with the lower end of its 95 % interval over cases; the share of what the best five events that a greedy search finds come to",
}


@dg.asset(
    key=["models", "ranking"],
    deps=[["clean", "events"], ["clean", "items"]],
    group_name="evaluation",
    owners=OWNERS,
    kinds={"python", "mlflow"},
    metadata=definition_metadata(c.MODELS_RANKING),
    description="The ranker trained as on past days and measured on the fortnight after each, beside plain boosting refitted in the "
    "same run, TIFU-KNN, neighbours, personal frequency and popularity. On demand.",
)
def ranking(
    context: dg.AssetExecutionContext, config: Evaluation, warehouse: Warehouse, home: HomeParam, tracking: Tracking
) -> dg.MaterializeResult:
    """Assess every cutoff, log the tables to MLflow, write them as Markdown into the home."""
    chosen = cutoffs_of(config, home)
    tables = assessed(home, warehouse, chosen)
    plot = bars(tables["rivals"].filter(pl.col("cutoff") == chosen[-1]), "rival", "window ndcg", f"NDCG at 10, {chosen[-1]}")
    with tracking.run(f"ranking {', '.join(map(str, chosen))}", {"dagster_run_id": context.run_id}) as mlflow:
        for name, frame in tables.items():
            mlflow.log_text(csv_text(frame), f"tables/{name}.csv")
        for row in tables["ratio"].iter_rows(named=True):
            mlflow.log_metrics({f"{row['cutoff']}/{name}": row[name] for name in ("ratio", "low", "high")})
        file = write_markdown(home, tables, plot)
        for made in (file, file.with_suffix(".png")):
            mlflow.log_artifact(str(made), "markdown")
    told: dict[str, Any] = {name: dg.MetadataValue.md(markdown_table(tables[name])) for name in TITLES}
    with warehouse.open("record the evaluation") as session:
        session.stage_frame("evaluated", tables["figures"])
        with session.transaction():
            session.execute(f"delete from {c.MODELS_RANKING.name} where cutoff in (select cutoff from evaluated)")
            session.execute(f"insert into {c.MODELS_RANKING.name} by name select * from evaluated")
        return shown(context, session, c.MODELS_RANKING, tables["figures"].height, plot=plot, **told, Markdown=str(file))


def assessed(home: Home, warehouse: Warehouse, cutoffs: list[date]) -> dict[str, pl.DataFrame]:
    """TITLES's tables of all cutoffs, and every figure of the rivals; the warehouse is held to read only."""
    from portrait_assets.kernels.ranking.assessment import assess_ranking
    from portrait_assets.kernels.ranking.lines import lines_from
    from portrait_assets.kernels.ranking.ranker import RANKERS

    found: dict[str, list[pl.DataFrame]] = {name: [] for name in ("figures", *TITLES)}
    for cutoff in cutoffs:
        with warehouse.open("read for evaluation") as session:
            lines, items = lines_at(session, cutoff + HORIZON), session.frame(ITEMS)
            attributes = declared(session, session.schema.attribute_names)
        one = assess_ranking(lines_from(lines, items), cutoff, RANKERS[home.settings.model_size], attributes)
        parts = {
            "figures": one.rivals,
            "rivals": wide(one.rivals),
            "ratio": rounded(one.ratio),
            "generators": one.generators,
            "lists": one.lists,
            "slices": one.slices.with_columns(pl.col(pl.Float64).round(4)),
            "diversity": one.diversity,
            "reasons": one.reasons,
        }
        for name, part in parts.items():
            found[name].append(part.select(pl.lit(cutoff).alias("cutoff"), pl.all()))
    return {name: pl.concat(parts) for name, parts in found.items()}


def wide(rivals: pl.DataFrame) -> pl.DataFrame:
    """One row a rival, one column a target and measure."""
    shown = pl.col("measure").is_in(["recall", "ndcg"]) | (
        (pl.col("measure") == "deep_recall") & (pl.col("target") == "discover")
    )
    named = rivals.filter(shown).with_columns(figure=pl.concat_str("target", "measure", separator=" "))
    return named.pivot(on="figure", index="rival", values="mean", maintain_order=True)


def rounded(ratio: pl.DataFrame) -> pl.DataFrame:
    """Ratios of the seeds as one text."""
    return ratio.with_columns(by_seed=pl.col("by_seed").list.eval(pl.element().round(4).cast(pl.String)).list.join(", "))


def write_markdown(home: Home, tables: dict[str, pl.DataFrame], plot: bytes) -> Path:
    """One file of all tables, and the picture beside it, in the home's folder `evaluation`."""
    file = home.settings.home_dir / "evaluation" / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    cutoffs = " ".join(f"--as-of {day}" for day in tables["ratio"]["cutoff"])
    parts = [
        f"# Recommendations at past cutoffs\n\nMade by `portrait models evaluate-ranking {cutoffs} --out docs/model`.\n\n![rivals]({Path(FILE).stem}.png)\n"
    ]
    parts += [f"## {TITLES[name]}\n\n{table(tables[name])}\n" for name in TITLES]
    file.with_suffix(".png").write_bytes(plot)
    file.write_text("\n".join(parts), encoding="utf-8")
    return file
