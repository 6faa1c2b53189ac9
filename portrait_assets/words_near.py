"""The nearest known name, for a message on an unknown one."""

import difflib
import re
from collections.abc import Iterable


def pattern_of(text: str) -> str:
    """The regular expression of a name in which `*` is anything, whatever its case; Python, Polars and DuckDB read it alike."""
    parts = (re.sub(r"([^\w\s])", r"\\\1", part) for part in text.split("*"))
    return f"(?is){'.*'.join(parts)}"


def nearest(name: str, known: Iterable[str]) -> str:
    """'; nearest is …' for the best match of `name` among `known`, whatever its case, or nothing."""
    by_lower_case = {word.lower(): word for word in known}
    close = difflib.get_close_matches(name.lower(), by_lower_case, n=1, cutoff=0.5)
    return f"; nearest is '{by_lower_case[close[0]]}'" if close else ""
