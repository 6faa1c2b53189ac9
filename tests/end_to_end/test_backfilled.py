"""Days are backfilled in any order while files come in: the processes take turns, and the tables end as a recomputation."""

import json
import random
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from portrait_assets.settings import PROJECT_DIR
from tests.end_to_end.crashing import START, Shop, put, write_shop
from tests.end_to_end.slice import Shell


@pytest.mark.parametrize(
    ("days", "partitions"), [(8, 4), pytest.param(90, 90, marks=pytest.mark.slow)], ids=["4 partitions", "90 partitions"]
)
def test_a_backfill_in_any_order_while_files_come_in_has_no_lock_error_and_no_difference(
    tmp_path: Path, days: int, partitions: int
):
    """One process backfills each day by Dagster's job on the home's own instance; meanwhile `portrait refresh` lands file after
    file in processes of its own. Both write the same warehouse file and the same Dagster instance."""
    shop = Shop(START + timedelta(days=days - 1))
    mapping = write_shop(tmp_path / "shop", shop)
    shell = Shell(tmp_path / "home")
    shell.run("run", "--source", mapping)
    inbox = [file for file in shop.write(tmp_path / "inbox", files=100) if file.name.startswith("events")]

    dice = random.Random(days)
    asked = [str(START + timedelta(days=n)) for n in dice.sample(range(days), partitions)]
    command = [sys.executable, "-m", "tests.end_to_end.backfilling", *asked]
    environment = shell.command()[1] | {"PYTHONPATH": str(PROJECT_DIR)}
    log = tmp_path / "backfill.log"
    refreshed = 0
    with log.open("w") as told:
        backfill = subprocess.Popen(command, env=environment, cwd=PROJECT_DIR, stdout=subprocess.PIPE, stderr=told, text=True)
        try:
            while backfill.poll() is None and refreshed < len(inbox):
                put(inbox[refreshed], shell.home / "landing")
                shell.run("refresh")
                refreshed += 1
        finally:
            if refreshed == 0 or sys.exc_info()[0]:
                backfill.kill()
            said, _ = backfill.communicate(timeout=3600)
    runs = [json.loads(line) for line in said.splitlines()]
    print(f"{len(runs)} partitions backfilled during {refreshed} refreshes")
    assert backfill.returncode == 0, log.read_text()
    assert [run["day"] for run in runs] == asked and [run for run in runs if not run["success"]] == []
    assert refreshed >= 2
    shell.run("refresh")
    assert "No differences" in shell.run("verify").stdout
    assert all(not line["stale_days"] for line in shell.json("status")["tables"])
