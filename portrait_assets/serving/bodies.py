"""The body of a request as rows, read so that one bad row spoils no other."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from portrait_assets.serving.events import LONGEST_ID, Unreadable, sendable

MARK = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},]', re.DOTALL)  # a string, whatever it holds, or a mark between values


class BadBody(ValueError):
    """Why a body can't be read at all."""


def rows_of(body: bytes) -> list[Any]:
    """The elements of a JSON list; `Unreadable` in the place of those that nobody can judge. BadBody where it is no list.

    Bytes that are not UTF-8 become lone surrogates in their strings, and raw control characters stay: the rows they are in are judged.
    """
    text = body.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    if not text.strip():
        raise BadBody("the request is empty; send a list of events")
    try:
        rows = _read(text)
    except RecursionError:
        rows = [_row(element) for element in _elements(text)]
    if not isinstance(rows, list):
        raise BadBody("the request is not a list; send a list of events, even for one")
    return rows


def _read(text: str) -> Any:
    try:
        return DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise BadBody(f"the request is not JSON: {error}; send a list of events") from None


def _row(element: str) -> Any:
    try:
        return _read(element)
    except RecursionError:
        return Unreadable("the event holds lists or objects too deep in one another")


def _elements(text: str) -> Iterator[str]:
    """The texts of a list's elements, however deep they nest."""
    if not text.lstrip().startswith("["):
        raise BadBody("the request is not a list; send a list of events, even for one")
    depth, begins = 0, 0
    for mark in MARK.finditer(text):
        if mark[0] in "[{":
            depth += 1
            begins = mark.end() if depth == 1 else begins
        elif mark[0] in "]}":
            depth -= 1
        if (depth, mark[0]) in ((0, "]"), (1, ",")):
            yield text[begins : mark.start()]
            begins = mark.end()
        if depth == 0:
            break
    if depth or text[begins:].strip():
        raise BadBody("the request is not one JSON list; send a list of events")


def _object(pairs: list[tuple[str, Any]]) -> Any:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
    return Unreadable(f"{sendable(twice[:60])} is given twice")


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= LONGEST_ID else float(digits)


DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, strict=False)
