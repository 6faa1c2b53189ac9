"""The warehouse: windows replaced whole or not at all, one process at a time, files of other layouts refused."""

import logging
import subprocess
import sys
import threading
from datetime import date
from pathlib import Path

import duckdb
import pytest

from portrait_assets import columns as c
from portrait_assets.errors import PortraitError
from portrait_assets.partitions import Window
from portrait_assets.resources.lock import exclusive, is_held
from portrait_assets.resources.sql import text_version, used_parameters
from portrait_assets.resources.warehouse import Warehouse

DAYS = Window(date(2024, 1, 1), date(2024, 1, 3))
VERSIONS = dict.fromkeys(DAYS, ("v1", 1))


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(database=str(tmp_path / "home" / "warehouse.duckdb"), threads=1, pack="ecommerce")


def test_every_declared_table_is_there_with_its_columns(warehouse: Warehouse):
    with warehouse.open("test") as session:
        for table in session.schema.tables:
            assert [row[0] for row in session.rows(f"describe {table.name}")] == table.column_names
        assert session.rows("from portraits.tags") == []


def test_a_table_that_a_newer_version_added_is_made_beside_what_is_stored(warehouse: Warehouse):
    with warehouse.open("test") as session:
        session.execute("insert into meta.history values (date '2024-01-02')")
        session.execute(f"drop table {c.OBSERVABILITY_TAG_QUALITY.name}")
    with warehouse.open("test") as session:
        assert session.count(c.OBSERVABILITY_TAG_QUALITY) == 0
        assert session.scalar("select first_date from meta.history") == date(2024, 1, 2)


def test_replace_writes_its_window_and_leaves_other_days(warehouse: Warehouse):
    days = "select unnest(range($start, $end + 1, interval 1 day))::date as event_date, $user as user_id"
    with warehouse.open("test") as session:
        assert session.replace(c.FEATURES_USER_DAY, DAYS, days, VERSIONS, user="old") == 3
        middle = Window(date(2024, 1, 2), date(2024, 1, 2))
        assert session.replace(c.FEATURES_USER_DAY, middle, days, {date(2024, 1, 2): ("v2", 2)}, user="new") == 1
        stored = session.rows("select event_date, user_id from features.user_day order by all")
        assert [user for _, user in stored] == ["old", "new", "old"]
        ledger = session.rows("select version, through_seq from meta.materializations order by event_date")
        assert ledger == [("v1", 1), ("v2", 2), ("v1", 1)]


def test_a_failing_replace_changes_nothing(warehouse: Warehouse):
    days = "select unnest(range($start, $end + 1, interval 1 day))::date as event_date, 'ann' as user_id"
    with warehouse.open("test") as session:
        session.replace(c.FEATURES_USER_DAY, DAYS, days, VERSIONS)
        for broken in ("select error('no') as event_date", "select null::date as event_date, 'x' as user_id"):
            with pytest.raises(duckdb.Error):
                session.replace(c.FEATURES_USER_DAY, DAYS, broken, VERSIONS)
        with pytest.raises(KeyError):
            session.replace(c.FEATURES_USER_DAY, DAYS, "select date '2024-01-01' as event_date", {})
        assert session.count(c.FEATURES_USER_DAY) == 3
        assert session.scalar("select count(*) from meta.materializations where version = 'v1'") == 3


def test_the_session_speaks_utc(warehouse: Warehouse):
    with warehouse.open("test") as session:
        assert session.scalar("select current_setting('timezone')") == "UTC"


def test_a_column_that_a_newer_version_adds_is_there_and_its_older_rows_are_empty(warehouse: Warehouse):
    with warehouse.open("test") as session:
        session.execute("alter table recommendations.top drop column draw_chance")
        session.execute(
            "insert into recommendations.top by name select date '2024-01-01' as event_date, 'ann' as user_id, 0.5 as score"
        )
    with warehouse.open("test") as session:
        assert session.rows("select user_id, score, draw_chance from recommendations.top") == [("ann", 0.5, None)]
        columns = session.rows("select column_name from duckdb_columns() where table_name = 'top' order by column_index")
        assert [name for (name,) in columns] == c.RECOMMENDATIONS_TOP.column_names


def test_a_column_of_another_type_is_made_anew_and_one_that_is_declared_no_more_is_gone(warehouse: Warehouse):
    with warehouse.open("test") as session:
        session.execute("alter table features.user_day drop column begun_visits")
        session.execute("alter table features.user_day add column begun_visits struct(visit_id varchar, day_part utinyint)[]")
        session.execute("alter table features.user_day add column item_ids varchar[]")
        session.execute(
            "insert into features.user_day by name "
            "select date '2024-01-01' as event_date, 'ann' as user_id, 3 as visits, [{'visit_id': 'a', 'day_part': 1}] as begun_visits"
        )
    with warehouse.open("test") as session:
        assert session.rows("select user_id, visits, begun_visits from features.user_day") == [("ann", 3, None)]
        stored = {name: type_ for name, type_, *_ in session.rows("describe features.user_day")}
        assert "item_ids" not in stored and "local_weekday UTINYINT" in stored["begun_visits"]


def test_what_fits_is_left_as_it_is(warehouse: Warehouse):
    with warehouse.open("test") as session:
        session.execute(
            "insert into features.user_day by name select date '2024-01-01' as event_date, ['milk'] as item_days_values"
        )
    with warehouse.open("test") as session:
        assert session.rows("select item_days_values from features.user_day") == [(["milk"],)]
        for table in session.schema.tables:
            assert [name for name, *_ in session.rows(f"describe {table.name}")] == table.column_names


def test_another_layout_is_refused_in_one_line(warehouse: Warehouse):
    with warehouse.open("test") as session:
        session.execute("update meta.layout set version = 99")
    with pytest.raises(PortraitError, match="layout 99.*PORTRAIT_HOME") as told, warehouse.open("test"):
        pass
    assert "\n" not in str(told.value)


def test_a_file_that_is_no_warehouse_is_refused_in_one_line(warehouse: Warehouse):
    file = Path(warehouse.database)
    file.parent.mkdir()
    file.write_bytes(b"not a database" * 1000)
    with pytest.raises(PortraitError, match="not a readable DuckDB file"), warehouse.open("test"):
        pass


def test_a_second_process_waits_its_turn_and_a_dead_ones_lock_is_free(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    lock, waits, entered = tmp_path / "warehouse.lock", threading.Event(), threading.Event()
    holder = "from portrait_assets.resources.lock import exclusive; import sys; from pathlib import Path\n"
    holder += "with exclusive(Path(sys.argv[1]), 'hold'): print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", holder, str(lock)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if f"wait waits for the warehouse, held by process {process.pid}: hold" in record.getMessage():
                waits.set()

    def enter() -> None:
        with exclusive(lock, "wait"):
            entered.set()

    listener, waiter = Listener(), threading.Thread(target=enter, daemon=True)
    try:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        assert is_held(lock)
        caplog.set_level(logging.INFO, "portrait")
        logging.getLogger("portrait").addHandler(listener)
        waiter.start()
        assert waits.wait(60) and not entered.is_set()
        process.kill()
        assert entered.wait(60)
        waiter.join()
        assert not is_held(lock)
    finally:
        logging.getLogger("portrait").removeHandler(listener)
        process.kill()
        process.wait()


def test_comments_do_not_change_the_version_of_sql_and_code_does():
    plain = text_version("select a from b")
    assert plain == text_version("-- why\nselect a\n    from b -- here") != text_version("select b from a")


def test_only_named_parameters_are_given():
    assert used_parameters("select $a -- $b", {"a": 1, "b": 2, "c": 3}) == {"a": 1}
