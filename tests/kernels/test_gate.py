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


def test_a_better_challenger_is_promoted_and_says_by_how_much():
    verdict = gate(losses(-0.05), losses(0))
    assert verdict.promoted and "% lower on average" in verdict.reasons[0]


def test_a_challenger_that_is_no_better_is_rejected():
    verdict = gate(losses(0), losses(0))
    assert not verdict.promoted and verdict.reasons == (
        "no better overall: the heads' log loss is 0.00 % above the champion's on average",
    )


def test_a_worse_head_is_not_bought_with_a_better_one():
    """Churn a little worse for everybody, items much better."""
    mixed = pl.concat([part.filter(pl.col("head") == head) for part, head in ((losses(0.01), "churn"), (losses(-0.2), "item"))])
    verdict = gate(mixed, losses(0))
    assert not verdict.promoted and len(verdict.reasons) == 1 and verdict.reasons[0].startswith("churn")


def test_no_common_user_is_no_promotion():
    assert not gate(losses(0), losses(0).with_columns(user_id=pl.lit("stranger"))).promoted
