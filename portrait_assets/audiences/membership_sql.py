"""An audience as SQL over stored snapshots: the same members as over the export of a day, for every day at once."""

from portrait_assets.audiences.language import Condition, Expression, Not, conditions, parse
from portrait_assets.audiences.vocabulary import KEYS, OPS, check_age, nearest, parsed
from portrait_assets.errors import PortraitError
from portrait_assets.packs import Pack
from portrait_assets.packs.tag_sql import stale

KINDS = {"varchar": "text", "date": "date", "bigint": "number", "double": "number", "utinyint": "number"}
PUBLISHED_DAYS_ONLY = ("category_14d=", "item_14d=")
NOBODY = "select event_date, user_id as audience, user_id from scoped_snapshots where false"


def membership(audiences: dict[str, str], pack: Pack) -> str:
    """Grain: day from $start to $end x saved audience x member. Inputs: scoped_snapshots, scores.predictions.

    PortraitError naming the audience that speaks of what no snapshot has.
    """
    selects = [_members(name, parse(text), pack) for name, text in sorted(audiences.items())]
    return "\nunion all by name\n".join(selects or [NOBODY])


def check(name: str, expression: Expression, pack: Pack) -> None:
    """PortraitError where the audience can't be computed for every day."""
    _members(name, expression, pack)


def _members(name: str, expression: Expression, pack: Pack) -> str:
    try:
        for condition in conditions(expression):
            _judge(condition, pack)
        holds = _holds(expression, pack)
    except PortraitError as problem:
        raise PortraitError(f"saved audience '{name}': {problem}") from None
    # The days stand on a line of their own, before what may hold two dashes inside a value.
    return (
        f"select snapshot.event_date, {_text(name)} as audience, snapshot.user_id\nfrom scoped_snapshots as snapshot\n"
        f"where snapshot.event_date between $start and $end\nand ({holds})"
    )


def _kind(condition: Condition, pack: Pack) -> str:
    if condition.target is not None:
        return "number"
    if pack.tag(condition.subject):
        return "tag"
    columns = _columns(pack)
    if condition.subject not in columns:
        known = [*(tag.id for tag in pack.tags), *columns]
        raise PortraitError(f"there is no tag or number '{condition.subject}'; {nearest(condition.subject, known)}")
    check_age(condition, columns[condition.subject])
    return columns[condition.subject]


def _columns(pack: Pack) -> dict[str, str]:
    """What of a snapshot an audience may speak of, and what each holds."""
    return {
        column.name: "list" if column.type.startswith("struct") and column.type.endswith("[]") else KINDS[column.type]
        for column in pack.schema.snapshots.columns
        if column.name not in (*KEYS, "event_date") and (column.type in KINDS or column.type.startswith("struct"))
    }


def _judge(condition: Condition, pack: Pack) -> None:
    kind = _kind(condition, pack)
    if condition.op not in OPS[kind]:
        raise PortraitError(f"'{condition}': {condition.subject} is a {kind} and takes only {', '.join(OPS[kind])}")
    if condition.target is not None and condition.target.startswith(PUBLISHED_DAYS_ONLY):
        raise PortraitError(
            f"'{condition}': chances of single categories and items are known on published days alone; a saved audience has "
            "members on every day, so leave that condition out"
        )


def _holds(expression: Expression, pack: Pack) -> str:
    if isinstance(expression, Condition):
        return f"coalesce({_condition(expression, pack)}, false)"
    if isinstance(expression, Not):
        return f"not ({_holds(expression.part, pack)})"
    return "(" + f" {expression.word} ".join(_holds(part, pack) for part in expression.parts) + ")"


def _condition(condition: Condition, pack: Pack) -> str:
    kind = _kind(condition, pack)
    value = _value(condition, pack)
    if condition.op == "known":
        return f"len({value}) > 0" if kind == "list" else f"{value} is not null"
    if condition.op == "has":
        return f'list_contains(list_transform({value}, lambda one: one."value"), {_text(condition.values[0])})'
    if condition.op == "in":
        return f"{value} in ({', '.join(_text(one) for one in condition.values)})"
    return f"{value} {condition.op} {_literal(kind, condition)}"


def _value(condition: Condition, pack: Pack) -> str:
    """What the condition reads of a snapshot row."""
    if condition.target is not None:
        return (
            "(select told.probability from scores.predictions as told where told.event_date = snapshot.event_date "
            f"and told.user_id = snapshot.user_id and told.target || coalesce('=' || told.class, '') = {_text(condition.target)})"
        )
    tag = pack.tag(condition.subject)
    if tag is None:
        return f'snapshot."{condition.subject}"'
    value = f"({tag.value}\n)::varchar"
    counts = {"any": "true", "stale": stale(tag), "fresh": f"not {stale(tag)}"}[condition.age]
    return f"case when {counts} then {value} end"


def _literal(kind: str, condition: Condition) -> str:
    if kind in ("number", "date"):
        value = parsed(kind, condition.values[0], condition)
        return f"date '{value}'" if kind == "date" else f"'{value!r}'::double"
    return _text(condition.values[0])


def _text(value: str) -> str:
    """A value as SQL text."""
    return "'" + value.replace("'", "''") + "'"
