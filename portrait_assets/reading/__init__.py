"""Reading what was published: an export folder, and the card of one user made from it. Nothing here opens the warehouse."""

from portrait_assets.reading.export import Export

__all__ = ["Export"]
