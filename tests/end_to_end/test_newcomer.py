"""The README's commands in the order a newcomer types them, each in a process of its own, on a small shop."""

import json
import os
import random
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import duckdb
import pytest

from tests.end_to_end.slice import Shell

FIRST, LAST = date(2024, 1, 1), date(2024, 3, 24)  # twelve weeks: enough to learn from
NEXT, EARLY = LAST + timedelta(days=1), date(2023, 12, 15)
HEADER = "id,ts,who,item,qty,amt\n"
ITEMS = {
    "i1": ("DRINKS", "Tea"),
    "i2": ("DRINKS", "Juice"),
    "i3": ("BREAD", "Loaf"),
    "i4": ("BREAD", "Roll"),
    "i5": ("FRUIT", "Fig"),
}
MAPPING = """\
name = "kiosk"
root = "data"
times = "utc"
[tables.sales]
files = "sales*.csv"
numbers = ["qty", "amt"]
[tables.goods]
files = "goods*.csv"
[[events]]
from = "sales"
key = "id"
event_time = "ts"
user_id = "who"
event_type = "purchase"
item_id = "item"
quantity = "qty"
amount = "amt"
[items]
from = "goods"
item_id = "item"
category = "category"
name = "name"
"""


def line(number: object, day: date, user: str, item: str = "i1", amount: float = 2.5) -> str:
    return f"{number},{day} 10:00:00,{user},{item},1,{amount}\n"


def sales() -> str:
    """Twenty-four users, each of a rhythm and a taste of their own."""
    dice, lines = random.Random(1), []
    for user in range(24):
        day, usual = FIRST + timedelta(days=dice.randint(0, 6)), dice.choice(list(ITEMS))
        while day <= LAST:
            for item in sorted({usual, dice.choice(list(ITEMS))}):
                lines.append(line(f"s{len(lines)}", day, f"u{user:02d}", item, dice.randint(100, 900) / 100))
            day += timedelta(days=dice.randint(1, 4 + user % 6))
    return HEADER + "".join(lines) + line("last", LAST, "u00")


@pytest.fixture(scope="module")
def mapping(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kiosk")
    (folder / "data").mkdir()
    (folder / "data" / "sales.csv").write_text(sales())
    goods = "".join(f"{item},{category},{name}\n" for item, (category, name) in ITEMS.items())
    (folder / "data" / "goods.csv").write_text("item,category,name\n" + goods)
    (folder / "kiosk.toml").write_text(MAPPING)
    return folder / "kiosk.toml"


def lay(shell: Shell, name: str, content: str) -> None:
    """A file in the landing folder, not of just now."""
    file = shell.home / "landing" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(content)
    os.utime(file, (0, 0))


def bought(shell: Shell, user: str) -> int:
    """How many lines the card says the user ever bought."""
    return int(shell.json("show", user)["portrait"]["purchases"])


def days(shell: Shell) -> list[str]:
    return json.loads((shell.home / "home.json").read_text())["days"]


def steps(told: str) -> list[tuple[str, str, str, str]]:
    """Number, of how many, name and days of the steps that a command said it came to."""
    return re.findall(r"step (\d+) of (\d+): ([\w.]+)(?:, (\d+ days?))?", told)


@contextmanager
def serving(shell: Shell) -> Iterator[str]:
    """The service until the block ends, by Ctrl-C; the address of it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command, environment = shell.command("serve", "--port", port)
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 120
        while not answers(address):
            assert process.poll() is None and time.monotonic() < deadline, process.communicate(timeout=5)
            time.sleep(0.2)
        yield address
    finally:
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said


def answers(address: str) -> bool:
    try:
        with urlopen(f"{address}/health", timeout=5) as reply:
            return bool(reply.status == 200)
    except (URLError, OSError):
        return False


def ask(url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(url, data, {"Content-Type": "application/json"}), timeout=30) as reply:
        return json.load(reply)


def bought_live(address: str, user: str) -> int | None:
    """How many lines the live card says the user ever bought; None while nothing of the user shows yet."""
    try:
        return int(ask(f"{address}/users/{user}/card")["portrait"]["purchases"])
    except HTTPError as error:
        assert error.code == 404, error
        return None


def test_every_command_of_the_readme_works_at_the_first_call(mapping: Path, tmp_path: Path):
    shell = Shell(tmp_path / "home")
    assert "accepted" in shell.run("sources", "check", mapping).stdout
    ran = shell.run("run", "--source", mapping)
    assert "Where to look next" in ran.stdout
    said = steps(ran.stderr)
    assert [(number, total) for number, total, *_ in said] == [(str(number), "23") for number in range(1, 24)]
    assert (said[0][2:], said[12][2:], said[-1][2:]) == (
        ("landing", ""),
        ("models.behaviour", ""),
        ("published.export", "1 day"),
    )
    assert {days for *_, name, days in said if name.startswith("features.")} == {"84 days"}
    assert days(shell) == [str(FIRST), str(LAST)]
    assert "u01" in shell.run("show", "u01").stdout
    assert "as of 1 Feb 2024" in shell.run("show", "u01", "--as-of", "2024-02-01").stdout
    shell.run("explain", "u01", "lifecycle")
    shell.run("recommend", "u01")
    shell.run("recommend", "u01", "--context", "basket=i3")
    shell.run("campaign", "--where", "category = 'DRINKS'", "--count", "5")
    assert "champion" in shell.run("models", "list").stdout
    assert shell.json("status")["failed"] == []

    lay(shell, "sales-next.csv", HEADER + line("n1", NEXT, "u00") + line("n2", NEXT, "newcomer"))
    before = bought(shell, "u00")
    said = steps(shell.run("refresh").stderr)  # which brings a new day
    assert [(number, total) for number, total, *_ in said] == [(str(number), "21") for number in range(1, 22)]
    assert {days for *_, name, days in said if name.startswith("features.")} == {"1 day"}
    assert days(shell) == [str(FIRST), str(NEXT)]
    assert (bought(shell, "u00"), bought(shell, "newcomer")) == (before + 1, 1)

    lay(shell, "sales-late.csv", HEADER + line("e1", EARLY, "early") + line("e2", EARLY, "u00"))
    shell.run("refresh")  # which brings days before the first
    assert days(shell) == [str(EARLY), str(NEXT)]
    assert (bought(shell, "u00"), bought(shell, "early")) == (before + 2, 1)

    lay(shell, "sales-odd.csv", HEADER.replace("amt", "price") + line("o1", NEXT, "odd"))
    assert "sales-odd.csv" in shell.run("refresh", code=2).stderr
    assert [failure["files"] for failure in shell.json("status")["failed"]] == ["sales-odd.csv"]
    mended = 'numbers = ["qty", "amt", "price"]\noptional = ["amt", "price"]'
    mapping.write_text(
        MAPPING.replace('numbers = ["qty", "amt"]', mended).replace('"amt"\n[items]', '"coalesce(amt, price)"\n[items]')
    )
    shell.run("refresh")
    assert bought(shell, "odd") == 1 and shell.json("status")["failed"] == []

    with serving(shell) as address:
        events = [
            {
                "event_id": str(number),
                "event_time": f"{day}T12:00:00Z",
                "user_id": user,
                "event_type": "purchase",
                "item_id": "i2",
                "amount": 3,
            }
            for number, (day, user) in enumerate([(NEXT, "live"), (EARLY - timedelta(days=3), "past")])
        ]
        assert ask(f"{address}/events", events)["accepted"] == 2
        for user in ("live", "past"):
            deadline = time.monotonic() + 60
            while bought_live(address, user) != 1:
                assert time.monotonic() < deadline, user
                time.sleep(0.2)
    shell.run("refresh")
    assert days(shell)[0] == str(EARLY - timedelta(days=3))
    assert (bought(shell, "live"), bought(shell, "past")) == (1, 1)
    shell.run("recommend", "live")
    shell.run("audience", "size", "purchases >= 1")

    out = tmp_path / "snapshot"
    shell.run("snapshot", "--as-of", NEXT + timedelta(days=3), "--out", out)  # of a day that nothing has happened on
    users = {user for (user,) in duckdb.sql(f"select user_id from '{out}/portraits.parquet'").fetchall()}
    assert {"u00", "newcomer", "early", "odd", "live", "past"} <= users
    assert "No differences" in shell.run("verify").stdout
    with duckdb.connect(str(shell.home / "warehouse.duckdb"), read_only=True) as warehouse:
        [(accepted, clean)] = warehouse.sql(
            "select (select count(*) from raw.events), (select count(*) from clean.events)"
        ).fetchall()
    assert accepted == clean
    assert {run["status"] for run in shell.json("status")["runs"]} <= {"SUCCESS", "FAILURE"}


def test_a_replay_is_watched_day_by_day(mapping: Path, tmp_path: Path):
    shell = Shell(tmp_path / "home")
    mapping.write_text(MAPPING)
    options = ("--late-share", "0.02", "--pace", "0", "--refresh")
    shell.run("replay", "--source", mapping, "--from", LAST - timedelta(days=2), "--through", LAST, *options)
    assert days(shell) == [str(FIRST), str(LAST)] and bought(shell, "u01") > 0
    assert "No differences" in shell.run("verify").stdout
