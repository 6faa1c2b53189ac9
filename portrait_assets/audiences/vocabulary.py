"""What an audience may speak of: the names in one export, what each holds, and the judgement of an expression against them."""

import difflib
import math
from dataclasses import dataclass
from datetime import date

import polars as pl

from portrait_assets.audiences.language import ORDERED, Condition, Expression, conditions
from portrait_assets.errors import PortraitError
from portrait_assets.packs import Pack
from portrait_assets.reading.export import Export

KEYS = ("user_id", "as_of")
OPS = {
    "tag": ("=", "!=", "in", "known"),
    "text": ("=", "!=", "in", "known"),
    "number": ("=", "!=", *ORDERED, "known"),
    "date": ("=", "!=", *ORDERED, "known"),
    "list": ("has", "known"),
}


@dataclass(frozen=True)
class Vocabulary:
    """The names of one export by what they hold: tag, text, number, date or list. A tag hides a column of its name."""

    export: Export
    pack: Pack
    kinds: dict[str, str]

    @classmethod
    def of(cls, export: Export) -> "Vocabulary":
        pack = export.pack
        columns = {
            name: kind
            for name, dtype in export.scan("portraits").collect_schema().items()
            if name not in KEYS and (kind := _kind(dtype))
        }
        held = export.scan("tags").select("tag_id").unique().collect()["tag_id"].to_list()
        return cls(export, pack, columns | dict.fromkeys([*(tag.id for tag in pack.tags), *held], "tag"))

    def kind(self, condition: Condition) -> str:
        """What the condition's name holds; PortraitError with the nearest names if there is no such name."""
        if condition.target is not None:
            return "number"
        if condition.subject not in self.kinds:
            raise PortraitError(
                f"there is no tag or number '{condition.subject}' in generation {self.export.generation}; {nearest(condition.subject, self.kinds)}"
            )
        kind = self.kinds[condition.subject]
        check_age(condition, kind)
        return kind

    def check(self, expression: Expression, values: bool = True) -> None:
        """PortraitError at the first condition that no user could be judged by. `values` false: only names and types.

        Values from the data (a category) may be absent on one day and there on the next, so an audience that was judged once
        is only judged by its names afterwards.
        """
        for condition in conditions(expression):
            kind = self.kind(condition)
            if condition.op not in OPS[kind]:
                raise PortraitError(f"'{condition}': {condition.subject} is a {kind} and takes only {', '.join(OPS[kind])}")
            if kind in ("number", "date"):
                for value in condition.values:
                    parsed(kind, value, condition)
            if condition.target is not None or (values and condition.values and kind not in ("number", "date")):
                self._in_domain(condition, kind)

    def _in_domain(self, condition: Condition, kind: str) -> None:
        domain = self.domain(condition.subject, kind, condition.target is not None)
        for value in (condition.target,) if condition.target is not None else condition.values:
            if value not in domain:
                self._refuse_unpredicted(condition)
                what = "prediction" if condition.target is not None else f"value of {condition.subject}"
                raise PortraitError(
                    f"'{value}' is no {what} in generation {self.export.generation}; {nearest(str(value), domain)}"
                )

    def _refuse_unpredicted(self, condition: Condition) -> None:
        """PortraitError with the reason, where a prediction is known to be made of nobody."""
        why = self.export.manifest.get("not_predicted") or {}
        target = condition.target or ""
        if reason := why.get(target) or why.get(target.partition("=")[0]):
            raise PortraitError(f"'{target}' is not predicted in generation {self.export.generation}: {reason}")

    def domain(self, name: str, kind: str, is_prediction: bool = False) -> list[str]:
        """Every value a name can have: as its catalogue entry says, else as the export holds."""
        if is_prediction:
            rows = self.export.scan("predictions").select(pl.col("target").alias("value"))
        elif kind == "tag":
            if (tag := self.pack.tag(name)) and tag.values:
                return list(tag.values)
            rows = self.export.scan("tags").filter(pl.col("tag_id") == name).select("value")
        elif kind == "list":
            rows = self.export.scan("portraits").select(pl.col(name).explode().struct.field("value"))
        else:
            rows = self.export.scan("portraits").select(pl.col(name).alias("value"))
        return rows.drop_nulls().unique().sort("value").collect()["value"].to_list()


def check_age(condition: Condition, kind: str) -> None:
    """PortraitError where any( ) or stale( ) is asked of what never goes stale."""
    if condition.age != "fresh" and kind != "tag":
        raise PortraitError(
            f"'{condition}': {condition.subject} is a {kind}, and only a tag can be stale; write {condition.subject} alone"
        )


def parsed(kind: str, value: str, condition: Condition) -> float | date:
    """A number or a date as written; PortraitError otherwise."""
    try:
        found = date.fromisoformat(value) if kind == "date" else float(value)
    except ValueError:
        found = math.nan
    if isinstance(found, float) and not math.isfinite(found):
        wanted = "a date (YYYY-MM-DD)" if kind == "date" else "a number"
        raise PortraitError(f"'{condition}': {condition.name} is a {kind}, and '{value}' is not {wanted}")
    return found


def _kind(dtype: pl.DataType) -> str | None:
    if isinstance(dtype, pl.List):
        return "list" if isinstance(dtype.inner, pl.Struct) else None
    if dtype.is_numeric():
        return "number"
    return {pl.String: "text", pl.Date: "date"}.get(dtype.base_type())


def nearest(name: str, known: dict[str, str] | list[str]) -> str:
    """What of `known` is most like `name`, as the end of a message."""
    by_case = {value.casefold(): value for value in known}
    near = [by_case[found] for found in difflib.get_close_matches(name.casefold(), by_case, n=3, cutoff=0.5)]
    if near:
        return f"nearest: {', '.join(near)}"
    return f"known are {', '.join(list(known)[:12])}{' and more' if len(known) > 12 else ''}" if known else "there is none yet"
