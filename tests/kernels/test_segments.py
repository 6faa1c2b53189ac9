"""Segments of hand-made users: found, named, and the same ones on the next day."""

import numpy as np
import polars as pl
import pytest

from portrait_assets.kernels.segments import by_size, matched, segment_users


def crowd(sizes: dict[str, int], moved: int = 0, seed: int = 0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Kinds of users, each about a corner of its own; the first `moved` of the first kind stand with the second."""
    rng, rows = np.random.default_rng(seed), []
    for place, (kind, size) in enumerate(sizes.items()):
        for k in range(size):
            at = 1 if place == 0 and k < moved else place
            rows.append((f"{kind}{k:03}", list(10.0 * np.eye(8)[at] + rng.normal(0, 0.3, 8)), kind))
    frame = pl.DataFrame(rows, schema=["user_id", "embedding", "kind"], orient="row")
    traits = frame.select("user_id", lifecycle="kind", top_department=pl.lit("food"))
    return frame.select("user_id", "embedding"), traits


def test_segments_are_found_and_named_by_what_sets_them_apart():
    found = segment_users(*crowd({"new": 50, "loyal": 30, "lapsed": 20}), count=3)
    assert found.segments.select("segment", "name", "users").rows() == [(1, "new", 50), (2, "loyal", 30), (3, "lapsed", 20)]
    assert found.segments["traits"].to_list() == ["lifecycle new (2.0x)", "lifecycle loyal (3.3x)", "lifecycle lapsed (5.0x)"]
    assert found.flows.is_empty() and found.segments["share"].sum() == pytest.approx(1)


def test_tomorrow_they_keep_their_numbers_and_flows_tell_who_moved():
    today = segment_users(*crowd({"new": 50, "loyal": 30, "lapsed": 20}), count=3)
    tomorrow = segment_users(
        *crowd({"new": 50, "loyal": 30, "lapsed": 20}, moved=25, seed=1), count=3, before=today.users, seed=9
    )
    # loyal is the greatest now, and still segment 2
    assert dict(tomorrow.segments.select("segment", "users").rows()) == {1: 25, 2: 55, 3: 20}
    assert tomorrow.flows.rows() == [(1, 1, 25), (1, 2, 25), (2, 2, 30), (3, 3, 20)]


def test_a_segment_nobody_comes_from_gets_a_number_of_its_own():
    before = pl.DataFrame({"user_id": ["a", "b"], "segment": [4, 7]})
    now = pl.DataFrame({"user_id": ["a", "b", "c"], "segment": [1, 2, 3]})
    assert matched(before, now) == {1: 4, 2: 7, 3: 8}


def test_one_user_is_one_segment_and_order_of_rows_is_nothing():
    embeddings, traits = crowd({"new": 40, "loyal": 30})
    assert segment_users(embeddings.head(1), traits, count=5).segments["users"].to_list() == [1]
    shuffled = embeddings.sample(fraction=1.0, shuffle=True, seed=3)
    assert segment_users(shuffled, traits, 2).users.equals(segment_users(embeddings, traits, 2).users)
    assert by_size(np.array([5, 9, 9, 2])).tolist() == [2, 1, 1, 3]
