"""`portrait models`: what was trained, how good it is, and back to the champion before."""

import shutil
import sys
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.markdown import Markdown
from rich.table import Table

from portrait_assets import operations, registry
from portrait_assets.commands.options import JsonOption, SourceOption, print_json
from portrait_assets.home import Home, open_home
from portrait_assets.partitions import parse_date, partition_of
from portrait_assets.terminal import Terminal, styled

app = typer.Typer(help="Look at models, and go back to the one before.", no_args_is_help=True)
console = Terminal()

VersionArgument = Annotated[
    Optional[str], typer.Argument(help="A version, or how it begins; default: the model in force on the last day.")
]


@app.command("list")
def list_models(source: SourceOption = None, as_json: JsonOption = False) -> None:
    """Every trained model: champion, rejected or rolled back, and the days it is in force on."""
    home = open_home(source=source)
    with home.warehouse.open("look at the models") as session:
        found = registry.models(session, home)
    if as_json:
        print_json(found)
        return
    table = Table("version", "trained through", "status", "in force", "churn AUC", "reason", box=None, pad_edge=False)
    for model in found:
        days = f"{model['first_day']} to {model['last_day']}" if model["first_day"] else ""
        auc = next((m["auc"] for m in model["metrics"] if m["head"] == "churn" and m["model"] == "served"), None)
        figure = "" if auc is None else f"{auc:.4f}"
        table.add_row(model["version"], str(model["trained_through"]), model["status"], days, figure, model["reason"])
    console.print(table if found else "No model was trained yet; `portrait run` trains one.")


@app.command()
def show(version: VersionArgument = None, source: SourceOption = None, as_json: JsonOption = False) -> None:
    """One model: what the gate said of it, and its figures on the held-out window."""
    found = _find(open_home(source=source), version)
    if as_json:
        print_json(found)
        return
    console.print(
        styled(
            "[bold]{}[/bold] trained through {}, {}: {}",
            *(found[name] for name in ("version", "trained_through", "status", "reason")),
        )
    )
    console.print(f"MLflow run {found['mlflow_run_id']}, registered as version {found['mlflow_version']}")
    table = Table("head", "model", "auc", "log loss", "ece", box=None, pad_edge=False)
    for row in found["metrics"]:
        figures = ("" if row[name] is None else f"{row[name]:.4f}" for name in ("auc", "log_loss", "ece"))
        table.add_row(row["head"], row["model"], *figures)
    console.print(table)


@app.command()
def rollback(version: VersionArgument = None, source: SourceOption = None, as_json: JsonOption = False) -> None:
    """Take a champion out of force: the one before it serves, and the days it scored are stale."""
    done = registry.roll_back(open_home(source=source), version)
    if as_json:
        print_json(vars(done))
        return
    console.print(
        styled("[bold]{}[/bold] is rolled back; in force now: [bold]{}[/bold].", done.version, done.in_force or "no model")
    )
    console.print(f"{done.stale:,} days of portraits are stale: `portrait refresh` makes them again.")


@app.command()
def card(version: VersionArgument = None, source: SourceOption = None) -> None:
    """The model's card: data, figures, calibration, limits."""
    home = open_home(source=source)
    text = registry.card_of(home, _find(home, version)["version"])
    console.print(Markdown(text)) if console.is_terminal else sys.stdout.write(text)


@app.command()
def evaluate(
    as_of: Annotated[
        Optional[list[str]],
        typer.Option("--as-of", help="A cutoff with a fortnight of data after it; may be given several times."),
    ] = None,
    out: Annotated[
        Optional[Path], typer.Option("--out", help="Folder for the tables as Markdown; default: the home's own.")
    ] = None,
    source: SourceOption = None,
) -> None:
    """How good the model would have been at past cutoffs, beside everything simpler; it trains once a cutoff, for minutes."""
    home = open_home(source=source)
    for text in as_of or []:
        parse_date(text, "--as-of")
    config = {"ops": {"models__evaluation": {"config": {"cutoffs": as_of or []}}}}
    operations.execute(home, "evaluate", None, config=config)
    folder = home.settings.home_dir / "evaluation"
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        folder = Path(shutil.copytree(folder, out, dirs_exist_ok=True))
    console.print((folder / "heads.md").read_text(encoding="utf-8"), soft_wrap=True)
    console.print(styled("Heads, ablation, slices and leaks are in [bold]{}[/bold], in Dagster and in MLflow.", folder))


@app.command("evaluate-ranking")
def evaluate_ranking(
    as_of: Annotated[
        Optional[list[str]],
        typer.Option("--as-of", help="A cutoff with a fortnight of data after it; may be given several times."),
    ] = None,
    out: Annotated[Optional[Path], typer.Option("--out", help="Folder for the tables; default: the home's own.")] = None,
    source: SourceOption = None,
) -> None:
    """How good the recommendations would have been at past cutoffs, beside everything simpler; it trains three times a cutoff."""
    home = open_home(source=source)
    for text in as_of or []:
        parse_date(text, "--as-of")
    config = {"ops": {"models__ranking": {"config": {"cutoffs": as_of or []}}}}
    operations.execute(home, "evaluate_ranking", None, config=config)
    file = home.settings.home_dir / "evaluation" / "ranking.md"
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        shutil.copy(file.with_suffix(".png"), out)
        file = Path(shutil.copy(file, out))
    console.print(file.read_text(encoding="utf-8"), soft_wrap=True)


@app.command("evaluate-campaigns")
def evaluate_campaigns(
    first: Annotated[str, typer.Option("--from", help="First day on which campaigns start.")],
    last: Annotated[str, typer.Option("--through", help="Last day, included; a fortnight of data has to follow.")],
    out: Annotated[Optional[Path], typer.Option("--out", help="Folder for the page; default: the home's own.")] = None,
    source: SourceOption = None,
) -> None:
    """How well propensity would have found buyers and redeemers of past campaigns, beside simpler scores; half a minute a starting day."""
    from portrait_assets import campaigns

    home = open_home(source=source)
    tables = campaigns.tested(home, parse_date(first, "--from"), parse_date(last, "--through"))
    folder = out or home.settings.home_dir / "evaluation"
    folder.mkdir(parents=True, exist_ok=True)
    text = campaigns.page(tables, f"portrait models evaluate-campaigns --from {first} --through {last} --out docs/model")
    (folder / "campaigns.md").write_text(text, encoding="utf-8")
    console.print(text, soft_wrap=True)


@app.command()
def faithfulness(
    as_of: Annotated[str, typer.Option("--as-of", help="The day of the portraits whose explanations are tested.")],
    cases: Annotated[int, typer.Option("--cases", min=1, help="Explanations to test, each of another user.")] = 1000,
    target: Annotated[str, typer.Option("--target", help="The prediction: churn_14d, churn_28d, age=55-64, …")] = "churn_14d",
    out: Annotated[Optional[Path], typer.Option("--out", help="Folder for the page; default: the home's own.")] = None,
    source: SourceOption = None,
) -> None:
    """Whether the events that explanations name are what the scores came from: some seconds a user."""
    from portrait_assets.assets.kept import make_again
    from portrait_assets.explaining.deletion_test import deletion_test, page

    home = open_home(source=source)
    day = partition_of(parse_date(as_of, "--as-of"))
    with home.warehouse.open("test explanations") as session:
        make_again(session, home, [day])
        tested = deletion_test(session, home, day, target, cases)
    command = f"portrait models faithfulness --as-of {as_of} --cases {cases}" + (
        f" --target {target}" if target != "churn_14d" else ""
    )
    folder = out or home.settings.home_dir / "evaluation"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "faithfulness.md").write_text(page(tested, command), encoding="utf-8")
    tested.cases.write_parquet(folder / "faithfulness.parquet")
    console.print((folder / "faithfulness.md").read_text(encoding="utf-8"), soft_wrap=True)


@app.command()
def drivers(
    as_of: Annotated[str, typer.Option("--as-of", help="A published day with a model in force.")],
    users: Annotated[int, typer.Option("--users", min=1, help="Users to ask about.")] = 100,
    out: Annotated[Optional[Path], typer.Option("--out", help="Folder for page and picture; default: the home's own.")] = None,
    source: SourceOption = None,
) -> None:
    """What drives each head: how far its word moves without each group of what users did."""
    from portrait_assets import plots
    from portrait_assets.assets.kept import make_again
    from portrait_assets.explaining import drivers as driving

    home = open_home(source=source)
    day = partition_of(parse_date(as_of, "--as-of"))
    with home.warehouse.open("look for drivers") as session:
        make_again(session, home, [day])
        found = driving.drivers(session, home, day, users)
    folder = out or home.settings.home_dir / "evaluation"
    folder.mkdir(parents=True, exist_ok=True)
    text = driving.page(found, f"portrait models drivers --as-of {as_of} --users {users}")
    (folder / "drivers.md").write_text(text, encoding="utf-8")
    (folder / "drivers.png").write_bytes(plots.driver_panels(found.frame))
    console.print(text, soft_wrap=True)


def _find(home: Home, version: str | None) -> dict[str, Any]:
    with home.warehouse.open("look at the models") as session:
        return registry.model(session, home, version)
