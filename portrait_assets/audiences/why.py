"""Why a user is in an audience, or not: every condition, whether it is met, what the user has, and how far off that is."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import polars as pl

from portrait_assets.audiences.language import Condition, Expression, Not
from portrait_assets.audiences.members import Audience, holds
from portrait_assets.audiences.vocabulary import parsed
from portrait_assets.reading.words import counted, fill


@dataclass(frozen=True)
class Reason:
    """One condition, or one word that joins those below it (`depth` deeper)."""

    depth: int
    text: str
    is_met: bool
    has: str = ""
    """What the user has, with the evidence of a tag."""
    off: str = ""
    """How far it is from being met; empty where it is."""


def why(group: Audience, user_id: str) -> list[Reason]:
    """The whole expression judged for one user; PortraitError if the export has no such user."""
    group.export.portrait(user_id)
    return _reasons(group, group.facts.filter(pl.col("user_id") == user_id), group.expression, 0, True)


def _reasons(group: Audience, row: pl.DataFrame, expression: Expression, depth: int, wanted: bool) -> list[Reason]:
    """`wanted` turns round below each `not`: there a condition that holds is what keeps the user out."""
    is_met = bool(row.select(holds(expression, group.vocabulary).alias("met"))["met"][0])
    if isinstance(expression, Condition):
        return [_reason(group, row, expression, depth, is_met, wanted)]
    if isinstance(expression, Not):
        return [Reason(depth, "not", is_met), *_reasons(group, row, expression.part, depth + 1, not wanted)]
    below = [reason for part in expression.parts for reason in _reasons(group, row, part, depth + 1, wanted)]
    return [Reason(depth, "all of" if expression.word == "and" else "any of", is_met), *below]


def _reason(group: Audience, row: pl.DataFrame, condition: Condition, depth: int, is_met: bool, wanted: bool) -> Reason:
    kind = group.vocabulary.kind(condition)
    found = row[condition.name].to_list()[0]
    has = "unknown" if found is None else ", ".join(found) or "nothing" if isinstance(found, list) else _said(found)
    off = "" if is_met == wanted else _off(kind, condition, found)
    if kind == "tag" and (tag := _tag(group, row["user_id"][0], condition.subject)):
        has = f"{tag['value']}{', stale' if tag['is_stale'] else ''}: {_explained(group, condition.subject, tag)}"
        if off and found is None:
            off = _wrong_age(condition)
    return Reason(depth, str(condition), is_met, has, off)


def _off(kind: str, condition: Condition, found: Any) -> str:
    if not found and found != 0:
        return "nothing is known"
    if condition.op == "known":
        return "is known"
    if kind in ("number", "date"):
        value = parsed(kind, condition.values[0], condition)
        if found == value:
            return "exactly at the limit"
        return f"{_said(abs(value - found))} too {'low' if found < value else 'high'}"
    if kind == "list":
        present = condition.values[0] in found
        return f"is among the {len(found)} strongest" if present else f"not among the {len(found)} strongest"
    listed = found in condition.values
    return f"{found} is excluded" if listed else f"{found}, not {' or '.join(condition.values)}"


def _wrong_age(condition: Condition) -> str:
    """Why a tag that is there does not count."""
    if condition.age == "stale":
        return "it is not stale"
    return f"it is stale, so not known any more; any({condition.subject}) counts it"


def _tag(group: Audience, user_id: str, tag_id: str) -> dict[str, Any] | None:
    """The user's tag as exported, stale or not."""
    rows = group.export.scan("tags").filter(pl.col("user_id") == user_id, pl.col("tag_id") == tag_id).collect()
    return rows.to_dicts()[0] if len(rows) else None


def _explained(group: Audience, tag_id: str, row: dict[str, Any]) -> str:
    tag, evidence = group.vocabulary.pack.tag(tag_id), json.loads(row["evidence"] or "{}")
    return fill(tag.explanation, evidence) if tag else json.dumps(evidence)


def _said(value: Any) -> str:
    """Numbers with six significant digits, a stretch of time in days, all else as it is."""
    if isinstance(value, timedelta):
        return counted(value.days, "day")
    return f"{value:.6g}" if isinstance(value, float) else str(value)
