"""Which values a tag may have: those it lists, or names from the data: of described items, of declared attributes, of a pattern."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from portrait_assets.errors import PortraitError
from portrait_assets.packs.files import at

ITEM_NAMES = tuple(f"items.{name}" for name in ("department", "category", "brand"))
COUNTS = {
    "flag": "one value",
    "class": "two values or more",
    "scale": "two values or more, in their order",
    "name": "no values",
}


class Typed(Protocol):
    """What a catalogue entry says of its values."""

    @property
    def value_type(self) -> str: ...
    @property
    def values(self) -> tuple[str, ...]: ...
    @property
    def domain(self) -> str | None: ...


def judge_domain(entry: Typed, attributes: Sequence[str], where: Callable[[str], str]) -> None:
    """PortraitError where values and domain are not what the value type asks for, in a pack of these attributes."""
    count = len(set(entry.values))
    if count < len(entry.values):
        raise PortraitError(f"{at(where, 'values')}: one of them is listed twice")
    fits = {"flag": count == 1, "class": count >= 2, "scale": count >= 2, "name": count == 0}
    if not fits[entry.value_type]:
        raise PortraitError(f"{at(where, 'values')}: a {entry.value_type} has {COUNTS[entry.value_type]}; found {count}")
    if (entry.value_type == "name") != (entry.domain is not None):
        raise PortraitError(f"{at(where, 'domain')}: is for value_type 'name', and needed there")
    if entry.domain is None:
        return
    pattern = pattern_of(entry.domain)
    columns = (*ITEM_NAMES, *(f"users.{name}" for name in attributes))
    if pattern is None and entry.domain not in columns:
        raise PortraitError(f"{at(where, 'domain')}: '{entry.domain}' is neither a /pattern/ nor one of {', '.join(columns)}")
    try:
        re.compile(pattern or "")
    except re.error as error:
        raise PortraitError(f"{at(where, 'domain')}: {entry.domain} is not a pattern: {error}") from None


def pattern_of(domain: str) -> str | None:
    """The regular expression of a /pattern/; None for a column."""
    return domain[1:-1] if len(domain) > 2 and domain[0] == domain[-1] == "/" else None


def foreign_values(entry: Typed, found: Iterable[str], known: Callable[[str], set[str]]) -> list[str]:
    """Of the values `found`, those outside the entry's domain, in order; `known` gives the names that a column holds."""
    if entry.domain is None:
        return sorted(set(found) - set(entry.values))
    pattern = pattern_of(entry.domain)
    if pattern is not None:
        return sorted(value for value in set(found) if not re.fullmatch(pattern, value))
    return sorted(set(found) - known(entry.domain))
