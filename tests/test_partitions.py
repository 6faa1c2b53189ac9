from datetime import date

import pytest

from portrait_assets.partitions import Window

YEAR = Window(date(2017, 1, 1), date(2017, 12, 31))


@pytest.mark.parametrize("days", [1, 31, 364, 365, 1000, 10**9])
def test_a_cut_window_holds_every_day_once_and_in_order(days: int):
    parts = YEAR.cut(days)
    assert [day for part in parts for day in part] == list(YEAR)
    assert [len(part) for part in parts[:-1]] == [days] * (len(parts) - 1)
