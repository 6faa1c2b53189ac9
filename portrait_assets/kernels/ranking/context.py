"""What a list on request may be given of the moment."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Context:
    """Where the user is now, None for where the user mostly goes, and the items in the basket."""

    place: str | None = None
    basket: tuple[str, ...] = ()


NOWHERE = Context()
