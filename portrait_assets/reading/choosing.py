"""Which users a page offers, and what is said where the one asked for is not there."""

import polars as pl

from portrait_assets.errors import PortraitError
from portrait_assets.reading.export import Export

EVERYBODY = "everybody"
MOST_OFFERED = 5000


def asked_for(export: Export, user_id: str | None) -> tuple[str | None, str]:
    """The user that an address names and, where the export has none such, None with the reason."""
    if not user_id:
        return None, ""
    try:
        export.portrait(user_id)
    except PortraitError as problem:
        return None, str(problem)
    return user_id, ""


def choices(export: Export) -> tuple[list[str], list[str]]:
    """The segments and the stages that some user is in."""
    found = export.scan("portraits").select("segment", "lifecycle").collect()
    segments, stages = (sorted(found[name].drop_nulls().unique()) for name in ("segment", "lifecycle"))
    return segments, stages


def offered(export: Export, segment: str, stage: str, beginning: str) -> tuple[list[str], str | None]:
    """Ids of users like that, short ones first; and the one most worth a look: lapsing, of high value, long active."""
    found = export.scan("portraits").select("user_id", "segment", "lifecycle", "value_tier", "active_days").collect()
    for column, wanted in (("segment", segment), ("lifecycle", stage)):
        if wanted != EVERYBODY:
            found = found.filter(pl.col(column) == wanted)
    found = found.filter(pl.col("user_id").str.starts_with(beginning.strip()))
    ids = found.sort(pl.col("user_id").str.len_chars(), "user_id")["user_id"].to_list()
    worth = found.filter(pl.col("user_id").is_in(ids[:MOST_OFFERED])).sort(
        (pl.col("lifecycle") == "lapsing") & (pl.col("value_tier") == "high"), "active_days", "user_id",
        descending=[True, True, False], nulls_last=True,
    )  # fmt: skip
    return ids, next(iter(worth["user_id"].to_list()), None)
