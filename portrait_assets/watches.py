"""Asset checks that warn and block nothing: odd days, odd mixes of events, layers that fall behind, drift.

An audit (checks.py) says that something is wrong; a watch says that something is unusual and worth a look.
"""

from collections.abc import Callable
from functools import partial

import dagster as dg

from portrait_assets.assets.common import HomeParam
from portrait_assets.home import Home, open_home
from portrait_assets.observability import (
    LARGE_PSI,
    drift,
    drift_told,
    lag_told,
    mix_told,
    odd_mixes,
    odd_volumes,
    reach,
    tag_doubts,
    tag_quality_of,
    volume_told,
)
from portrait_assets.resources.session import Session
from portrait_assets.resources.warehouse import Warehouse

MOST_LAG_DAYS = 1
LAYER_ENDS = {
    "clean": "clean/events",
    "features": "features/user_state",
    "portraits": "portraits/snapshots",
    "published": "published/export",
}

TAG_CLAIMS = {
    "accuracy": "No tag whose truth is known is right less often than saying the most frequent value would be.",
    "calibration": "Where the truth is known, a tag's probabilities are within 0.1 of it on average.",
    "flips": "No tag flips more than once in two weeks for those who have it.",
    "redundancy": "No two tags say the same: none shares more than 0.95 of its information with another.",
    "coverage": "Every tag is had by somebody.",
}

Found = tuple[list[str], dict[str, float]]
"""Sentences about what is worth a look, and numbers that Dagster plots over the runs."""


def volume(session: Session, home: Home) -> Found:
    """The days of the last two weeks brought about as many events as their weekday used to."""
    odd = odd_volumes(session, home.days)
    return [volume_told(row) for row in odd.iter_rows(named=True)], {}


def event_mix(session: Session, home: Home) -> Found:
    """The days of the last two weeks brought about the mix of event types that is usual."""
    odd = odd_mixes(session, home.days)
    return [mix_told(row) for row in odd.iter_rows(named=True)], {}


def freshness(layer: str, session: Session, home: Home) -> Found:
    """The layer has come as far as the events that were landed."""
    reached = reach(session, home)
    behind = [lag_told(each) for each in reached if each.layer == layer and each.lag_days > MOST_LAG_DAYS]
    return behind, {f"lag of {each.layer} (days)": each.lag_days for each in reached}


def stability(session: Session, home: Home) -> Found:
    """The key features are distributed about as they were 28 days before: no PSI above 0.2."""
    moved = drift(session)
    large = moved.filter(moved["psi"] > LARGE_PSI)
    return [drift_told(row) for row in large.iter_rows(named=True)], dict(moved.select("feature", "psi").iter_rows())


def tag_doubt(claim: str, session: Session, home: Home) -> Found:
    """What is worth a look in the quality of the tags, of one claim."""
    found = tag_doubts(tag_quality_of(session))[claim]
    return found, {}


def _watch(asset: str, name: str, claim: str | None, look: Callable[[Session, Home], Found]) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=dg.AssetKey(asset.split("/")), name=name, description=claim)
    def watch(warehouse: Warehouse, home: HomeParam) -> dg.AssetCheckResult:
        now = open_home(home.settings)  # without the days of a replay that are not delivered yet
        with warehouse.open(f"check {asset} {name}") as session:
            found, numbers = look(session, now)
        return dg.AssetCheckResult(
            passed=not found,
            severity=dg.AssetCheckSeverity.WARN,
            description="; ".join(found) or None,
            metadata={**numbers, "worth a look": len(found)},
        )

    return watch


WATCHES = [
    _watch("raw/events", "volume", volume.__doc__, volume),
    _watch("raw/events", "event_mix", event_mix.__doc__, event_mix),
    *(_watch(asset, "freshness", freshness.__doc__, partial(freshness, layer)) for layer, asset in LAYER_ENDS.items()),
    _watch("observability/drift", "stability", stability.__doc__, stability),
    *(_watch("observability/tag_quality", name, claim, partial(tag_doubt, name)) for name, claim in TAG_CLAIMS.items()),
]
