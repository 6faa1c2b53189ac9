"""Declared mappings: anyone's files to canonical events, items and attributes, without Python.

`load` reads a mapping (docs/mapping.md), `check` tries it, `survey` gives its days, `land` brings its files into raw, `coupons_of` reads what coupons are for.
"""

from portrait_assets.sources.checking import Report, check, survey
from portrait_assets.sources.coupons import coupons_of
from portrait_assets.sources.landing import land, pending
from portrait_assets.sources.ledger import Batch
from portrait_assets.sources.loading import load, pack_of
from portrait_assets.sources.mapping import Source
from portrait_assets.sources.planning import Refused, told
from portrait_assets.sources.rendering import render

__all__ = [
    "Batch",
    "Refused",
    "Report",
    "Source",
    "check",
    "coupons_of",
    "land",
    "load",
    "pack_of",
    "pending",
    "render",
    "survey",
    "told",
]
