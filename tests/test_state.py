"""The files of the state that the live service reads: which days lie together, and how numbers of segments are said."""

from datetime import date, timedelta

import pytest

from portrait_assets.partitions import Window
from portrait_assets.state import _ranges, _spans


@pytest.mark.parametrize(
    ("end", "months"),
    [
        (date(2024, 3, 31), [(date(2024, 1, 15), date(2024, 1, 31))]),  # a month before: 29 February, so February lies by days
        (date(2024, 4, 1), [(date(2024, 1, 15), date(2024, 1, 31)), (date(2024, 2, 1), date(2024, 2, 29))]),
    ],
)
def test_months_that_are_over_lie_together_and_the_last_31_days_and_their_months_one_by_one(end: date, months: list):
    spans = _spans(Window(date(2024, 1, 15), end))
    assert [(span.start, span.end) for span in spans[: len(months)]] == months
    rest, next_day = spans[len(months) :], months[-1][1] + timedelta(days=1)
    assert [(span.start, span.end) for span in rest] == [(day, day) for day in Window(next_day, end)]


def test_a_home_of_a_few_days_lies_by_days():
    assert [span.start for span in _spans(Window(date(2024, 1, 30), date(2024, 2, 1)))] == [
        date(2024, 1, 30), date(2024, 1, 31), date(2024, 2, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(("numbers", "ranges"), [([], []), ([4], [[4, 4]]), ([1, 2, 3, 7, 9, 10], [[1, 3], [7, 7], [9, 10]])])
def test_numbers_as_closed_ranges(numbers: list[int], ranges: list[list[int]]):
    assert _ranges(numbers) == ranges
