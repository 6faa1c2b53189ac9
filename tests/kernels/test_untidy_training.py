"""Users, items and labels as they should not be, in one training: it ends, what it says is finite, and others are told as before."""

import hashlib
import io
import json
import pickle
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from portrait_assets.errors import PortraitError
from portrait_assets.kernels import behaviour, storage
from portrait_assets.kernels.batches import make_batch, read
from portrait_assets.kernels.labels import USER_TARGETS
from portrait_assets.kernels.sequences import history_from
from tests.kernels.conftest import CONFIG, THROUGH, as_ofs_back, make_features, visit_row, visits_of

MANY = 100_000


def crowded(user: str, events: int) -> pl.DataFrame:
    """`events` visits of one line each, evenly over the shop's days."""
    start = datetime(2024, 1, 2, tzinfo=UTC)
    one = visits_of([visit_row(user, start, ["i1"], ["milk"])])
    number = pl.DataFrame({"number": range(events)})
    when = pl.lit(start) + pl.col("number") * (timedelta(days=88) / events)
    rows = number.join(one, how="cross").with_columns(visit_time=when.dt.cast_time_unit("us"))
    return rows.with_columns(event_date=pl.col("visit_time").dt.date()).select(one.columns)


@pytest.fixture(scope="module")
def untidy(shop):
    """A part of the shop with a user of one event, one of many, one of unknown and unnamed items without a price, and one known by features
    alone; (frames, model, report)."""
    strange = [
        visit_row("one", datetime(2024, 3, 1, tzinfo=UTC), ["i1"], ["milk"]),
        *(
            visit_row("odd", datetime(2024, 1, 5 + 3 * k, tzinfo=UTC), ["nowhere", None], [None, None], spend=None)
            for k in range(8)
        ),
    ]
    visits = pl.concat([shop["visits"], visits_of(strange), crowded("many", MANY // 5)]).filter(
        ~pl.col("user_id").is_between(pl.lit("u070"), pl.lit("u999"))
    )
    features = make_features(visits, as_ofs_back(THROUGH))
    silent = features.filter(pl.col("user_id") == "u000").with_columns(user_id=pl.lit("silent"))
    broken = pl.when(pl.col("user_id") == "odd").then(float("nan")).otherwise(pl.col("recency_days").cast(pl.Float64))
    frames = shop | {"visits": visits, "features": pl.concat([features, silent]).with_columns(recency_days=broken)}
    return frames, *behaviour.train(**frames, trained_through=THROUGH, config=replace(CONFIG, epochs=1))


def test_training_stands_users_of_one_event_none_and_many_unknown_items_and_nan(untidy):
    frames, model, report = untidy
    assert report.curves["loss"].is_finite().all() and report.metrics["log_loss"].is_finite().all()
    scores = behaviour.score(model, frames["visits"], frames["features"], frames["items"], THROUGH)
    users = set(scores.embeddings["user_id"])
    assert {"one", "odd", "many"} <= users and "silent" not in users  # who did nothing has no sequence to read
    assert np.isfinite(np.array(scores.embeddings["embedding"].to_list())).all()
    assert scores.predictions["probability"].is_between(0, 1).all() and scores.amounts["value"].is_finite().all()


def test_a_long_history_is_read_as_its_latest_visits():
    """However much a user did, the network sees `visits_kept` tokens: those before them could as well not be there."""
    history, short = (
        history_from(visits, pl.DataFrame(schema={"item_id": pl.String, "item_type": pl.String, "brand": pl.String}), THROUGH, "purchase")
        for visits in (crowded("many", MANY), crowded("many", MANY).tail(CONFIG.visits_kept))
    )  # fmt: skip
    words = {"item": ["i1"], "item_type": [], "category": ["milk"], "brand": []}
    whole, cut = (
        make_batch(read(h, words, {}, [THROUGH], np.zeros((1, 2)), CONFIG), np.array([0]), CONFIG) for h in (history, short)
    )
    assert whole.visit_day.shape == (1, CONFIG.visits_kept) and len(whole.lines["item"]) == CONFIG.visits_kept
    assert whole.visit_day.equal(cut.visit_day) and whole.numbers[1:].equal(cut.numbers[1:])  # the first one's gap is not known


def test_a_label_that_everybody_has_is_predicted_of_nobody(shop):
    """All come every day: nobody ever churns, everybody buys the one item there is, and nobody has a coupon."""
    days = [datetime(2024, 1, 1, 9, tzinfo=UTC) + timedelta(days=k) for k in range(91)]
    visits = visits_of([visit_row(f"u{u:02}", day, ["i1"], ["milk"]) for u in range(12) for day in days])
    frames = shop | {"visits": visits, "features": make_features(visits, as_ofs_back(THROUGH)), "attributes": shop["attributes"].clear()}  # fmt: skip
    model, report = behaviour.train(**frames, trained_through=THROUGH, config=replace(CONFIG, epochs=1))
    assert [model.served.user_boosters[name] for name in USER_TARGETS] == [None] * len(USER_TARGETS)
    assert report.metrics["auc"].is_null().all()  # undefined, and said to be
    said = behaviour.score(model, visits, frames["features"], shop["items"], THROUGH)
    assert set(said.predictions["target"]) <= {"alive_probability"}
    assert model.not_predicted["item_14d=i1"] == "everybody known before bought it in every training window"
    assert np.isfinite(np.array(said.embeddings["embedding"].to_list())).all()


class Trap:
    """Unpickled, it would raise."""

    def __reduce__(self):
        return eval, ("1 / 0",)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tensors.safetensors", pickle.dumps(Trap())),
        ("tensors.safetensors", b""),
        ("tensors.safetensors", b"\xff" * 64),
        ("boosters/served.category.txt", pickle.dumps(Trap())),
        ("boosters/served.category.txt", b"no booster"),
    ],
)
def test_a_foreign_file_under_a_models_name_is_refused_and_never_unpickled(trained, tmp_path, name, content):
    """Its hash is right, so only what it holds can give it away."""
    storage.save(trained[0], tmp_path)
    (tmp_path / name).write_bytes(content)
    card = json.loads((tmp_path / "model.json").read_bytes())
    card["sha256"][name] = hashlib.sha256(content).hexdigest()
    (tmp_path / "model.json").write_text(json.dumps(card))
    with pytest.raises(PortraitError, match="not a readable behaviour model|not a LightGBM model text"):
        storage.load(tmp_path)


def test_tensors_of_another_models_shape_are_refused(trained, tmp_path):
    network = trained[0].served.network
    wide = replace(trained[0], config=replace(CONFIG, width=2 * CONFIG.width))
    storage.save(wide, tmp_path)
    with pytest.raises(PortraitError, match="size mismatch"):
        storage.load(tmp_path)
    assert network.user_head.in_features == CONFIG.width


def test_the_trap_bites_where_it_is_unpickled():
    with pytest.raises(ZeroDivisionError):
        pickle.load(io.BytesIO(pickle.dumps(Trap())))
