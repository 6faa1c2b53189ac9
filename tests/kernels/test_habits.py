"""Hand-made features, worked by hand."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from portrait_assets.kernels.affinity import affinity
from portrait_assets.kernels.habits import RHYTHM_WEEKS, visit_rhythm
from portrait_assets.kernels.sequences import history_from
from tests.kernels.conftest import CONFIG, make_items, visit_row, visits_of

AS_OF = date(2024, 4, 1)


def bought(user: str, days_ago: float, items: list[str] | None = None) -> dict:
    items = items or ["i0"]
    return visit_row(user, datetime(2024, 4, 1, tzinfo=UTC) - timedelta(days=days_ago), items, [None] * len(items))


def history_of(*rows: dict):
    return history_from(visits_of(list(rows)), make_items(), date(2025, 1, 1), "purchase")


def test_rhythm_by_hand():
    """ann came 40, 30, 10 and 5 days ago, and comes again after the as-of; bob once, the day before."""
    history = history_of(*(bought("ann", ago) for ago in (40, 30, 10, 5, -1)), bought("bob", 0.5))
    ann, bob = visit_rhythm(history, AS_OF, 14)
    weeks = [1, 1, 0, 0, 1, 1] + [0] * 6  # 5, 10, 30 and 40 days ago: weeks 0, 1, 4, 5
    assert ann[:RHYTHM_WEEKS].tolist() == weeks and bob[:RHYTHM_WEEKS].tolist() == [1] + [0] * 11
    # fortnights of ann's 40 days: 27 of them; empty are those of days 11-24 to 16-29 ago, six
    assert ann[RHYTHM_WEEKS + 1] == pytest.approx(6 / 27, abs=1e-6) and bob[RHYTHM_WEEKS + 1] == 0
    # gaps 10, 20, 5; silent for 5 days: two of three gaps were longer, one of those by a fortnight more; one is over a fortnight
    assert ann[RHYTHM_WEEKS + 2 :] == pytest.approx([2 / 3, 1 / 3, 1.25 / 3, 1, 20, 20], abs=1e-6)
    assert bob[RHYTHM_WEEKS + 2 :] == pytest.approx([0, 0, 0.25, 0, 0, 0])


def test_affinity_is_what_alike_users_buy():
    """Bread goes with milk, soap with tea: one with bread only is nearer to milk than to tea."""
    pairs = [bought(f"a{k}", 3, ["i0", "i1"]) for k in range(8)] + [bought(f"b{k}", 3, ["i4", "i5"]) for k in range(8)]
    history = history_of(*pairs, bought("new", 2, ["i0"]), bought("new", -3, ["i5"]))
    near = affinity(history, "item", ["i1", "i5"], AS_OF, CONFIG)[history.users.index("new")]
    assert near[:, 0] == pytest.approx([np.sqrt(8 / 10), 0])  # cosine of bread (9 buyers and one alone) and milk; no future tea
    assert near[:, 1:] == pytest.approx(np.zeros((2, 2)), abs=1e-6)  # as many components as items tell the row itself


def test_affinity_of_users_without_purchases_is_even():
    visit = bought("eve", 3) | {"event_types": ["view"]}
    history = history_of(visit, bought("ann", 3, ["i0", "i1"]))
    assert np.isfinite(affinity(history, "item", ["i0", "i1"], AS_OF, CONFIG)).all()
