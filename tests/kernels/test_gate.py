"""Who becomes champion."""

import numpy as np
import polars as pl

from portrait_assets.kernels.evaluation import gate


def losses(shift: float, users: int = 300) -> pl.DataFrame:
    noise = np.random.default_rng(0).uniform(0.3, 0.5, users)
    ids = [f"u{i}" for i in range(users)]
    frames = [pl.DataFrame({"user_id": ids, "head": [head] * users, "loss": noise + shift}) for head in ("churn", "item")]
    return pl.concat(frames)


def test_the_first_model_is_promoted():
    assert gate(losses(0), None).promoted


def test_a_worse_challenger_is_rejected_and_told_which_head():
    verdict = gate(losses(0.05), losses(0))
    assert not verdict.promoted and verdict.reasons[0].startswith("churn: log loss 0.45") and verdict.figures.height == 2


def test_an_equal_or_better_challenger_is_promoted():
    assert gate(losses(0), losses(0)).promoted and gate(losses(-0.05), losses(0)).promoted


def test_no_common_user_is_no_promotion():
    assert not gate(losses(0), losses(0).with_columns(user_id=pl.lit("stranger"))).promoted
