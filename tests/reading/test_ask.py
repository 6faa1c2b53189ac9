"""Questions in SQL: they read the export's files, and nothing that a question says writes or reads another."""

import hashlib
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from portrait_assets.errors import PortraitError
from portrait_assets.reading import Export
from portrait_assets.reading.ask import MOST_ROWS, QUESTIONS, answer
from tests.reading.conftest import write_export


@pytest.fixture
def export(tmp_path: Path) -> Export:
    return Export.open(write_export(tmp_path / "it's published" / "g1"))


def contents(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_each_file_is_a_table_of_its_own_types(export: Export):
    found = answer(export, "select user_id, as_of, spend_cents_365d, departments from portraits where user_id = '101'")
    assert found.row(0) == (
        "101",
        date(2017, 10, 1),
        123_450,
        [{"value": "DAIRY", "share_milli": 600}, {"value": "[bold]MEAT", "share_milli": 200}],
    )
    assert answer(export, "-- all\nfrom tags select count(*) as n;").item() == 4
    assert answer(export, "with t as (from tags) select count(*) from t").item() == 4
    assert answer(export, "select evidence ->> 'purchase_days' from tags where tag_id = 'shopping_frequency'").item() == "12"
    assert answer(export, "select count(*) from portraits join recommendations using (user_id)").item() == 10
    for question in QUESTIONS.values():
        answer(export, question)


def test_more_rows_than_a_page_holds_are_cut(export: Export):
    assert answer(export, f"from range({MOST_ROWS + 5})").height == MOST_ROWS


WRITES = (
    "copy tags to '{new}'",
    "copy (select 'x' as user_id) to '{file}' (format parquet)",
    "copy (select 1) to '{new}' (format csv)",
    "copy tags from '{file}'",
    "select 1; copy tags to '{new}'",
    "copy tags to '{new}'; select 1",
    "explain analyze copy tags to '{new}'",
    "prepare p as copy tags to '{new}'",
    "with t as (copy tags to '{new}' returning *) from t",
    "from query('copy tags to ''{new}''')",
    "export database '{folder}/out'",
    "attach '{folder}/out.duckdb' as other",
    "import database '{folder}'",
    "install httpfs",
    "load icu",
    "set temp_directory = '{folder}'",
    "set enable_external_access = true",
    "set enable_external_access = true; from '{file}'",
    "pragma enable_profiling; select 1",
    "pragma profiling_output = '{new}'",
    "set log_query_path = '{new}'",
    "call enable_logging(storage_path = '{folder}')",
    "create table kept as from tags",
    "create view tags as select 1",
    "create macro m() as 1; select m()",
    "insert into tags from tags",
    "delete from tags",
    "drop view tags",
    "update tags set value = 'x'",
    "checkpoint",
    "begin",
    "explain from tags",
    "vacuum",
    "",
    "-- nothing",
    "select nothing",
    "selec 1",
)
READS = (
    "from '{file}'",
    "from read_parquet('{file}')",
    "from parquet_scan('{folder}/*.parquet')",
    "from read_csv('{secret}', columns = {{'line': 'varchar'}})",
    "from read_text('{secret}')",
    "from read_blob('{secret}')",
    "from read_json('{secret}')",
    "from glob('{folder}/*')",
    "from sniff_csv('{secret}')",
    "from parquet_metadata('{file}')",
    "select (select content from read_text('{secret}'))",
    "from query('from read_text(''{secret}'')')",
    "from query_table(['{file}'])",
    "from export",
    "from sql",
)


@pytest.mark.parametrize("question", [*WRITES, *READS])
def test_a_question_writes_nothing_and_reads_nothing_else(
    export: Export, tmp_path: Path, question: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    secret, folder = tmp_path / "secret.txt", tmp_path / "plain"
    secret.write_text("not of the export")
    write_export(folder)
    pl.DataFrame({"n": [1]}).write_parquet(folder / "other.parquet")
    before = contents(tmp_path)
    places = {"new": tmp_path / "new.csv", "file": folder / "other.parquet", "folder": folder, "secret": secret}
    of_export = Export.open(folder)
    for asked in (export, of_export):
        with pytest.raises(PortraitError):
            answer(asked, question.format(**places))
    assert contents(tmp_path) == before
