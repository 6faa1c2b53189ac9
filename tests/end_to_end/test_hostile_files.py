"""Files as the world leaves them: cut short, still being written, told twice, of tomorrow. Each by `portrait refresh`."""

import json
import os
import resource
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest

from tests.end_to_end.slice import Shell
from tests.small_world import event, write_lines, write_mapping

FIRST, LAST = date(2024, 1, 1), date(2024, 1, 10)


def told(number: int | str, user: str = "ann", day: int = 5, **fields: object) -> dict:
    return event(number, user, f"2024-01-{day:02d} 10:00:00", **fields)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A home with a first day, published."""
    mapping = write_mapping(tmp_path / "shop", FIRST, LAST)
    write_lines(tmp_path / "shop" / "events-before.ndjson", [told(f"before{n}", day=1) for n in range(3)])
    shell = Shell(tmp_path / "home")
    shell.run("run", "--source", mapping)
    return shell


def lay(shell: Shell, name: str, content: bytes | list[dict]) -> Path:
    """A file in the landing folder, not of just now."""
    folder = shell.home / "landing"
    folder.mkdir(exist_ok=True)
    file = folder / name
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        write_lines(file, content)
    os.utime(file, (0, 0))
    return file


def ask(shell: Shell, sql: str) -> list[tuple]:
    with duckdb.connect(str(shell.home / "warehouse.duckdb"), read_only=True) as warehouse:
        return warehouse.execute(sql).fetchall()


def complaint(stderr: str) -> str:
    """The one line that says what went wrong; anything of a traceback fails."""
    assert "Traceback" not in stderr
    [line] = [line for line in stderr.splitlines() if line.startswith("portrait: ")]
    return line


def spending(shell: Shell) -> dict[str, int]:
    """User -> cents, as published."""
    portraits = pl.read_parquet(shell.home / "published" / "current" / "portraits.parquet")
    return dict(portraits.select("user_id", "spend_cents").iter_rows())


def as_parquet(rows: list[dict], folder: Path) -> bytes:
    source = write_lines(folder / "rows.ndjson", rows)
    duckdb.sql(f"copy (from '{source}') to '{folder / 'rows.parquet'}' (format parquet)")
    return (folder / "rows.parquet").read_bytes()


@contextmanager
def growing(file: Path) -> Iterator[None]:
    """Somebody goes on writing to the file, a line now and a line then, while the block runs."""
    done = threading.Event()

    def write() -> None:
        number = 0
        while not done.wait(0.2):
            number += 1
            with file.open("a") as out:
                out.write(json.dumps(told(f"growing{number}", "cat")) + "\n")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        done.set()
        writer.join()


def test_bad_files_are_named_and_the_others_land_as_if_they_were_alone(shell: Shell, tmp_path: Path):
    """A truncated file and a stranger are refused in one line, bad lines are quarantined, a growing file waits, a copy is nothing."""
    whole = as_parquet([told("cut1", "bob"), told("cut2", "bob")], tmp_path)
    good = [told("good1"), told("good2")]
    future = datetime.now(UTC) + timedelta(days=3)
    lay(shell, "events-a-cut.parquet", whole[: len(whole) // 2])
    lay(shell, "events-good.ndjson", good)
    lay(shell, "events-other-name.ndjson", good)
    lines = [told("line1", "dan"), event("future", "dan", f"{future:%Y-%m-%d %H:%M:%S}"), told("line2", "dan")]
    torn = "".join(json.dumps(line) + "\n" for line in lines) + '{"id": "torn", "user_id": "d\n'
    lay(shell, "events-lines.ndjson", torn.encode())
    stranger = lay(shell, "stranger.csv", b"a,b\n1,2\n")
    still = lay(shell, "events-still.ndjson", [told("growing0", "cat")])
    with growing(still):
        said = complaint(shell.run("refresh", code=2).stderr)
    assert "events-a-cut.parquet was not landed, nothing of it: " in said and "can't be read as parquet" in said
    assert "stranger.csv: its name matches no table" in said and "Everything else is up to date" in said
    assert spending(shell) == {"ann": 1000, "dan": 400}
    assert {"events-a-cut.parquet", "stranger.csv"} == {line["files"] for line in shell.json("status")["failed"]}
    batches = "select rows_in, rows_accepted, rows_duplicate, rows_rejected from raw.batches where files = '{}'"
    assert ask(shell, batches.format("events-lines.ndjson")) == [(4, 2, 0, 2)]
    assert ask(shell, "select count(*) from raw.batches where files like 'events-%'") == [(3,)]
    reasons = [reason for (reason,) in ask(shell, "select reason from raw.quarantine order by row_number")]
    assert reasons[0].endswith("an event from the future") and reasons[1] == "line 4 is not a JSON object"

    count = len(still.read_text().splitlines())
    os.utime(still, (0, 0))
    lay(shell, "events-a-cut.parquet", whole)
    stranger.unlink()
    shell.run("refresh")
    assert spending(shell) == {"ann": 1000, "dan": 400, "bob": 400, "cat": 200 * count}
    assert "No differences" in shell.run("verify").stdout


def test_after_a_first_run_that_failed_while_landing_status_names_the_source_and_the_file(tmp_path: Path):
    (tmp_path / "e-1.csv").write_text("id,at,user\n1,2024-01-01 10:00:00,a\n")
    (tmp_path / "e-2.csv").write_text("id,at,userId\n2,2024-01-02 10:00:00,b\n")
    stream = '[[events]]\nfrom = "e"\nkey = "id"\nevent_time = "at"\nuser_id = "user"\nevent_type = "view"\n'
    (tmp_path / "drift.toml").write_text(f'name = "drift"\n[tables.e]\nfiles = "e-*.csv"\n{stream}')
    shell = Shell(tmp_path / "home")
    said = complaint(shell.run("run", "--source", tmp_path / "drift.toml", code=2).stderr)
    reason = "drift.toml, stream 'e', user_id: no column 'user' in e; nearest is 'userId'; it has id, at, userId"
    assert said.startswith(f"portrait: land: step landing failed: e-2.csv was not landed, nothing of it: {reason}. ")
    found = shell.json("status")
    assert (found["source"], found["days"]) == ("drift", ["2024-01-01", "2024-01-01"])
    assert [(line["files"], line["stream"], line["reason"]) for line in found["failed"]] == [("e-2.csv", "e", reason)]
    assert [(run["job"], run["status"]) for run in found["runs"]] == [("land", "FAILURE")]
    (tmp_path / "e-2.csv").write_text("id,at,user\n2,2024-01-02 10:00:00,b\n")
    shell.run("ingest", tmp_path / "e-2.csv")
    assert shell.json("status")["failed"] == []


def limited(shell: Shell, largest: int) -> subprocess.CompletedProcess[str]:
    """`portrait refresh` where no file can grow beyond `largest` bytes: writing fails as on a full disk."""
    command, environment = shell.command("refresh")
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=600,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest)),
    )  # fmt: skip


def test_a_full_disk_is_one_line_and_when_there_is_space_again_the_refresh_goes_on(shell: Shell):
    """Once full while the file lands, once, with a little more space, while tables are derived. Nothing of either is half there."""
    rows = 20_000
    lay(shell, "events-big.ndjson", [told(f"big{n}", f"user{n % 400}", 1 + n % 9, session=f"{n:x}" * 8) for n in range(rows)])
    before = spending(shell)
    landed = "select count(*) from raw.batches where files = 'events-big.ndjson'"

    done = limited(shell, 1_000_000)
    assert done.returncode == 2 and "events-big.ndjson was not landed, nothing of it: " in complaint(done.stderr)
    assert "File too large" in complaint(done.stderr)
    assert ask(shell, landed) == [(0,)] and ask(shell, "select count(*) from raw.events") == [(3,)]

    done = limited(shell, (shell.home / "warehouse.duckdb").stat().st_size)
    assert done.returncode == 2 and "File too large" in complaint(done.stderr) and "failed: " in complaint(done.stderr)
    assert ask(shell, landed) == [(1,)]
    assert spending(shell) == before and list((shell.home / "published").rglob(".*")) == []

    shell.run("refresh")
    assert ask(shell, "select count(*) from raw.events") == ask(shell, "select count(*) from clean.events") == [(rows + 3,)]
    assert sum(spending(shell).values()) == 200 * (rows + 3)
    assert "No differences" in shell.run("verify").stdout
