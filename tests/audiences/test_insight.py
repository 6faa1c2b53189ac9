"""Index, overlap and reasons, against counts made by eye."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_assets.audiences import audience
from portrait_assets.audiences.insight import index_interval, insight, overlap, wilson
from portrait_assets.audiences.why import why
from portrait_assets.errors import PortraitError
from portrait_assets.reading import Export


def test_index_is_the_share_in_the_audience_over_the_share_in_all(export: Export):
    """Of u1 to u4 two have high value, of all 40 nineteen: 100 * (2 / 4) / (19 / 40)."""
    lines = {(line.tag_id, line.value): line for line in insight(audience(export, "visits <= 4"))}
    high = lines["value_tier", "high"]
    assert (high.members, high.all, high.share, high.share_of_all) == (2, 19, 0.5, 0.475)
    assert high.index == pytest.approx(100 * 0.5 / 0.475)
    assert high.low < 100 < high.high and not high.is_different
    assert lines["lifecycle", "lapsing"].index == 400 and lines["lifecycle", "lapsing"].is_different
    active = lines["lifecycle", "active"]
    assert (active.index, active.low) == (0, 0) and 0 < active.high < 100


def test_what_is_most_different_comes_first(export: Export):
    """All of u1 to u4 are lapsing, ten of forty are; active, of which none of them is, comes next; then what may be as common as in all."""
    lines = insight(audience(export, "visits <= 4"))
    assert (lines[0].tag_id, lines[0].value) == ("lifecycle", "lapsing")
    far = [max(line.low / 100, 100 / line.high if line.high else inf) for line in lines]
    assert far == sorted(far, reverse=True) and far[0] > 1 > far[-1]


def test_index_counts_fresh_tags(export: Export):
    """Of u31 to u39 five have a high churn risk, two of them a fresh one; of u31 to u36 the same two."""
    [high] = [
        line
        for line in insight(audience(export, "visits > 30 and visits <= 36"))
        if line.value == "high" and line.tag_id == "churn_risk"
    ]
    assert (high.members, high.all, high.share, high.share_of_all) == (2, 2, 2 / 6, 2 / 40)


def test_why_says_that_a_tag_is_stale(export: Export):
    [out] = why(audience(export, "churn_risk = high"), "u35")
    assert not out.is_met and out.has.startswith("high, stale: 35 % chance of no purchase")
    assert out.off == "it is stale, so not known any more; any(churn_risk) counts it"
    [inside] = why(audience(export, "any(churn_risk) = high"), "u35")
    assert inside.is_met and inside.has.startswith("high, stale: ") and inside.off == ""
    [fresh] = why(audience(export, "stale(churn_risk) = high"), "u31")
    assert not fresh.is_met and fresh.has.startswith("high: 31 % chance") and fresh.off == "it is not stale"


def test_nobody_and_everybody(export: Export):
    assert insight(audience(export, "visits > 99")) == []
    everybody = insight(audience(export, "visits > 0"))
    assert {(line.index, line.low, line.high) for line in everybody} == {(100, 100, 100)}


@given(st.integers(1, 60), st.integers(0, 200), st.data())
def test_interval_holds_the_index_and_stays_where_an_index_can_be(size: int, rest: int, data: st.DataObject):
    members, others = data.draw(st.integers(0, size)), data.draw(st.integers(0, rest))
    low, high = index_interval(members, size, others, rest)
    assert 0 <= low <= high <= 100 * (size + rest) / size * (1 + 1e-12)
    if members + others:
        index = 100 * members * (size + rest) / (size * (members + others))
        assert low <= index * (1 + 1e-9) and index <= high * (1 + 1e-9)


def test_interval_covers_the_truth_in_about_95_of_100_samples():
    draw = np.random.default_rng(0)
    size, rest, inside, outside = 40, 400, 0.30, 0.10
    truth = 100 * inside / ((size * inside + rest * outside) / (size + rest))
    pairs = zip(draw.binomial(size, inside, 2000), draw.binomial(rest, outside, 2000), strict=True)
    covered = np.mean([low <= truth <= high for low, high in (index_interval(int(a), size, int(b), rest) for a, b in pairs)])
    assert 0.935 <= covered <= 0.97


def test_wilson_by_hand():
    """5 of 10: the middle 0.5, half the width 1.96 * sqrt(0.025 + 0.0096) / 1.384."""
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(0, 10)[0] == 0 and wilson(10, 10)[1] == 1


def test_overlap_counts_and_lift(export: Export):
    """u1-u10 and u6-u20 share five of twenty; by chance 10 * 15 / 40 = 3.75."""
    found = overlap(audience(export, "lifecycle = lapsing"), audience(export, "visits > 5 and visits <= 20"))
    assert (found.first, found.second, found.both, found.either) == (10, 15, 5, 20)
    assert (found.jaccard, found.lift) == (0.25, 5 / 3.75)
    nobody = overlap(audience(export, "visits > 99"), audience(export, "visits > 99"))
    assert (nobody.jaccard, nobody.lift) == (None, None)


def test_overlap_is_within_one_generation(export: Export):
    other = replace(export, manifest={**export.manifest, "generation": "later"})
    with pytest.raises(PortraitError, match="made-2017-10-01 and later differ"):
        overlap(audience(export, "visits > 1"), audience(other, "visits > 1"))


def test_why_says_each_condition_and_how_far_off_it_is(export: Export):
    text = "lifecycle = lapsing and (visits >= 20 or categories has CHEESE or first_date < 2016-12-30) and not churn_14d < 9 %"
    reasons = [(reason.depth, reason.text, reason.is_met, reason.off) for reason in why(audience(export, text), "u7")]
    assert reasons == [
        (0, "all of", False, ""),
        (1, "lifecycle = lapsing", True, ""),
        (1, "any of", False, ""),
        (2, "visits >= 20", False, "13 too low"),
        (2, "categories has CHEESE", False, "not among the 1 strongest"),
        (2, "first_date < 2016-12-30", False, "2 days too high"),
        (1, "not", False, ""),
        (2, "churn_14d < 0.09", True, "0.02 too low"),
    ]


def test_why_shows_the_evidence_of_a_tag_and_what_is_not_known(export: Export):
    (tag,) = why(audience(export, "lifecycle = lapsing"), "u11")
    assert tag.has.startswith("active: Last active 11 days ago") and tag.off == "active, not lapsing"
    (number,) = why(audience(export, "churn_14d > 0.5"), "u40")
    assert (number.has, number.off) == ("unknown", "nothing is known")
    (text,) = why(audience(export, "value_tier is known"), "u40")
    assert (text.is_met, text.off) == (False, "nothing is known")
    with pytest.raises(PortraitError, match="user 'u41' has no event"):
        why(audience(export, "visits > 1"), "u41")


def test_reasons_agree_with_membership(export: Export):
    group = audience(export, "lifecycle = lapsing and not (value_tier = high or visits < 4)")
    members = group.ids()
    assert all(why(group, user_id)[0].is_met == (user_id in members) for user_id in ("u1", "u2", "u5", "u9", "u40"))


def test_infinite_ratio_is_a_finite_index():
    assert index_interval(5, 5, 0, 5)[1] == 200 < inf
