"""A model survives the disk to the bit, and a damaged or foreign folder is refused in one line."""

import copy
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from polars.testing import assert_frame_equal

from portrait_assets.errors import PortraitError
from portrait_assets.kernels import behaviour, storage
from portrait_assets.kernels.calibration import Blend
from portrait_assets.kernels.ranking.network import Network, fit_network
from portrait_assets.kernels.ranking.ranker import RANKERS, Ranker
from tests.kernels.conftest import THROUGH


@pytest.fixture
def folder(trained, tmp_path):
    storage.save(trained[0], tmp_path / "model")
    return tmp_path / "model"


def test_round_trip_keeps_version_and_every_score(trained, shop, folder):
    model, version = storage.load(folder)
    assert version == storage.version_of(trained[0]) == storage.version_of(model)
    ours, theirs = (behaviour.score(m, shop["visits"], shop["features"], shop["items"], THROUGH) for m in (trained[0], model))
    assert_frame_equal(ours.embeddings, theirs.embeddings, check_exact=True)
    assert_frame_equal(ours.predictions, theirs.predictions, check_exact=True)


def test_a_ranker_is_stored_with_its_boosters_and_its_networks(trained, tmp_path):
    x, gain, group = np.arange(8.0, dtype=np.float32).reshape(4, 2), np.array([1.0, 0, 0, 1]), np.array([2, 2])
    networks = tuple(fit_network(x, gain, group, 1, seed, 1) for seed in (3, 4))
    boosters = [("tree\nchance", "tree\nanother chance"), ("tree\norder", "tree\nanother order")]
    ranker = Ranker(RANKERS["tiny"], ("a", "b"), *boosters, networks, (0.0, 1.0, 2.0), (1.0, 2.0, 3.0), 0.5, -1.0)
    storage.save(replace(trained[0], ranker=ranker), tmp_path)
    found = storage.load(tmp_path)[0].ranker
    assert found == ranker
    other = Network(networks[1].tensors | {"bias2": networks[1].tensors["bias2"] + 1})
    assert found != replace(ranker, network=(networks[0], other))


def test_nothing_is_pickled(folder):
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} == {".json", ".safetensors", ".txt"}


@pytest.mark.parametrize("name", ["tensors.safetensors", "boosters/served.category.txt"])
def test_a_changed_byte_is_refused(folder, name):
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(PortraitError, match=r"not the bytes that were written"):
        storage.load(folder)


def with_nan(network) -> None:
    with torch.no_grad():
        network.user_head.bias[1] = float("nan")


@pytest.mark.parametrize("where", ["tensor", "booster", "card"])
def test_a_model_that_holds_what_is_no_number_is_refused_and_says_where(trained, tmp_path, where):
    """In training by the gate, which asks `not_finite`; and when it is loaded."""
    model = trained[0]
    if where == "tensor":
        network = copy.deepcopy(model.served.network)
        with_nan(network)
        model, place = replace(model, served=replace(model.served, network=network)), "served.network.user_head.bias"
    elif where == "booster":
        text = re.sub(r"(leaf_value=)\S+", r"\1nan", model.served.pair_boosters["item"], count=1)
        boosters = model.served.pair_boosters | {"item": text}
        model, place = replace(model, served=replace(model.served, pair_boosters=boosters)), "boosters/served.item.txt"
    else:
        blends = model.calibration.blends | {"churn": Blend(float("nan"), 0.5, 0.0)}
        model, place = replace(model, calibration=replace(model.calibration, blends=blends)), "model.json"
    assert storage.not_finite(model) == f"{place} holds what is not a number"
    storage.save(model, tmp_path)
    with pytest.raises(PortraitError, match=f"{place} holds what is not a number, so its scores are none either; train again"):
        storage.load(tmp_path)


def test_a_name_that_sounds_like_no_number_is_one(trained, tmp_path):
    """An item called NaN is an item."""
    model = replace(trained[0], examples=trained[0].examples | {"item": ["NaN", "Infinity"]})
    assert storage.not_finite(model) is None
    storage.save(model, tmp_path)
    assert storage.load(tmp_path)[0].examples["item"] == ["NaN", "Infinity"]


def test_a_missing_file_is_refused(folder):
    (folder / "tensors.safetensors").unlink()
    with pytest.raises(PortraitError, match="train again"):
        storage.load(folder)


@pytest.mark.parametrize("content", [b"", b"not json", b"[]", json.dumps({"format": "someone-else/3"}).encode()])
def test_a_foreign_card_is_refused(folder, content):
    (folder / "model.json").write_bytes(content)
    with pytest.raises(PortraitError):
        storage.load(folder)


def test_a_card_with_a_hole_is_refused(folder):
    card = json.loads((folder / "model.json").read_bytes())
    del card["served"]["shape"]
    (folder / "model.json").write_text(json.dumps(card))
    with pytest.raises(PortraitError, match="KeyError"):
        storage.load(folder)


def test_a_file_outside_the_folder_is_never_read(folder, tmp_path):
    shutil.copy(folder / "tensors.safetensors", tmp_path / "outside")
    card = json.loads((folder / "model.json").read_bytes())
    card["sha256"]["../outside"] = card["sha256"]["tensors.safetensors"]
    (folder / "model.json").write_text(json.dumps(card))
    with pytest.raises(PortraitError, match="not a file of a model"):
        storage.load(folder)
