"""Hand-made features, worked by hand."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from portrait_assets.kernels import affinity as kernel
from portrait_assets.kernels.affinity import affinity, unit_rows
from portrait_assets.kernels.habits import RHYTHM_WEEKS, popularity, user_activity, visit_rhythm
from portrait_assets.kernels.pairs import pair_features
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


def test_how_often_a_window_was_empty_looks_back_two_horizons_and_all_the_way():
    """Weeks of ann's 40 days: of the 14 that end within a fortnight three are empty (from 11, 12 and 13 days ago), of all 34 sixteen."""
    [ann] = visit_rhythm(history_of(*(bought("ann", ago) for ago in (40, 30, 10, 5))), AS_OF, 7)
    assert ann[RHYTHM_WEEKS : RHYTHM_WEEKS + 2] == pytest.approx([3 / 14, 16 / 34], abs=1e-6)


def test_popularity_by_hand():
    """Of i0: ann twice and, on the first day of the fortnight, bob; of i1 cat long ago and dan too late; eve before all windows."""
    days = [("ann", 3), ("ann", 10), ("bob", 14), ("fay", 28), ("cat", 60), ("dan", 0), ("eve", 84.5)]
    items = {"cat": ["i1"], "dan": ["i1"], "fay": ["i2"]}
    history = history_of(*(bought(user, ago, items.get(user)) for user, ago in days))
    table = popularity(history, history.recode("item", ["i0", "i1"]), 2, AS_OF)
    # Two users of a fortnight bought anything, three of four weeks, four of twelve; a half is added to buyers and one to users.
    assert np.exp(table[0]) == pytest.approx([2.5 / 3, 2.5 / 4, 2.5 / 5], rel=1e-6)
    assert np.exp(table[1]) == pytest.approx([0.5 / 3, 0.5 / 4, 1.5 / 5], rel=1e-6)


def test_activity_by_hand():
    """ann came 24, 16 and 8 days ago with one, two and three lines, and at the as-of; bob once; cat only looked."""
    rows = [bought("ann", 24), bought("ann", 16, ["i0"] * 2), bought("ann", 8, ["i0"] * 3), bought("ann", 0), bought("bob", 5)]
    history = history_of(*rows, bought("cat", 2) | {"event_types": ["view"]})
    ann, bob, cat = user_activity(history, AS_OF, (8.0,))
    assert np.expm1(ann[:2]) == pytest.approx([1 / 8 + 1 / 4 + 1 / 2, 1 / 8 + 2 / 4 + 3 / 2], rel=1e-6)
    assert ann[2:].tolist() == [8, 16, 24, 2, 8]  # days since the last, the one before and the first; lines a visit; mean gap
    assert bob[2:].tolist() == [5, 400, 5, 1, 400]
    assert cat.tolist() == [0, 0, 400, 400, 400, 0, 400]


def test_a_pair_is_read_beside_its_own_parent():
    """ann bought bread, a food, 3 days ago and soap, of the garden, 9 days ago: each category has its department's silence beside its own."""
    rows = [
        bought("ann", 3) | {"categories": ["bread"]},
        bought("ann", 9) | {"categories": ["soap"], "departments": ["garden"]},
    ]
    history = history_of(*rows, bought("bob", 5) | {"categories": ["tea"]})
    table = pair_features(history, "category", ["soap", "bread"], np.array([0]), AS_OF, CONFIG)
    counts = len(CONFIG.half_lives_days) + 1
    assert table[:, counts].tolist() == [9, 3] and table[:, 2 * counts + 5].tolist() == [9, 3]


def test_affinity_is_what_alike_users_buy():
    """Bread goes with milk, soap with tea: one with bread only is nearer to milk than to tea."""
    pairs = [bought(f"a{k}", 3, ["i0", "i1"]) for k in range(8)] + [bought(f"b{k}", 3, ["i4", "i5"]) for k in range(8)]
    history = history_of(*pairs, bought("new", 2, ["i0"]), bought("new", -3, ["i5"]))
    near = affinity(history, "item", ["i1", "i5"], AS_OF, CONFIG)[history.users.index("new")]
    assert near[:, 0] == pytest.approx([np.sqrt(8 / 10), 0])  # cosine of bread (9 buyers and one alone) and milk; no future tea
    assert near[:, 1:] == pytest.approx(np.zeros((2, 2)), abs=1e-6)  # as many components as items tell the row itself


def test_affinity_of_an_item_is_not_told_by_the_item_itself():
    pairs = [bought(f"a{k}", 3, ["i0", "i1"]) for k in range(8)]
    history = history_of(*pairs, bought("new", 2, ["i4"]))
    near = affinity(history, "item", ["i4"], AS_OF, CONFIG)[history.users.index("new")]
    assert near[0, 0] == 0


def test_affinity_by_broad_tastes_is_the_strongest_direction_about_the_mean(monkeypatch):
    """Half the crowd buys i0 and i1, half i4 and i5, so the mean row is 0.354 everywhere and the one direction (1, 1, -1, -1) / 2: of who
    bought i0 alone that keeps 0.25 beside the mean of what goes with it, and takes 0.25 off the others."""
    monkeypatch.setattr(kernel, "RANKS", (1,))
    crowd = history_of(
        *(bought(f"{kind}{k}", 3, items) for kind, items in (("a", ["i0", "i1"]), ("b", ["i4", "i5"])) for k in range(8))
    )
    near = affinity(history_of(bought("new", 3)), "item", ["i0", "i1", "i4", "i5"], AS_OF, CONFIG, crowd)[0]
    mean = np.sqrt(1 / 8)
    assert near[:, 1] == pytest.approx([mean + 0.25, mean + 0.25, mean - 0.25, mean - 0.25], abs=1e-6)


def test_tastes_fade_at_the_longest_half_life():
    """i0 a day ago, i1 one half-life before that."""
    longest = CONFIG.half_lives_days[-1]
    history = history_of(bought("ann", 1), bought("ann", 1 + longest, ["i1"]))
    [row] = unit_rows(history, {"item": ["i0", "i1"]}, AS_OF, CONFIG)
    newer, older = np.log1p(2 ** (-1 / longest)), np.log1p(2 ** (-1 / longest) / 2)
    assert row == pytest.approx(np.array([newer, older]) / np.hypot(newer, older), abs=1e-6)


def test_affinity_of_users_without_purchases_is_even():
    visit = bought("eve", 3) | {"event_types": ["view"]}
    history = history_of(visit, bought("ann", 3, ["i0", "i1"]))
    assert np.isfinite(affinity(history, "item", ["i0", "i1"], AS_OF, CONFIG)).all()
