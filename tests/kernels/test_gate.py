"""Who becomes champion."""

import numpy as np
import polars as pl
import pytest

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


def noisy(mean: float, deviation: float, head: str, users: int = 300) -> pl.DataFrame:
    """Losses that differ from those of `losses(0)`, 0.4 on average, by exactly this mean and deviation over users."""
    draw = np.random.default_rng(1).normal(size=users)
    draw = (draw - draw.mean()) / draw.std()
    return losses(0).filter(pl.col("head") == head).with_columns(pl.col("loss") + mean + deviation * pl.Series(draw))


def together(*parts: pl.DataFrame) -> pl.DataFrame:
    return pl.concat(parts)


def test_a_worse_head_within_its_noise_is_not_held_against_a_challenger():
    """Churn is worse by 0.01, 2.5 %, with a standard error of 0.5 / sqrt(300) = 0.029: the 90 % interval reaches below nothing."""
    verdict = gate(together(noisy(0.01, 0.5, "churn"), noisy(-0.1, 0.05, "item")), losses(0))
    churn = verdict.figures.filter(pl.col("head") == "churn").row(0, named=True)
    assert churn["difference"] == pytest.approx(0.01) and churn["low"] < 0 < churn["high"]
    assert (churn["low"], churn["high"]) == pytest.approx((0.01 - 1.645 * 0.0289, 0.01 + 1.645 * 0.0289), abs=0.006)
    assert verdict.promoted


def test_a_worse_head_beyond_its_noise_is():
    """The same 0.01 with a standard error of 0.003."""
    verdict = gate(together(noisy(0.01, 0.05, "churn"), noisy(-0.1, 0.05, "item")), losses(0))
    assert not verdict.promoted and len(verdict.reasons) == 1 and verdict.reasons[0].startswith("churn: log loss 0.4")


@pytest.mark.parametrize(("worse", "promoted"), [(0.0006, True), (0.0010, False)])
def test_what_is_certain_but_next_to_nothing_is_not_held_against_a_challenger(worse, promoted):
    """A fifth of a percent of the champion's 0.4 is 0.0008; a standard error of a millionth makes either certain."""
    verdict = gate(together(noisy(worse, 2e-5, "churn"), noisy(-0.1, 0.05, "item")), losses(0))
    assert verdict.figures.filter(pl.col("head") == "churn")["low"].item() > 0
    assert verdict.promoted == promoted


def test_a_whole_that_is_better_on_average_of_its_heads_is_promoted_and_one_that_is_not_is_rejected():
    """Heads count alike, as shares of the champion's loss: of 0.4 and 0.1, 0.004 and -0.002 are 1 % and -2 %, a gain; the other way round a loss."""
    champion = together(*(part.with_columns(pl.col("loss") * scale) for part, scale in
                          ((losses(0).filter(pl.col("head") == "churn"), 1.0), (losses(0).filter(pl.col("head") == "item"), 0.25))))  # fmt: skip

    def challenger(churn: float, item: float) -> pl.DataFrame:
        draw = pl.Series(np.random.default_rng(2).normal(size=300) * 0.5)  # so noisy that no head is worse for certain
        draw = draw - draw.mean()
        shift = pl.when(pl.col("head") == "churn").then(churn).otherwise(item)
        return champion.with_columns(pl.col("loss") + shift + pl.concat([draw, draw]))

    gain, loss = gate(challenger(0.004, -0.002), champion), gate(challenger(-0.004, 0.002), champion)
    assert gain.promoted and "0.49 % lower" in gain.reasons[0]
    assert not loss.promoted and loss.reasons[0].startswith("no better overall: the heads' log loss is 0.49 %")


@pytest.mark.parametrize("champion", [None, losses(0)])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_scores_that_are_no_numbers_are_never_promoted(champion, value):
    """Not as a first model either; of one user of one head."""
    broken = losses(-0.1).with_columns(
        loss=pl.when((pl.col("user_id") == "u7") & (pl.col("head") == "item")).then(value).otherwise(pl.col("loss"))
    )
    verdict = gate(broken, champion)
    assert not verdict.promoted and verdict.reasons == ("item: not a number for 1 users",)


def test_no_common_user_is_no_promotion():
    assert not gate(losses(0), losses(0).with_columns(user_id=pl.lit("stranger"))).promoted
