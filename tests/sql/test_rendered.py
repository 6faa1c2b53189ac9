"""`.sql` files as they run: what their loops make stands under tests/sql/rendered, so that a change of one is seen in review."""

from datetime import date
from pathlib import Path

import duckdb
import pytest
from jinja2 import UndefinedError
from jinja2.exceptions import SecurityError

from portrait_assets.packs import load_pack
from portrait_assets.resources.sql import literal, read_sql, read_template, render, sql_names, with_literals

RENDERED = Path(__file__).parent / "rendered"
SCHEMA = load_pack().schema
TEMPLATES = [name for name in sql_names() if read_template(name) != read_sql(name, SCHEMA)]


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_makes_the_sql_that_was_reviewed(name):
    """A change is taken over by `portrait sql render FOLDER`, of which the files that loop are kept here, and no others."""
    assert read_sql(name, SCHEMA) == (RENDERED / name).read_text(encoding="utf-8")


def test_no_rendering_is_left_over():
    assert sorted(file.relative_to(RENDERED).as_posix() for file in RENDERED.rglob("*.sql")) == TEMPLATES


def test_nothing_but_loops_and_names_is_in_a_template():
    assert render("{% for days in windows %}\n a_{{ days }}{{ '' if loop.last else ',' }}\n{% endfor %}\n", SCHEMA) == "".join(
        f" a_{days}{',' if days != 365 else ''}\n" for days in SCHEMA.measures.windows
    )
    with pytest.raises(UndefinedError):
        render("{{ not_declared }}", SCHEMA)
    with pytest.raises(SecurityError):
        render("{{ windows.__class__.__mro__ }}", SCHEMA)


def test_values_stand_where_parameters_stood_and_comments_stay():
    sql = "select $day, $names -- $day is the day\nwhere x > $least and y = $other"
    known = {"day": date(2024, 2, 29), "names": ["it's", "b"], "least": 0.5}
    assert with_literals(sql, known) == (
        "select date '2024-02-29', ['it''s', 'b'] -- $day is the day\nwhere x > 0.5 and y = $other"
    )
    assert duckdb.sql(f"select {literal(known['names'])}").fetchall() == [(["it's", "b"],)]
