"""Daily partitions and the as-of rule, said once.

Partition `2017-09-30` is the state at the end of that UTC day: everything with `event_time < 2017-10-01T00:00Z`. That
instant is its as-of, `2017-10-01`. So `as_of = partition + 1 day`, and nothing of a partition may depend on an event at
or after its as-of.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from portrait_assets.errors import PortraitError

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Window:
    """A closed range of partition days."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise PortraitError(f"the range {self.start} to {self.end} ends before it starts; swap the two dates")

    def __iter__(self) -> Iterator[date]:
        return map(date.fromordinal, range(self.start.toordinal(), self.end.toordinal() + 1))

    def __len__(self) -> int:
        return (self.end - self.start).days + 1

    def __str__(self) -> str:
        return str(self.start) if self.start == self.end else f"{self.start} to {self.end}"

    def cut(self, days: int) -> list["Window"]:
        """The window in order, in windows of `days` days; the last may be shorter."""
        days = min(days, len(self))  # no day of a longer one need exist
        starts = [self.start + DAY * first for first in range(0, len(self), days)]
        return [Window(start, min(start + DAY * (days - 1), self.end)) for start in starts]

    @classmethod
    def covering(cls, days: Iterable[date]) -> "Window | None":
        """The smallest window that holds all `days`; None where there are none."""
        ordered = sorted(days)
        return cls(ordered[0], ordered[-1]) if ordered else None


def as_of_of(partition: date) -> date:
    """The instant (00:00 UTC of this date) before which events count in `partition`."""
    return partition + DAY


def partition_of(as_of: date) -> date:
    """The last whole day before `as_of`."""
    return as_of - DAY


def parse_date(text: str, what: str) -> date:
    """An ISO date, or a PortraitError that names `what` was being read."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise PortraitError(f"{what} '{text}' is not a date; write it as YYYY-MM-DD, for example 2017-10-01") from None
