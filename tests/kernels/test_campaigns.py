"""Propensity for a set of items: numbers by hand, nothing from the future, and better than what is simpler on a shop that has habits."""

from datetime import date, datetime

import numpy as np
import polars as pl
import pytest

from portrait_assets.errors import PortraitError
from portrait_assets.kernels.ranking import propensity
from portrait_assets.kernels.ranking.campaigns import Campaign, compared, judge_campaign, judged, lift, uplift_frame
from portrait_assets.kernels.ranking.lines import Lines, before, lines_from
from portrait_assets.kernels.ranking.propensity import drawn_sets, fit_propensity
from portrait_assets.kernels.ranking.ranker import RANKERS, fit_ranker
from portrait_assets.kernels.ranking.sets import bought_any, set_features, stand_at
from portrait_assets.kernels.ranking.targets import target

AS_OF = date(2024, 3, 1)
GOODS = pl.DataFrame({"item_id": [f"i{k:02}" for k in range(30)]}).with_columns(
    item_type=pl.concat_str(pl.lit("t"), pl.col("item_id").str.slice(1).cast(pl.Int64) // 3),
    category=pl.concat_str(pl.lit("c"), pl.col("item_id").str.slice(1).cast(pl.Int64) // 6),
    department=pl.lit("d"), brand=pl.lit("b"), maker=pl.lit("m"), name=pl.lit(None, pl.String),
)  # fmt: skip


def shop_of(rows: list[tuple[str, float, str]]) -> Lines:
    """Lines of (user, days before AS_OF, item); a negative number is after it."""
    midnight = datetime(AS_OF.year, AS_OF.month, AS_OF.day)
    frame = pl.DataFrame(rows, schema={"user_id": pl.String, "ago": pl.Float64, "item_id": pl.String}, orient="row")
    frame = frame.with_columns(
        visit_id=pl.concat_str("user_id", "ago"),
        visit_time=pl.lit(midnight) - pl.duration(microseconds=(pl.col("ago") * 86_400e6).cast(pl.Int64)),
        units=1, cents=100, discount_cents=0, coupon_cents=0, place_id=pl.lit("p"),
    )  # fmt: skip
    return lines_from(frame, GOODS)


def told(lines: Lines, user: str, *items: str) -> dict[str, float]:
    x, names = set_features(stand_at(lines, AS_OF, 14.0), lines.marked(items))
    return dict(zip(names, x[lines.users.index(user)].tolist(), strict=True))


def test_numbers_of_a_user_and_a_set_by_hand():
    """Ann has i00 or i01 on two visits ten days apart, both at once on the later one; i02 is of their type, i03 of their category."""
    lines = shop_of(
        [("ann", 12, "i00"), ("ann", 2, "i00"), ("ann", 2, "i01"), ("ann", 5, "i02"), ("ann", 4, "i03"), ("bob", 30, "i01"),
         ("cat", 3, "i09"), ("dan", -1, "i00"), ("cat", -1, "i27")]
    )  # fmt: skip
    ann = told(lines, "ann", "i00", "i01", "i27")
    assert (ann["set_visits"], ann["set_since_days"], ann["set_gap_days"], ann["set_lines_84d"]) == (2, 2, 10, 3)
    assert ann["set_visit_share"] == pytest.approx(2 / 4)
    assert (ann["item_type_kin_since_days"], ann["category_kin_since_days"]) == (5, 4)
    assert ann["set_buyers_28d"] == pytest.approx(1 / 3) and ann["set_buyers_84d"] == pytest.approx(2 / 3)
    assert ann["set_items"] == pytest.approx(np.log1p(2))  # nobody had bought i27 yet
    cat = told(lines, "cat", "i00", "i01", "i27")
    assert cat["set_visits"] == 0 and np.isnan(cat["set_since_days"]) and cat["set_chance"] == 0
    bought = bought_any(lines, AS_OF, 14, lines.marked(["i00", "i27"]))
    assert [user for user, yes in zip(lines.users, bought, strict=True) if yes] == ["cat", "dan"]


def test_lately_is_at_most_so_many_days_ago():
    """Of ann's two visits one is 84 days old, of bob and cat one bought 28 days ago."""
    lines = shop_of([("ann", 84, "i00"), ("ann", 84.5, "i00"), ("bob", 28.5, "i00"), ("cat", 28, "i00")])
    ann = told(lines, "ann", "i00")
    assert (ann["set_visits"], ann["set_lines_84d"]) == (2, 1)
    assert (ann["set_buyers_28d"], ann["set_buyers_84d"]) == (pytest.approx(1 / 3), 1)


@pytest.fixture(scope="module")
def customers() -> Lines:
    """Eighty users, each with two habits of her own among thirty items, on a rhythm of 4 to 20 days; now and then something else."""
    rng, events = np.random.default_rng(3), set()
    for u in range(80):
        own, gap, ago = rng.choice(30, 2, replace=False), rng.integers(4, 20), float(rng.integers(1, 10))
        while ago < 110:
            for item in own:
                events.add((f"u{u:02}", float(int(ago) - 14), f"i{item:02}"))
            if rng.random() < 0.3:
                events.add((f"u{u:02}", float(int(ago) - 14), f"i{rng.integers(30):02}"))
            ago += gap
    return shop_of(sorted(events))


@pytest.fixture(scope="module")
def model(customers) -> propensity.Propensity:
    return fit_propensity(customers, AS_OF, 14)


def test_nothing_from_the_as_of_on_moves_a_chance(customers, model):
    cut = before(customers, AS_OF)
    assert fit_propensity(cut, AS_OF, 14) == model
    in_set = customers.marked([f"i{k:02}" for k in range(6)])
    whole, known = (model.chances(stand_at(lines, AS_OF, 14.0), in_set) for lines in (customers, cut))
    np.testing.assert_allclose(whole, known)


def test_chances_beat_what_is_simpler_and_are_meant(customers, model):
    stand = stand_at(customers, AS_OF, 14.0)
    coupons = [customers.marked([f"i{k + j:02}" for j in range(4)]) for k in range(0, 28, 4)]
    half = np.arange(len(customers.users)) < 40
    found = judge_campaign(customers, stand, model, Campaign("c", AS_OF, coupons, half, np.zeros(len(half), bool)), 14)
    auc = {row["score"]: row["auc"] for row in found.rivals.filter(pl.col("truth") == "bought").iter_rows(named=True)}
    assert auc["propensity"] > auc["bought before"] > auc["activity"] and auc["propensity"] > 0.85
    assert found.rivals.filter(pl.col("truth") == "redeemed")["users"].to_list() == [40] * 3
    calibration = found.calibration.row(0, named=True)
    assert calibration["told"] == pytest.approx(calibration["came true"], abs=0.03) and calibration["calibration error"] < 0.05


def test_whom_to_target_is_ranked_with_an_item_of_the_set_and_why(customers):
    ranker, _ = fit_ranker(before(customers, AS_OF), AS_OF, RANKERS["tiny"])
    in_set = customers.marked(["i00", "i01", "i02"])
    found = target(ranker, customers, GOODS, AS_OF, in_set, 20)
    assert found["rank"].to_list() == list(range(1, 21)) and found["user_id"].n_unique() == 20
    assert found["propensity"].is_sorted(descending=True) and found["propensity"].is_between(0, 1).all()
    assert set(found["item_id"]) <= {"i00", "i01", "i02"} and (found["reason"].str.len_chars() > 0).all()
    assert found["reason"][0].startswith("bought ")
    assert target(ranker, before(customers, AS_OF), GOODS, AS_OF, in_set, 20).equals(found)


def test_drawn_sets_are_of_things_that_were_sold_whatever_the_hierarchy(customers):
    bare = lines_from(
        pl.DataFrame({"user_id": ["a"], "item_id": ["x"], "visit_id": ["v"], "place_id": [None]}, schema_overrides={"place_id": pl.String})
        .with_columns(visit_time=pl.lit(datetime(2024, 1, 1)), units=1, cents=1, discount_cents=0, coupon_cents=0),
        GOODS,
    )  # fmt: skip
    for lines in (customers, bare):
        sets = drawn_sets(lines, AS_OF, np.random.default_rng(0))
        assert len(sets) == propensity.SETS and all(one.any() for one in sets)


def test_too_little_to_learn_from_is_said():
    with pytest.raises(
        PortraitError, match="campaign, as of 2024-03-01: no window of 14 days before it has buyers known before"
    ):
        fit_propensity(shop_of([("ann", 1, "i00")]), AS_OF, 14)


def test_judging_by_hand():
    """Twenty users, ten of whom bought: nine of the best ten did; the best tenth are two, both of whom did."""
    truth = np.array([True] * 9 + [False, True] + [False] * 9)
    score = -np.arange(20.0)
    sets, users, share, auc, times = judged([(score, truth), (score, np.zeros(20, bool))])  # nobody bought of the second
    assert (sets, users, share) == (1, 20, 0.5) and auc == pytest.approx(0.99) and times == lift(truth, score) == 2
    assert judged([(score, np.zeros(20, bool))]) == (0, 20, None, None, None)


def test_a_set_needs_ten_who_bought_and_ten_who_did_not():
    score = np.arange(20.0)
    assert judged([(score, score >= 10)]) == (1, 20, 0.5, 1.0, 2.0)
    assert judged([(score, score >= 11)]) == judged([(score, score >= 9)]) == (0, 20, None, None, None)


def test_recipients_are_compared_with_others_as_likely_to_buy():
    """Four likely users, three of whom got it, and four unlikely ones: two recipients of three bought, and the other likely one did not."""
    stratum = np.array([1, 1, 1, 1, 0, 0, 0, 0])
    received = np.array([1, 1, 1, 0, 1, 0, 0, 0], bool)
    bought = np.array([1, 1, 0, 0, 0, 1, 0, 0], bool)
    observed, alike = compared(stratum, received, bought)
    assert observed == pytest.approx(2 / 4) and alike == pytest.approx((3 * 0 + 1 * (1 / 3)) / 4)
    assert np.isnan(compared(stratum, np.ones(8, bool), bought)).all()


def test_without_recipients_there_is_nothing_to_compare():
    assert uplift_frame(np.full(5, 0.5), np.zeros(5, bool), np.ones(5, bool)).is_empty()


def test_what_only_the_likely_get_is_no_uplift():
    """Chances decide both who gets it and who buys: the raw difference is large, that at the same propensity is about none."""
    rng = np.random.default_rng(1)
    chance = rng.random(4000)
    received, bought = rng.random(4000) < chance, rng.random(4000) < chance
    row = uplift_frame(chance, received, bought).row(0, named=True)
    assert row["bought"] - row["others bought"] > 0.25
    assert row["low"] < 0.02 and abs(row["difference"]) < 0.05 and row["low"] < row["difference"] < row["high"]
