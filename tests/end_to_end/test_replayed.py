"""Replayed day by day with late events, refreshed after each day: the tables of a home that ran once over everything."""

from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from portrait_assets.publishing import file_hash
from tests.end_to_end.slice import Shell, write_slice

FIRST, LAST = date(2017, 2, 6), date(2017, 2, 8)  # before a model can be trained
# Late events were learnt later, by other batches.
WITHOUT = {"clean.events": "ingested_at, batch_seq", "portraits.changes": "batch_seq"}
SAME = (
    "clean.events", "clean.items", "clean.users", "clean.identities", "features.visit", "features.user_day",
    "features.user_day_interest", "features.user_state", "features.interests", "features.cut_points", "portraits.snapshots",
    "portraits.changes",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("replayed")


@pytest.fixture(scope="module")
def mapping(folder: Path) -> Path:
    return slice_until(folder / "source", LAST, households=40)


def slice_until(folder: Path, last: date, households: int) -> Path:
    """A slice whose declared last day is `last`."""
    mapping = write_slice(folder, last + timedelta(days=1), households=households)
    mapping.write_text(mapping.read_text().replace("end = 2017-05-30", f"end = {last}"))
    return mapping


def differences(one: Shell, other: Shell, table: str) -> int:
    """Rows that one of the two warehouses has and the other has not."""
    with duckdb.connect() as connection:
        for name, shell in (("one", one), ("other", other)):
            connection.execute(f"attach '{shell.home / 'warehouse.duckdb'}' as {name} (read_only)")
        rows = [
            f"select * {f'exclude ({WITHOUT[table]})' if table in WITHOUT else ''} from {{}}.{table}".format(name)
            for name in ("one", "other")
        ]
        assert connection.execute(f"select count(*) from ({rows[0]})").fetchall()[0][0] > 0, table
        both = f"({rows[0]} except all {rows[1]}) union all ({rows[1]} except all {rows[0]})"
        return connection.execute(f"select count(*) from ({both})").fetchall()[0][0]


def assert_same(replayed: Shell, whole: Shell) -> None:
    """Equal tables, equal files of the export, and no difference to a recomputation from raw."""
    assert {table: differences(replayed, whole, table) for table in SAME} == dict.fromkeys(SAME, 0)
    exports = [shell.home / "published" / "current" for shell in (replayed, whole)]
    assert exports[0].resolve().name[:10] == exports[1].resolve().name[:10]
    for file in sorted(exports[0].glob("*.parquet")):
        assert file_hash(file) == file_hash(exports[1] / file.name), file.name
    assert "No differences" in replayed.run("verify", timeout=3600).stdout


def test_a_replay_with_late_events_ends_like_one_run(folder: Path, mapping: Path):
    replayed, whole = Shell(folder / "replayed"), Shell(folder / "whole")
    late = ("--late-share", 0.2, "--late-days", 3)
    said = replayed.run("replay", "--source", mapping, "--from", FIRST, "--through", LAST, "--pace", 0, *late, "--refresh")
    assert f"Delivered through {LAST}" in said.stdout
    whole.run("run", "--source", mapping)
    assert_same(replayed, whole)
    status = replayed.json("status")
    assert all(not line["stale_days"] for line in status["tables"]) and status["pending"] == []
    assert status["last_good_day"] == str(LAST) and all(not line["lag_days"] for line in status["layers"])
    assert "nothing was stale" in replayed.run("run").stdout
    assert "already holds events" in whole.run("replay", "--from", FIRST, code=2).stderr


@pytest.mark.slow
def test_with_a_model_in_force_scores_vectors_and_recommendations_are_the_same_too(folder: Path):
    first, last = date(2017, 4, 1), date(2017, 4, 6)
    mapping = slice_until(folder / "longer", last, households=60)
    replayed, whole = Shell(folder / "with-model"), Shell(folder / "with-model-whole")
    late = ("--late-share", 0.1, "--late-days", 4)
    replayed.run("replay", "--source", mapping, "--from", first, "--pace", 0, *late, "--refresh", timeout=3600)
    whole.run("run", "--source", mapping, "--through", first - timedelta(days=1))  # the same model: trained on the history
    whole.run("refresh")
    assert_same(replayed, whole)
    assert len(replayed.json("status")["models"]) == 1
