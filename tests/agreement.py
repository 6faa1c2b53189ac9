"""What must hold of any user's predictions, as rows of predictions.parquet and columns of portraits.parquet have them."""

import itertools

import numpy as np
import polars as pl

FIXED = (14, 28, 90)


def disagreements(predictions: pl.DataFrame, portraits: pl.DataFrame, items: pl.DataFrame) -> list[str]:
    """One line for each user and rule that is broken. `portraits` has at least the columns read here, `items` item_id, category, department."""
    found = []
    of_user = {
        user: dict(rows.select("target", "probability").iter_rows()) for (user,), rows in predictions.group_by("user_id")
    }
    described = {row["item_id"]: row for row in items.to_dicts()}
    for row in portraits.to_dicts():
        found += [f"{row['user_id']}: {problem}" for problem in _of_one(row, of_user.get(row["user_id"], {}), described)]
    return found


def _of_one(row: dict, chance: dict[str, float], items: dict[str, dict]) -> list[str]:
    told = {days: chance[f"churn_{days}d"] for days in FIXED if f"churn_{days}d" in chance}
    problems = [f"{name} is {value}" for name, value in chance.items() if not 0 <= value <= 1]
    if row["churn"] is not None:
        told_at = {**told, int(row["churn_horizon_days"]): row["churn"]}
        for days, value in told.items():
            if days == row["churn_horizon_days"] and value != row["churn"]:
                problems.append("churn differs from the fixed one of its own horizon")
        told = told_at
    days = sorted(told)
    problems += [f"churn rises from {a} to {b} days" for a, b in itertools.pairwise(days) if told[b] > told[a]]
    some = {day: 1 - value for day, value in told.items()}
    wait = row["next_purchase_days"]
    if wait is not None:
        problems += [
            f"median {wait} beside {told[day]} of none in {day} days" for day in days if (day > wait and told[day] > 0.5 + 1e-9)
        ]
        problems += [
            f"median {wait} beside {told[day]} of none in {day} days" for day in days if (day < wait and told[day] < 0.5 - 1e-9)
        ]
    elif told and told[days[-1]] < 0.5:
        problems.append(f"no median though {told[days[-1]]} of none in {days[-1]} days")
    if row["alive_probability"] is not None:
        problems += [
            f"alive {row['alive_probability']} below {s} of a purchase"
            for s in some.values()
            if row["alive_probability"] < s - 1e-12
        ]
    if row["expected_purchases_90d"] is not None and row["expected_purchases_90d"] < some[90]:
        problems.append("fewer purchases expected than the probability of one")
    spends = [row[f"expected_spend_cents_{d}d"] for d in (14, 90)] + [row["lifetime_value_cents_365d"]]
    known = [spend for spend in spends if spend is not None]
    problems += ["a longer time brings less"] if any(b < a for a, b in itertools.pairwise(known)) else []
    if row["expected_spend_cents_14d"] is not None and (row["expected_spend_cents_14d"] > 0) != (some[14] > 0):
        problems.append("spend without a purchase, or the other way round")
    for target, value in chance.items():
        level, _, name = target.partition("=")
        if level in ("category_14d", "item_14d"):
            if 14 not in some or value > some[14]:
                problems.append(f"{target} {value} above any purchase {some.get(14)}")
            whole = f"category_14d={items.get(name, {}).get('category')}" if level == "item_14d" else None
            if whole in chance and value > chance[whole]:
                problems.append(f"{target} {value} above {whole} {chance[whole]}")
    return problems


def as_portraits(predictions: pl.DataFrame, amounts: pl.DataFrame) -> pl.DataFrame:
    """What portraits.snapshots makes of a model's scores."""
    names = ("churn", "alive_probability")
    chances = predictions.filter(pl.col("target").is_in(names)).rename({"probability": "value"})
    wide = pl.concat([chances, amounts]).pivot("target", index="user_id", values="value")
    users = predictions["user_id"].unique()
    wanted = (
        *names, "churn_horizon_days", "next_purchase_days", "expected_purchases_90d", "expected_spend_cents_14d",
        "expected_spend_cents_90d", "lifetime_value_cents_365d",
    )  # fmt: skip
    missing = [pl.lit(None, pl.Float64).alias(name) for name in wanted if name not in wide.columns]
    return (
        pl.DataFrame({"user_id": users}).join(wide.with_columns(*missing), on="user_id", how="left").select("user_id", *wanted)
    )


def share_of_equal(values: pl.Series) -> float:
    """How many users share the most common value."""
    _, count = np.unique(values.to_numpy(), return_counts=True)
    return float(count.max() / len(values))
