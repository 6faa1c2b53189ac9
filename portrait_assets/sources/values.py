"""Any SQL value to a canonical one, and what to say to a person when it is not one: pure SQL text, no connection."""

import re
from dataclasses import dataclass

from portrait_assets.columns import LARGEST
from portrait_assets.errors import PortraitError
from portrait_assets.sources.expressions import EXACT, literal

WHOLE = re.compile(r"U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER")
NUMERIC = re.compile(rf"{WHOLE.pattern}|DECIMAL.*|DOUBLE|FLOAT")
WALL_CLOCK = re.compile(r"DATE|TIMESTAMP(_S|_MS|_NS)?")
HOUR = re.compile(r"%-?[HIcXsz]")  # what names an hour in a strptime format
# What may stand behind a time: an offset, or the name of a zone. DuckDB would leave away whatever else does, PM for one.
OFFSET = r":\d{2}(\.\d+)?\s*([A-Za-z].*|[+-]\d{2}(:?\d{2})?)$"
ISO = "iso"
# Formats that count time since 1970: SQL of the microseconds that a whole number of them makes, and how many one of them is.
EPOCHS = {
    "epoch_s": ("{} * 1000000", "1e6"),
    "epoch_ms": ("{} * 1000", "1e3"),
    "epoch_us": ("{}", "1"),
    "epoch_ns": ("{} // 1000", "1e-3"),
}

# How spreadsheets and columns of floats write long numbers, of which the last digits are lost.
ROUNDED = r"[+-]?\d(\.\d+[eE]\+?|[eE]\+)\d{2,}"
EXACT_TO = {"DOUBLE": EXACT, "FLOAT": 2**24 - 1}

# How many of the stored whole numbers make one unit; a rating stays a fraction.
SCALES: dict[str, int | None] = {"quantity": 1000, "amount": 100, "discount": 100, "coupon": 100, "version": 1, "rating": None}
TIMES = ("event_time", "ingested_at")
IDS = ("user_id", "item_id", "session_id", "place_id", "campaign_id", "coupon_id")

# White space that DuckDB's `trim` leaves: with the spaces that it takes, what the live service strips.
OTHER_SPACES = "\\t-\\r\\x85\\x{2028}\\x{2029}"
SPACES = "".join(
    map(chr, [*range(9, 14), 32, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000])
)


@dataclass(frozen=True)
class Marks:
    """How a table writes numbers."""

    decimal: str = "."
    thousands: str = ""


@dataclass(frozen=True)
class Value:
    """SQL of a canonical value, SQL of what is wrong with what it came from (text, or null where nothing is), and SQL of
    whether a time came with an hour."""

    sql: str
    problem: str = "null"
    has_time: str = "true"


def is_text(type_: str) -> bool:
    return type_ in ("VARCHAR", "JSON", '"NULL"')


def canonical(column: str, sql: str, type_: str, marks: Marks, clock: str, place: str) -> Value:
    """The value of one canonical column from `sql` of a DuckDB type; instants are timestamptz, scaled numbers bigint.

    `clock` is SQL of the zone of times without an offset. A type that can't become the column's is a PortraitError at `place`.
    """
    if column in TIMES:
        return _instant(column, sql, type_, clock, place)
    if column in SCALES:
        return _number(column, sql, type_, marks, SCALES[column], place)
    if column in ("is_deletion", "has_time"):
        flag = f"try_cast({sql} as boolean)"
        return Value(flag, unless(f"{sql} is null or {flag} is not null", column, sql, "true or false"))
    return identifier(column, sql, type_) if column in IDS or column.startswith("key ") else Value(as_text(sql, type_))


def identifier(column: str, sql: str, type_: str) -> Value:
    """What names something, as text: a whole number is one name whatever type it comes in, and NaN is none.

    A number that has a fraction, or that its type may have rounded, names nothing for certain.
    """
    if is_text(type_):
        text = as_text(sql, type_)
        sure = f"{sql} is null or not regexp_full_match({text}, {literal(ROUNDED)})"
        problem = unless(sure, column, sql, "exact: it is a number that was rounded; write ids as text")
        plain = unless(
            f"{sql} is null or not contains({text}, chr(0))", column, f"replace({text}, chr(0), '␀')", "an id: it holds a NUL"
        )
        return Value(f"case when coalesce({problem}, {plain}) is null then {text} end", f"coalesce({problem}, {plain})")
    if not NUMERIC.fullmatch(type_) or WHOLE.fullmatch(type_):
        return Value(as_text(sql, type_))
    fraction = unless(f"not isfinite(cast({sql} as double)) or {sql} = trunc({sql})", column, sql, "an id: it has a fraction")
    problem = f"coalesce({fraction}, {rounded(column, sql, type_)})"
    return Value(f"case when {problem} is null then {as_text(sql, type_)} end", problem)


def rounded(column: str, sql: str, type_: str) -> str:
    """SQL of why a number may not be the whole number that was meant: its type may have rounded it. Null where that can't be."""
    if type_ not in EXACT_TO:
        return "null"
    exact = EXACT_TO[type_]
    advice = f"exact: {type_} rounds whole numbers beyond {exact:,}; write ids as BIGINT or as text"
    return unless(f"not isfinite({sql}) or abs({sql}) <= {exact}", column, sql, advice)


def as_text(sql: str, type_: str) -> str:
    """SQL of a value as text, null where it is empty. A whole number has no decimal point, whatever its type."""
    text = f"cast({sql} as varchar)"
    if WHOLE.fullmatch(type_):
        return text
    if NUMERIC.fullmatch(type_):
        whole = f"case when {sql} = trunc({sql}) then try_cast({sql} as hugeint)::varchar end"
        return f"case when isfinite(cast({sql} as double)) then coalesce({whole}, {text}) end"
    trimmed = f"trim({text})"
    has_others = f"regexp_matches({trimmed}, '^[{OTHER_SPACES}]|[{OTHER_SPACES}]$')"
    return f"nullif(case when {has_others} then trim({text}, {literal(SPACES)}) else {trimmed} end, '')"


def typed(column: str, sql: str, type_: str, formats: tuple[str, ...] | None, marks: Marks, clock: str) -> Value:
    """A source column declared as a time (with `formats`) or as a number (without), ready to calculate with."""
    if not is_text(type_):
        sql = f"case when not isnan({sql}) then {sql} end" if type_ in ("DOUBLE", "FLOAT") else sql
        if formats is None or not NUMERIC.fullmatch(type_):
            return Value(sql, has_time=timed(type_))
        sql = f"cast({sql} as varchar)"
    value = parsed_number(sql, marks) if formats is None else parsed_time(sql, formats, clock)
    expected = "a number" + _written(marks) if formats is None else "a time; expected " + " or ".join(formats)
    problem = unless(f"{sql} is null or ({value}) is not null", column, sql, expected)
    return Value(value, problem, "true" if formats is None else _timed_by(sql, formats))


def timed(type_: str, sql: str = "") -> str:
    """SQL of whether a value of a type, a text `sql` in ISO 8601 among them, has an hour; a date has none."""
    return "false" if type_ == "DATE" else f"contains({sql}, ':')" if sql and is_text(type_) else "true"


def _timed_by(sql: str, formats: tuple[str, ...]) -> str:
    """SQL of whether the format that a text is read by, the first that fits, has an hour."""
    kinds = {_has_hour(pattern) for pattern in formats if pattern != ISO}
    if ISO not in formats and len(kinds) == 1:
        return str(kinds.pop()).lower()
    cases = ""
    for pattern in formats:
        read = f"try_strptime(trim({sql}), {literal(pattern)})"
        if pattern in (ISO, *EPOCHS):
            read = f"try_cast({sql} as timestamp)" if pattern == ISO else f"try({_since_1970(sql, pattern)})"
        has_hour = timed("VARCHAR", sql) if pattern == ISO else str(_has_hour(pattern)).lower()
        cases += f" when {read} is not null then {has_hour}"
    return f"(case{cases} else false end)"


def _has_hour(pattern: str) -> bool:
    return pattern in EPOCHS or bool(HOUR.search(pattern))


def parsed_number(sql: str, marks: Marks) -> str:
    """SQL of the double that a text writes with these marks; null where it writes none."""
    mark = re.escape(marks.thousands)
    whole = rf"\d{{1,3}}({mark}\d{{3}})+|\d+" if mark else r"\d+"
    grammar = literal(rf"[+-]?(({whole})({re.escape(marks.decimal)}\d*)?|{re.escape(marks.decimal)}\d+)([eE][+-]?\d+)?")
    plain = f"trim({sql})"
    if mark:
        plain = f"replace({plain}, {literal(marks.thousands)}, '')"
    if marks.decimal != ".":
        plain = f"replace({plain}, {literal(marks.decimal)}, '.')"
    return f"case when regexp_full_match(trim({sql}), {grammar}) then try_cast({plain} as double) end"


def parsed_time(sql: str, formats: tuple[str, ...], clock: str) -> str:
    """SQL of the time that a text writes: a timestamp on `clock`, or a timestamptz if every format has an offset."""
    absolute = all("%z" in pattern or pattern in EPOCHS for pattern in formats)
    here = "" if absolute else f" at time zone {literal(clock)}"
    tried = []
    for pattern in formats:
        parsed = f"try_strptime(trim({sql}), {literal(pattern)})"
        if pattern in EPOCHS:
            tried.append(f"try({_since_1970(sql, pattern)}{here})")
        else:
            tried.append(_iso(sql, clock) if pattern == ISO else f"try({parsed}{here})" if "%z" in pattern else parsed)
    return f"coalesce({', '.join(tried)})"


def _since_1970(sql: str, pattern: str) -> str:
    whole, factor = EPOCHS[pattern]
    text = f"trim({sql})"
    exact = whole.format(f"cast({text} as hugeint)")
    fraction = f"round(cast({text} as double) * {factor})"
    micros = (
        f"case when regexp_full_match({text}, '[+-]?\\d+') then {exact} "
        f"when regexp_full_match({text}, '[+-]?\\d+\\.\\d*([eE][+-]?\\d+)?') then {fraction} end"
    )
    return f"make_timestamp(cast({micros} as bigint)) at time zone 'UTC'"


def _iso(sql: str, clock: str) -> str:
    with_offset = f"try({_absolute(sql)} at time zone {literal(clock)})"
    return f"case when regexp_matches(trim({sql}), {literal(OFFSET)}) then {with_offset} else try_cast({sql} as timestamp) end"


def _absolute(sql: str) -> str:
    """SQL of the instant of a text with an offset, also one behind a space or in a small letter, which DuckDB does not take."""
    near = f"regexp_replace(trim({sql}), '\\s+([+-])', '\\1')"
    return f"try_cast(regexp_replace({near}, '(\\d)\\s*[zZ]$', '\\1Z') as timestamptz)"


def _instant(column: str, sql: str, type_: str, clock: str, place: str) -> Value:
    if type_ == "TIMESTAMP WITH TIME ZONE":
        return Value(sql)
    wall_clock = f"try(try_cast({sql} as timestamp) at time zone {clock})"
    if WALL_CLOCK.fullmatch(type_):
        return Value(wall_clock, unless(f"{sql} is null or {wall_clock} is not null", column, sql, "a time that can be kept"))
    if not is_text(type_):
        advice = 'if it counts time since 1970, declare times = { … = "epoch_s" } (or epoch_ms, …), or write to_timestamp(…)'
        raise PortraitError(f"{place}: {column} is {type_}, not a time; {advice}")
    instant = f"case when regexp_matches(trim({sql}), {literal(OFFSET)}) then {_absolute(sql)} else {wall_clock} end"
    expected = "a time; expected ISO 8601 or set a format in the mapping"
    return Value(instant, unless(f"{sql} is null or ({instant}) is not null", column, sql, expected))


def _number(column: str, sql: str, type_: str, marks: Marks, scale: int | None, place: str) -> Value:
    if not is_text(type_) and not NUMERIC.fullmatch(type_):
        raise PortraitError(f"{place}: {column} is {type_}, not a number; write an expression that gives one")
    if is_text(type_):
        double = parsed_number(sql, marks)
        unread = unless(f"{sql} is null or ({double}) is not null", column, sql, "a number" + _written(marks))
    else:
        double = f"case when not isnan(cast({sql} as double)) then cast({sql} as double) end"
        unread = "null"
    largest = LARGEST.get(column, EXACT)
    fits = f"abs({double}) <= {largest}"
    beyond = unless(f"coalesce({fits}, true)", column, sql, f"a number that can be kept; the largest is {largest:,}")
    # Adding 0 makes of -0.0, which is equal to 0 and is written otherwise, the 0 that it is.
    value = f"cast(round(({double}) * {scale}) as bigint)" if scale else f"({double}) + 0.0"
    return Value(f"case when {fits} then {value} end", f"coalesce({unread}, {beyond})")


def _written(marks: Marks) -> str:
    return f"; expected digits such as 1{marks.thousands}234{marks.decimal}50"


def unless(fine: str, column: str, sql: str, expected: str) -> str:
    """SQL: null where `fine`, else "column 'value' is not expected"."""
    shown = f"left(cast({sql} as varchar), 60)"
    before, after = literal(f"{column} '"), literal(f"' is not {expected}")
    return f"case when not ({fine}) then {before} || {shown} || {after} end"
