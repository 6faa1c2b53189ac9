"""The narrative by a language model, where one is asked for: it writes around named slots, and the portrait fills them afterwards."""

from portrait_assets.narration.narrator import narrated

__all__ = ["narrated"]
