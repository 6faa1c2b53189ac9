"""Customer lifetime on real sales: CDNOW, 23,570 customers, fitted on 39 weeks and judged on the 39 weeks after.

    .venv/bin/python -m portrait_assets.bench.cdnow

The data come with the Python package lifetimes (`pip install -e '.[examples]'`), which also fits the rivals BG/NBD and Pareto/NBD.
"""

from datetime import date
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
from rich.console import Console

from portrait_assets.errors import PortraitError
from portrait_assets.kernels import lifetime
from portrait_assets.kernels.sequences import day_number

FIRST, MIDDLE, LAST = date(1997, 1, 1), date(1997, 10, 1), date(1998, 7, 1)
WEEKS = 39.0
COLUMNS = [
    "model", "of", "total predicted / observed", "mean absolute error", "root mean squared error", "correlation", "one purchase: alive",
    "one purchase: predicted", "one purchase: observed",
]  # fmt: skip


def folder() -> Path:
    """Where the package lifetimes keeps its data."""
    spec = find_spec("lifetimes")
    if spec is None or not spec.submodule_search_locations:
        raise PortraitError("CDNOW comes with the package lifetimes, which is not installed; pip install -e '.[examples]'")
    return Path(spec.submodule_search_locations[0]) / "datasets"


def purchases(file: Path, user: int, columns: int) -> pl.DataFrame:
    """user, day (number), amount of a file of `columns` numbers a line: the customer in place `user`, day and amount near the end."""
    rows = [line.split() for line in file.read_text(encoding="ascii").splitlines()]
    rows = [row for row in rows if len(row) == columns and row[user].isdigit()]
    days = [date(int(row[-3][:4]), int(row[-3][4:6]), int(row[-3][6:])) for row in rows]
    told = {"user": [row[user] for row in rows], "day": map(day_number, days), "amount": [float(row[-1]) for row in rows]}
    return pl.DataFrame(told).with_columns(pl.col("user").rank("dense").cast(pl.Int64) - 1)


def summary(bought: pl.DataFrame, end: date) -> lifetime.Summary:
    """Every customer at `end`, time in weeks."""
    user, day, amount = (bought[name].to_numpy() for name in ("user", "day", "amount"))
    s = lifetime.summarise(user, day, amount, int(user.max()) + 1, day_number(end))
    return lifetime.Summary(s.repeats, s.last / 7, s.age / 7, s.amount)


def rival(name: str, before: lifetime.Summary) -> tuple[np.ndarray, np.ndarray]:
    """(N,) purchases of the WEEKS to come by another model of how often, and (N,) the probability that a customer is still there."""
    import lifetimes

    fitter = {"BG/NBD": lifetimes.BetaGeoFitter, "Pareto/NBD": lifetimes.ParetoNBDFitter}[name](penalizer_coef=0.0)
    known = (before.repeats, before.last, before.age)
    fitter.fit(*known)
    often = fitter.conditional_expected_number_of_purchases_up_to_time(WEEKS, *known)
    return np.asarray(often), np.asarray(fitter.conditional_probability_alive(*known))


def holdout(bought: pl.DataFrame) -> pl.DataFrame:
    """model x quantity: total predicted over total observed, errors and correlation over customers; and of customers who bought once the
    mean probability of being still there, and what was predicted and observed.
    """
    before = summary(bought, MIDDLE)
    later = bought.filter(pl.col("day").is_between(day_number(MIDDLE), day_number(LAST) - 1)).group_by("user").agg(
        pl.col("day").n_unique().alias("purchases"), pl.col("amount").sum().alias("spend")
    )  # fmt: skip
    truth = pl.DataFrame({"user": np.arange(len(before.age))}).join(later, on="user", how="left").fill_null(0).sort("user")
    model = lifetime.fit(before)
    pace, mean = before.repeats / np.maximum(before.age, 1.0) * WEEKS, np.nanmean(before.amount)
    often_and_much = (model.bought(before, WEEKS), model.spend(before, WEEKS))
    predicted: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray | None]] = {
        "MBG/NBD and Gamma-Gamma": (*often_and_much, model.alive(before))
    }
    for name in ("BG/NBD", "Pareto/NBD"):
        often, still_there = rival(name, before)
        predicted[name] = (often, often * model.amount(before), still_there)
    predicted["each as before"] = (pace, pace * np.where(before.repeats > 0, before.amount, mean), None)
    predicted["the mean of all"] = (np.full(len(pace), pace.mean()), np.full(len(pace), pace.mean() * mean), None)
    once, rows = before.repeats == 0, []
    for name, (*pair, alive) in predicted.items():
        for what, value in zip(("purchases", "spend"), pair, strict=True):
            seen = truth[what].to_numpy()
            together = float(np.corrcoef(value, seen)[0, 1]) if value.std() > 1e-9 else None
            errors = (np.abs(value - seen).mean(), ((value - seen) ** 2).mean() ** 0.5)
            mean_alive = None if alive is None else alive[once].mean()
            rows.append(
                (name, what, value.sum() / seen.sum(), *errors, together, mean_alive, value[once].mean(), seen[once].mean())
            )
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")


def main() -> None:
    """Print the parameters and the table."""
    console = Console(highlight=False)
    bought = purchases(folder() / "CDNOW_master.txt", 0, 4)
    model = lifetime.fit(summary(bought, MIDDLE))
    for part in filter(None, (model.purchases, model.amounts)):
        console.print("  ".join(f"{name} {value:.4g}" for name, value in vars(part).items()))
    console.print("| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS), soft_wrap=True)
    for name, what, *figures in holdout(bought).iter_rows():
        console.print(
            f"| {name} | {what} | " + " | ".join("" if f is None else f"{f:.3f}" for f in figures) + " |", soft_wrap=True
        )


if __name__ == "__main__":
    main()
