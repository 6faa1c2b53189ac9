"""One user's lists on request beside those that all users get."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from portrait_assets.kernels.ranking.candidates import candidates_of
from portrait_assets.kernels.ranking.context import Context
from portrait_assets.kernels.ranking.everyone import everyone_at
from portrait_assets.kernels.ranking.features import pair_features
from portrait_assets.kernels.ranking.lines import BY_LINE, lines_from, without
from portrait_assets.kernels.ranking.lists import Policy
from portrait_assets.kernels.ranking.live import Bought, lines_of, recommend_live
from portrait_assets.kernels.ranking.neighbours import neighbours_of
from portrait_assets.kernels.ranking.ranker import NO_PAIRS, RANKERS, Read, fit_ranker, read_of
from portrait_assets.kernels.ranking.reasons import SAY, Facts, Names
from portrait_assets.kernels.ranking.recommend import SCHEMA, Standing, listed, recommend, standing_of
from portrait_assets.kernels.ranking.rhythm import Ascending
from tests.kernels.ranking_shop import AS_OF, THROUGH, bought, make_goods, make_shop

POLICY = Policy(length=8, explore_places=1, diversity=0.25)
WEEK_LATER = AS_OF + timedelta(days=7)


@pytest.fixture(scope="module")
def sales() -> pl.DataFrame:
    return make_shop()


@pytest.fixture(scope="module")
def goods(sales) -> pl.DataFrame:
    return make_goods(sales)


@pytest.fixture(scope="module")
def lines(sales, goods):
    return lines_from(sales, goods)


@pytest.fixture(scope="module")
def standing(lines, goods) -> Standing:
    ranker, _ = fit_ranker(lines, THROUGH, RANKERS["tiny"])
    return standing_of(ranker, everyone_at(lines, AS_OF, 14), goods, POLICY)


def purchases(frame: pl.DataFrame) -> Bought:
    numbers = (frame[name].cast(pl.Float64).to_numpy() for name in ("cents", "discount_cents", "coupon_cents"))
    texts = (pa.array(frame[name].to_list(), pa.string()) for name in ("item_id", "visit_id", "place_id"))
    return Bought(*texts, frame["visit_time"].dt.epoch("us").to_numpy(), *numbers)


def of_user(sales: pl.DataFrame, user: str, before: date) -> Bought:
    midnight = datetime(before.year, before.month, before.day)
    return purchases(sales.filter((pl.col("user_id") == user) & (pl.col("visit_time") < midnight)))


def live(standing: Standing, told: Bought, as_of: date, which: str, context: Context = Context()) -> list[dict]:
    return recommend_live(standing, lines_of(standing.everyone.lines, "u07", told), as_of, context, which)


def same(rows: list[dict], batch: pl.DataFrame) -> None:
    batch = batch.filter(pl.col("user_id") == "u07")
    told = [{"draw_chance": None, "user_id": "u07"} | row for row in rows]  # only the blended list is drawn from
    made = pl.DataFrame(told, schema_overrides={"draw_chance": pl.Float64}).select(SCHEMA.keys())
    assert_frame_equal(made, batch, abs_tol=1e-6)  # a float32 product of few rows may end in another bit than one of many


@pytest.mark.parametrize("which", ["blended", "again", "discover"])
def test_without_newer_purchases_the_live_list_is_the_list_that_all_users_get(sales, goods, lines, standing, which):
    batch = recommend(standing.ranker, lines, goods, AS_OF, POLICY)
    rows = live(standing, of_user(sales, "u07", AS_OF), AS_OF, which)
    same(rows, batch.blended if which == "blended" else batch.lists.filter(pl.col("list") == which))


def test_with_newer_purchases_it_is_the_later_days_list_as_far_as_everyones_numbers_stand(sales, lines, standing):
    later = replace(standing.everyone, as_of=WEEK_LATER)
    batch = listed(standing, lines, read_of(later, lines)).blended
    told = of_user(sales, "u07", WEEK_LATER)
    rows = live(standing, told, WEEK_LATER, "blended")
    same(rows, batch)
    before = live(standing, of_user(sales, "u07", AS_OF), AS_OF, "blended")
    assert [row["reason"] for row in rows] != [row["reason"] for row in before]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            *(st.sampled_from(some) for some in ("ab", "vw", "xyz", (None, "p", "q"))), st.integers(0, 3), st.integers(0, 2)
        ),
        min_size=1,
        max_size=20,
    )
)
def test_one_users_lines_are_those_that_the_batch_path_reads(events):
    """Units, sums and the largest place of an item in a visit, visits by their first moment and name."""
    frame = pl.DataFrame(
        [
            {
                "user_id": "user " + user, "item_id": item, "visit_id": visit, "place_id": place, "cents": 100 + k, "discount_cents": k,
                "coupon_cents": coupon, "visit_time": datetime(2024, 1, 1) + timedelta(hours=5 * hour),
            }
            for k, (user, visit, item, place, hour, coupon) in enumerate(events)
        ],
        schema_overrides={"place_id": pl.String},
    )  # fmt: skip
    sums = (pl.col(name).sum() for name in ("cents", "discount_cents", "coupon_cents"))
    rows = frame.group_by("user_id", "item_id", "visit_id").agg(
        pl.col("visit_time").min(), pl.col("place_id").max(), *sums, units=pl.len()
    )
    everyone = lines_from(rows, make_goods(pl.DataFrame({"item_id": ["i1"]})))
    for k, user in enumerate(everyone.users):
        found = lines_of(everyone, user, purchases(frame.filter(pl.col("user_id") == user)))
        wanted = without(everyone, [(k, ())])
        for name in (*BY_LINE, "visit", "visit_user", "visit_day"):
            np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name), err_msg=name)


def test_what_is_in_the_basket_is_not_offered(sales, standing):
    told = of_user(sales, "u07", AS_OF)
    plain = live(standing, told, AS_OF, "blended")
    basket = (plain[0]["item_id"], plain[-1]["item_id"], "never sold")
    held = live(standing, told, AS_OF, "blended", Context(basket=basket))
    assert not set(basket) & {row["item_id"] for row in held}
    assert [row["item_id"] for row in held if row["item_id"] in {row["item_id"] for row in plain[1:-1]}] == [
        row["item_id"] for row in plain[1:-1]
    ]


def test_what_goes_with_the_basket_counts_as_if_that_were_just_bought_and_the_reason_says_where_it_is():
    """Forty users buy wine with cheese. Who holds cheese is told of wine as who bought it this instant, and is nobody else for it."""
    days = range(1, 41)
    frame = bought(*((f"u{d}", d, item) for d in days for item in ("cheese", "wine")), ("me", 3, "milk"))
    lines = lines_from(frame, make_goods(pl.DataFrame({"item_id": ["i1"]})))
    everyone, codes = everyone_at(lines, AS_OF, 14), lines.item_codes
    me = lines_of(lines, "me", purchases(bought(("me", 3, "milk"))))
    plain = neighbours_of(everyone.near, me, AS_OF)
    near = neighbours_of(everyone.near, me, AS_OF, np.array([codes["cheese"]]))
    strength = everyone.near.partners[codes["cheese"], codes["wine"]]
    assert strength > 0 and plain.goes_with.nnz == 0
    assert near.goes_with[0, codes["wine"]] == pytest.approx(np.log(2) * strength)  # log1p of one purchase of now
    np.testing.assert_array_equal(near.alike.toarray(), plain.alike.toarray())
    names = Names(lines.items, [None] * len(lines.items))
    candidates = candidates_of(everyone, me, near, NO_PAIRS)
    row = candidates.item.tolist().index(codes["wine"])
    said = SAY["goes_with"](Facts(Read(AS_OF, candidates, near, np.zeros((0, 0)), []), row, {}, names))
    assert said == "goes with cheese, in the basket"


def test_a_place_of_now_stands_for_the_usual_one():
    """Milk was sold twice lately in `p`, where ann goes, bread once in `q`."""
    frame = bought(("ann", 3, "milk"), ("ann", 2, "milk"), ("bob", 2, "bread")).with_columns(
        place_id=pl.when(pl.col("user_id") == "bob").then(pl.lit("q")).otherwise(pl.lit("p"))
    )
    lines = lines_from(frame, make_goods(pl.DataFrame({"item_id": ["i1"]})))
    everyone = everyone_at(lines, AS_OF, 14)
    alone = without(lines, [(0, ())])
    near = neighbours_of(everyone.near, alone, AS_OF)
    candidates = candidates_of(everyone, alone, near, NO_PAIRS)
    assert [lines.items[item] for item in candidates.item] == ["bread", "milk"]
    for place, sold, share in ((-1, [0, 2], 1.0), (lines.place_codes["q"], [1, 0], 0.0)):
        x, names = pair_features(everyone, alone, candidates, near, place)
        assert x[:, names.index("item_sold_in_place_14d")].tolist() == sold
        assert x[:, names.index("user_place_share")].tolist() == [share] * 2


def test_an_item_that_nobody_had_bought_is_not_offered_and_the_visit_counts(standing):
    told = purchases(bought(("u07", 3, "i01"), ("u07", 1, "unheard of")))
    lines = lines_of(standing.everyone.lines, "u07", told)
    assert (len(lines.item), len(lines.visit_user)) == (1, 2)
    assert live(standing, told, AS_OF, "blended")
    assert live(standing, purchases(bought(("u07", 1, "unheard of"))), AS_OF, "blended") is None


def test_a_place_that_nobody_goes_to_is_a_key_error(sales, standing):
    with pytest.raises(KeyError):
        live(standing, of_user(sales, "u07", AS_OF), AS_OF, "blended", Context(place="nowhere"))


@given(st.lists(st.integers(0, 40).map(float), max_size=300), st.lists(st.floats(-5, 50), min_size=1, max_size=20))
def test_counts_up_to_a_value_are_those_of_a_plain_search(values, asked):
    ordered = Ascending.of(np.array(values))
    np.testing.assert_array_equal(ordered.up_to(np.array(asked)), np.searchsorted(np.sort(values), asked, side="right"))
