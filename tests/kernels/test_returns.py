"""What was paid back: taken off the spend of the window it falls in, and off the purchases known at an instant; never before it."""

from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest

from portrait_assets.kernels.labels import USER_TARGETS, user_outcomes
from portrait_assets.kernels.outlook import spend
from portrait_assets.kernels.parts import purchase_summary, stayed_share
from portrait_assets.kernels.sequences import History, day_number, history_from
from tests.kernels.conftest import visit_row, visits_of

ITEMS = pl.DataFrame(schema=dict.fromkeys(("item_id", "item_type", "brand"), pl.String))


def given_back(user: str, day: int, cents: int) -> dict:
    """A visit of a return alone."""
    bought = visit_row(user, datetime(2024, 1, day, 12, tzinfo=UTC), ["x"], ["bread"], 0)
    return bought | {"event_types": ["return"], "refund_cents": cents}


def paid(user: str, day: int, cents: int) -> dict:
    return visit_row(user, datetime(2024, 1, day, 12, tzinfo=UTC), ["x"], ["bread"], cents)


@pytest.fixture
def history() -> History:
    """ann buys for 100, 200 and 300 and has 150 back on the 20th; bob has all back on the 11th and buys again on the 25th; cat has no
    return."""
    rows = [
        paid("ann", 1, 100), paid("ann", 5, 200), paid("ann", 9, 300), given_back("ann", 20, 150),
        paid("bob", 10, 3000), given_back("bob", 11, 3000), paid("bob", 25, 1000),
        paid("cat", 2, 100), paid("cat", 8, 300),
    ]  # fmt: skip
    return history_from(visits_of(rows), ITEMS, date(2024, 2, 1), "purchase")


def test_spend_to_come_is_net_of_what_comes_back_in_the_window(history: History):
    everybody, of_spend = np.arange(3), USER_TARGETS.index("log_spend")
    start = day_number(date(2024, 1, 9))
    told = user_outcomes(history, everybody, start, 14)[:, of_spend]
    assert told == pytest.approx(np.log1p([1.5, 0, 0]), rel=1e-6)  # 3.00 less 1.50; 30.00 less 30.00; nothing
    assert user_outcomes(history, everybody, start, 11)[:, of_spend] == pytest.approx(np.log1p([3, 0, 0]), rel=1e-6)
    assert spend(history, everybody, date(2024, 1, 9), 0, 14).tolist() == [150, 0, 0]
    assert spend(history, everybody, date(2024, 1, 9), 0, 2).tolist() == [300, 3000, 0]
    assert spend(history, everybody, date(2024, 1, 9), 2, 14).tolist() == [
        0,
        0,
        0,
    ]  # a window that gives back is nothing, not less


def test_a_return_is_taken_off_from_its_own_time_on(history: History):
    assert stayed_share(history, date(2024, 1, 20)).tolist() == [1, 0, 1]  # ann's return is at noon of that day
    assert stayed_share(history, date(2024, 1, 21)).tolist() == [0.75, 0, 1]
    before, after = (purchase_summary(history, date(2024, 1, day)) for day in (20, 21))
    assert (before.repeats[0], before.amount[0]) == (2, 250)  # of the repeats, 200 and 300
    assert (after.repeats[0], after.amount[0]) == (2, 187.5)
    assert (after.repeats[2], after.amount[2]) == (1, 300)


def test_who_has_nothing_left_bought_nothing_until_something_stays(history: History):
    known, none, again = (purchase_summary(history, date(2024, 1, day)).repeats[1] for day in (11, 12, 26))
    assert known == 0 and np.isnan(none) and again == 1
    assert purchase_summary(history, date(2024, 1, 26)).amount[1] == 250  # a quarter of all that was paid stayed


def test_purchases_without_amounts_are_not_lost_to_a_refund():
    rows = [visit_row("ann", datetime(2024, 1, day, 12, tzinfo=UTC), ["x"], ["bread"], None) for day in (1, 5)]
    history = history_from(visits_of([*rows, given_back("ann", 7, 500)]), ITEMS, date(2024, 2, 1), "purchase")
    assert purchase_summary(history, date(2024, 1, 10)).repeats[0] == 1
