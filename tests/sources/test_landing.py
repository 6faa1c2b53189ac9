"""Landing: once is enough, nothing is half written, corrections append, and every row is accounted for."""

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from portrait_assets.errors import PortraitError
from portrait_assets.sources import land, landing
from tests.sources.conftest import NOW, Home, counts

KEYLESS = """
[tables.log]
files = "log*.csv"
[[events]]
from = "log"
event_time = "at"
user_id = "who"
event_type = "view"
item_id = "what"
"""
KEYED = KEYLESS + 'key = "id"\n'
HEADER = "id,at,who,what\n"
ANN, BOB = "1,2020-06-01 10:00:00,ann,tea\n", "2,2020-06-02 10:00:00,bob,jam\n"


OTHER = """
[tables.sales]
files = "sold*.csv"
[tables.prices]
files = "price*.csv"
numbers = ["price"]
[[events]]
from = "sales"
event_time = "at"
user_id = "who"
event_type = "purchase"
item_id = "what"
amount = "prices.price"
lookups.prices = { table = "prices", on = { what = "what" } }
"""


def test_landing_twice_is_landing_once(home: Home) -> None:
    home.write("log.csv", HEADER + ANN + BOB + "3,,cy,tea\n")
    [first] = home.land(KEYLESS)
    [again] = home.land(KEYLESS)
    assert (first.is_new, again.is_new) == (True, False)
    assert (first.first_date, first.last_date) == (date(2020, 6, 1), date(2020, 6, 2))
    assert again.batch_id == first.batch_id
    assert [len(home.rows("*", table)) for table in ("events", "quarantine", "batches")] == [2, 1, 1]


def test_same_bytes_under_another_name_change_nothing(home: Home) -> None:
    home.write("log.csv", HEADER + ANN + ANN)
    home.land(KEYLESS + 'duplicates = "distinct"')
    home.write("log-copy.csv", HEADER + ANN + ANN)
    assert [batch.is_new for batch in home.land(KEYLESS + 'duplicates = "distinct"')] == [False, False]
    assert len(home.rows("*")) == 2


@pytest.mark.parametrize("mapping", [KEYLESS, KEYED, KEYLESS + 'duplicates = "distinct"'])
def test_a_longer_export_adds_only_what_is_new(home: Home, mapping: str) -> None:
    home.write("log.csv", HEADER + ANN)
    home.land(mapping)
    home.write("log.csv", HEADER + BOB + ANN)
    [batch] = home.land(mapping)
    assert counts(batch) == (2, 1, 1, 0)
    assert home.rows("user_id") == [("ann",), ("bob",)]


def test_distinct_equal_rows_of_a_longer_export_are_counted_not_told_again(home: Home) -> None:
    mapping = KEYLESS + 'duplicates = "distinct"'
    home.write("log.csv", HEADER + ANN)
    home.land(mapping)
    home.write("log.csv", HEADER + ANN * 3)
    [batch] = home.land(mapping)
    assert counts(batch) == (3, 2, 1, 0)
    assert len({key for (key,) in home.rows("event_key")}) == 3


def test_same_key_with_other_content_is_a_correction_and_is_appended(home: Home) -> None:
    home.write("log.csv", HEADER + ANN)
    home.land(KEYED)
    home.write("log.csv", HEADER + ANN.replace("tea", "jam"))
    [batch] = home.land(KEYED)
    assert counts(batch) == (1, 1, 0, 0)
    assert home.rows("event_key, item_id") == [("log|1", "jam"), ("log|1", "tea")]


OTHERS = ("version", "is_deletion", "session_id", "quantity", "amount", "discount", "coupon", "rating", "text", "place_id")


def test_a_correction_that_moves_an_event_names_the_day_it_leaves_too(home: Home) -> None:
    home.write("log.csv", HEADER + ANN + BOB)
    home.land(KEYED)
    home.write("log.csv", HEADER + ANN.replace("2020-06-01", "2020-06-05"))
    [batch] = home.land(KEYED)
    assert (batch.first_date, batch.last_date) == (date(2020, 6, 1), date(2020, 6, 5))


@pytest.mark.parametrize("column", [*OTHERS, "campaign_id"])
def test_every_canonical_column_tells_events_of_a_key_apart(home: Home, column: str) -> None:
    mapping = KEYED + f'{column} = "extra"\n'
    header, zero, one = HEADER.replace("\n", ",extra\n"), ANN.replace("\n", ",0\n"), ANN.replace("\n", ",1\n")
    told_again = (2, 0, 2, 0) if column == "version" else (2, 1, 1, 0)  # the last holds again, where it is no older version
    for content, expected in [(zero, (1, 1, 0, 0)), (one, (1, 1, 0, 0)), (one + zero, told_again), (one + zero, told_again)]:
        home.write("log.csv", header + content)
        assert counts(home.land(mapping)[0]) == expected


def test_two_contents_of_a_key_in_one_file_are_both_kept(home: Home) -> None:
    home.write("log.csv", HEADER + ANN + ANN + ANN.replace("tea", "jam"))
    assert counts(home.land(KEYED)[0]) == (3, 2, 1, 0)


def test_an_event_is_known_only_from_its_own_source(home: Home) -> None:
    home.write("log.csv", HEADER + ANN)
    home.land(KEYED)
    other = home.load(KEYED).model_copy(update={"name": "other"})
    assert counts(land(home.con, other, NOW)[0]) == (1, 1, 0, 0)


def test_two_streams_do_not_share_keys_unless_one_corrects_the_other(home: Home) -> None:
    home.write("log.csv", HEADER + ANN)
    second = KEYED.split("[[events]]")[1].replace("view", "cart")
    home.land(KEYED + f'[[events]]{second}stream = "carts"\n')
    assert home.rows("event_key, event_type") == [("carts|1", "cart"), ("log|1", "view")]
    home.land(KEYED + f'[[events]]{second}stream = "undone"\ncorrects = "log"\nis_deletion = true\n')
    assert home.rows("event_key, is_deletion")[-1] == ("log|1", True)


def test_equal_rows_of_two_streams_without_a_key_are_two_events(home: Home) -> None:
    home.write("log.csv", HEADER + ANN)
    second = KEYLESS.split("[[events]]")[1]
    assert [batch.rows_accepted for batch in home.land(KEYLESS + f'[[events]]{second}stream = "again"\n')] == [1, 1]
    assert len({key for (key,) in home.rows("event_key")}) == 2


@pytest.mark.parametrize("mapping", [KEYED, KEYLESS])
def test_a_stream_that_is_called_otherwise_is_not_told_twice(home: Home, mapping: str) -> None:
    home.write("log.csv", HEADER + ANN)
    home.land(mapping)
    with pytest.raises(PortraitError, match="log.csv was landed before as stream 'log', which the mapping no longer has"):
        home.land(mapping + 'stream = "visits"\n')
    assert len(home.rows("*")) == 1


def test_key_parts_cannot_run_into_each_other(home: Home) -> None:
    home.write("log.csv", "a,b,at,who\nx|y,z,2020-06-01,ann\nx,y|z,2020-06-01,ann\n")
    home.land(KEYLESS.replace('item_id = "what"', 'key = ["a", "b"]'))
    assert len({key for (key,) in home.rows("event_key")}) == 2


def test_an_empty_key_is_rejected(home: Home) -> None:
    home.write("log.csv", HEADER + ANN.replace("1,", ",", 1))
    home.land(KEYED)
    assert home.reasons() == ["key 1 is empty"]


def test_another_declaration_of_a_landed_stream_is_refused_but_a_keyed_one_may_be_mended(home: Home) -> None:
    home.write("log.csv", HEADER + ANN)
    home.land(KEYED)
    assert counts(home.land(KEYED.replace('"what"', '"upper(what)"'))[0]) == (1, 1, 0, 0)
    with pytest.raises(PortraitError, match="counted twice"):
        home.land(KEYED.replace('key = "id"', 'key = ["id", "who"]'))
    with pytest.raises(PortraitError, match="counted twice"):
        home.land(KEYLESS)


def test_history_is_known_when_it_happened_and_live_data_when_it_came(home: Home) -> None:
    path = home.write("log.csv", HEADER + ANN)
    home.land(KEYED)
    live = home.write("log-live.csv", HEADER + BOB)
    home.land(KEYED, files=[live], now=datetime(2020, 6, 9))
    assert home.rows("user_id, ingested_at") == [("ann", datetime(2020, 6, 1, 10)), ("bob", datetime(2020, 6, 9))]
    assert not home.land(KEYED, files=[path])[0].is_new


def test_a_mapped_ingested_at_wins(home: Home) -> None:
    home.write("log.csv", "id,at,who,what,learnt\n1,2020-06-01,ann,tea,2020-06-03\n2,2020-06-01,bob,tea,\n")
    home.land(KEYED + 'ingested_at = "learnt"', now=datetime(2020, 7, 1))
    assert home.rows("ingested_at") == [(datetime(2020, 6, 1),), (datetime(2020, 6, 3),)]


def test_now_with_a_zone_is_the_same_instant(home: Home) -> None:
    live = home.write("log.csv", HEADER + ANN)
    home.land(KEYED, files=[live], now=datetime(2020, 6, 9, 14, tzinfo=timezone(timedelta(hours=2))))
    assert home.rows("ingested_at") == [(datetime(2020, 6, 9, 12),)]
    assert home.rows("landed_at", "batches") == [(datetime(2020, 6, 9, 14, tzinfo=UTC).replace(hour=12, tzinfo=None),)]


def test_a_failure_leaves_nothing_of_its_batch(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.write("log.csv", HEADER + ANN + "x,,,\n")
    read = landing._sql
    monkeypatch.setattr(landing, "_sql", lambda name: "select 1 as nonsense" if name == "batches" else read(name))
    with pytest.raises(PortraitError, match=r"log\.csv was not landed, nothing of it: .*nonsense"):
        home.land(KEYED)
    assert [home.rows("*", table) for table in ("events", "quarantine", "batches")] == [[], [], []]
    assert home.rows("files, stream", "failures") == [("log.csv", "log")]
    monkeypatch.undo()
    assert counts(home.land(KEYED)[0]) == (2, 1, 0, 1)


def test_a_file_that_changes_while_it_is_read_is_refused_whole_and_lands_later(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = home.write("log.csv", HEADER + ANN)
    read = landing.stage

    def slowly(con, table, file, name, rows=None):  # type: ignore[no-untyped-def]
        columns = read(con, table, file, name, rows)
        with path.open("a") as out:
            out.write(BOB)
        return columns

    monkeypatch.setattr(landing, "stage", slowly)
    with pytest.raises(PortraitError, match=r"log\.csv was not landed, nothing of it: log\.csv changed while it was read"):
        home.land(KEYED)
    assert [home.rows("*", table) for table in ("events", "quarantine", "batches")] == [[], [], []]
    monkeypatch.undo()
    assert counts(home.land(KEYED)[0]) == (2, 2, 0, 0)
    assert home.rows("*", "failures") == []


def test_with_refusals_asked_for_every_good_file_lands_and_each_bad_one_has_its_reason(home: Home) -> None:
    source = home.load(KEYED + OTHER)
    files = [
        home.write("log1.parquet", b"PAR1"),
        home.write("log2.csv", HEADER + ANN),
        home.write("sold.csv", "at,who,what\n2020-06-01,bob,jam\n"),
        home.write("price.csv", b""),
        home.write("stranger.csv", "a,b\n1,2\n"),
        home.folder / "gone.csv",
    ]
    refused: dict[Path, PortraitError] = {}
    [batch] = land(home.con, source, NOW, files, refused)
    assert (batch.files, *counts(batch)) == ("log2.csv", 1, 1, 0, 0)
    assert [path.name for path in files if path not in refused] == ["log2.csv", "price.csv"]
    reasons = {path.name: str(error) for path, error in refused.items()}
    assert "can't be read as parquet" in reasons["log1.parquet"] and "no such file" in reasons["gone.csv"]
    assert "not canonical" in reasons["stranger.csv"] and "price.csv: is empty" in reasons["sold.csv"]
    assert {name for (name,) in home.rows("files", "failures")} == {"log1.parquet", "stranger.csv", "gone.csv"}
    home.write("price.csv", "what,price\njam,3\n")
    refused.clear()
    assert len(land(home.con, source, NOW, files, refused)) == 2 and len(refused) == 3


def test_each_file_is_a_batch_and_rows_are_numbered_in_it(home: Home) -> None:
    home.write("log1.csv", HEADER + ANN + "9,,x,y\n")
    home.write("log2.csv", HEADER + BOB)
    assert [batch.files for batch in home.land(KEYED)] == ["log1.csv", "log2.csv"]
    assert home.rows("files, batch_seq, rows_in", "batches") == [("log1.csv", 1, 2), ("log2.csv", 2, 1)]
    assert home.rows("user_id, row_number") == [("ann", 1), ("bob", 1)]
    assert home.rows("row_number", "quarantine") == [(2,)]


def test_raw_events_lie_in_day_order(home: Home) -> None:
    home.write("log.csv", HEADER + BOB + ANN)
    home.land(KEYED)
    assert home.con.execute("select user_id from raw.events").fetchall() == [("ann",), ("bob",)]


ITEMS = '[tables.goods]\nfiles = "goods.csv"\n[items]\nfrom = "goods"\nitem_id = "id"\nname = "name"\nbrand = "brand"\n'


def test_an_item_of_several_rows_has_the_last_known_value_of_each_column(home: Home) -> None:
    home.write("goods.csv", "id,name,brand\n1,Tea,Acme\n1,,Best\n2,Jam,\n,x,y\n")
    [batch] = home.land(ITEMS)
    assert counts(batch) == (4, 2, 1, 1)
    assert home.rows("item_id, name, brand, row_number", "items") == [("1", "Tea", "Best", 2), ("2", "Jam", None, 3)]


def test_an_item_that_changes_back_is_told_again_but_not_while_it_stays(home: Home) -> None:
    for n, (name, accepted) in enumerate([("Tea", 1), ("Green tea", 1), ("Green tea", 0), ("Tea", 1)]):
        home.write("goods.csv", f"id,name,brand,n\n1,{name},,{n}\n")
        assert home.land(ITEMS)[0].rows_accepted == accepted
    assert home.rows("name", "items") == [("Green tea",), ("Tea",), ("Tea",)]


USERS = '[tables.people]\nfiles = "people.csv"\n[users]\nfrom = "people"\nuser_id = "id"\nage = "age"\nregion = "home"\n'


def test_attributes_are_long_and_unknown_ones_absent(home: Home) -> None:
    home.write("people.csv", "id,age,home\n1,30,Kent\n2,,Kent\n3,,\n1,31,\n")
    [batch] = home.land(USERS)
    assert counts(batch) == (4, 4, 0, 0)
    assert home.rows("user_id, attribute, value", "attributes") == [
        ("1", "age", "31"),
        ("1", "region", "Kent"),
        ("2", "region", "Kent"),
        ("3", None, None),
    ]
    home.write("people.csv", "id,age,home\n1,31,Essex\n2,,Kent\n3,,\n1,,\n")
    assert counts(home.land(USERS)[0]) == (4, 1, 3, 0)


def test_given_files_are_matched_by_name_whatever_their_ending(home: Home) -> None:
    path = home.write("log-2.ndjson", '{"id": 1, "at": "2020-06-01", "who": "ann", "what": "tea"}\n')
    home.land(KEYED, files=[path])
    assert home.rows("event_key, user_id, item_id") == [("log|1", "ann", "tea")]


def test_a_file_that_fits_no_table_says_which_there_are(home: Home) -> None:
    path = home.write("other.csv", HEADER + ANN)
    with pytest.raises(PortraitError, match=r"log \(log\*\.csv\).*not canonical \(unknown: at\)"):
        home.land(KEYED, files=[path])


@pytest.mark.parametrize("ending", ["csv", "ndjson", "parquet"])
def test_a_canonical_file_needs_no_table_and_can_take_an_event_back(home: Home, tmp_path: Path, ending: str) -> None:
    home.write("log.csv", HEADER + ANN)
    home.land(KEYED)
    path = tmp_path / f"anything.{ending}"
    home.con.execute(
        "copy (select '2020-06-01 10:00:00' as event_time, 'ann' as user_id, 'view' as event_type, 'log|1' as event_key, "
        f"true as is_deletion, 250 as amount_cents, 1.5 as quantity) to '{path}' (format {ending.replace('ndjson', 'json')})"
    )
    [batch] = home.land(KEYED, files=[path])
    assert (batch.stream, *counts(batch)) == ("canonical", 1, 1, 0, 0)
    assert home.rows("event_key, is_deletion, amount_cents, quantity_milli")[-1] == ("log|1", True, 250, 1500)


def test_events_outside_the_declared_days_are_counted_and_say_why(home: Home) -> None:
    """The start holds for whatever lands, the end for the source's own files: later files go on after it."""
    home.write("log.csv", HEADER + ANN + BOB + "3,2020-06-03 23:59:59,cy,tea\n4,2020-06-04 00:00:00,cy,tea\n")
    declared = "start = 2020-06-02\nend = 2020-06-03\n" + KEYED
    assert [counts(batch) for batch in home.land(declared)] == [(4, 2, 0, 2)]
    assert home.reasons() == [
        "event_time 2020-06-01 is before the declared start 2020-06-02",
        "event_time 2020-06-04 is after the declared end 2020-06-03",
    ]
    later = home.write("log-later.csv", HEADER + "5,2020-06-05 10:00:00,cy,tea\n6,2020-06-01 10:00:00,cy,tea\n")
    assert [counts(batch) for batch in home.land(declared, [later])] == [(2, 1, 0, 1)]
    assert home.rows("event_date::varchar") == [("2020-06-02",), ("2020-06-03",), ("2020-06-05",)]


@pytest.mark.parametrize("stream", [KEYED, KEYLESS, KEYLESS + 'duplicates = "distinct"\n'])
def test_a_start_moved_back_lands_what_it_kept_out_and_nothing_twice(home: Home, stream: str) -> None:
    home.write("log.csv", HEADER + ANN + BOB)
    home.land("start = 2020-06-02\n" + stream)
    assert [counts(batch) for batch in home.land("start = 2020-06-01\n" + stream)] == [(2, 1, 1, 0)]
    assert home.rows("user_id") == [("ann",), ("bob",)]
