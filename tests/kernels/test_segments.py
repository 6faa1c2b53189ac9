"""Segments of hand-made users: found, named, and the same ones tomorrow and under a later model."""

import numpy as np
import polars as pl
import pytest

from portrait_assets.assets.modelling import Champion, named_segments
from portrait_assets.assets.training import Frames
from portrait_assets.kernels.segments import described, fit_centres, flows, matched, nearest, unlike


def crowd(sizes: dict[str, int], moved: int = 0, seed: int = 0) -> tuple[pl.DataFrame, np.ndarray]:
    """(user_id, kind), vectors: kinds of users, each about a corner of its own; the first `moved` of the first stand with the second."""
    rng, rows, vectors = np.random.default_rng(seed), [], []
    for place, (kind, size) in enumerate(sizes.items()):
        for k in range(size):
            at = 1 if place == 0 and k < moved else place
            rows.append((f"{kind}{k:03}", kind))
            vectors.append(10.0 * np.eye(8)[at] + rng.normal(0, 0.3, 8))
    return pl.DataFrame(rows, schema=["user_id", "kind"], orient="row"), np.array(vectors, np.float32)


SIZES = {"loyal": 30, "new": 50, "lapsed": 20}


def clusters_of(users: pl.DataFrame, clusters: np.ndarray) -> pl.DataFrame:
    return users.select("user_id", cluster=pl.Series(clusters, dtype=pl.Int64))


def traits_of(users: pl.DataFrame) -> pl.DataFrame:
    own = users.select("user_id", trait=pl.lit("lifecycle"), word=pl.col("kind"))
    return pl.concat([own, users.select("user_id", trait=pl.lit("interest"), word=pl.lit("bread"))])


def test_segments_are_found_the_greatest_first_and_named_by_what_sets_them_apart():
    users, vectors = crowd(SIZES)
    centres = fit_centres(vectors, 3, seed=7)
    assert centres.shape == (3, 8) and centres.dtype == np.float32
    told = described(clusters_of(users, nearest(centres, vectors)), traits_of(users))
    assert told.rows() == [
        (0, "new", "new 2.0x", 50, 0.5),
        (1, "loyal", "loyal 3.3x", 30, 0.3),
        (2, "lapsed", "lapsed 5.0x", 20, 0.2),
    ]


def test_tomorrow_they_are_the_same_ones_and_flows_tell_who_moved():
    users, vectors = crowd(SIZES)
    centres = fit_centres(vectors, 3, seed=7)
    tomorrow = nearest(centres, crowd(SIZES, moved=10, seed=1)[1])
    assert np.bincount(tomorrow).tolist() == [60, 20, 20]
    days = [
        users.select("user_id", segment_id=pl.Series(at) + 1, segment=pl.lit("x"))
        for at in (nearest(centres, vectors), tomorrow)
    ]
    assert flows(*days).rows() == [("1 x", "1 x", 50), ("2 x", "2 x", 20), ("3 x", "3 x", 20), ("2 x", "1 x", 10)]


def test_a_later_models_clusters_get_the_numbers_of_the_segments_they_share_most_users_with():
    before = pl.DataFrame({"user_id": list("abcdef"), "segment_id": [4, 4, 4, 7, 7, 7]})
    # Cluster 0 has two of segment 7 and one of 4; cluster 1 two of 4 and one of 7; cluster 2 is of new users only.
    now = pl.DataFrame({"user_id": list("adebcfgh"), "cluster": [0, 0, 0, 1, 1, 1, 2, 2]})
    assert matched(before, now, highest=9) == {0: 7, 1: 4, 2: 10}
    assert matched(before.clear(), now, highest=0) == {0: 1, 1: 2, 2: 3}


def test_a_cluster_without_a_user_of_what_is_left_is_a_new_segment():
    """Cluster 0 takes segment 1; cluster 1 shares nobody with segment 2, whose users are gone."""
    before = pl.DataFrame({"user_id": list("abc"), "segment_id": [1, 1, 2]})
    now = pl.DataFrame({"user_id": list("abxy"), "cluster": [0, 0, 1, 1]})
    assert matched(before, now, highest=2) == {0: 1, 1: 3}


def test_a_name_takes_the_likeliest_word_of_a_trait_that_many_have():
    """Of cluster 0's ten users six are rich (lift 2) and four poor (1.33); two of them, fewer than three in ten, are all who buy tea."""
    users = [f"u{k:02}" for k in range(20)]
    clusters = pl.DataFrame({"user_id": users, "cluster": [0] * 10 + [1] * 10})
    value = ["rich"] * 6 + ["poor"] * 4 + ["poor"] * 2 + ["plain"] * 8
    traits = pl.concat([
        pl.DataFrame({"user_id": users, "trait": "value", "word": value}),
        pl.DataFrame({"user_id": users[:2], "trait": "interest", "word": "tea"}),
    ])  # fmt: skip
    assert described(clusters, traits).select("name", "traits").rows() == [("rich", "rich 2.0x"), ("plain", "plain 2.0x")]


def test_no_two_segments_are_called_the_same():
    clusters = pl.DataFrame({"user_id": list("abcdefgh"), "cluster": [0, 0, 1, 1, 2, 2, 3, 3]})
    words = {"a": "rich", "b": "rich", "c": "rich", "d": "rich", "e": "poor", "f": "poor"}
    value = pl.DataFrame({"user_id": list(words), "trait": "value", "word": list(words.values())})
    week = pl.DataFrame({"user_id": ["c", "d"], "trait": "week", "word": "weekends"})
    day = pl.DataFrame({"user_id": ["c", "d", "a", "b"], "trait": "day", "word": "night"})
    assert described(clusters, pl.concat([value, week, day]))["name"].to_list() == [
        "night, rich", "weekends, night", "poor", "like everybody",
    ]  # fmt: skip
    alike = described(clusters, pl.concat([value, day]))
    assert alike["name"].to_list() == ["night, rich", "night, rich (2)", "poor", "like everybody"]
    assert alike["traits"].to_list() == ["night 2.0x; rich 2.0x", "night 2.0x; rich 2.0x", "poor 4.0x", None]


@pytest.mark.parametrize("count", [1, 5])
def test_few_or_equal_users_make_fewer_segments(count: int):
    assert fit_centres(np.ones((1, 8), np.float32), count, seed=7).shape == (1, 8)
    assert fit_centres(np.ones((40, 8), np.float32), count, seed=7).tolist() == np.ones((1, 8)).tolist()


def test_the_same_seed_gives_the_same_centres():
    _, vectors = crowd(SIZES)
    assert np.array_equal(fit_centres(vectors, 5, seed=7), fit_centres(vectors, 5, seed=7))


def test_a_model_beside_itself_keeps_the_numbers_that_people_know(trained, shop):
    model, report = trained
    known = pl.DataFrame({"cluster": [0, 1, 2], "segment_id": [5, 3, 9]})
    frames = Frames(**shop)
    told = named_segments(model, report.clusters, frames, Champion("before", known, 9), model)
    assert told.select("cluster", "segment_id").rows() == known.rows()
    assert told["users"].sum() == report.clusters.height and told["centre"].list.len().unique().to_list() == [256]
    first = named_segments(model, report.clusters, frames, Champion(None, known.clear(), 0), None)
    assert first["segment_id"].to_list() == [1, 2, 3]


def test_the_same_words_in_another_order_are_the_same_name():
    assert unlike(["rare, low value"], ["low value", "rare", "lapsing"]) == ("low value, rare, lapsing", 3)
    assert unlike(["rare, low value"], ["low value", "rare"]) == ("low value, rare (2)", 2)
    assert unlike(["rare, low value"], ["low value", "new"]) == ("low value, new", 2)
