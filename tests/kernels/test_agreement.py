"""One user's predictions agree, on small sources that differ in how often people buy; and what a source never showed is not predicted."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from portrait_assets.kernels import behaviour, storage
from tests.agreement import as_portraits, disagreements, share_of_equal
from tests.kernels.conftest import CATEGORIES, CONFIG, as_ofs_back, make_features, make_items, make_visits, visit_row, visits_of

BEGIN = date(2023, 9, 1)
THROUGH = date(2024, 4, 1)
DAYS = (THROUGH - BEGIN).days
SMALL = replace(CONFIG, epochs=1)


@dataclass(frozen=True)
class Shown:
    """A source, what a model trained on it says at THROUGH, and the model."""

    visits: pl.DataFrame
    model: behaviour.TrainedModel
    report: behaviour.Report
    scores: behaviour.Scores

    @property
    def chances(self) -> dict[str, pl.Series]:
        return {target: rows["probability"] for (target,), rows in self.scores.predictions.group_by("target")}


def at(day: float) -> datetime:
    return datetime(BEGIN.year, BEGIN.month, BEGIN.day, tzinfo=UTC) + timedelta(days=float(day))


def grocer() -> pl.DataFrame:
    """Every 3 or every 25 days, over seven months: all distances can be judged."""
    rows = make_visits(80, THROUGH, seed=4)
    return pl.concat([rows, rows.with_columns(pl.col("visit_time", "event_date").dt.offset_by("-120d"))]).filter(
        pl.col("event_date") >= BEGIN
    )


def few_repeats() -> pl.DataFrame:
    """New customers all the time, who buy of all categories; of tea only at first. One in three comes back, for bread or milk, weeks later."""
    rng, rows = np.random.default_rng(8), []
    for u in range(240):
        first = rng.uniform(0, DAYS)
        days = [first, *(first + np.cumsum(rng.exponential(35, 6)) if u % 3 == 0 else [])]
        for k, day in enumerate(days):
            if day < DAYS:
                kind = int(rng.choice([0, 1])) if k else int(rng.integers(6))
                rows.append(visit_row(f"u{u:03}", at(day), [f"i{kind}"], [CATEGORIES[kind]]))
    return visits_of(rows)


def ratings_alone() -> pl.DataFrame:
    """People rate what they saw elsewhere; nobody buys."""
    rated = make_visits(60, THROUGH, seed=5)
    return rated.with_columns(event_types=pl.col("event_types").list.eval(pl.lit("review")), spend_cents=pl.lit(None, pl.Int64))


def marketplace() -> pl.DataFrame:
    """Everybody buys once, but for three who come back: as good as no rhythm."""
    rng, rows = np.random.default_rng(9), []
    for u in range(300):
        days = [rng.uniform(0, DAYS)] if u >= 3 else [40.0 + u, 150.0 + u, 200.0 + u]
        for day in days:
            kind = int(rng.integers(6))
            rows.append(visit_row(f"u{u:03}", at(day), [f"i{kind}"], [CATEGORIES[kind]]))
    return visits_of(rows)


SOURCES = {"grocer": grocer, "few repeats": few_repeats, "ratings alone": ratings_alone, "marketplace": marketplace}


@pytest.fixture(scope="module", params=SOURCES)
def shown(request) -> tuple[str, Shown]:
    visits = SOURCES[request.param]().sort("user_id", "visit_time")
    features = make_features(visits, as_ofs_back(THROUGH, 15))
    attributes = pl.DataFrame(schema={"user_id": pl.String, "attribute": pl.String, "value": pl.String})
    model, report = behaviour.train(visits, features, make_items(), attributes, THROUGH, SMALL)
    return request.param, Shown(visits, model, report, behaviour.score(model, visits, features, make_items(), THROUGH))


def test_one_users_predictions_agree(shown):
    _, of = shown
    portraits = as_portraits(of.scores.predictions, of.scores.amounts)
    assert disagreements(of.scores.predictions, portraits, make_items()) == []


def test_what_was_never_shown_has_no_row_and_a_reason(shown):
    """Nothing is half of everybody: a target is predicted with differences between users, or not at all and said why."""
    name, of = shown
    kinds = {target.partition("=")[0] for target in of.chances} | set(of.scores.amounts["target"])
    silent = {
        "grocer": set(),
        "few repeats": set(),
        "ratings alone": {"churn", "churn_14d", "churn_28d", "churn_90d", "category_14d", "item_14d", "alive_probability"},
        "marketplace": {"churn", "alive_probability", "churn_horizon_days", "lifetime_value_cents_365d"},
    }[name]
    assert not kinds & silent
    assert silent - {"churn_horizon_days"} <= set(of.model.not_predicted)
    for target, probability in of.chances.items():
        assert not (probability == 0.5).all(), target
        assert share_of_equal(probability) < 0.9, target
    for target in of.model.not_predicted:
        assert target not in of.chances


def test_a_category_that_nobody_known_buys_is_not_predicted(shown):
    """Only newcomers buy fish, soap, beer and tea of the shop with few repeats: no window shows somebody known who does."""
    name, of = shown
    if name == "few repeats":
        told = {target for target in of.chances if target.startswith("category_14d=")}
        assert told == {"category_14d=bread", "category_14d=milk"}
        assert of.model.not_predicted["category_14d=fish"] == "nobody known before bought it in a training window"
        assert of.model.not_predicted["item_14d=i3"] == "nobody known before bought it in a training window"


def test_the_model_says_the_same_after_it_was_stored(shown, tmp_path):
    _, of = shown
    version = storage.save(of.model, tmp_path)
    loaded, found = storage.load(tmp_path)
    assert found == version and loaded.not_predicted == of.model.not_predicted
    features = make_features(of.visits, [THROUGH])
    again = behaviour.score(loaded, of.visits, features, make_items(), THROUGH)
    assert again.predictions.equals(of.scores.predictions) and again.amounts.equals(of.scores.amounts)
