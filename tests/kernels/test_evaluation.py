"""Who is judged, on what, and by what a rival may have learnt, by hand."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from portrait_assets.kernels.evaluation import Truth, baseline_scores, metrics_frame, truth_at, user_losses
from portrait_assets.kernels.labels import USER_TARGETS
from portrait_assets.kernels.selection import select_columns
from portrait_assets.kernels.sequences import history_from
from tests.kernels.conftest import CONFIG, THROUGH, as_ofs_back, make_items, visit_row, visits_of

AS_OF = date(2024, 4, 1)


def test_active_is_who_was_there_in_the_ninety_days_before():
    ages = {"ann": 90.0, "bob": 90.5, "cat": 0.5, "dan": 0.0}
    midnight = datetime(2024, 4, 1, tzinfo=UTC)
    rows = [visit_row(user, midnight - timedelta(days=age), ["i0"], ["bread"]) for user, age in ages.items()]
    history = history_from(visits_of(rows), make_items(), date(2024, 5, 1), "purchase")
    assert truth_at(history, np.arange(4), AS_OF, {}, CONFIG).active.tolist() == [True, False, True, False]


def truth() -> Truth:
    """Of four users the first and third churned; of two categories each bought one or the other; the last two were long gone."""
    outcomes = np.zeros((4, len(USER_TARGETS)))
    outcomes[:, 0] = [1, 0, 1, 0]
    bought = np.array([[1, 0], [0, 1], [1, 0], [0, 1]], bool)
    nothing = np.zeros((4, 0), bool)
    return Truth(outcomes, {"category": bought, "item": nothing, "department": nothing}, np.array([True, True, False, False]))


CHANCES = {
    "churn": np.array([[0.75], [0.5], [0.1], [0.9]]),
    "category": np.array([[0.5, 0.25, 0.9], [0.5, 0.75, 0.9], [0.1, 0.9, 0.9], [0.9, 0.1, 0.9]]),  # and one that is not judged
}


def test_heads_are_measured_on_active_users_and_the_targets_asked_for():
    rows = {row[0]: row[1:] for row in metrics_frame({"served": CHANCES}, truth()).rows()}
    churn, category = (-np.log(np.array(p)).mean() for p in ([0.75, 0.5], [0.5, 0.75, 0.5, 0.75]))
    assert rows["churn"] == ("served", 1.0, pytest.approx(churn), pytest.approx((0.25 + 0.5) / 2))
    assert rows["category"][2] == pytest.approx(category)


def test_a_users_loss_is_the_mean_over_the_targets_of_a_head():
    found = user_losses(["bob", "ann", "cat", "dan"], CHANCES, truth())
    assert found.select("head", "user_id").rows()[:5] == [("category", user) for user in ("ann", "bob", "cat", "dan")] + [("churn", "ann")]  # fmt: skip
    loss = {(head, user): value for user, head, value in found.rows()}
    assert loss["category", "bob"] == pytest.approx(-(np.log(0.5) + np.log(0.75)) / 2)
    assert loss["churn", "dan"] == pytest.approx(-np.log(0.1)) and len(loss) == 8


def test_the_counts_rival_learns_nothing_of_the_window_it_is_judged_on(shop):
    """Without any visit from the last as-of on it says the same of everybody."""
    as_ofs = as_ofs_back(THROUGH, 5)[:0:-1]
    targets = {"category": ["bread", "milk"], "item": ["i0"], "department": ["food"]}
    cut = shop["visits"].filter(pl.col("event_date") < as_ofs[-1])
    whole, past = (
        baseline_scores(
            history_from(visits, shop["items"], THROUGH, "purchase"),
            shop["features"], as_ofs, select_columns(shop["features"]), targets, CONFIG,
        )
        for visits in (shop["visits"], cut)
    )  # fmt: skip
    assert len(whole["churn"]) > 150 and whole["churn"].std() > 0.05
    for head in ("churn", *targets):
        assert np.array_equal(whole[head], past[head]), head
