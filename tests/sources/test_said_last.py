"""What was said last holds, also when it was said before: of an event's key, of a user's attribute, of an item's column."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from portrait_assets.packs import load_pack
from portrait_assets.resources.sql import read_sql
from portrait_assets.sources import land
from tests.sources.conftest import NOW, Home, counts

MAPPING = """
[tables.log]
files = "log*.csv"
[tables.people]
files = "people*.csv"
[tables.goods]
files = "goods*.csv"
[[events]]
from = "log"
key = "id"
event_time = "at"
user_id = "'ann'"
event_type = "view"
item_id = "what"
[users]
from = "people"
user_id = "id"
region = "what"
[items]
from = "goods"
item_id = "id"
name = "what"
"""
SCHEMA = load_pack().schema
HELD = {
    "log": "select item_id from raw.events where event_key = 'log|1' and $through > 0 "
    "order by event_version desc, ingested_at desc, batch_seq desc, row_number desc limit 1",
    "people": f"select region from ({read_sql('clean/users.sql', SCHEMA)}) where user_id = '1'",
    "goods": f"select name from ({read_sql('clean/items.sql', SCHEMA)}) where item_id = '1'",
}


@dataclass
class Told:
    """A source of one kind of files, each of which says one value of one event, user or item."""

    home: Home
    kind: str
    mapping: str = MAPPING
    now: datetime = NOW

    def __post_init__(self) -> None:
        header = "id,at,what\n"
        for kind in ("log", "people", "goods"):
            self.home.write(f"{kind}.csv", header)
        self.home.land(self.mapping)
        self.home.con.execute("create schema clean")
        self.home.con.execute(
            "create view clean.identities as select distinct source, user_id as source_user_id, user_id from raw.attributes"
        )

    def write(self, name: str, *values: str) -> Path:
        lines = "".join(f"1,2020-06-01 10:00:00,{value}\n" for value in values)
        (self.home.folder / name).parent.mkdir(exist_ok=True)
        return self.home.write(name.replace("KIND", self.kind), "id,at,what\n" + lines)

    def own(self, name: str, *values: str) -> None:
        """Write a file into the source's folder, and land that folder."""
        self.write(f"KIND{name}.csv", *values)
        self.run()

    def run(self) -> None:
        self.now += timedelta(hours=1)
        land(self.home.con, self.home.load(self.mapping), self.now)

    def given(self, *names: str, again: bool = False) -> list[int]:
        """Land given files; how many rows of each were accepted."""
        self.now += timedelta(hours=1)
        files = [self.home.folder / name.replace("KIND", self.kind) for name in names]
        batches = land(self.home.con, self.home.load(self.mapping), self.now, files, again=again)
        return [batch.rows_accepted * batch.is_new for batch in batches]

    @property
    def holds(self) -> str:
        [(value,)] = self.home.con.execute(HELD[self.kind], {"through": 10_000}).fetchall()
        return value

    def everything(self) -> list[list[tuple]]:
        return [self.home.rows("*", table) for table in ("events", "attributes", "items", "batches", "quarantine", "files")]


@pytest.fixture(params=HELD)
def told(home: Home, request: pytest.FixtureRequest) -> Told:
    return Told(home, request.param)


def test_the_same_bytes_under_another_name_say_it_again(told: Told) -> None:
    told.own("1", "A")
    told.write("later/KIND2.csv", "B")
    told.write("later/KIND3.csv", "A")
    assert told.given("later/KIND2.csv") == [1] and told.holds == "B"
    assert told.given("later/KIND3.csv") == [1] and told.holds == "A"


def test_files_of_one_folder_hold_in_their_order_and_a_second_run_changes_nothing(told: Told) -> None:
    for name, value in (("1", "A"), ("2", "B"), ("3", "A")):
        told.write(f"KIND{name}.csv", value)
    told.run()
    assert told.holds == "A"
    landed = told.everything()
    told.run()
    assert told.everything() == landed


def test_a_file_that_was_superseded_says_it_again_where_a_person_lands_it_again(told: Told) -> None:
    told.own("1", "A")
    told.write("later/KIND2.csv", "B")
    told.given("later/KIND2.csv", again=True)
    told.run()
    assert told.given("KIND1.csv", "later/KIND2.csv") == [0, 0] and told.holds == "B"  # as a refresh would
    assert told.given("KIND1.csv", again=True) == [1] and told.holds == "A"
    landed = told.everything()
    assert told.given("KIND1.csv", again=True) == [0]
    told.run()
    assert told.everything() == landed


def test_landing_the_same_files_again_in_their_order_changes_nothing(told: Told) -> None:
    names = [f"later/KIND{number}.csv" for number in (1, 2, 3)]
    for name, value in zip(names, "ABA", strict=True):
        told.write(name, value)
    assert told.given(*names, again=True) == [1, 1, 1] and told.holds == "A"
    landed = told.everything()
    assert told.given(*names, again=True) == [0, 0, 0]
    assert told.given(*names) == [0, 0, 0]
    assert told.everything() == landed


def test_a_call_that_broke_off_goes_on_where_it_stopped(told: Told) -> None:
    names = [f"later/KIND{number}.csv" for number in (1, 2)]
    for name, value in zip(names, "AB", strict=True):
        told.write(name, value)
    assert told.given(names[0], again=True) == [1]
    assert told.given(*names, again=True) == [0, 1] and told.holds == "B"


def test_a_file_that_is_written_over_says_what_it_then_holds(told: Told) -> None:
    for value in "ABA":
        told.own("1", value)
        assert told.holds == value


def test_a_copy_says_nothing_new_and_never_will(told: Told) -> None:
    told.own("1", "A")
    landed = told.everything()[:-1]
    told.own("2", "A")
    assert told.everything()[:-1] == landed
    told.own("0", "B")
    told.run()
    assert told.holds == "B"


def test_the_sources_own_files_unchanged_never_take_back_what_was_said_since(told: Told) -> None:
    told.own("1", "A")
    told.write("later/KIND2.csv", "B")
    told.given("later/KIND2.csv")
    told.own("3", "C")
    assert told.holds == "C"
    told.write("later/KIND4.csv", "D")
    told.given("later/KIND4.csv")
    for _ in range(2):
        told.run()
        assert told.holds == "D"


def test_a_mended_mapping_reads_files_anew_without_saying_them_later(told: Told) -> None:
    told.own("1", "a")
    told.mapping = MAPPING.replace('"what"', '"upper(what)"')
    told.run()
    assert told.holds == "A"
    told.write("later/KIND2.csv", "b")
    told.given("later/KIND2.csv")
    told.mapping = MAPPING.replace('"what"', "\"upper(what) || '!'\"")
    told.run()
    assert told.holds == "B"
    assert told.given("later/KIND2.csv") == [1] and told.holds == "B!"


def test_of_several_rows_of_a_file_the_last_holds(told: Told) -> None:
    told.own("1", "A", "B", "A")
    assert told.holds == "A"
    told.own("2", "B", "A", "B")
    assert told.holds == "B"
    told.own("3", "B", "B")
    assert told.holds == "B"


def test_an_empty_value_takes_nothing_away(told: Told) -> None:
    told.own("1", "A")
    if told.kind != "log":  # an event is told whole
        told.own("2", " ")
        assert told.holds == "A"


# ------------------------------------------------------------------------------------------------------------- events alone

KEYED = """
[tables.log]
files = "log*.csv"
[[events]]
from = "log"
key = "id"
event_time = "at"
user_id = "'ann'"
event_type = "view"
item_id = "what"
"""


@pytest.fixture
def tell(home: Home) -> Callable[..., tuple[int, int, int, int]]:
    """Lands one file of lines, under a name of its own; returns its counts."""
    names = iter(range(100))

    def land_lines(header: str, *lines: str, mapping: str = KEYED) -> tuple[int, int, int, int]:
        home.write(f"log{next(names):02}.csv", "\n".join([header, *lines]) + "\n")
        return counts(home.land(mapping)[-1])

    return land_lines


def held(home: Home, columns: str = "item_id") -> tuple:
    order = "event_version desc, ingested_at desc, batch_seq desc, row_number desc"
    return home.con.execute(f"select {columns} from raw.events where event_key = 'log|1' order by {order} limit 1").fetchall()[
        0
    ]


def test_an_older_version_told_again_changes_nothing(home: Home, tell: Callable) -> None:
    mapping = KEYED + 'version = "v"\n'
    assert tell("id,at,what,v", "1,2020-06-01,A,1", "1,2020-06-01,B,2", mapping=mapping) == (2, 2, 0, 0)
    assert tell("id,at,what,v", "1,2020-06-01,A,1", "1,2020-06-01,B,2", "1,2020-06-01,A,1", mapping=mapping) == (3, 0, 3, 0)
    assert tell("id,at,what,v", "1,2020-06-01,A,1", mapping=mapping) == (1, 0, 1, 0)
    assert held(home) == ("B",)


def test_a_source_that_says_when_it_learnt_is_believed(home: Home, tell: Callable) -> None:
    mapping = KEYED + 'ingested_at = "learnt"\n'
    header, a, b = "id,at,what,learnt", "1,2020-06-01,A,2020-06-02", "1,2020-06-01,B,2020-06-04"
    tell(header, a, b, mapping=mapping)
    assert tell(header, a, mapping=mapping) == (1, 0, 1, 0) and held(home) == ("B",)
    assert tell(header, a.replace("06-02", "06-03"), mapping=mapping) == (1, 0, 1, 0) and held(home) == ("B",)
    assert tell(header, a.replace("06-02", "06-05"), mapping=mapping) == (1, 1, 0, 0) and held(home) == ("A",)


def test_a_correction_that_moves_an_event_to_an_earlier_day_holds(home: Home, tell: Callable) -> None:
    tell("id,at,what", "1,2020-06-05,A")
    assert tell("id,at,what", "1,2020-06-03,A") == (1, 1, 0, 0)
    assert held(home, "event_time, ingested_at") == (datetime(2020, 6, 3), datetime(2020, 6, 5))
    assert tell("id,at,what", "2,2020-06-05,A", "2,2020-06-04,B", "2,2020-06-03,A") == (3, 3, 0, 0)
    moved = home.rows("event_time, ingested_at", order="row_number desc")[0]
    assert moved == (datetime(2020, 6, 3), datetime(2020, 6, 5))


def test_what_was_taken_back_and_is_told_again_is_there_again(home: Home, tell: Callable) -> None:
    mapping = KEYED + 'is_deletion = "gone"\n'
    tell("id,at,what,gone", "1,2020-06-01,A,", mapping=mapping)
    tell("id,at,what,gone", "1,2020-06-01,A,true", mapping=mapping)
    assert held(home, "is_deletion") == (True,)
    assert tell("id,at,what,gone", "1,2020-06-01,A,", "2,2020-06-01,A,", mapping=mapping) == (2, 2, 0, 0)
    assert home.rows("event_key, is_deletion", order="batch_seq desc, row_number")[:2] == [("log|1", False), ("log|2", False)]


def test_a_longer_export_with_its_whole_history_adds_only_what_is_new(home: Home, tell: Callable) -> None:
    history = [f"1,2020-06-01,{value}" for value in "ABACA"]
    assert tell("id,at,what", *history) == (5, 4, 1, 0)
    assert tell("id,at,what", *history, "2,2020-06-02,A") == (6, 1, 5, 0)
    assert tell("id,at,what", *history, "1,2020-06-01,B") == (6, 1, 5, 0)
    assert held(home) == ("B",)
