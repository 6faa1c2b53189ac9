"""The commands that README and docs show in their blocks of `sh`, as they stand there, on households of Complete Journey."""

import re
import shlex
import subprocess
from datetime import date
from pathlib import Path

import pytest

from portrait_assets.settings import PROJECT_DIR
from tests.end_to_end.slice import END, Shell, write_slice

PAGES = [PROJECT_DIR / "README.md", *sorted((PROJECT_DIR / "docs").glob("*.md"))]
COMMAND = re.compile(r"(?:^|\s)(?:\.venv/bin/)?portrait\s+(.*)")
UNENDING = ("serve", "ui", "replay")  # tests of their own run them


def commands() -> list[str]:
    """`portrait …` of each block, without comments, each once."""
    lines = [
        line
        for page in PAGES
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        for line in block.replace("\\\n", " ").splitlines()
    ]
    found = [match[1].strip() for line in lines if (match := COMMAND.search(re.split(r"\s+#", line)[0]))]
    return [said for said in dict.fromkeys(found) if said.split()[0] not in UNENDING]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a reader stands: a home that has run, a shop of their own beside it, a list of items."""
    folder = tmp_path_factory.mktemp("docs")
    mapping = write_slice(folder / "source", date(2018, 1, 2))
    mapping.write_text(mapping.read_text().replace(f"end = {END}", "end = 2018-01-01"))
    Shell(folder / "home").run("run", "--source", mapping, timeout=1800)
    (folder / "items.txt").write_text("1082185\n995242\n")
    (folder / "sales.csv").write_text("id,ts,who\n" + "".join(f"{n},2024-01-{n:02d} 10:00:00,u{n % 3}\n" for n in range(1, 29)))
    (folder / "my_shop.toml").write_text(
        'name = "my_shop"\n[tables.sales]\nfiles = "sales.csv"\n[[events]]\nfrom = "sales"\nkey = "id"\nevent_time = "ts"\n'
        'user_id = "who"\nevent_type = "purchase"\n'
    )
    return folder


def test_the_pages_show_commands():
    assert len(commands()) >= 10 and "show 1" in commands()


@pytest.mark.slow
@pytest.mark.parametrize("said", commands())
def test_a_command_of_the_docs_works(folder: Path, said: str):
    arguments = shlex.split(said)
    home = folder / ("shop" if "my_shop.toml" in said else "home")
    command, environment = Shell(home).command(*arguments)
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
