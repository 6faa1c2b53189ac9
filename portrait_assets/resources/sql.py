"""The `.sql` files: rendered, given their parameters by name, and known by a hash that makes stale what they feed.

A file is a Jinja template that loops where columns follow from what the pack declares (Schema.vocabulary); nothing else is decided in it.
"""

import hashlib
import re
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from portrait_assets.packs.schema import Schema
from portrait_assets.settings import SQL_DIR

COMMENT = re.compile(r"--[^\n]*")
PARAMETER = re.compile(r"\$([a-z_]+)")


TEMPLATES = SandboxedEnvironment(  # what it makes is SQL, not a page
    undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, autoescape=False
)


@lru_cache(maxsize=256)
def read_sql(name: str, schema: Schema) -> str:
    """The text of `sql/<name>`, e.g. `features/user_day.sql`, as it runs: rendered, with its parameters still by name."""
    return render(read_template(name), schema)


def read_template(name: str) -> str:
    """The text of `sql/<name>` as it is written."""
    return (SQL_DIR / name).read_text(encoding="utf-8")


def render(template: str, schema: Schema) -> str:
    """A template as SQL. Raises jinja2's errors where it names what is not declared."""
    return TEMPLATES.from_string(template).render(schema.vocabulary)


def sql_names() -> list[str]:
    """The `.sql` files there are, by layer."""
    return sorted(file.relative_to(SQL_DIR).as_posix() for file in SQL_DIR.rglob("*.sql"))


def write_rendered(folder: Path, schema: Schema) -> int:
    """Write every file as it runs under `folder`; returns how many."""
    for name in sql_names():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(read_sql(name, schema), encoding="utf-8")
    return len(sql_names())


def has_sql(name: str) -> bool:
    """Whether there is such a file."""
    return (SQL_DIR / name).is_file()


def sql_version(schema: Schema, *names: str) -> str:
    """Twelve hex digits that change when what one of the files computes may change; comments do not count."""
    return text_version(*(read_sql(name, schema) for name in names))


def text_version(*texts: str) -> str:
    """The same of SQL texts that were made, not read."""
    code = "\n".join(" ".join(COMMENT.sub("", text).split()) for text in texts)
    return hashlib.sha256(code.encode()).hexdigest()[:12]


def with_literals(sql: str, parameters: dict[str, Any]) -> str:
    """`sql` with the values of the parameters that are known in their place; comments stay as they are."""
    return "".join(
        piece if piece.startswith("--") else PARAMETER.sub(lambda found: _literal(found, parameters), piece)
        for piece in re.split(f"({COMMENT.pattern})", sql)
    )


def _literal(found: re.Match[str], parameters: dict[str, Any]) -> str:
    return literal(parameters[found[1]]) if found[1] in parameters else found[0]


def literal(value: Any) -> str:
    """A value as DuckDB writes it."""
    if isinstance(value, date):
        return f"date '{value}'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return f"[{', '.join(map(literal, value))}]" if isinstance(value, list) else str(value)


def used_parameters(sql: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Of `parameters`, those that `sql` names: DuckDB refuses the others."""
    wanted = set(PARAMETER.findall(COMMENT.sub("", sql)))
    return {name: value for name, value in parameters.items() if name in wanted}
