"""The ranker on tiny shops worked out by hand, and on one large enough to learn from."""

from datetime import datetime
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy import sparse

from portrait_assets.errors import PortraitError
from portrait_assets.kernels.ranking import deletion
from portrait_assets.kernels.ranking import ranker as ranker_module
from portrait_assets.kernels.ranking import recommend as recommend_module
from portrait_assets.kernels.ranking.assessment import assess_ranking, tifu_knn
from portrait_assets.kernels.ranking.deletion import deletion_frame, sampled_cases
from portrait_assets.kernels.ranking.everyone import everyone_at
from portrait_assets.kernels.ranking.lines import before, lines_from, without
from portrait_assets.kernels.ranking.lists import Policy, make_lists
from portrait_assets.kernels.ranking.measures import measure, targets_of
from portrait_assets.kernels.ranking.neighbours import by_column, neighbourhood_at, neighbours_of, sorted_csr, tastes
from portrait_assets.kernels.ranking.network import fit_network, list_loss, mean_scores
from portrait_assets.kernels.ranking.ranker import (
    RANKERS,
    UnusableRanker,
    examples_of,
    fit_ranker,
    grades,
    read_at,
    read_of,
    training_rows,
)
from portrait_assets.kernels.ranking.reasons import (
    REASONS,
    middle_of,
    peers_with,
    reason_group,
    scores_lacking,
    strongest_partner,
    tellable,
)
from portrait_assets.kernels.ranking.recommend import recommend
from portrait_assets.kernels.ranking.rhythm import rhythm, runs_of, waits_of
from portrait_assets.kernels.sequences import day_number
from tests.kernels.ranking_shop import AS_OF, ITEMS, THROUGH, bought, make_goods, make_shop


def numbers(lines, user: str, item: str) -> dict[str, float]:
    read = read_at(lines, AS_OF, 14.0)
    pairs = read.candidates
    row = np.flatnonzero((pairs.user == lines.users.index(user)) & (pairs.item == lines.items.index(item)))
    return dict(zip(read.names, read.x[row[0]].tolist(), strict=True))


def test_rhythm_of_a_pair_by_hand():
    """Milk 21, 11 and 1 days before noon-ish: three visits, a gap of ten, the last 15 hours ago."""
    lines = lines_from(bought(("ann", 21, "milk"), ("ann", 16, "bread"), ("ann", 11, "milk"), ("ann", 1, "milk")), ITEMS)
    milk = numbers(lines, "ann", "milk")
    assert milk["pair_visits"] == 3
    assert milk["pair_gap_days"] == pytest.approx(10)
    assert milk["pair_since_days"] == pytest.approx(0.625)
    assert milk["pair_due"] == pytest.approx(0.0625)
    assert milk["pair_visits_since"] == 0
    assert milk["pair_visit_share"] == pytest.approx(3 / 4)
    assert milk["pair_visits_decayed_14d"] == pytest.approx(sum(2 ** (-age / 14) for age in (0.625, 10.625, 20.625)))
    bread = numbers(lines, "ann", "bread")
    assert (bread["pair_visits"], bread["pair_visits_since"]) == (1, 2)
    assert bread["pair_gap_days"] == 400


def test_rhythms_of_runs_by_hand():
    """Of eight visits the second, third, fifth and sixth had it, 80, 60, 10 and 5 days ago; of two both, 10 and 4; of one that one."""
    runs = runs_of(np.array([0, 0, 0, 0, 1, 1, 2]))
    day, number = np.array([20.0, 40, 90, 95, 90, 96, 99]), np.array([2, 3, 5, 6, 1, 2, 1])
    found = rhythm(runs, day, number, np.array([8, 2, 1]), 100.0)
    late = [2 ** (-age / 60) for age in (60, 10, 5)]
    expected = {
        "visits": [4, 2, 1],
        "since_days": [5, 4, 1],
        "known_days": [80, 10, 1],
        "gap_days": [25, 6, 400],
        "due": [0.2, 4 / 6, 1 / 400],
        "late_gap_days": [(20 * late[0] + 50 * late[1] + 5 * late[2]) / sum(late), 6, 400],  # newer gaps weigh more
        "gap_variation": [np.sqrt((400 + 2500 + 25) / 3 - 625) / 25, np.nan, np.nan],  # of two gaps at least
        "last_gap_days": [5, 6, 400],
        "visits_since": [2, 0, 0],
        "visit_share": [1 / 2, 1, 1],
        "visit_share_since_first": [4 / 7, 1, 1],
        "visits_due": [2 / (4 / 3), 0, 0],
        "visits_decayed_14d": [sum(2 ** (-age / 14) for age in ages) for ages in ((80, 60, 10, 5), (10, 4), (1,))],
    }
    for name, values in expected.items():
        assert found[name] == pytest.approx(values, nan_ok=True), name


def test_chance_to_return_is_the_share_of_longer_waits_that_end_in_time():
    """Of five waits of a kind three are longer than 10 days, and of these two end by day 24; another kind leans to all."""
    kind, gap = np.array([1, 1, 1, 1, 1]), np.array([5.0, 8.0, 12.0, 20.0, 90.0])
    waits = waits_of(kind, gap)
    assert waits.return_chance(np.array([1, 2]), np.array([10.0, 10.0]), 14.0, prior=3.0) == pytest.approx([2 / 3, 2 / 3])
    assert waits.return_chance(np.array([1]), np.array([30.0]), 14.0, prior=1.0) == pytest.approx([0.0])


def test_measures_by_hand():
    """Ann's window holds milk and soap, its first visit milk; ranked soap, bread, milk."""
    lines = lines_from(bought(("ann", 9, "milk"), ("ann", 8, "bread"), ("ann", -1, "milk"), ("ann", -3, "soap")), ITEMS)
    ranked = [lines.items.index(name) for name in ("soap", "bread", "milk")]
    found = measure(lines, AS_OF, 14, np.zeros(3, np.int64), np.array(ranked), np.array([3.0, 2.0, 1.0]), k=2).values
    assert found["window"]["recall"] == pytest.approx([1 / 2])
    assert found["window"]["deep_recall"] == pytest.approx([1.0])
    assert found["window"]["ndcg"] == pytest.approx([1 / (1 + 1 / np.log2(3))])
    assert found["basket"]["recall"] == pytest.approx([0.0])
    assert found["again"]["mrr"] == pytest.approx([1 / 2])  # bread, then milk
    assert found["discover"]["hit"] == pytest.approx([1.0])


def test_users_first_seen_after_the_as_of_are_nobodys_target():
    lines = lines_from(bought(("ann", 9, "milk"), ("bob", -1, "milk")), ITEMS)
    assert len(targets_of(lines, AS_OF, 14)["window"]) == 0


def test_what_is_new_to_a_user_is_never_in_again_and_every_candidate_stands_once():
    lines = lines_from(
        bought(*[(u, d, i) for u in ("ann", "bob") for d in (3, 9) for i in ("milk", "bread")], ("bob", 2, "beer")), ITEMS
    )
    candidates = read_at(lines, AS_OF, 14.0).candidates
    pairs = [(lines.users[u], lines.items[i]) for u, i in zip(candidates.user, candidates.item, strict=True)]
    assert len(pairs) == len(set(pairs))
    again = {pair for pair, is_again in zip(pairs, candidates.by["again"], strict=True) if is_again}
    assert again == {("ann", "milk"), ("ann", "bread"), ("bob", "milk"), ("bob", "bread"), ("bob", "beer")}
    assert ("ann", "beer") in pairs


day = st.integers(-20, 60)
rows = st.lists(
    st.tuples(st.sampled_from("ab"), day, st.sampled_from(ITEMS["item_id"].to_list())), min_size=1, max_size=25, unique=True
)


@settings(max_examples=25, deadline=None)
@given(rows)
def test_nothing_from_the_as_of_on_moves_a_feature(events):
    """The same candidates and numbers with the future cut away; users and items it alone names change codes, not numbers."""
    past = [event for event in events if event[1] > 0]
    if not past:
        return
    whole, cut = (lines_from(bought(*some), ITEMS) for some in (events, past))

    def told_of(lines):
        read = read_at(lines, AS_OF, 14.0)
        told = [k for k, name in enumerate(read.names) if name not in ("brand", "department", "taste", "rank_taste")]
        keys = [(lines.users[u], lines.items[i]) for u, i in zip(read.candidates.user, read.candidates.item, strict=True)]
        return dict(zip(keys, read.x[:, told].tolist(), strict=True))

    here, there = told_of(whole), told_of(cut)
    assert here.keys() == there.keys()
    for key in here:
        np.testing.assert_allclose(here[key], there[key], rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def sales() -> pl.DataFrame:
    return make_shop()


@pytest.fixture(scope="module")
def goods(sales) -> pl.DataFrame:
    return make_goods(sales)


@pytest.fixture(scope="module")
def learnt(sales, goods):
    return fit_ranker(lines_from(sales, goods), THROUGH, RANKERS["tiny"])


def test_habits_are_learnt_and_chances_are_calibrated(sales, goods, learnt):
    ranker, measured = learnt
    assert measured.values["window"]["recall"].mean() > 0.75  # two of about two and a half are habits
    read = read_at(lines_from(sales, goods), AS_OF, 14)
    _, chance = ranker.scores(read.x)
    window = targets_of(lines_from(sales, goods), AS_OF, 14)["window"]
    happened = np.isin(read.candidates.user * len(goods) + read.candidates.item, window)
    assert chance.mean() == pytest.approx(happened.mean(), abs=0.02)
    assert chance[happened].mean() > 3 * chance[~happened].mean()


def test_the_window_that_measures_a_ranker_teaches_it_nothing(sales, goods):
    """Whatever is bought from AS_OF on, the last window's first day, the examples before it are the same; the measure is not."""
    config = RANKERS["tiny"]
    swapped = (
        pl.when(pl.col("visit_time") >= datetime(AS_OF.year, AS_OF.month, AS_OF.day))
        .then(pl.lit("i00"))
        .otherwise(pl.col("item_id"))
    )
    changed = sales.with_columns(item_id=swapped).unique(["user_id", "item_id", "visit_id"], maintain_order=True).sort("user_id", "item_id", "visit_id")  # fmt: skip
    first, second = (examples_of(lines_from(frame, goods), THROUGH, config) for frame in (sales, changed))
    assert first.held_out.as_of == second.held_out.as_of == AS_OF
    assert np.array_equal(first.x, second.x, equal_nan=True) and np.array_equal(first.grade, second.grade)
    assert np.array_equal(first.held_out.x, second.held_out.x, equal_nan=True)
    assert not np.array_equal(first.bought, second.bought)


def test_labels_are_of_the_days_from_the_as_of_to_the_horizon(goods):
    """Ann buys on the day before the as-of, on its first morning, on the fourteenth day and on the fifteenth; all candidates are known."""
    rows = [("ann", 20, item) for item in ("bread", "milk", "beer", "soap")]
    rows += [("ann", 1, "bread"), ("ann", 0, "milk"), ("ann", -13, "beer"), ("ann", -14, "soap")]
    lines = lines_from(bought(*rows), ITEMS)
    read = read_at(lines, AS_OF, 14.0)
    grade = dict(zip([lines.items[k] for k in read.candidates.item], grades(lines, read, 14).tolist(), strict=True))
    assert {item: grade[item] for item in ("bread", "milk", "beer", "soap")} == {"bread": 0, "milk": 2, "beer": 1, "soap": 0}


def test_only_users_who_bought_a_candidate_teach_the_ranker(sales, goods):
    """Each group of rows is of one user who bought one; a list of nothing bought has no order to learn."""
    silent = sales.filter(
        ~((pl.col("user_id") < "u30") & (pl.col("visit_time") >= datetime(AS_OF.year, AS_OF.month, AS_OF.day)))
    )
    x, grade, group = training_rows(lines_from(silent, goods), AS_OF, RANKERS["tiny"])
    ends = np.cumsum(group)
    assert len(x) == len(grade) == ends[-1] and 10 < len(group) <= 30
    assert all(grade[end - size : end].max() > 0 for end, size in zip(ends, group, strict=True))


def test_a_ranker_whose_scores_are_no_numbers_is_refused(sales, goods, monkeypatch):
    """As when rows of nobody who bought are kept: their lists have no best item, and the networks learn nothing that is a number."""
    broken = torch.full((1,), float("nan"))
    monkeypatch.setattr(ranker_module, "mean_scores", lambda networks, x: np.full(len(x), broken.item()))
    with pytest.raises(UnusableRanker, match="ranker, trained through .*: scores that are not numbers"):
        fit_ranker(lines_from(sales, goods), THROUGH, RANKERS["tiny"])


def test_a_fit_asks_lightgbm_for_one_number_of_threads_throughout(sales, goods, monkeypatch):
    """It is a number of the whole process, which must not change under another training in it."""
    asked, raw_scores = [], ranker_module.raw_scores

    def noted(model: str | None, x: np.ndarray, threads: int) -> np.ndarray:
        asked.append(threads)
        return raw_scores(model, x, threads)

    monkeypatch.setattr(ranker_module, "raw_scores", noted)
    fit_ranker(lines_from(sales, goods), THROUGH, RANKERS["tiny"])
    assert asked and set(asked) == {RANKERS["tiny"].threads}


def test_same_lines_same_ranker(sales, goods, learnt):
    again, _ = fit_ranker(lines_from(sales.sample(fraction=1, shuffle=True, seed=1), goods), THROUGH, RANKERS["tiny"])
    assert again == learnt[0]


def test_lists_keep_the_policy(sales, goods, learnt):
    lines = lines_from(sales, goods)
    rules = Policy(
        length=8, most_of_a_type=3, discover_places=2, exclude=(("item", "i07"),), cool_down=(("item_type", "t1", 15.0),)
    )
    made = recommend(learnt[0], lines, goods, AS_OF, rules)
    assert made.blended.group_by("user_id").agg(pl.col("rank").sort()).filter(
        pl.col("rank") != pl.int_ranges(1, pl.col("rank").list.len() + 1)
    ).is_empty()  # fmt: skip
    assert not made.blended.select("user_id", "item_id").is_duplicated().any()
    assert (
        made.blended.filter(pl.col("item_id") == "i07").is_empty() and made.lists.filter(pl.col("item_id") == "i07").is_empty()
    )
    per_type = made.blended.join(goods, on="item_id").group_by("user_id", "item_type").len()
    assert per_type["len"].max() <= 3
    open_to_all = recommend(learnt[0], lines, goods, AS_OF, Policy(length=8, most_of_a_type=8, discover_places=2)).blended
    assert open_to_all.filter(pl.col("list") == "discover").group_by("user_id").len()["len"].min() >= 2
    lately = sales.filter(pl.col("visit_time").is_between(datetime(2024, 2, 16), datetime(2024, 3, 1))).join(
        goods, on="item_id"
    )
    cooling = lately.filter(pl.col("item_type") == "t1")["user_id"].unique()
    offered = made.lists.join(goods, on="item_id").filter(
        pl.col("user_id").is_in(cooling.to_list()) & (pl.col("item_type") == "t1")
    )
    assert len(cooling) and offered.is_empty()
    known = sales.filter(pl.col("visit_time") < datetime(2024, 3, 1)).select("user_id", "item_id").unique()
    assert made.lists.filter(pl.col("list") == "again").join(known, on=["user_id", "item_id"], how="anti").is_empty()
    assert made.lists.filter(pl.col("list") == "discover").join(known, on=["user_id", "item_id"], how="semi").is_empty()


def test_what_is_drawn_says_so_and_what_is_out_of_stock_is_in_no_list(sales, goods, learnt):
    lines, policy = (
        lines_from(sales, goods),
        Policy(length=8, explore_places=1, diversity=0.5, out_of_stock=frozenset({"i03", "i30"})),
    )
    made = recommend(learnt[0], lines, goods, AS_OF, policy)
    for frame in (made.blended, made.lists):
        assert not frame["item_id"].is_in(["i03", "i30"]).any()
    drawn = made.blended.filter(pl.col("draw_chance").is_not_null())
    assert drawn.group_by("user_id").len()["len"].to_list() == [1] * made.blended["user_id"].n_unique()
    assert drawn["reason"].str.starts_with("drawn to explore; ").all() and (drawn["list"] == "discover").all()
    assert not made.blended.filter(pl.col("draw_chance").is_null())["reason"].str.starts_with("drawn").any()
    assert made.lists["draw_chance"].is_null().all() and not made.lists["reason"].str.starts_with("drawn").any()
    assert made.blended.sort("user_id", "rank").select(falls=(pl.col("score").diff() <= 0).over("user_id"))["falls"].all()


def test_a_rule_that_excludes_everything_leaves_an_empty_list(sales, goods, learnt):
    made = recommend(learnt[0], lines_from(sales, goods), goods, AS_OF, Policy(exclude=(("category", "c"),)))
    assert made.blended.is_empty() and made.lists.is_empty()


def test_a_reason_is_a_group_whose_absence_lowers_the_score(sales, goods, learnt):
    ranker, lines = learnt[0], lines_from(sales, goods)
    read = read_at(lines, AS_OF, 14)
    score, _ = ranker.scores(read.x)
    made = make_lists(lines, read.candidates, score, np.ones(len(score), bool), Policy(length=3, discover_places=0), AS_OF)
    rows = made.blended[0]
    everything = np.ones((len(rows), len(REASONS)), bool)
    falls = score[rows, None] - scores_lacking(ranker, read.x[rows], middle_of(read.x), everything)
    assert REASONS[int(falls.sum(0).argmax())] == "habit"
    assert (falls.max(1) > 0).mean() > 0.95
    told = recommend(ranker, lines, goods, AS_OF, Policy(length=3, discover_places=0)).blended
    assert told["reason"].str.contains("bought").mean() > 0.75
    assert {reason_group(name) for name in read.names} >= set(REASONS)


def test_no_score_is_asked_for_what_the_numbers_leave_nothing_to_say_of(sales, goods, learnt):
    """Of an item new to the user a habit is not scored; of one not reduced, no price. What is scored is the same alone as among others."""
    column = {"pair_visits": 0, "item_type_visits": 1, "goes_with": 2, "item_reduced_14d": 3}
    told = tellable(np.array([[0, 1, 1e-30, 0.04], [1, np.nan, 0, 0.05]], np.float32), column)
    assert [[name for name, yes in zip(REASONS, row, strict=True) if yes] for row in told] == [
        ["kind", "alike", "goes_with", "everyone"],
        ["habit", "alike", "everyone", "price"],
    ]
    read = read_at(lines_from(sales, goods), AS_OF, 14)
    some, middle = read.x[:40], middle_of(read.x)
    asked = np.arange(40 * len(REASONS)).reshape(40, -1) % 3 == 0
    scores = scores_lacking(learnt[0], some, middle, asked)
    assert np.isinf(scores[~asked]).all()
    np.testing.assert_allclose(scores[asked], scores_lacking(learnt[0], some, middle, np.ones_like(asked))[asked], rtol=1e-6)


def test_users_taken_some_at_a_time_get_the_lists_of_all_at_once(sales, goods, learnt, monkeypatch):
    lines = lines_from(sales, goods)
    whole = recommend(learnt[0], lines, goods, AS_OF, Policy(length=8))
    monkeypatch.setattr(recommend_module, "USERS_AT_ONCE", 7)
    parts = recommend(learnt[0], lines, goods, AS_OF, Policy(length=8))
    assert whole.blended["user_id"].n_unique() == 60
    for one, other in ((whole.blended, parts.blended), (whole.lists, parts.lists)):
        assert_frame_equal(one, other, rel_tol=1e-6)


def test_the_partner_told_is_the_one_that_says_most():
    """Of what the user bought lately: .5 x .4 of the second beats .9 x .2 of the first; the last is no partner of the item."""
    partners = sparse.csr_matrix(np.array([[0, 0, 0, 0.2], [0, 0, 0, 0.4], [0, 0, 0, 0], [0, 0, 0, 0]]))
    hood = SimpleNamespace(partner_of=sorted_csr(partners.T))
    near = SimpleNamespace(
        recent=sparse.csr_matrix(np.array([[0.9, 0.5, 3.0, 0], [0, 0, 1.0, 0], [0.8, 0.4, 0, 0]])), hood=hood
    )
    assert [strongest_partner(near, user, 3) for user in range(3)] == [1, None, 0]


def test_a_copy_without_events_is_a_user_who_never_had_them(sales, goods, learnt):
    """Read against everyone, a whole copy is the user; less some lines it is what a user of the other lines alone would be."""
    lines = lines_from(sales, goods)
    everyone = everyone_at(lines, AS_OF, 14)
    whole = read_of(everyone, lines)
    mine = lines.events_of(7, AS_OF)
    less = sales.with_row_index().filter(
        ~((pl.col("user_id") == lines.users[7]) & (pl.col("item_id") == lines.items[lines.item[mine[0]]]))
    )
    gone = np.flatnonzero((lines.user == 7) & (lines.item == lines.item[mine[0]]))
    copies = read_of(everyone, without(lines, [(7, ()), (7, gone)]))
    of_user = whole.candidates.user == 7
    np.testing.assert_array_equal(copies.x[copies.candidates.user == 0], whole.x[of_user])
    never = read_of(everyone, lines_from(less, goods))
    assert never.candidates.user.max() == 59 and len(lines_from(less, goods).items) == len(lines.items)
    np.testing.assert_array_equal(copies.x[copies.candidates.user == 1], never.x[never.candidates.user == 7])


def test_items_fall_without_what_their_reason_names(sales, goods, learnt, monkeypatch):
    monkeypatch.setattr(deletion, "CASES", 60)
    monkeypatch.setattr(deletion, "SEARCHED_CASES", 10)
    lines = lines_from(sales, goods)
    everyone = everyone_at(lines, AS_OF, 14)
    read = read_of(everyone, lines)
    found = deletion_frame(learnt[0], everyone, read)
    told = {row["reason"]: row for row in found.iter_rows(named=True)}
    assert told["all"]["cases"] == 60 and found["cases"][1:-1].sum() == 60
    assert told["habit"]["falls"] >= 0.9 and told["habit"]["low"] > 2 and 0 < told["all"]["of best"] <= 1
    cases, _ = sampled_cases(learnt[0], lines, read)
    assert max(map(len, cases.named)) <= 5
    for user, item, reason, named in zip(cases.user, cases.item, cases.reason, cases.named, strict=True):
        assert (lines.user[named] == user).all() and lines.day[named].max() < day_number(AS_OF)
        assert reason != "habit" or (lines.item[named] == item).all()


def test_the_network_learns_what_is_best_in_each_list_wherever_numbers_are_missing():
    """Of six rows a user the one bought has the larger first number; a third of the second is missing."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(600, 2)).astype(np.float32)
    gain = (x[:, 0].reshape(100, 6).argmax(1)[:, None] == np.arange(6)).ravel().astype(float)
    x[rng.random(600) < 0.3, 1] = np.nan
    network = fit_network(x, gain, np.full(100, 6), epochs=25, seed=1, threads=1)
    best = mean_scores((network,), x).reshape(100, 6).argmax(1)
    assert (best == gain.reshape(100, 6).argmax(1)).mean() > 0.85
    twice = [fit_network(x, gain, np.full(100, 6), epochs=1, seed=1, threads=1) for _ in range(2)]
    assert twice[0] == twice[1] and twice[0] != network


def test_list_loss_by_hand():
    """Two rows of equal score share the softmax: the one that was bought costs ln 2; a user of one row costs nothing."""
    score, gain, of = torch.tensor([3.0, 3.0, 7.0]), torch.tensor([2.0, 0.0, 1.0]), torch.tensor([0, 0, 1])
    assert list_loss(score, gain, of, 2).item() == pytest.approx(np.log(2) / 2)


def test_too_little_to_learn_from_is_said():
    with pytest.raises(PortraitError, match="fewer than two windows"):
        fit_ranker(lines_from(bought(("ann", 1, "milk")), ITEMS), AS_OF, RANKERS["tiny"])


def test_rivals_are_judged_beside_the_ranker(sales, goods, monkeypatch):
    monkeypatch.setattr(deletion, "CASES", 20)
    monkeypatch.setattr(deletion, "SEARCHED_CASES", 2)
    lines = lines_from(sales, goods)
    ages = pl.DataFrame(
        [(user, "age", "old" if place < 35 else "young") for place, user in enumerate(lines.users)],
        schema=["user_id", "attribute", "value"],
        orient="row",
    )
    found = assess_ranking(lines, AS_OF, RANKERS["tiny"], ages, seeds=(7, 8))
    recall = found.rivals.filter((pl.col("target") == "window") & (pl.col("measure") == "recall"))
    by_rival = dict(recall.select("rival", "mean").iter_rows())
    assert by_rival["served"] > by_rival["popular"] + 0.2 and by_rival["TIFU-KNN"] > by_rival["popular"] + 0.2
    row = found.ratio.row(0, named=True)
    assert row["low"] <= row["ratio"] <= row["high"] and len(row["by_seed"]) == 2
    recalls = dict(found.generators.select("generator", "recall").iter_rows())
    varied = found.diversity.rows(named=True)
    assert varied[0]["to none"] == varied[0]["low"] == 1 and varied[-1]["low"] <= varied[-1]["to none"] <= varied[-1]["high"]
    assert varied[-1]["item types"] > varied[0]["item types"] and varied[-1]["likeness"] < varied[0]["likeness"]
    assert 0 < recalls["all together"] - recalls["again"] < 0.5 and recalls["all together"] >= max(recalls.values())
    slices = {row["slice"]: row for row in found.slices.iter_rows(named=True)}
    assert (
        slices["everybody"]["recall"] == by_rival["served"]
        and slices["everybody"]["rival recall"] == by_rival["plain boosting"]
    )
    assert slices["everybody"]["users"] == sum(row["users"] for name, row in slices.items() if name.endswith(" visits"))
    assert "age: old" in slices and "age: young" not in slices  # of fewer than thirty nothing is said


def test_rankers_at_a_cutoff_learn_from_nothing_after_it(sales, goods):
    """Lines cut at the cutoff, and lines that never reached it, make the same ranker."""
    whole = lines_from(sales, goods)
    short = lines_from(sales.filter(pl.col("visit_time") < datetime(2024, 3, 1)), goods)
    assert whole.items == short.items and whole.users == short.users
    rankers = [fit_ranker(lines, AS_OF, RANKERS["tiny"])[0] for lines in (before(whole, AS_OF), short)]
    assert rankers[0] == rankers[1]


def test_what_few_bought_is_counted_of_those_most_alike():
    """bob, whom ann is like, alone bought beer: too few for it to be told by users alike, not too few to be counted."""
    habits = [(user, ago, item) for user in ("ann", "bob") for ago in (3, 9) for item in ("milk", "bread")]
    others = [(user, 5, "soap") for user in ("cat", "dan", "eve")]
    lines = lines_from(bought(*habits, ("bob", 4, "beer"), *others), ITEMS)
    near = neighbours_of(neighbourhood_at(lines, AS_OF), lines, AS_OF)
    ann, beer, milk, soap = 0, *(lines.items.index(item) for item in ("beer", "milk", "soap"))
    assert near.hood.told[:, beer].nnz == 0
    assert [peers_with(near, ann, item) for item in (beer, milk, soap)] == [1, 1, 0]


def test_sorting_a_matrix_leaves_those_that_share_its_places():
    x = sparse.csr_matrix(np.array([[1.0, 2.0], [3.0, 4.0]]))
    kept = sorted_csr(by_column(x, np.array([0.0, 1.0])))
    assert kept.toarray().tolist() == [[0, 2], [0, 4]] and x.toarray().tolist() == [[1, 2], [3, 4]]


def test_tifu_knn_by_hand():
    """One user: eight visits make four groups of two at most; milk on the last visit, bread on the first."""
    rows = [("ann", 8 - k, "milk" if k == 7 else "bread" if k == 0 else "soap") for k in range(8)]
    scores = tifu_knn(lines_from(bought(*rows), ITEMS), AS_OF, groups=7, own=1.0).toarray()[0]
    items = lines_from(bought(*rows), ITEMS).items
    assert scores[items.index("milk")] == pytest.approx(1 / (2 * 4))
    assert scores[items.index("bread")] == pytest.approx(0.9 * 0.7**3 / (2 * 4))


def test_where_everybody_bought_everything_there_is_no_taste_to_find():
    assert not tastes(sparse.csr_matrix((np.zeros(12), np.indices((3, 4)).reshape(2, -1)), shape=(3, 4))).any()
