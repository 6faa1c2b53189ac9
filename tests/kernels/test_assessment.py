"""The assessment of a past cutoff of the small shop."""

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from portrait_assets.kernels import assessment
from portrait_assets.kernels.fusion import BLOCKS
from tests.kernels.conftest import CONFIG, THROUGH, as_ofs_back, make_features

CUTOFF = THROUGH - timedelta(days=14)


@pytest.fixture(scope="module")
def assessed(shop) -> assessment.Assessment:
    features = make_features(shop["visits"], as_ofs_back(CUTOFF, 5))
    return assessment.assess(shop["visits"], features, shop["items"], shop["attributes"], CUTOFF, replace(CONFIG, epochs=1))


def test_every_rival_is_judged_on_every_head(assessed):
    rivals = {"served", "boosting alone", "network alone", "boosting on counts", "windowed counts"}
    assert set(assessed.heads.select("head", "model").iter_rows()) == {
        (head, model) for head in ("churn", "category", "item", "department") for model in rivals
    }
    category = dict(assessed.heads.filter(pl.col("head") == "category").select("model", "auc").iter_rows())
    assert category["served"] > category["windowed counts"] + 0.1


def test_leaving_out_the_block_that_knows_is_seen(assessed):
    told = {(vector, task): auc for vector, task, auc in assessed.profile.iter_rows()}
    assert {vector for vector, _ in told} == {"vector", "LSA", "windowed counts", "windowed counts and LSA"} | {
        f"vector without {block}" for block in BLOCKS
    }
    assert told["vector without user_scores", "churn"] < told["vector", "churn"] - 0.1
    assert abs(told["vector without state", "churn"] - told["vector", "churn"]) < 0.03


def test_slices_part_the_users(assessed):
    churn = assessed.slices.filter((pl.col("head") == "churn") & (pl.col("model") == "served"))
    users = dict(churn.select("slice", "users").iter_rows())
    assert users["everybody"] == sum(n for name, n in users.items() if name.endswith("baskets"))


def test_no_leak_shows(assessed):
    figures = dict(assessed.leaks.select("test", "figure").iter_rows())
    assert figures.pop("scores move when the future is cut off, at most") == 0
    assert len(figures) == 4 and all(abs(auc - 0.5) < 0.1 for auc in figures.values())
