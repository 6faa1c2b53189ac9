"""Parts within their wholes: by hand, and whatever the scores are."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_assets.kernels.calibration import sigmoid
from portrait_assets.kernels.hierarchy import Link, fit_link, fit_links, levelled, linked
from portrait_assets.kernels.pairs import examples, wholes_of, with_wholes
from portrait_assets.kernels.parts import RawScores
from portrait_assets.kernels.sequences import history_from
from tests.kernels.conftest import CONFIG, as_ofs_back, make_items
from tests.kernels.test_habits import AS_OF, bought, history_of

TARGETS = {"department": ["food"], "category": ["milk", "soap"], "item": ["i1", "i2", "i9"]}
WHOLES = {"department": [""], "category": ["food", "garden"], "item": ["milk", "milk", ""]}  # garden is not among the targets


def scores(users: int, value: float | np.ndarray = 0.0) -> RawScores:
    """Of `users`, every score `value`."""
    tables = {level: np.broadcast_to(value, (users, len(names))).astype(float) for level, names in TARGETS.items()}
    none = np.zeros((users, 0))
    return RawScores(np.arange(users), none, none, TARGETS, tables, tables, WHOLES, none, none, none)


def test_a_part_is_its_wholes_times_a_probability():
    """Any purchase 0.8; half of it food, a quarter of that milk or, of garden that is not known, a quarter of any; a tenth of milk, or of any."""
    links = {level: Link(0, 0, np.log(p / (1 - p))) for level, p in (("department", 0.5), ("category", 0.25), ("item", 0.1))}
    found = linked(scores(1), links, np.array([0.8]))
    assert found["department"][0] == pytest.approx([0.4])
    assert found["category"][0] == pytest.approx([0.1, 0.2])
    assert found["item"][0] == pytest.approx([0.01, 0.01, 0.08])


def test_a_level_that_is_not_predicted_is_passed_over():
    half = Link(0, 0, 0)
    found = linked(scores(1), {"item": half}, np.array([0.8]))
    assert set(found) == {"item"} and found["item"][0] == pytest.approx([0.4, 0.4, 0.4])


def test_log_odds_of_a_link():
    """Of a whole of 0.5: scores that say 0.1 and 0.2 are a fifth and two fifths of it, and one that says 0.5 is 2^(-1/16) of it, not all."""
    link = Link(0.5, 2.0, 0.25)
    asked = link.chance(np.array([logit(0.1)]), np.array([logit(0.2)]), np.array([0.5]))
    assert asked == pytest.approx(0.5 * sigmoid(0.5 * logit(0.2) + 2 * logit(0.4) + 0.25), rel=1e-4)
    alone = link.chance(np.array([logit(0.1)]), np.array([np.nan]), np.array([0.5]))  # boosting stands in for the network
    assert alone == pytest.approx(0.5 * sigmoid(2.5 * logit(0.2) + 0.25), rel=1e-4)
    assert Link(1.0, 0.0, 0.0).chance(np.array([0.0]), np.array([0.0]), np.array([0.5])) == pytest.approx(0.5 * 2 ** (-1 / 16))


def logit(p: float) -> float:
    return np.log(p / (1 - p))


def test_a_link_is_calibrated_on_who_bought_the_whole():
    """Of 4,000 who bought the whole the part follows half the log odds of the ratio, less one."""
    rng = np.random.default_rng(0)
    ratio, whole = rng.uniform(0.05, 0.6, 4000), np.full(4000, 0.5)
    did = rng.random(4000) < sigmoid(logit(ratio) / 2 - 1)
    link = fit_link(logit(ratio / 2), logit(ratio / 2), whole, did)
    at = np.array([0.1, 0.3, 0.6])
    asked = link.chance(logit(at / 2), logit(at / 2), np.full(3, 0.5))
    assert asked == pytest.approx(0.5 * sigmoid(logit(at) / 2 - 1), abs=0.015)


@pytest.mark.parametrize(("bought", "level"), [(880, 0.2), (1400, 0.35)])
def test_the_level_of_a_part_stays_that_of_the_boosted_scores_unless_it_is_far_off(bought, level):
    """2,000 bought the whole, which has a half, and the scores say 0.2 of the part. A window in which 880 bought it (0.22) does not move that;
    one in which 1,400 did (0.35) does."""
    score, whole = np.full(2000, logit(0.2)), np.full(2000, 0.5)
    link = levelled(fit_link(score, score, whole, np.arange(2000) < bought), score, score, whole)
    assert link.chance(score, score, whole).mean() == pytest.approx(level, abs=0.002)


def test_a_part_that_always_comes_with_its_whole_is_as_likely_and_one_that_never_does_has_no_link():
    one = np.zeros(50)
    always = fit_link(one, one, np.full(50, 0.5), np.ones(50, bool))
    assert always.chance(np.array([-9.0]), np.array([9.0]), np.array([0.6])) == pytest.approx(0.6 * 101 / 102)
    assert fit_link(one, one, np.full(50, 0.5), np.zeros(50, bool)) is None
    assert fit_link(one[:0], one[:0], one[:0], np.zeros(0, bool)) is None


def test_few_rows_leave_a_link_near_where_it_starts():
    """Three held-out rows do not turn a score round: likelier stays likelier, though the one of least score alone came true."""
    score = np.array([-2.0, 0.0, 1.0])
    link = fit_link(score, score, np.full(3, 0.5), np.array([True, False, False]))
    assert link.boosted + link.network > 0


def test_links_are_fitted_on_the_users_asked_for():
    """All 100 users bought something: of the first 50 all food and none of the others, who would make it a half."""
    asked = np.arange(100) < 50
    did = {
        "department": asked[:, None],
        "category": np.stack([asked, ~asked], axis=1),
        "item": np.stack([asked, ~asked, ~asked], axis=1),
    }
    links = fit_links(scores(100), np.full(100, 0.5), np.ones(100, bool), did, asked)
    assert linked(scores(100), links, np.full(100, 0.5))["department"][0] == pytest.approx([0.5 * 101 / 102])


def test_links_are_fitted_on_who_bought_the_whole():
    """Of 100 users the first 50 bought food, and milk with it; of the others nobody bought either, which says nothing of milk given food."""
    half = np.arange(100) < 50
    did = {
        "department": half[:, None],
        "category": np.stack([half, np.ones(100, bool)], axis=1),
        "item": np.stack([half, half, np.ones(100, bool)], axis=1),
    }
    found = linked(
        scores(100), fit_links(scores(100), np.full(100, 0.5), np.ones(100, bool), did, np.ones(100, bool)), np.full(100, 0.5)
    )
    assert found["category"][0, 0] > 0.95 * found["department"][0, 0]


@given(st.lists(st.floats(-50, 50), min_size=3, max_size=3), st.floats(0, 1), st.floats(-30, 30))
def test_no_score_makes_a_part_likelier_than_its_whole(numbers, top, score):
    links = {level: Link(*numbers) for level in TARGETS}
    found = linked(scores(1, score), links, np.array([top]))
    assert (found["department"] <= top).all() and found["category"][0, 0] <= found["department"][0, 0]
    assert (
        found["category"][0, 1] <= top
        and (found["item"][0, :2] <= found["category"][0, 0]).all()
        and found["item"][0, 2] <= top
    )


def test_wholes_come_with_their_parts():
    visits = history_of(bought("ann", 3, ["i0", "i1"]))
    visits = replace(visits, codes=visits.codes | {"category": np.array([0, 1]), "department": np.array([0, 0])})
    visits = replace(visits, names=visits.names | {"category": ["bread", "milk"], "department": ["food"]})
    assert wholes_of(visits, "item", ["i1", "i0"]) == ["milk", "bread"] and wholes_of(visits, "department", ["food"]) == [""]
    wanted = with_wholes(visits, {"item": ["i1"], "category": ["bread"], "department": []})
    assert wanted == {"department": ["food"], "category": ["bread", "milk"], "item": ["i1"]}
    assert with_wholes(visits, {"item": ["i1"]}) == {
        "department": ["food"],
        "category": ["milk"],
        "item": ["i1"],
    }  # all the way up


def test_an_example_is_somebody_known_who_bought_it_in_a_window_and_somebody_who_did_not():
    """ann, known before, buys i0 in each of two windows, bob is known and does not; i1 is bought by a newcomer alone; i2 before the windows."""
    rows = [bought("ann", ago, ["i0"]) for ago in (40, 20, 10)] + [bought("bob", 35, ["i2"]), bought("new", 9, ["i1"])]
    history = history_from(visits_of_rows(rows), make_items(), AS_OF, "purchase")
    as_ofs = as_ofs_back(AS_OF, 3)[:0:-1]
    shown, always = examples(history, as_ofs, CONFIG)
    assert shown["item"] == ["i0"] and always["item"] == []
    alone = history_from(visits_of_rows([row for row in rows if row["user_id"] == "ann"]), make_items(), AS_OF, "purchase")
    assert examples(alone, as_ofs, CONFIG)[1]["item"] == ["i0"] and examples(alone, as_ofs, CONFIG)[0]["item"] == []


def test_a_window_ends_before_the_next_one_begins():
    """Bought at the first instant of the second window: in one of two, so there is somebody who did and somebody who did not."""
    rows = [bought("ann", 40), bought("ann", 14, ["i3"])]
    shown, always = examples(
        history_from(visits_of_rows(rows), make_items(), AS_OF, "purchase"), as_ofs_back(AS_OF, 3)[:0:-1], CONFIG
    )
    assert shown["item"] == ["i3"] and always["item"] == []


def visits_of_rows(rows: list[dict]):
    from tests.kernels.conftest import visits_of

    return visits_of(rows)
