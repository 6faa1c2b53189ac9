"""Training and scoring a small shop: it learns, it looks at no future, it stands odd input."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from portrait_assets.errors import PortraitError
from portrait_assets.kernels import behaviour, evaluation, storage
from portrait_assets.kernels.fusion import LENGTH
from tests.kernels.conftest import CONFIG, THROUGH, as_ofs_back, make_features, visit_row, visits_of


def served(report, head: str) -> float:
    return report.metrics.filter((pl.col("head") == head) & (pl.col("model") == "served"))["auc"].item()


def score(model, shop, **changes):
    frames = {name: shop[name] for name in ("visits", "features", "items")} | changes
    return behaviour.score(model, **frames, as_of=THROUGH)


def test_heads_learn_what_is_there(trained):
    _, report = trained
    assert served(report, "churn") > 0.7 and served(report, "category") > 0.75 and served(report, "item") > 0.75


def shuffled_users(visits: pl.DataFrame) -> pl.DataFrame:
    """Each fortnight's visits of a user are given to another, another one each time: nothing carries over."""
    users, parts = visits["user_id"].unique().sort(), []
    for k, start in enumerate(as_ofs_back(THROUGH, 8)):
        part = visits.filter(pl.col("event_date").is_between(start, start + timedelta(days=13)))
        parts.append(
            part.with_columns(pl.col("user_id").replace_strict(users, users.sample(fraction=1.0, shuffle=True, seed=k)))
        )
    return pl.concat(parts).sort("user_id", "visit_time")


def test_heads_learn_nothing_from_shuffled_users(shop):
    mixed = shuffled_users(shop["visits"])
    features = make_features(mixed, as_ofs_back(THROUGH))
    _, report = behaviour.train(**(shop | {"visits": mixed, "features": features}), trained_through=THROUGH, config=CONFIG)
    assert abs(served(report, "churn") - 0.5) < 0.1 and abs(served(report, "category") - 0.5) < 0.08


def test_report_tells_rivals_curves_and_why_attributes_abstain(trained):
    _, report = trained
    assert set(report.metrics["model"]) == {"served", "boosting", "network", "windowed counts"}
    assert report.curves.filter(pl.col("stage") == "rehearsal").height == CONFIG.epochs
    outcome = dict(report.attributes.select("attribute", "outcome").rows())
    assert outcome["age"] == "served" and outcome["rare"].startswith("abstains") and outcome["same"].startswith("abstains")
    age = report.attributes.filter(pl.col("attribute") == "age").row(0, named=True)
    assert age["auc"] > 0.8 and age["counts_auc"] > 0.8


def test_scores_have_the_contracts_shape(trained, shop):
    model, _ = trained
    scores = score(model, shop)
    users = shop["visits"].filter(pl.col("event_date") < THROUGH)["user_id"].unique().sort().to_list()
    assert scores.embeddings["user_id"].to_list() == users
    assert set(scores.embeddings["embedding"].list.len()) == {LENGTH}
    assert scores.predictions["probability"].is_between(0, 1).all()
    assert not scores.predictions.select("user_id", "target").is_duplicated().any()
    targets = set(scores.predictions["target"])
    assert {"churn_14d", "category_14d=bread", "item_14d=i0", "age=old", "age=young"} <= targets
    assert not any(target.startswith(("rare", "same")) for target in targets)


def test_future_events_change_nothing(trained, shop):
    model, _ = trained
    future = visits_of(
        [visit_row(f"u{u:03}", datetime(2024, 4, 1, tzinfo=UTC), ["i5"], ["tea"], spend=10**7) for u in range(200)]
    )
    before, after = (
        score(model, shop),
        score(model, shop, visits=pl.concat([shop["visits"], future]).sort("user_id", "visit_time")),
    )
    assert_frame_equal(before.embeddings, after.embeddings, check_exact=True)
    assert_frame_equal(before.predictions, after.predictions, check_exact=True)


def test_the_last_event_before_the_as_of_counts(trained, shop):
    model, _ = trained
    late = visits_of([visit_row("u000", datetime(2024, 3, 31, 23, 59, tzinfo=UTC), ["i5"], ["tea"])])
    after = score(model, shop, visits=pl.concat([shop["visits"], late]).sort("user_id", "visit_time"))
    changed = score(model, shop).embeddings["embedding"] != after.embeddings["embedding"]
    assert changed[0]


def test_training_sees_no_event_at_or_after_its_date(trained, shop):
    future = visits_of([visit_row("u000", datetime(2024, 4, 1, tzinfo=UTC), ["i5"], ["tea"])])
    model, _ = behaviour.train(
        **(shop | {"visits": pl.concat([shop["visits"], future])}), trained_through=THROUGH, config=CONFIG
    )
    assert storage.version_of(model) == storage.version_of(trained[0])


def test_the_same_data_in_any_row_order_gives_the_same_bytes(trained, shop):
    shuffled = {name: frame.sample(fraction=1.0, shuffle=True, seed=5) for name, frame in shop.items()}
    model, _ = behaviour.train(**shuffled, trained_through=THROUGH, config=CONFIG)
    assert storage.version_of(model) == storage.version_of(trained[0])


def test_declared_attributes_do_not_shape_the_vector(trained, shop):
    other = shop["attributes"].with_columns(value=pl.col("value").reverse())
    model, _ = behaviour.train(**(shop | {"attributes": other}), trained_through=THROUGH, config=CONFIG)
    assert_frame_equal(score(model, shop).embeddings, score(trained[0], shop).embeddings, check_exact=True)


def test_a_model_refuses_to_score_its_past(trained, shop):
    with pytest.raises(PortraitError, match="seen the future of 2024-03-31"):
        behaviour.score(trained[0], shop["visits"], shop["features"], shop["items"], THROUGH - timedelta(days=1))


def test_too_little_history_is_one_clear_error(shop):
    with pytest.raises(PortraitError, match="3 are needed"):
        behaviour.train(
            **(shop | {"features": make_features(shop["visits"], as_ofs_back(THROUGH, 2))}),
            trained_through=THROUGH,
            config=CONFIG,
        )


def test_new_users_unknown_items_and_missing_features_are_scored(trained, shop):
    stranger = visits_of([visit_row("zoe", datetime(2024, 3, 30, tzinfo=UTC), ["never-seen"], [None], spend=None)])
    scores = score(trained[0], shop, visits=pl.concat([shop["visits"], stranger]))
    vector = np.array(scores.embeddings.filter(pl.col("user_id") == "zoe")["embedding"].item())
    assert vector.shape == (LENGTH,) and np.isfinite(vector).all()


def test_a_source_without_categories_prices_or_repeat_visits_trains(shop):
    bare = (
        shop["visits"]
        .unique("user_id", keep="last", maintain_order=True)
        .with_columns(
            pl.col("spend_cents", "discount_cents", "coupon_cents") * None,
            pl.col("categories", "departments").list.eval(pl.lit(None, pl.String)),
        )
    )
    frames = shop | {
        "visits": bare,
        "features": make_features(bare, as_ofs_back(THROUGH)),
        "attributes": shop["attributes"].clear(),
    }
    model, report = behaviour.train(**frames, trained_through=THROUGH, config=CONFIG)
    scores = score(model, frames)
    assert scores.embeddings.height == bare["user_id"].n_unique() and report.attributes.is_empty()
    assert not any(target.startswith("category") for target in scores.predictions["target"].unique())
    assert np.isfinite(np.array(scores.embeddings["embedding"].to_list())).all()


def test_a_constant_label_is_not_predicted(shop):
    """Nobody ever does the outcome: that everybody churns is no prediction."""
    model, _ = behaviour.train(**shop, trained_through=THROUGH, config=replace(CONFIG, outcome_event="return"))
    scores = score(model, shop)
    assert set(scores.predictions["target"].str.split("=").list.first()) == {"age"}


def test_gate_rejects_a_model_of_shuffled_users_and_promotes_what_beats_it(trained, shop):
    model, report = trained
    mixed = shuffled_users(shop["visits"])
    features = make_features(mixed, as_ofs_back(THROUGH))
    bad, _ = behaviour.train(**(shop | {"visits": mixed, "features": features}), trained_through=THROUGH, config=CONFIG)
    real = (shop["visits"], shop["features"], shop["items"], report.validation_as_of)
    itself = evaluation.gate(report.losses, behaviour.validation_losses(model, *real))
    assert not itself.promoted and itself.reasons[0].startswith("no better overall")
    worse = behaviour.validation_losses(bad, *real)
    verdict = evaluation.gate(worse, report.losses)
    assert not verdict.promoted and any(reason.startswith("category: log loss") for reason in verdict.reasons)
    assert evaluation.gate(report.losses, worse).promoted


def test_blocks_only_has_the_models_length(shop):
    at_one = shop["features"].filter(pl.col("as_of") == THROUGH)
    vectors = behaviour.blocks_only(at_one)
    assert vectors.height == at_one.height and set(vectors["embedding"].list.len()) == {LENGTH}
    assert behaviour.blocks_only(at_one.clear()).is_empty()
    assert np.isfinite(behaviour.blocks_only(at_one.head(1))["embedding"].item().to_numpy()).all()
