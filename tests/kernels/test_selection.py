"""Which columns are kept, and why the others are not."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from portrait_assets.kernels.selection import select_columns

ROWS = 1000


@pytest.fixture
def features() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    visits, spend = rng.integers(0, 30, ROWS), rng.integers(0, 9000, ROWS)
    rare = np.zeros(ROWS)
    rare[:3] = [1, 2, 3]
    columns = {
        "user_id": [f"u{i}" for i in range(ROWS)],
        "as_of": [date(2024, 1, 1)] * ROWS,
        "a_visits": visits,
        "b_visits_again": visits,
        "c_constant": np.ones(ROWS),
        "d_rare": rare,
        "e_spend": spend,
        "f_null": pl.Series([None] * ROWS, dtype=pl.Float64),
        "name": ["x"] * ROWS,
    }
    return pl.DataFrame(columns)


def test_every_numeric_column_has_a_recorded_outcome(features):
    outcome = {row[0]: row[1:] for row in select_columns(features).outcome.rows()}
    assert outcome == {
        "a_visits": ("kept", None, None),
        "b_visits_again": ("duplicate", "a_visits", 1.0),
        "c_constant": ("constant", None, None),
        "d_rare": ("sparse", None, None),
        "e_spend": ("kept", None, None),
        "f_null": ("constant", None, None),
    }


def test_kept_columns_are_standardised_logs(features):
    x = select_columns(features).transform(features)
    assert x.shape == (ROWS, 2)
    assert x.mean(0) == pytest.approx([0, 0], abs=0.05) and x.std(0) == pytest.approx([1, 1], abs=0.1)


def test_column_order_of_the_frame_does_not_matter(features):
    shuffled = features.select(sorted(features.columns, reverse=True))
    assert select_columns(shuffled).columns == select_columns(features).columns


def test_null_nan_infinity_and_missing_columns_become_the_mean(features):
    selection = select_columns(features)
    odd = pl.DataFrame({"user_id": ["a", "b", "c"], "a_visits": [None, float("nan"), float("inf")]})
    assert selection.transform(odd).tolist() == [[0, 0]] * 3


def test_a_half_percent_of_rows_is_enough_and_the_other_way_round_is_the_same():
    """Of 1,000 rows 5 are not sparse and 4 are; a column that is another's opposite says the same."""
    rng = np.random.default_rng(1)
    value = rng.normal(0, 3, ROWS)
    few = {f"c_{count}": np.where(np.arange(ROWS) < count, np.arange(ROWS) + 1, 0) for count in (4, 5)}
    outcome = select_columns(pl.DataFrame({"a": value, "b_opposite": -value, **few})).outcome
    assert outcome.select("outcome", "duplicate_of", "correlation").rows() == [
        ("kept", None, None), ("duplicate", "a", -1.0), ("sparse", None, None), ("kept", None, None),
    ]  # fmt: skip


def test_a_negative_number_is_as_far_below_and_nothing_is_farther_than_five_deviations():
    """Logs of e - 1, 0 and 1 - e are 1, 0 and -1: mean 0, deviation sqrt(2 / 3)."""
    three = pl.DataFrame({"a": [np.e - 1, 0.0, 1 - np.e]})
    selection = select_columns(three)
    assert selection.transform(three)[:, 0] == pytest.approx([np.sqrt(1.5), 0, -np.sqrt(1.5)])
    assert selection.transform(pl.DataFrame({"a": [1e12, -1e12]}))[:, 0].tolist() == [5, -5]


def test_a_frame_without_numbers_selects_nothing():
    nothing = pl.DataFrame({"user_id": ["a"], "as_of": [date(2024, 1, 1)]})
    assert select_columns(nothing).transform(nothing).shape == (1, 0)
