"""Where in a TOML file of `[[tags]]` entries something stands: the parser tells what is said, not on which line."""

import re

FIELD = re.compile(r"^([A-Za-z_][A-Za-z0-9_]*)\s*=")
TRIPLE = re.compile(r'"""|\'\'\'')


def lines_of_entries(text: str, header: str = "[[tags]]") -> list[dict[str, int]]:
    """For each entry, in order: the line (from 1) of each of its fields, and under "" that of its header."""
    entries: list[dict[str, int]] = []
    closing: str | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        if closing is None:
            if line.strip() == header:
                entries.append({"": number})
            elif entries and (field := FIELD.match(line)):
                entries[-1].setdefault(field.group(1), number)
        for quote in TRIPLE.findall(line):
            closing = quote if closing is None else None if quote == closing else closing
    return entries
