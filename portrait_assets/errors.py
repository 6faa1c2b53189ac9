"""The one family of errors that are the user's to mend: each says what, where, and what to do."""

import unicodedata

CONTROLS = {"Cc", "Cs", "Zl", "Zp"}
BIDIRECTIONAL = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def printable(text: str) -> str:
    """Text of somebody's data, safe to print on one line: characters that would move the cursor or hide others are escaped."""
    if text.isprintable():
        return text
    return "".join(
        ascii(char)[1:-1] if unicodedata.category(char) in CONTROLS or char in BIDIRECTIONAL else char for char in text
    )


class PortraitError(Exception):
    """A mistake in input or use. The command line prints it as one line and exits with code 2."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))
