"""The `.sql` files: read, given their parameters by name, and known by a hash that makes stale what they feed."""

import hashlib
import re
from functools import cache
from typing import Any

from portrait_assets.settings import SQL_DIR

COMMENT = re.compile(r"--[^\n]*")
PARAMETER = re.compile(r"\$([a-z_]+)")


@cache
def read_sql(name: str) -> str:
    """The text of `sql/<name>`, e.g. `features/user_day.sql`."""
    return (SQL_DIR / name).read_text(encoding="utf-8")


def has_sql(name: str) -> bool:
    """Whether there is such a file."""
    return (SQL_DIR / name).is_file()


@cache
def sql_version(*names: str) -> str:
    """Twelve hex digits that change when what one of the files computes may change; comments do not count."""
    return text_version(*(read_sql(name) for name in names))


def text_version(*texts: str) -> str:
    """The same of SQL texts that were made, not read."""
    code = "\n".join(" ".join(COMMENT.sub("", text).split()) for text in texts)
    return hashlib.sha256(code.encode()).hexdigest()[:12]


def used_parameters(sql: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Of `parameters`, those that `sql` names: DuckDB refuses the others."""
    wanted = set(PARAMETER.findall(COMMENT.sub("", sql)))
    return {name: value for name, value in parameters.items() if name in wanted}
