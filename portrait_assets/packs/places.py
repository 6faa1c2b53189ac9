"""Where in a TOML file something stands: the parser gives what is said, not on which line."""

import re

FIELD = re.compile(r"^([A-Za-z_][A-Za-z0-9_]*)\s*=")
ANY_HEAD = re.compile(r"^\s*\[\[?\s*[A-Za-z_][A-Za-z0-9_.]*\s*\]")
HEAD = re.compile(r"^\s*\[\s*([A-Za-z_][A-Za-z0-9_]*)\s*\]")
QUIET = re.compile(r"""(?P<comment>#[^\n]*)|"(?:\\.|[^"\\\n])*"|'[^'\n]*'""")
TRIPLE = re.compile(r'"""|\'\'\'')


def lines_of_entries(text: str, header: str = "[[tags]]") -> list[dict[str, int]]:
    """For each entry, in order: the line (from 1) of each of its fields, and under "" that of its header."""
    entries: list[dict[str, int]] = []
    is_within, closing = False, None
    for number, line in enumerate(text.splitlines(), start=1):
        if closing is None:
            if line.strip() == header:
                is_within = True
                entries.append({"": number})
            elif ANY_HEAD.match(line):
                is_within = False
            elif is_within and (field := FIELD.match(line)):
                entries[-1].setdefault(field.group(1), number)
        for quote in TRIPLE.findall(line):
            closing = quote if closing is None else None if quote == closing else closing
    return entries


def line_of_field(text: str, field: str) -> int | None:
    """The line (from 1) of a field such as `exclude.1.category`: the key, or where that is not said its entry, or its list."""
    bare = QUIET.sub(_blank, text)
    name, *rest = field.split(".")
    heads = [match.start() for match in re.finditer(rf"^[ \t]*\[\[\s*{re.escape(name)}\s*\]\]", bare, re.MULTILINE)]
    begin = re.search(rf"^[ \t]*{re.escape(name)}\s*=", bare, re.MULTILINE)
    place = heads[0] if heads else begin.start() if begin else None
    if place is None:
        return None
    if rest and rest[0].isdigit():
        entries = heads or [match.start() for match in re.finditer(r"\{", bare[place:])]
        if int(rest[0]) < len(entries):
            place = entries[int(rest[0])] if heads else place + entries[int(rest[0])]
        key = re.search(rf"\b{re.escape(rest[1])}\b\s*=", bare[place:]) if len(rest) > 1 else None
        place += key.start() if key else 0
    return bare.count("\n", 0, place) + 1


def _blank(match: re.Match[str]) -> str:
    """A comment or a text blotted out, so that nothing in it is taken for a key or a bracket."""
    return " " * len(match.group())


def line_of_key(text: str, table: str, key: str | None = None) -> int | None:
    """The line (from 1) of `key` in [table], of the table's head where it does not say the key, or of a key outside all tables."""
    now, found = "", None
    for number, line in enumerate(QUIET.sub(_blank, text).splitlines(), start=1):
        if head := HEAD.match(line):
            now = head.group(1)
            found = number if now == table and found is None else found
        elif (field := FIELD.match(line)) and (now, field.group(1)) in ((table, key), ("", table)):
            return number
    return found
