"""Domain packs: what distinguishes a shop from a bank or a clinic, as data files; and the code that reads and judges them."""

from portrait_assets.packs.catalogue import Tag
from portrait_assets.packs.pack import Pack, load_pack

__all__ = ["Pack", "Tag", "load_pack"]
