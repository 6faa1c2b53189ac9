"""What a function reaches, on a small package written for it."""

from pathlib import Path
from textwrap import dedent

import pytest

from portrait_assets.reached import reached

FILES = {
    "pieces/__init__.py": "from pieces.deep.inner import passed_on",
    "pieces/deep/__init__.py": "",
    "pieces/deep/inner.py": '''
        """A module."""
        def passed_on(x):
            """Doubles."""
            return 2 * x
        def beside():
            return 0
    ''',
    "pieces/table.py": """
        from typing import TYPE_CHECKING
        from pieces import columns as c
        from pieces import passed_on
        if TYPE_CHECKING:
            from pieces.heavy import Model
        STEP = 3
        QUERY = "features/as_of.sql"
        def made(x: int, model: "Model") -> int:
            from pieces import heavy
            # adds a step
            return passed_on(x) + STEP + heavy.weight() + len(c.TABLE) + len(QUERY)
        def unused(x):
            return x
        class Kind:
            size: int = STEP
            def grown(self):
                return self.size + 1
        def kinds():
            return Kind()
    """,
    "pieces/heavy.py": """
        from pieces.settings import FOLDER
        class Model:
            def act(self): return unseen()
        def weight(): return 5 + len(FOLDER)
        def unseen(): return 1
    """,
    "pieces/columns.py": """
        TABLE = Table("t", "one row", (Column("a", "bigint", "how many"),))
        OTHER = Table("u", "one row", ())
    """,
    "pieces/settings.py": "FOLDER = 'somewhere'",
}


@pytest.fixture
def package(tmp_path) -> Path:
    for name, text in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text), encoding="utf-8")
    return tmp_path / "pieces"


def fingerprints(package: Path, file: str, old: str, new: str, start: str = "table:made") -> tuple[str, str]:
    """Of the package, and of a copy in which one text stands for another."""
    before = reached(start, package=package).fingerprint()
    text = (package / file).read_text(encoding="utf-8")
    assert text.count(old) == 1
    (package / file).write_text(text.replace(old, new), encoding="utf-8")
    moved = package.parent / "again" / "pieces"
    moved.parent.mkdir()
    package.rename(moved)
    return before, reached(start, package=moved).fingerprint()


def test_names_are_followed_to_where_they_are_defined(package):
    found = reached("table:made", package=package)
    assert set(found.definitions) == {
        "table:made",
        "table:STEP",
        "table:QUERY",
        "deep.inner:passed_on",
        "heavy:weight",
        "columns:TABLE",
    }
    assert found.sql == ("features/as_of.sql",)


def test_a_class_is_reached_as_a_whole(package):
    assert set(reached("table:kinds", package=package).definitions) == {"table:kinds", "table:Kind", "table:STEP"}


def test_there_is_no_fingerprint_of_what_does_not_exist(package):
    with pytest.raises(KeyError):
        reached("table:gone", package=package)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("table.py", "# adds a step", "# adds a step, and more"),
        ("table.py", "x: int", "x: float"),
        ("table.py", "return x\n", "return x + 1\n"),
        ("deep/inner.py", "Doubles.", "Twice."),
        ("deep/inner.py", "return 0", "return 1"),
        ("heavy.py", "return 1", "return 2"),
        ("columns.py", "how many", "the number of them"),
        ("columns.py", '"u"', '"v"'),
        ("settings.py", "somewhere", "elsewhere"),
    ],
)
def test_what_changes_nothing_that_is_computed_leaves_the_fingerprint(package, file, old, new):
    before, after = fingerprints(package, file, old, new)
    assert before == after


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("table.py", "STEP = 3", "STEP = 4"),
        ("table.py", "+ STEP", "- STEP"),
        ("deep/inner.py", "2 * x", "3 * x"),
        ("heavy.py", "5 +", "6 +"),
        ("columns.py", '"bigint"', '"integer"'),
        ("table.py", "as_of.sql", "other.sql"),
    ],
)
def test_what_changes_what_is_computed_changes_the_fingerprint(package, file, old, new):
    before, after = fingerprints(package, file, old, new)
    assert before != after


def test_a_method_of_a_class_that_is_made_counts(package):
    before, after = fingerprints(package, "table.py", "self.size + 1", "self.size + 2", "table:kinds")
    assert before != after
