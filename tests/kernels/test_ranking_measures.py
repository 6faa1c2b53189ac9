"""The measures of a ranking against scikit-learn's, on random rankings; and slices by hand."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score, recall_score

from portrait_assets.kernels.ranking.lines import joined, lines_from
from portrait_assets.kernels.ranking.measures import Measured, measure, targets_of
from portrait_assets.kernels.ranking.slices import by_visits, declared, slices_frame
from tests.kernels.ranking_shop import AS_OF, ITEMS, bought, make_goods, make_shop

COUNT = 25
MANY = pl.DataFrame({"item_id": [f"i{k:02}" for k in range(COUNT)]}).with_columns(
    *(pl.lit("x").alias(level) for level in ITEMS.columns if level not in ("item_id", "name")), name=pl.lit(None, pl.String)
)


@settings(max_examples=40, deadline=None)
@given(
    targets=st.lists(st.sets(st.integers(0, COUNT - 1), min_size=1), min_size=1, max_size=4),
    seed=st.integers(0, 1000),
)
def test_recall_and_ndcg_are_those_of_a_library(targets, seed):
    """Every user once bought everything, so that all items are candidates and none is unknown."""
    before = [(f"u{user}", 5, f"i{k:02}") for user in range(len(targets)) for k in range(COUNT)]
    after = [(f"u{user}", -3, f"i{k:02}") for user, wanted in enumerate(targets) for k in wanted]
    lines = lines_from(bought(*before, *after), MANY)
    score = np.random.default_rng(seed).permutation(len(targets) * COUNT).astype(np.float64).reshape(len(targets), COUNT)
    user, item = np.divmod(np.arange(score.size), COUNT)
    found = measure(lines, AS_OF, 14, user, item, score.ravel()).values["window"]
    truth = np.zeros(score.shape)
    for row, wanted in enumerate(targets):
        truth[row, list(wanted)] = 1
    shown = (np.argsort(np.argsort(-score, axis=1), axis=1) < 10).astype(int)
    assert found["recall"] == pytest.approx([recall_score(wanted, places) for wanted, places in zip(truth, shown, strict=True)])
    assert found["ndcg"].mean() == pytest.approx(ndcg_score(truth, score, k=10))


def test_slices_by_hand():
    """ann came 6 times, bob once and lately, cat once and long ago; the measures are given."""
    rows = [("ann", ago, "milk") for ago in (60, 50, 40, 30, 20, 10)] + [("bob", 3, "milk"), ("cat", 90, "milk")]
    lines = lines_from(bought(*rows), ITEMS)
    users = np.arange(3)
    ours = Measured({"window": users}, {"window": {"recall": np.array([0.9, 0.6, 0.3]), "ndcg": np.array([0.8, 0.5, 0.2])}})
    rival = Measured({"window": users}, {"window": {"recall": np.array([0.6, 0.6, 0.6]), "ndcg": np.array([0.4, 0.5, 0.1])}})
    declared = pl.DataFrame({"user_id": ["ann"], "attribute": ["age"], "value": ["old"]})
    found = {row[0]: row[1:] for row in slices_frame(lines, AS_OF, ours, rival, declared).iter_rows()}
    assert set(found) == {
        "everybody",
        "1 to 5 visits",
        "6 to 20 visits",
        "new: first seen in the last 28 days",
        "not seen for 28 days",
    }
    assert found["6 to 20 visits"] == pytest.approx((1, 0.9, 0.8, 0.6, 0.4, (1.5 + 2.0) / 2))
    assert found["1 to 5 visits"][0] == 2 and found["not seen for 28 days"][1] == 0.3
    assert found["new: first seen in the last 28 days"] == pytest.approx((1, 0.6, 0.5, 0.6, 0.5, 1.0))
    assert list(lines.users) == ["ann", "bob", "cat"]


@pytest.mark.parametrize("bounds", [("u07",), ("u00", "u20", "u21"), ("v",)])
def test_lines_of_some_users_each_join_to_those_of_all(bounds):
    """Of each place some, of some items nothing is known, and of a part nobody bought anything."""
    rows = make_shop().with_columns(
        place_id=pl.when(pl.col("units").cum_count() % 7 > 0).then(pl.concat_str(pl.lit("p"), pl.col("units").cum_count() % 5)),
        cents=pl.col("units").cum_count(),
    )
    goods = make_goods(rows).with_row_index().with_columns(brand=pl.concat_str(pl.lit("b"), pl.col("index") % 3))[5:]
    parts = [
        lines_from(rows.filter((pl.col("user_id") >= low) & (pl.col("user_id") < high)), goods)
        for low, high in zip(["", *bounds], [*bounds, "z"], strict=True)
    ]
    found, wanted = joined(parts, goods), lines_from(rows, goods)
    for name, value in vars(wanted).items():
        of = getattr(found, name)
        each = [(of[key], value[key]) for key in value] if isinstance(value, dict) else [(of, value)]
        assert all(np.array_equal(a, b) and getattr(a, "dtype", None) == getattr(b, "dtype", None) for a, b in each), name


def at_midnight(*rows: tuple[str, int, str]) -> pl.DataFrame:
    """As dates without an hour are."""
    return bought(*rows).with_columns(pl.col("visit_time").dt.truncate("1d"))


def test_a_window_begins_at_the_as_of_and_ends_before_the_day_after_it():
    """Of the items bought at the first instant of days -1, 0, 13 and 14 of the window the middle two are targets."""
    after = [("ann", ago, item) for ago, item in ((1, "bread"), (0, "milk"), (-13, "beer"), (-14, "soap"))]
    lines = lines_from(at_midnight(("ann", 60, "milk"), *after), ITEMS)
    targets = {
        name: [lines.items[pair % len(lines.items)] for pair in pairs] for name, pairs in targets_of(lines, AS_OF, 14).items()
    }
    assert targets == {"window": ["beer", "milk"], "basket": ["milk"], "again": ["milk"], "discover": ["beer"]}


def test_slices_at_their_edges():
    """ann came 5 times, bob 6, cat 20 and dan 21; eve was first seen 28 days ago to the hour and last fay; gus both a day before."""
    counts = {"ann": 5, "bob": 6, "cat": 20, "dan": 21}
    rows = [(user, 40 + k, "milk") for user, count in counts.items() for k in range(count)]
    rows += [("eve", 28, "milk"), ("fay", 50, "milk"), ("fay", 28, "milk"), ("gus", 29, "milk")]
    lines = lines_from(at_midnight(*rows), ITEMS)
    names = {name: [lines.users[k] for k in np.flatnonzero(of)] for name, of in by_visits(lines, np.arange(7), AS_OF).items()}
    assert names == {
        "1 to 5 visits": ["ann", "eve", "fay", "gus"],
        "6 to 20 visits": ["bob", "cat"],
        "21 to 80 visits": ["dan"],
        "more than 80 visits": [],
        "new: first seen in the last 28 days": ["eve"],
        "not seen for 28 days": ["ann", "bob", "cat", "dan", "gus"],
    }


def test_thirty_users_of_a_declared_value_are_enough_and_a_rival_of_nothing_has_no_ratio():
    users = [f"u{k:02}" for k in range(59)]
    lines = lines_from(bought(*((user, 5, "milk") for user in users)), ITEMS)
    ages = pl.DataFrame({"user_id": users, "attribute": "age", "value": ["old"] * 30 + ["young"] * 29})
    assert {name: int(of.sum()) for name, of in declared(lines, np.arange(59), ages).items()} == {"age: old": 30}
    ours, none = (Measured({"window": np.arange(59)}, {"window": {name: np.full(59, value) for name in ("recall", "ndcg")}}) for value in (0.5, 0.0))  # fmt: skip
    everybody = slices_frame(lines, AS_OF, ours, none, ages).row(0, named=True)
    assert (everybody["recall"], everybody["rival recall"], everybody["ratio"]) == (0.5, 0, None)
