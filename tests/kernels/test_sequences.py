"""No event at or after the as-of enters; habits, labels and the network's view, on hand-made visits."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
import torch

from portrait_assets.kernels import habits
from portrait_assets.kernels.batches import ranges
from portrait_assets.kernels.behaviour_model import attention_view
from portrait_assets.kernels.labels import USER_TARGETS, bought, user_outcomes
from portrait_assets.kernels.sequences import History, day_number, history_from, joined
from tests.kernels.conftest import make_items, make_visits, visit_row, visits_of

AS_OF = date(2024, 1, 11)
DAY = day_number(AS_OF)


def at(day: int, hour: int = 0) -> datetime:
    return datetime(2024, 1, day, hour, tzinfo=UTC)


@pytest.fixture
def history():
    """ann buys bread on the 1st, 7th and, at the very as-of, the 11th; bob milk on the 10th at 23:00 and beer on the 12th."""
    rows = [
        visit_row("ann", at(1), ["i0"], ["bread"]),
        visit_row("ann", at(7), ["i0", "i1"], ["bread", "milk"]),
        visit_row("ann", at(11), ["i0"], ["bread"]),
        visit_row("bob", at(10, 23), ["i1"], ["milk"]),
        visit_row("bob", at(12), ["i2"], ["beer"]),
    ]
    return history_from(visits_of(rows), make_items(), date(2024, 2, 1), "purchase")


def test_history_drops_visits_at_and_after_its_end(history):
    rows = pl.DataFrame({"day": history.visit_day})
    cut = history_from(
        visits_of([visit_row("ann", at(10, 23), ["i0"], ["bread"]), visit_row("ann", at(11), ["i0"], ["bread"])]),
        make_items(),
        AS_OF,
        "purchase",
    )
    assert rows.height == 5 and len(cut.visit_day) == 1 and cut.visit_day[0] < DAY


def assert_same(one: History, other: History) -> None:
    for name, value in vars(other).items():
        found = getattr(one, name)
        if isinstance(value, dict):
            assert found.keys() == value.keys()
            assert all(np.array_equal(found[key], value[key]) and type(found[key]) is type(value[key]) for key in value), name
        else:
            assert np.array_equal(found, value) and type(found) is type(value), name
            assert not isinstance(value, np.ndarray) or found.dtype == value.dtype, name


def untidy_visits() -> pl.DataFrame:
    """Of forty users and one of whom only late visits, and items, known at all, are there: letters beyond ASCII, no item, no category."""
    late = [
        visit_row("u0050", at(31), ["é", "i9"], ["ähre", None], spend=None),
        visit_row("zoë", at(31, 5), ["i0"], [None]),
        visit_row("zoë", at(31, 6), ["Z", "i0"], ["bread", "bread"]),
    ]
    return pl.concat([make_visits(40, date(2024, 1, 31)), visits_of(late)]).sort("user_id", "visit_time")


@pytest.mark.parametrize("bounds", [("u007",), ("u003", "u0050", "u020"), ("u039", "zoë")])
def test_histories_of_some_users_each_join_to_that_of_all(bounds: tuple[str, ...]):
    visits, end = untidy_visits(), date(2024, 2, 1)
    first = ["", *bounds]
    parts = [
        history_from(visits.filter((pl.col("user_id") >= low) & (pl.col("user_id") < high)), make_items(), end, "purchase")
        for low, high in zip(first, [*bounds, "\U0010ffff"], strict=True)
    ]
    assert_same(joined(parts), history_from(visits, make_items(), end, "purchase"))


@pytest.mark.parametrize("as_of", [date(2023, 12, 1), date(2024, 1, 2), AS_OF, date(2024, 1, 31), date(2024, 2, 1)])
def test_a_history_cut_at_an_as_of_is_the_one_made_of_what_was_before(as_of: date):
    visits = untidy_visits()
    whole = history_from(visits, make_items(), date(2024, 2, 1), "purchase")
    assert_same(whole.before(as_of), history_from(visits, make_items(), as_of, "purchase"))


def test_decayed_counts_halve_every_half_life_and_exclude_the_as_of_instant(history):
    codes = history.recode("category", ["bread", "milk"])
    counts = np.expm1(habits.decayed_counts(history, codes, 2, AS_OF, (4.0,)))
    assert counts[0, 0] == pytest.approx([2 ** (-10 / 4) + 2 ** (-4 / 4), 2.0])  # bread of the 1st and the 7th
    assert counts[1, 0] == pytest.approx([0, 0]) and counts[1, 1, 1] == pytest.approx(1)


def test_rhythm_is_time_since_the_last_and_mean_gap(history):
    codes = history.recode("category", ["bread", "milk"])
    rhythm = habits.pair_rhythm(history, codes, 2, AS_OF)
    assert rhythm[0, 0].tolist() == pytest.approx([4, 6, 4 / 6, 0, 1])  # in both of her visits
    assert rhythm[0, 1].tolist() == pytest.approx([4, 400, 0.01, 0, 0.5])  # milk in the second only
    assert rhythm[1, 0, 0] == habits.NEVER_DAYS


def test_labels_start_at_the_as_of_and_end_before_the_horizon(history):
    users, codes = history.seen_before(AS_OF), history.recode("category", ["bread", "milk", "beer"])
    assert bought(history, users, DAY, 1, codes, 3).tolist() == [[True, False, False], [False, False, False]]
    assert bought(history, users, DAY, 2, codes, 3).tolist() == [[True, False, False], [False, False, True]]
    outcomes = user_outcomes(history, users, DAY, 1)
    assert outcomes[:, USER_TARGETS.index("churn")].tolist() == [0, 1]
    assert np.expm1(user_outcomes(history, users, DAY, 14)[:, USER_TARGETS.index("log_new_categories")]) == pytest.approx(
        [0, 1]
    )


def test_only_users_seen_strictly_before_are_seen(history):
    first_at_midnight = [visit_row("cat", at(11), ["i3"], ["fish"])]
    alone = history_from(visits_of(first_at_midnight), make_items(), date(2024, 2, 1), "purchase")
    assert alone.seen_before(AS_OF).tolist() == [] and alone.seen_before(date(2024, 1, 12)).tolist() == [0]
    assert alone.popular("item", AS_OF, 60, 5) == [] and alone.popular("item", date(2024, 1, 12), 60, 5) == ["i3"]
    assert history.seen_before(date(2024, 1, 10)).tolist() == [0]
    assert history.seen_before(AS_OF).tolist() == [0, 1]


def test_popular_counts_lines_before_the_as_of_and_breaks_ties_by_name(history):
    assert history.popular("category", AS_OF, 60, 5) == ["bread", "milk"]
    assert history.popular("item", AS_OF, 60, 1) == ["i0"]


def test_an_as_of_token_sees_earlier_visits_and_itself_only():
    visit_day = torch.tensor([[-3.0, 0.0, 1.0, torch.inf]])  # the third slot is later, the fourth is empty
    _, visible = attention_view(visit_day, torch.tensor([[0.0, 1.0]]))
    assert visible[0, 4].tolist() == [True, False, False, False, True, False]
    assert visible[0, 5].tolist() == [True, True, False, False, False, True]
    assert visible[0, :4, 4:].any().item() is False  # and no visit sees an as-of token


def test_ranges_lie_one_after_another():
    assert ranges(np.array([5, 0, 9]), np.array([2, 0, 3])).tolist() == [5, 6, 9, 10, 11]


def test_unknown_items_null_prices_and_null_categories_are_numbers_all_the_same():
    rows = [visit_row("ann", at(1) + timedelta(hours=h), ["nowhere"], [None], spend=None) for h in range(3)]
    history = history_from(visits_of(rows), make_items(), AS_OF, "purchase")
    assert (
        np.isfinite(history.visit_numbers).all() and (history.codes["category"] == -1).all() and history.spend_cents.sum() == 0
    )
