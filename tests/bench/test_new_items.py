"""The judgement of where new items are placed, on a shop of six visits."""

from datetime import UTC, date, datetime

import numpy as np
import pytest

from portrait_assets.bench.items import judged, later_of
from portrait_assets.kernels.items import ItemVectors
from tests.kernels.conftest import visit_row, visits_of

AS_OF = date(2024, 2, 1)


def test_new_items_are_judged_by_what_they_are_bought_with_later():
    """Known by January: bread, milk, soap. Of four visits in February two have rye, each with milk, one with soap too."""
    baskets = [(1, 5, ["bread", "milk", "soap"])] * 2
    baskets += [(2, 1, ["rye", "milk"]), (2, 2, ["rye", "milk", "soap"]), (2, 3, ["bread"]), (2, 4, ["milk"])]
    visits = visits_of(
        [
            visit_row(f"u{k}", datetime(2024, month, day, tzinfo=UTC), items, [None] * len(items))
            for k, (month, day, items) in enumerate(baskets)
        ]
    )
    later = later_of(visits, {"bread", "milk", "soap", "rye"}, AS_OF, least=2, known=2)
    assert (later.new, later.known) == (["rye"], ["bread", "milk", "soap"])
    assert later.share.tolist() == [0.25, 0.75, 0.25] and later.together.tolist() == [[0.0, 1.0, 0.5]]
    assert later.friends[0].tolist() == [1, 2, 0]  # cosines 0, 1.15, 1
    vectors = ItemVectors(["bread", "milk", "rye", "soap"], np.array([[1.0, 0], [0, 1], [1, 0.1], [-1, 0]]))
    found = judged(vectors, later, {"bread": "bakery", "milk": "dairy", "rye": "bakery", "soap": None})
    assert found["same category"] == pytest.approx([1 / 3]) and found["recall of friends"] == [1.0]
    assert found["lift"] == pytest.approx([(0 + 4 / 3 + 2) / 3])
