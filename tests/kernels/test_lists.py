"""The blended list: what a policy says holds of every list, whatever the candidates are; order and draws worked out by hand."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portrait_assets.kernels.ranking.candidates import Candidates
from portrait_assets.kernels.ranking.lines import lines_from
from portrait_assets.kernels.ranking.lists import Lists, Policy, codes_of, make_lists
from portrait_assets.kernels.ranking.recommend import matches
from portrait_assets.kernels.ranking.seen import seen_from

DAY = date(2024, 3, 1)
USERS, COUNT = 3, 14
ITEMS = pl.DataFrame(
    {
        "item_id": [f"i{k:02}" for k in range(COUNT)],
        "item_type": [None if k == 13 else f"t{k // 3}" for k in range(COUNT)],
        "category": [None if k == 13 else f"c{k // 6}" for k in range(COUNT)],
        "department": ["d"] * COUNT,
        "brand": [f"b{k % 3}" for k in range(COUNT)],
        "maker": [f"m{k % 4}" for k in range(COUNT)],
    }
)
LINES = lines_from(
    pl.DataFrame(
        {
            "user_id": [f"u{u}" for u in range(USERS) for _ in range(COUNT)],
            "item_id": ITEMS["item_id"].to_list() * USERS,
            "visit_id": [f"v{u}" for u in range(USERS) for _ in range(COUNT)],
        }
    ).with_columns(
        visit_time=pl.lit(datetime(2024, 2, 1)), units=1, cents=100, discount_cents=0, coupon_cents=0, place_id=pl.lit("p")
    ),
    ITEMS,
)

cell = st.tuples(st.sampled_from(("absent", "again", "fresh", "fresh", "barred")), st.integers(-4, 8))
cap = st.none() | st.integers(1, 4)
policies = st.builds(
    Policy,
    length=st.integers(1, 12),
    most_of_a_type=st.integers(1, 3),
    most_of_a_category=cap,
    most_of_a_brand=cap,
    most_of_a_maker=cap,
    discover_places=st.just(0) | st.integers(0, 4),
    diversity=st.sampled_from((0.0, 0.5, 3.0)),
)


def made(cells: list[tuple[str, float]], policy: Policy, as_of: date = DAY) -> tuple[Candidates, np.ndarray, np.ndarray, Lists]:
    """Lists of users whose candidates are `cells`, COUNT for each user in turn: (absent, again, fresh or barred, score)."""
    kind, score = np.array([k for k, _ in cells]), np.array([float(s) for _, s in cells])
    here = np.flatnonzero(kind != "absent")
    candidates = Candidates(here // COUNT, here % COUNT, {"again": kind[here] == "again"})
    allowed = kind[here] != "barred"
    return candidates, score[here], allowed, make_lists(LINES, candidates, score[here], allowed, policy, as_of)


def test_a_rule_of_names_is_a_pattern_whatever_the_case():
    described = pl.DataFrame({"item_id": ["a", "b", "c"], "name": ["Postage EU", None, "Post"]})
    assert [matches(described, "name", said).tolist() for said in ("post*", "POST", "*eu")] == [
        [True, False, True], [False, False, True], [True, False, False],
    ]  # fmt: skip


@pytest.mark.parametrize("is_gone", [False, True])
def test_what_was_looked_at_is_no_discovery_and_what_was_judged_is_offered_only_again_if_some_stayed(is_gone: bool):
    """u1 bought i02 and returned some, or all, of it; looked at i00; rated i01. u0, who has the same candidates, did nothing of that."""
    candidates = Candidates(np.repeat([0, 1], 4), np.tile([0, 1, 2, 3], 2), {"again": np.tile([False, False, True, False], 2)})
    told = pl.DataFrame(
        [
            ("u1", "i00", False, False), ("u1", "i01", True, False), ("u1", "i02", True, is_gone),
            ("stranger", "i03", True, True), ("u1", "unknown", True, True),
        ],
        schema=["user_id", "item_id", "is_judged", "is_gone"], orient="row",
    )  # fmt: skip
    seen = seen_from([told[:3], told[3:]], LINES)
    assert (seen.looked_at.tolist(), seen.judged.tolist()) == ([COUNT], [COUNT + 1, COUNT + 2])
    assert seen.gone.tolist() == ([COUNT + 2] if is_gone else [])
    score, policy = np.tile([4.0, 3.0, 2.0, 1.0], 2), Policy(discover_places=0)
    lists = make_lists(LINES, candidates, score, np.ones(8, bool), policy, DAY, seen)

    def items(name: str, user: int) -> list[int]:
        return [int(candidates.item[k]) for k in getattr(lists, name)[0] if candidates.user[k] == user]

    again = [] if is_gone else [2]
    assert [items(name, 1) for name in ("again", "discover", "blended")] == [again, [3], [0, *again, 3]]
    assert [items(name, 0) for name in ("again", "discover", "blended")] == [[2], [0, 1, 3], [0, 1, 2, 3]]
    # Of u2 and u1 alone, in that order, u1 is the second.
    assert seen.of(np.array([2, 1]), COUNT).judged.tolist() == [COUNT + 1, COUNT + 2]


def listed(candidates: Candidates, lists: Lists, user: int = 0) -> list[int]:
    rows, _ = lists.blended
    return [int(candidates.item[k]) for k in rows if candidates.user[k] == user]


@settings(max_examples=150, deadline=None)
@given(st.lists(cell, min_size=USERS * COUNT, max_size=USERS * COUNT), policies, st.integers(0, 2))
def test_every_list_keeps_the_policy(cells, policy, drawn):
    policy = replace(policy, explore_places=min(drawn, policy.discover_places))
    candidates, _, allowed, lists = made(cells, policy)
    rows, rank = lists.blended
    assert allowed[rows].all()
    assert (np.diff(lists.value[rows])[np.diff(rank) > 0] <= 0).all()
    groups = {level: (codes_of(LINES, level)[candidates.item], most) for level, most in policy.caps.items()}
    for user in range(USERS):
        of_user, mine = candidates.user == user, rows[candidates.user[rows] == user]
        assert len(mine) == min(policy.length, int((of_user & allowed).sum()))
        assert rank[candidates.user[rows] == user].tolist() == list(range(1, len(mine) + 1))
        held = {level: np.bincount(code[mine][code[mine] >= 0], minlength=COUNT) for level, (code, _) in groups.items()}
        if any((held[level] > most).any() for level, (_, most) in groups.items()):  # then nothing was left within the caps
            for other in np.setdiff1d(np.flatnonzero(of_user & allowed), mine):
                assert any(code[other] >= 0 and held[level][code[other]] >= most for level, (code, most) in groups.items())
        explored = mine[~np.isnan(lists.chance[mine])]
        assert len(explored) <= policy.explore_places and not candidates.by["again"][explored].any()
        assert (lists.chance[explored] <= 1).all() and (lists.chance[explored] > 0).all()
    again = made(cells, policy)[3]
    np.testing.assert_array_equal(again.blended[0], rows)
    np.testing.assert_array_equal(again.chance, lists.chance)
    alone, _, _, list_alone = made([("absent", 0)] * COUNT + cells[COUNT : 2 * COUNT] + [("absent", 0)] * COUNT, policy)
    assert listed(alone, list_alone, 1) == listed(candidates, lists, 1)


@settings(max_examples=100, deadline=None)
@given(st.lists(cell, min_size=COUNT, max_size=COUNT), policies)
def test_without_diversity_and_draws_the_order_is_plain(cells, policy):
    """Best first among the best of each type; places for what is new; then what is next, whatever its type."""
    plain = Policy(
        length=policy.length, most_of_a_type=policy.most_of_a_type, discover_places=min(policy.discover_places, policy.length)
    )
    candidates, score, allowed, lists = made(cells, plain)
    ordered = sorted(np.flatnonzero(allowed), key=lambda k: (-score[k], candidates.item[k]))
    kind, fits, seen = codes_of(LINES, "item_type")[candidates.item], [], {}
    for k in ordered:
        seen[kind[k]] = seen.get(kind[k], 0) + 1
        if kind[k] < 0 or seen[kind[k]] <= plain.most_of_a_type:
            fits.append(k)
    chosen = fits[: plain.length - plain.discover_places]
    chosen += [k for k in fits if k not in chosen and not candidates.by["again"][k]][: plain.discover_places]
    for pool in (fits, ordered):
        chosen += [k for k in pool if k not in chosen][: plain.length - len(chosen)]
    assert lists.blended[0].tolist() == sorted(chosen, key=lambda k: (-score[k], candidates.item[k]))
    np.testing.assert_array_equal(lists.value, score)


def cells_of(*told: tuple[int, float]) -> list[tuple[str, float]]:
    """Cells of one user who bought items before: (item, score)."""
    scores = dict(told)
    return [("again", scores[k]) if k in scores else ("absent", 0) for k in range(COUNT)]


def test_what_is_like_an_item_placed_before_waits():
    """i00, i01 are of one type; i06 is of another category, of the department: with them it shares a fifth."""
    cells = cells_of((0, 3.0), (1, 2.9), (6, 2.5))
    assert listed(*made(cells, Policy(discover_places=0))[::3]) == [0, 1, 6]
    candidates, _, _, lists = made(cells, Policy(discover_places=0, diversity=1.0))
    assert listed(candidates, lists) == [0, 6, 1]
    assert lists.value[lists.blended[0]] == pytest.approx([3.0, 2.5 - 0.2, 2.9 - 1.0])


def test_a_brand_cap_lets_the_next_best_of_another_brand_in():
    cells = cells_of((0, 5.0), (3, 4.0), (6, 3.0), (1, 2.0))  # i00, i03 and i06 are of brand b0
    assert listed(*made(cells, Policy(length=3, discover_places=0, most_of_a_brand=2))[::3]) == [0, 3, 1]


def test_draws_are_even_and_their_chance_is_told():
    """One known item and eight new ones of other types or none: the best new one has its place, each of seven is drawn now and then."""
    cells = [
        ("again", 9.0) if k == 0 else ("fresh", -float(k)) if k in (3, 4, 6, 7, 9, 10, 12, 13) else ("absent", 0.0)
        for k in range(COUNT)
    ]
    policy, drawn = Policy(length=3, discover_places=2, explore_places=1), []
    for days in range(700):
        candidates, _, _, lists = made(cells, policy, DAY + timedelta(days=days))
        assert listed(candidates, lists)[:2] == [0, 3]
        at = np.flatnonzero(~np.isnan(lists.chance))
        assert lists.chance[at] == pytest.approx([1 / 7]) and lists.value[at] == -candidates.item[at]
        drawn.append(int(candidates.item[at[0]]))
    counts = [drawn.count(item) for item in (4, 6, 7, 9, 10, 12, 13)]
    assert min(counts) > 65 and max(counts) < 140 and sum(counts) == 700  # about 100 each, standard deviation 9
