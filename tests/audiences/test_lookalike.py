"""Users who point the same way are found; what all share does not count."""

import numpy as np
import pytest

from portrait_assets.audiences import audience
from portrait_assets.audiences.lookalike import expand, quality, similarity
from portrait_assets.errors import PortraitError
from portrait_assets.reading import Export


def test_similarity_is_a_cosine_about_the_mean():
    """About their mean (10, 0) the four point east, west, east, north-west."""
    vectors = np.array([[11, 0], [8, 0], [12, 0], [9, 0]], dtype=np.float32)
    assert similarity(vectors, np.array([True, False, False, False])).tolist() == [1, -1, 1, -1]


def test_expansion_finds_the_rest_of_a_kind_and_no_member(export: Export):
    """Ten of the thirty who are not lapsing are the seeds; the twenty others point the same way, the lapsing do not."""
    found = expand(audience(export, "visits > 30"), 20)
    assert {int(user_id[1:]) for user_id in found["user_id"]} == set(range(11, 31))
    assert found["similarity"].is_sorted(descending=True)


def test_hidden_half_of_a_clear_kind_is_found_whole(export: Export):
    """Five hidden among 35: by chance one in seven is found."""
    measured = quality(audience(export, "lifecycle = lapsing"))
    assert (measured.hidden, measured.candidates, measured.recall, measured.lift) == (5, 35, 1.0, 7.0)


def test_too_few_seeds_are_refused(export: Export):
    with pytest.raises(PortraitError, match="4 members with a vector are too few"):
        expand(audience(export, "visits < 5"), 5)
