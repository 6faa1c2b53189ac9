"""Killed at any point, run again: it finishes, and the result is that of a run nobody killed."""

import random
import subprocess
import time
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest

from portrait_assets.publishing import file_hash
from tests.end_to_end.slice import Shell, write_slice


@pytest.fixture(scope="module")
def mapping(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_slice(tmp_path_factory.mktemp("killed") / "source", date(2017, 3, 1), households=40)


def published(shell: Shell) -> dict[str, str]:
    current = shell.home / "published" / "current"
    return {file.name: file_hash(file) for file in sorted(current.iterdir()) if file.suffix == ".parquet"}


def kill_after(shell: Shell, said: str, seconds: float, *arguments: object) -> None:
    """Start, and SIGKILL `seconds` after the log said `said`: no handler runs."""
    command, environment = shell.command(*arguments)
    log = shell.home.parent / f"{shell.home.name}.log"
    with log.open("w") as told:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=told)
        try:
            deadline = time.monotonic() + 300
            while said not in log.read_text() and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
            assert said in log.read_text(), log.read_text()
            with suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
        finally:
            process.kill()
            process.wait()


@pytest.mark.parametrize(
    ("through", "moments"),
    [
        (date(2017, 1, 31), ("ingest 2017", "portraits 2017")),  # too short to learn from: no training
        pytest.param(
            date(2017, 2, 28), ("ingest 2017", "train 2017", "portraits 2017", "publish 2017"), marks=pytest.mark.slow
        ),
    ],
)
def test_a_run_killed_again_and_again_ends_like_one_nobody_killed(
    tmp_path: Path, mapping: Path, through: date, moments: tuple[str, ...]
):
    arguments = ("run", "--source", mapping, "--through", through)
    whole, killed = Shell(tmp_path / "whole"), Shell(tmp_path / "killed")
    whole.run(*arguments)
    dice = random.Random(through.toordinal())
    for said in moments:
        seconds = dice.uniform(0, 3)
        print(f"killed {seconds:.2f} s after '{said}'")
        kill_after(killed, said, seconds, *arguments)
    killed.run(*arguments)
    assert published(killed) == published(whole)
    assert "No differences" in killed.run("verify").stdout
    left = [path.name for path in (killed.home / "published").iterdir() if path.name.startswith(".")]
    assert left == []
