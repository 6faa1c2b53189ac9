"""What users did in a window, by hand: the labels of every head of users and of pairs."""

from datetime import UTC, date, datetime

import numpy as np
import pytest

from portrait_assets.kernels.labels import USER_TARGETS, bought, user_outcomes
from portrait_assets.kernels.sequences import History, day_number, history_from
from tests.kernels.conftest import make_items, visit_row, visits_of

AS_OF = date(2024, 1, 11)


def visit(user: str, day: int, categories: list[str], hour: int = 0, coupon: int = 0) -> dict:
    when = datetime(2024, 1, day, hour, tzinfo=UTC)
    return visit_row(user, when, ["i0"] * len(categories), categories) | {"coupon_cents": coupon}


@pytest.fixture
def history() -> History:
    """ann buys bread before, milk and bread at the very as-of, and tea a day later with a coupon; bob uses a coupon before, and looks at
    tea afterwards; cat buys fish on the 11th, and soap with a coupon at the first instant after a window of three days."""
    rows = [
        visit("ann", 1, ["bread"]), visit("ann", 11, ["milk", "bread"]), visit("ann", 12, ["tea"], coupon=50),
        visit("bob", 2, ["beer"], coupon=50), visit("bob", 12, ["tea"]) | {"event_types": ["view"], "spend_cents": 0},
        visit("cat", 3, ["soap"]), visit("cat", 11, ["fish"], hour=9), visit("cat", 14, ["soap"], coupon=50),
    ]  # fmt: skip
    return history_from(visits_of(rows), make_items(), date(2024, 2, 1), "purchase")


def test_outcomes_of_a_window_by_hand(history):
    found = user_outcomes(history, np.arange(3), day_number(AS_OF), 3)
    told = dict(zip(USER_TARGETS, found.T, strict=True))
    assert told["churn"].tolist() == [0, 1, 0]  # looking is no purchase
    assert told["coupon"].tolist() == [1, 0, 0]  # neither before the window nor at its end
    assert np.expm1(told["log_spend"]) == pytest.approx([2, 0, 1], rel=1e-6)
    assert np.expm1(told["log_visits"]) == pytest.approx([2, 0, 1], rel=1e-6)
    assert np.expm1(told["log_new_categories"]) == pytest.approx([2, 0, 1], rel=1e-6)  # milk and tea; fish


def test_labels_are_of_the_users_asked_for_in_their_order(history):
    some = np.array([2, 0])
    codes = history.recode("category", ["milk", "fish"])
    assert bought(history, some, day_number(AS_OF), 3, codes, 2).tolist() == [[False, True], [True, False]]
    assert user_outcomes(history, some, day_number(AS_OF), 3)[:, 1].tolist() == [0, 1]
