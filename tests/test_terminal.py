"""What a terminal shows of data: every letter of it, and nothing that it would do."""

import io
import logging
import subprocess

import pytest
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from portrait_assets.reading.words import command
from portrait_assets.terminal import Plain, Terminal, printable, styled
from tests.hostile import IDS


def shown(content: object) -> str:
    file = io.StringIO()
    Terminal(file=file, width=5000, force_terminal=True, color_system="truecolor").print(content)
    return file.getvalue()


@pytest.mark.parametrize("text", [*IDS, ":smile:", "[link=http://x]y[/link]", "[/]", "\\[bold]", "\x9b31m"])
def test_data_is_shown_and_never_obeyed(text: str):
    table = Table("a", box=None, pad_edge=False)
    table.add_row(text)
    wanted = "".join(printable(text.split("\n")[0]).split())
    for content in (text, table, Panel(text), Text(text), styled("{}", text)):
        said = shown(content)
        assert wanted in "".join(said.split()), content
        assert not {"\x9b", "\r", "\t", "\u202e", "\u200b"} & set(said) and "\x1b[31m" not in said


def test_what_is_written_in_styles_is_styled_and_what_is_filled_in_is_not():
    assert shown(styled("[bold]{}[/bold] of {}", "[dim]a[/dim]\\", 2)) == "\x1b[1m[dim]a[/dim]\\\x1b[0m of 2\n"


def test_a_record_of_the_log_holds_no_control_characters():
    record = logging.LogRecord("portrait", logging.INFO, "", 0, "landed %s\n%s", ("a\x1b[2J[/b]", "b\r"), None)
    assert Plain().format(record) == "landed a [2J[/b]\nb "


def test_a_command_in_a_hint_names_the_user_to_a_shell():
    """Bash splits each into the words that were meant."""
    commands = [command("show", user, as_of="2024-03-12") for user in IDS]
    script = "portrait() { printf '%s\\0' \"$@\"; printf '\\1'; }\n" + "\n".join(commands)
    said = subprocess.run(["bash", "-c", script], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"}).stdout.decode()
    words = [one.split("\0")[:-1] for one in said.split("\1")[:-1]]
    assert words == [["show", "--as-of", "2024-03-12", *(["--"] if user.startswith("-") else []), user] for user in IDS]
    assert all(one.isprintable() for one in commands)
