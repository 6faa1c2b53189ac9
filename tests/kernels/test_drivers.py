"""What drives each head and the deletion test, with a real model: the means say what the changed histories say one by one."""

from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest

from portrait_assets.assets.changed import Variant
from portrait_assets.explaining.claims import Claim, units_of
from portrait_assets.explaining.deletion_test import deletion_test, page
from portrait_assets.explaining.drivers import drivers
from portrait_assets.explaining.evidence import evidence_of
from portrait_assets.explaining.rescorer import Rescorer
from portrait_assets.kernels.calibration import sigmoid
from portrait_assets.partitions import as_of_of
from tests.kernels.test_scores_kept import LAST, scored_world
from tests.small_world import World

USERS = ("ann", "bob", "cat")


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory, trained: Any):
    world = scored_world(tmp_path_factory.mktemp("scored"), trained)
    with world.open():
        yield world


def likely(world: World, target: str) -> dict[str, float]:
    rows = world.rows("select user_id, probability from scores.predictions where event_date = $day and target = $target",
                      day=LAST, target=target)  # fmt: skip
    return {row["user_id"]: row["probability"] for row in rows}


def test_a_driver_is_the_mean_of_what_the_claim_loses_without_its_group(scored: World):
    """Of churn in 14 days: for each user the claim that is held likelier, and its probability without each group of visits."""
    found = drivers(scored.session, scored.home, LAST, 5)
    assert (found.users, found.as_of) == (3, date(2024, 1, 25))
    assert {"churn_14d", "age"} <= set(found.frame["head"])  # attributes are those of the pack
    rescorer = Rescorer.of(scored.session, scored.home, LAST, list(USERS))
    lost: dict[str, list[float]] = {}
    for user, churn in likely(scored, "churn_14d").items():
        units = units_of(rescorer.events.filter(pl.col("user_id") == user), "churn_14d", as_of_of(LAST))
        for group in {unit.group for unit in units}:
            gone = tuple(number for unit in units if unit.group == group for number in unit.numbers)
            odds = rescorer.log_odds([Variant(user, gone)], ["churn_14d"])[0, 0]
            if np.isfinite(odds):
                change = churn - sigmoid(odds)
                lost.setdefault(group, []).append(change if churn >= 0.5 else -change)
    rows = {row["group"]: row for row in found.frame.filter(pl.col("head") == "churn_14d").iter_rows(named=True)}
    assert rows.keys() == lost.keys() and rows
    for group, changes in lost.items():
        assert rows[group]["users"] == len(changes)
        assert rows[group]["lost"] == pytest.approx(sum(changes) / 3, abs=1e-4)
        assert rows[group]["moved"] == pytest.approx(sum(map(abs, changes)) / 3, abs=1e-4)
    for _, of_head in found.frame.group_by("head", maintain_order=True):
        assert of_head["moved"].is_sorted(descending=True) and len(of_head) <= 6


def test_the_deletion_test_scores_each_case_whole_without_what_is_named_and_without_the_best(scored: World):
    tested = deletion_test(scored.session, scored.home, LAST, "churn_14d", 3)
    churn = likely(scored, "churn_14d")
    rescorer = Rescorer.of(scored.session, scored.home, LAST, list(USERS))
    cases = {row["user_id"]: row for row in tested.cases.iter_rows(named=True)}
    assert cases and tested.asked == 3
    for user, case in cases.items():
        claim = Claim(user, "churn_14d", 1 if churn[user] >= 0.5 else -1)
        units = units_of(rescorer.events.filter(pl.col("user_id") == user), "churn_14d", as_of_of(LAST))
        [evidence] = evidence_of(rescorer, [claim], [units])
        assert (case["sign"], case["units"], case["named"]) == (claim.sign, len(units), len(evidence.named))
        assert sigmoid(case["sign"] * case["full"]) == pytest.approx(churn[user], abs=1e-5)
        assert case["without_named"] == pytest.approx(evidence.without_named, abs=1e-5)
        alone = sorted(evidence.alone)[: len(evidence.named)]
        assert case["without_best"] <= min(case["without_named"], *alone) + 1e-6 and case["without_named"] < case["full"]
        assert case["without_matched"] >= case["without_best"]
    whole, named = (sigmoid(tested.cases[name].to_numpy()) for name in ("full", "without_named"))
    every = tested.found["all"]
    assert (every.cases, every.falls_share) == (len(cases), 1)
    assert every.named_change == pytest.approx(np.abs(whole - named).mean())
    odds = tested.found["all, in log odds"]
    assert odds.named_change == pytest.approx((tested.cases["full"] - tested.cases["without_named"]).abs().mean())
    for name, sign in (("held likely", 1), ("held unlikely", -1)):
        assert (tested.found[name].cases if name in tested.found else 0) == (tested.cases["sign"] == sign).sum()
    assert f"| all | {len(cases)} | 100.0% |" in page(tested, "made here")
