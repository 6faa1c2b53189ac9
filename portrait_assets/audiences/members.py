"""Who is in an audience: an expression judged on every user of one export at once."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from portrait_assets.audiences.language import Condition, Expression, Not, conditions, parse
from portrait_assets.audiences.vocabulary import Vocabulary, parsed
from portrait_assets.errors import PortraitError
from portrait_assets.reading.export import Export
from portrait_assets.reading.words import counted
from portrait_assets.spreadsheet import write_csv

COMPARE: dict[str, Callable] = {
    "=": pl.Expr.eq, "!=": pl.Expr.ne, "<": pl.Expr.lt, "<=": pl.Expr.le, ">": pl.Expr.gt, ">=": pl.Expr.ge,
}  # fmt: skip


@dataclass(frozen=True)
class Audience:
    """An expression over one export: `facts` has a row a user with the columns it reads, and `is_member`.

    Tags count where they are fresh, unless the expression asks for any( ) or stale( ) ones.
    """

    vocabulary: Vocabulary
    expression: Expression
    facts: pl.DataFrame
    size_with_stale: int
    """How many it would be if a stale tag counted like a fresh one."""

    @property
    def export(self) -> Export:
        return self.vocabulary.export

    @property
    def members(self) -> pl.DataFrame:
        return self.facts.filter(pl.col("is_member")).drop("is_member")

    @property
    def size(self) -> int:
        return int(self.facts["is_member"].sum())

    @property
    def of(self) -> int:
        """All users of the export."""
        return len(self.facts)

    def ids(self) -> set[str]:
        return set(self.members["user_id"])


def audience(export: Export, text: str, values: bool = True) -> Audience:
    """The audience that `text` says, judged on `export`; PortraitError where it speaks of what is not there.

    A comparison with what is not known of a user does not hold, `!=` included; `not` turns that round.
    """
    expression, vocabulary = parse(text), Vocabulary.of(export)
    vocabulary.check(expression, values)
    is_member = holds(expression, vocabulary).alias("is_member")
    facts, with_stale = (_facts(vocabulary, expression, is_any_age).with_columns(is_member) for is_any_age in (False, True))
    return Audience(vocabulary, expression, facts, int(with_stale["is_member"].sum()))


def holds(expression: Expression, vocabulary: Vocabulary) -> pl.Expr:
    """The expression as a column of true and false over the facts."""
    if isinstance(expression, Condition):
        return _condition(expression, vocabulary.kind(expression)).fill_null(False)
    if isinstance(expression, Not):
        return ~holds(expression.part, vocabulary)
    parts = [holds(part, vocabulary) for part in expression.parts]
    return pl.all_horizontal(parts) if expression.word == "and" else pl.any_horizontal(parts)


def _condition(condition: Condition, kind: str) -> pl.Expr:
    column = pl.col(condition.name)
    if condition.op == "known":
        return column.list.len() > 0 if kind == "list" else column.is_not_null()
    if condition.op == "has":
        return column.list.contains(condition.values[0])
    if condition.op == "in":
        return column.is_in(list(condition.values))
    value = parsed(kind, condition.values[0], condition) if kind in ("number", "date") else condition.values[0]
    return COMPARE[condition.op](column, pl.lit(value))


def stale_note(found: Audience) -> str:
    """What stale tags would make of it; empty where they make no difference."""
    if found.size_with_stale == found.size:
        return ""
    return f"Stale tags are not counted: with them it would be {counted(found.size_with_stale, 'user')}; any(TAG) counts a tag stale or not."


def _facts(vocabulary: Vocabulary, expression: Expression, is_any_age: bool) -> pl.DataFrame:
    """user_id and one column a name that the expression reads; lists by their values, predictions by their target.

    A tag that is not as old as its condition asks for is not known; with `is_any_age` its age does not matter.
    """
    export, named = vocabulary.export, {condition.name: condition for condition in conditions(expression)}
    kinds = {name: vocabulary.kind(condition) for name, condition in named.items()}
    columns = [
        pl.col(name).list.eval(pl.element().struct.field("value")) if kind == "list" else pl.col(name)
        for name, kind in kinds.items()
        if kind != "tag" and named[name].target is None
    ]
    facts = export.scan("portraits").select("user_id", *columns)
    for name, condition in named.items():
        if kinds[name] == "tag":
            held = export.scan("tags").filter(pl.col("tag_id") == condition.subject)
            if condition.age == "stale" or (condition.age == "fresh" and not is_any_age):
                held = held.filter(pl.col("is_stale") == (condition.age == "stale"))
            held = held.select("user_id", pl.col("value").alias(name))
            facts = facts.join(held, on="user_id", how="left")
        elif condition.target is not None:
            held = export.scan("predictions").filter(pl.col("target") == condition.target)
            facts = facts.join(held.select("user_id", pl.col("probability").alias(name)), on="user_id", how="left")
    return facts.sort(pl.col("user_id").str.len_chars(), "user_id").select("user_id", *named).collect()


def write(found: Audience, file: Path) -> None:
    """Members with the columns their audience reads, and the generation, as Parquet, CSV or NDJSON by the ending of `file`."""
    writers: dict[str, Callable[[pl.DataFrame, Path], None]] = {
        ".parquet": pl.DataFrame.write_parquet, ".csv": write_csv, ".ndjson": pl.DataFrame.write_ndjson,
    }  # fmt: skip
    if file.suffix not in writers:
        raise PortraitError(f"{file}: the ending says the format, one of {', '.join(writers)}")
    if not file.parent.is_dir():
        raise PortraitError(f"{file}: there is no folder {file.parent}; make it first")
    draft = file.with_name(f".{file.name}.draft")
    rows = found.members.with_columns(pl.lit(found.export.generation).alias("generation"))
    writers[file.suffix](rows, draft)
    draft.replace(file)
