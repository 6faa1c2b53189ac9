"""Settings come from the environment, and one that cannot be is one clear line."""

import pytest

from portrait_assets.errors import PortraitError
from portrait_assets.settings import Settings


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("MODEL_SIZE", "huge", "should be 'tiny', 'cpu', 'gpu' or 'gpu-large'"),
        ("TRAINING_PROCESSES", "0", "greater than or equal to 1"),
        ("TRAINING_PIECES", "half", "valid integer"),
        ("ITEM_TEXT", "sounds", "'words' or 'sentences'"),
        ("THREADS", "two", "valid integer"),
    ],
)
def test_a_setting_that_cannot_be_is_one_clear_line(monkeypatch, name, value, said):
    monkeypatch.setenv(f"PORTRAIT_{name}", value)
    with pytest.raises(PortraitError, match=f"^PORTRAIT_{name} is '{value}': .*{said}.*; change it or leave it unset$"):
        Settings()


def test_what_is_not_set_is_the_default(monkeypatch):
    for name in ("MODEL_SIZE", "TRAINING_PROCESSES", "TRAINING_PIECES", "ITEM_TEXT"):
        monkeypatch.delenv(f"PORTRAIT_{name}", raising=False)
    settings = Settings()
    assert (settings.model_size, settings.training_processes, settings.training_pieces) == ("cpu", 1, 1)
    assert settings.item_text == "words"
