"""Days that may be mistakes of a date: few events, years away from all others. A zero epoch is the commonest."""

from collections.abc import Mapping
from datetime import date, timedelta
from itertools import accumulate, pairwise

FAR = timedelta(days=365)
FEW, FEW_SHARE = 3, 0.01


def days_apart(days: Mapping[date, int]) -> list[str]:
    """What to ask of events (day -> how many) that lie a year or more before all others, or after them; nothing where all is plausible."""
    ordered, total = sorted(days), sum(days.values())
    asked: dict[str, str] = {}
    for (before, after), earlier in zip(pairwise(ordered), accumulate(days[day] for day in ordered), strict=False):
        if after - before < FAR:
            continue
        if _are_few(earlier, total):  # the last such gap covers all days before it
            asked["early"] = _asked(earlier, ordered[0], before, f"before all others, which begin on {after}")
        if _are_few(total - earlier, total):  # and the first of all after it
            asked.setdefault("late", _asked(total - earlier, after, ordered[-1], f"after all others, which end on {before}"))
    return list(asked.values())


def _are_few(count: int, total: int) -> bool:
    return count <= max(FEW, total * FEW_SHARE) and count * 4 <= total


def _asked(count: int, first: date, last: date, where: str) -> str:
    events = f"{count:,} event{'s' if count != 1 else ''} of {first}" + (f" to {last}" if last != first else "")
    return f"{events}, {where}: are the dates right? Every day between is one of the home; `start`, `where` or `reject` keep them out"
