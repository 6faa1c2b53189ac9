"""Killed with -9 at any moment, again and again: what landed is there once, and all is as where nobody killed anything."""

import json
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from itertools import cycle, islice
from pathlib import Path

import duckdb
import pytest

from portrait_assets.publishing import file_hash
from portrait_assets.settings import PROJECT_DIR
from tests.end_to_end.crashing import Shop, put, write_shop
from tests.end_to_end.slice import Shell

COMPARED = ("raw.events", "raw.items", "raw.quarantine", "clean.events", "portraits.snapshots", "portraits.changes")

# The order of landing; and of items, which bear no date, when that was.
ORDER = "exclude (batch_seq)"
WITHOUT = {"raw.events": ORDER, "clean.events": ORDER, "portraits.changes": ORDER, "raw.items": "exclude (ingested_at)"}

MOMENTS = ("", "ingest 2024", "portraits 2024", "publish 2024")


@pytest.fixture
def homes(tmp_path: Path) -> tuple[Shell, Shell, Shop]:
    """Two equal homes of a shop with some history: one to be left alone, one to be killed in."""
    shop = Shop()
    mapping = write_shop(tmp_path / "shop", shop)
    whole, killed = Shell(tmp_path / "whole"), Shell(tmp_path / "killed")
    whole.run("run", "--source", mapping)
    shutil.copytree(whole.home, killed.home, symlinks=True)
    return whole, killed, shop


def kill_workers(killed: Shell, inbox: Path, kills: int, seed: int) -> list[str]:
    """Where the kills hit."""
    command = [sys.executable, "-m", "tests.end_to_end.crashing", killed.home, inbox, kills, seed]
    environment = killed.command()[1] | {"PYTHONPATH": str(PROJECT_DIR)}
    done = subprocess.run([*map(str, command)], env=environment, cwd=PROJECT_DIR, capture_output=True, text=True, timeout=3600)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    print(f"{len(told['kills'])} kills within {told['seconds']:.1f} s each: {dict(Counter(told['kills']))}")
    return told["kills"]


def kill_command(shell: Shell, said: str, seconds: float) -> bool:
    """SIGKILL a `portrait refresh` some `seconds` after it told `said`; whether it was still at work."""
    command, environment = shell.command("refresh")
    log = shell.home.parent / "refresh.log"
    with log.open("w") as told:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=told)
    try:
        while said not in log.read_text() and process.poll() is None:
            time.sleep(0.02)
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return True
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, log.read_text()
    return False


def ask(shell: Shell, sql: str) -> list[tuple]:
    with duckdb.connect(str(shell.home / "warehouse.duckdb"), read_only=True) as warehouse:
        return warehouse.execute(sql).fetchall()


def assert_nothing_lost_or_doubled(shell: Shell, inbox: list[Path]) -> None:
    """Each file is one batch, each of its lines accepted, duplicate or rejected, each accepted one a row of raw."""
    batches = ask(
        shell,
        "select files, rows_in, rows_accepted + rows_duplicate + rows_rejected from raw.batches where files <> 'users.ndjson'",
    )
    lines = {file.name: len(file.read_text().splitlines()) for file in inbox}
    assert [batch for batch in sorted(batches) if batch[0] in lines] == sorted((name, n, n) for name, n in lines.items())
    [(events, accepted, told)] = ask(
        shell,
        "select count(*), (select sum(rows_accepted)::bigint from raw.batches where stream = 'events'), "
        "count(distinct (source, event_key, event_version, is_deletion)) from raw.events",
    )
    assert events == accepted == told
    [(cleaned, keys)] = ask(shell, "select count(*), count(distinct event_key) from clean.events")
    assert cleaned == keys > 0


def assert_same(killed: Shell, whole: Shell) -> None:
    """The same rows, the same export under the same name; and nothing half made is left."""
    with duckdb.connect() as con:
        for name, shell in (("killed", killed), ("whole", whole)):
            con.execute(f"attach '{shell.home / 'warehouse.duckdb'}' as {name} (read_only)")
        for table in COMPARED:
            without = WITHOUT.get(table, "")
            one, other = (f"select * {without} from {name}.{table}" for name in ("killed", "whole"))
            differing = f"select count(*) from (({one} except all {other}) union all ({other} except all {one}))"
            assert con.execute(differing).fetchall() == [(0,)], table
    exports = [(shell.home / "published" / "current").resolve() for shell in (killed, whole)]
    assert exports[0].name == exports[1].name
    for file in sorted(exports[1].glob("*.parquet")):
        assert file_hash(exports[0] / file.name) == file_hash(file), file.name
    assert [path.name for path in (killed.home / "published").rglob(".*")] == []


@pytest.mark.parametrize(
    ("kills", "of_commands"), [(20, 1), pytest.param(200, 20, marks=pytest.mark.slow)], ids=["20 kills", "200 kills"]
)
def test_a_refresh_killed_again_and_again_ends_like_one_nobody_killed(
    tmp_path: Path, homes: tuple[Shell, Shell, Shop], kills: int, of_commands: int
):
    """Late events, corrections, retractions and repeats come in file by file while refreshes are killed with -9.

    All but `of_commands` of the kills hit a process that calls the functions of the assets directly, on the real warehouse file:
    landing, every layer, publishing. That covers all that is stored, and leaves out Dagster, whose imports would take most
    of the time; they are spread over the whole time that an undisturbed one takes. The last `of_commands` kills hit the real
    `portrait refresh`, Dagster's runs and their records included: up to 1.5 s after its start, or after one of its runs began.
    """
    whole, killed, shop = homes
    inbox = shop.write(tmp_path / "inbox", files=kills + kills // 2 + 6)
    for file in inbox:
        put(file, whole.home / "landing")
    whole.run("refresh")
    dice = random.Random(kills)
    hit = kill_workers(killed, tmp_path / "inbox", kills - of_commands, dice.randrange(1_000_000))
    assert len(hit) == kills - of_commands
    layers = {reached.split(".")[0] for reached in hit}
    assert "portraits" in layers and len(layers) >= 4, "the kills are not spread over the run"
    waiting = [file for file in sorted(inbox) if not (killed.home / "landing" / file.name).exists()]
    for said in islice(cycle(dice.sample(MOMENTS, len(MOMENTS))), of_commands):
        put(waiting.pop(0), killed.home / "landing")
        while not kill_command(killed, said, dice.uniform(0, 1.5)):
            put(waiting.pop(0), killed.home / "landing")
    for file in waiting:
        put(file, killed.home / "landing")
    killed.run("refresh")
    assert_nothing_lost_or_doubled(killed, inbox)
    assert_same(killed, whole)
    assert "No differences" in killed.run("verify").stdout
