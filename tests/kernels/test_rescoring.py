"""What a model says of some histories among everybody's: of real ones, what it says anyway."""

import numpy as np
import polars as pl
import pytest

from portrait_assets.errors import PortraitError
from portrait_assets.kernels import behaviour
from portrait_assets.kernels.calibration import sigmoid
from portrait_assets.kernels.rescoring import rescored
from portrait_assets.kernels.sequences import history_from
from tests.kernels.conftest import CONFIG, THROUGH


def test_real_histories_among_all_are_scored_as_everybody_is(shop, trained):
    model, _ = trained
    some = ["u003", "u050", "u199"]
    scores = behaviour.score(model, shop["visits"], shop["features"], shop["items"], THROUGH).predictions
    targets = ["churn", "churn_14d", "churn_28d", "alive_probability", "category_14d=milk", "item_14d=i1", "age=old"]
    world = history_from(shop["visits"], shop["items"], THROUGH, CONFIG.outcome_event)
    mine, mine_features = (shop[name].filter(pl.col("user_id").is_in(some)) for name in ("visits", "features"))
    users, odds = rescored(model, world, mine, mine_features, shop["items"], THROUGH, targets)
    assert users == some
    for k, target in enumerate(targets):
        told = scores.filter(pl.col("target") == target).filter(pl.col("user_id").is_in(some)).sort("user_id")["probability"]
        assert np.allclose(sigmoid(odds[:, k]), told.to_numpy(), atol=1e-5), target


def test_a_target_without_a_head_is_refused(shop, trained):
    model, _ = trained
    with pytest.raises(PortraitError, match="no head for rare=a"):
        rescored(model, None, shop["visits"], shop["features"], shop["items"], THROUGH, ["rare=a"])
