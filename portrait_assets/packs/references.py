"""Tags that build on tags: `tag.<id>` in an expression stands for the value of another tag of the catalogue.

A reference is replaced by the other's expression, so whatever runs reads one snapshot row alone, and a changed definition
changes all that stand on it.
"""

import re
from collections.abc import Mapping

from portrait_assets.packs.expressions import ExpressionError
from portrait_assets.words_near import nearest

REFERENCE = re.compile(r"('(?:[^']|'')*')|\btag\.([a-z][a-z0-9_]*)\b")


def referred(sql: str) -> list[str]:
    """The ids of the tags that `sql` names, in order; texts in quotes name none."""
    return [found.group(2) for found in REFERENCE.finditer(sql) if found.group(2)]


def expanded(sql: str, values: Mapping[str, str], above: tuple[str, ...] = ()) -> str:
    """`sql` with each `tag.<id>` replaced by that tag's own value; ExpressionError for an unknown id or a circle.

    `values` holds the value expression of each tag; `above` the ids that led here.
    """

    def one(found: re.Match[str]) -> str:
        tag_id = found.group(2)
        if tag_id is None:
            return found.group(0)
        if tag_id in above:
            circle = " -> ".join((*above[above.index(tag_id) :], tag_id))
            raise ExpressionError(f"refers to itself: {circle}")
        if tag_id not in values:
            raise ExpressionError(f"tag.{tag_id} is not in the catalogue{nearest(tag_id, values)}")
        return f"({expanded(values[tag_id], values, (*above, tag_id))}\n)"

    return REFERENCE.sub(one, sql)
