"""Whatever a file is packed, encoded or laid out like: it is read whole, or one line says what it is and what to write."""

import bz2
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from datetime import datetime

import pyarrow as pa
import pytest

from portrait_assets.errors import PortraitError
from tests.sources.conftest import Home, counts

LOG = '[[events]]\nfrom = "log"\nevent_time = "at"\nuser_id = "who"\nevent_type = "view"\n'
TEXT = "at,who\n2020-06-01,Zoë\n2020-06-02,bob\n"
RECORDS = [{"at": "2020-06-01", "who": "Zoë"}, {"at": "2020-06-02", "who": "bob"}]


def log(files: str, reader: str = "") -> str:
    return f'[tables.log]\nfiles = "{files}"\n{reader}\n{LOG}'


def zstd(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as out:
        out.write(content)
    return sink.getvalue().to_pybytes()


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "."), content)
    return buffer.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_an_encoding_that_the_file_itself_names_is_read(home: Home, encoding: str) -> None:
    home.write("log.csv", TEXT.encode(encoding))
    assert counts(home.land(log("log.csv"))[0]) == (2, 2, 0, 0)
    assert home.rows("user_id") == [("Zoë",), ("bob",)]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_utf_16_without_a_mark_is_recognised_and_read_once_it_is_declared(home: Home, encoding: str) -> None:
    home.write("log.csv", TEXT.encode(encoding))
    with pytest.raises(PortraitError, match=f'looks like {encoding.upper()}; set encoding = "{encoding}"'):
        home.land(log("log.csv"))
    home.land(log("log.csv", f'encoding = "{encoding}"'))
    assert home.rows("user_id") == [("Zoë",), ("bob",)]


def test_a_declared_encoding_that_the_first_bytes_contradict_is_one_line(home: Home) -> None:
    home.write("log.csv", TEXT.encode("utf-16"))
    with pytest.raises(PortraitError, match='is UTF-16 by its first bytes, not latin-1; set encoding = "utf-16"'):
        home.land(log("log.csv", 'encoding = "latin-1"'))
    home.land(log("log.csv", 'encoding = "utf-16-le"'))
    assert home.rows("user_id") == [("Zoë",), ("bob",)]


def test_messages_hold_no_control_characters(home: Home) -> None:
    home.write("log.csv", "at\x00\x1b[31m,who\n")
    with pytest.raises(PortraitError) as error:
        home.land(log("log.csv"))
    assert str(error.value).isprintable() and r"at\x00\x1b[31m" in str(error.value)


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": zstd, "zip": lambda content: zipped(log__csv=content),
}  # fmt: skip


@pytest.mark.parametrize("ending", PACKED)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_compressed_file_is_read_whatever_its_name(home: Home, ending: str, encoding: str) -> None:
    packed = PACKED[ending](TEXT.encode(encoding))
    for name in (f"log.csv.{ending}", "log.csv"):
        home.write(name, packed)
        assert counts(home.land(log(name))[0]) == (2, 2, 0, 0)
        home.con.execute("drop schema raw cascade")


def test_a_file_that_only_pretends_to_be_compressed_is_read(home: Home) -> None:
    home.write("log.csv.gz", TEXT)
    assert counts(home.land(log("log.csv.gz"))[0]) == (2, 2, 0, 0)


def damaged(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]


MANY = ("at,who\n" + "".join(f"2020-06-01 10:00:00,u{n * n}\n" for n in range(5000))).encode()


@pytest.mark.parametrize(
    ("ending", "broken"),
    [("gz", damaged), ("bz2", damaged), ("xz", damaged), ("zip", damaged),
     *((ending, lambda content: content[:-9]) for ending in PACKED)],
)  # fmt: skip
def test_of_a_damaged_compressed_file_nothing_is_landed(home: Home, ending: str, broken: Callable[[bytes], bytes]) -> None:
    home.write(f"log.csv.{ending}", broken(PACKED[ending](MANY)))
    with pytest.raises(PortraitError, match=r"log\.csv\.\w+ was not landed, nothing of it: .*: is damaged or cut short"):
        home.land(log("log.csv.*"))
    assert home.rows("*") == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (zipped(a__csv=b"x", b__csv=b"y"), "is a zip archive that holds a.csv, b.csv; unpack it"),
        (zipped(), "is a zip archive that holds nothing"),
        (zipped(**{"[Content_Types]__xml": b"x", "xl__xml": b""}), "is an Excel or Office document; save it as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest", "is an old Excel or Office document; save it as CSV"),
        (b"%PDF-1.7 ...", "is a PDF document"),
        (b"\n  <!DOCTYPE html><html>", "is a web page, maybe a login"),
        (b"\xef\xbb\xbf<html>", "is a web page"),
        (b"<?xml version='1.0'?><rows/>", "is XML"),
        (b"SQLite format 3\x00", "is an SQLite database"),
        (b"PAR1\x00\x00", 'is a Parquet file; write format = "parquet"'),
        (gzip.compress(b"x" * 257 + b"ustar" + b"y" * 200, mtime=0), "is a tar archive; unpack it"),
        (b'[{"a": "b"}]', 'is JSON; write format = "json"'),
        (b"x" * 200_000, "its first line is no header: field larger"),
    ],
)
def test_what_is_no_table_says_what_it_is(home: Home, content: bytes, message: str) -> None:
    home.write("log.csv", content)
    with pytest.raises(PortraitError, match=message):
        home.land(log("log.csv"))


def test_a_text_file_that_is_named_parquet_says_so(home: Home) -> None:
    home.write("log.parquet", TEXT)
    with pytest.raises(PortraitError, match="is no Parquet file, by its first bytes"):
        home.land(log("log.parquet"))


def test_a_file_that_the_system_does_not_read_is_one_line(home: Home) -> None:
    (home.folder / "log.csv").symlink_to("/proc/self/mem")  # a plain file whose first byte can't be read, even by root
    with pytest.raises(PortraitError, match=r"log\.csv.*can't be read: Input/output error"):
        home.land(log("log.csv"))


def test_a_folder_in_place_of_a_file_is_no_file(home: Home) -> None:
    (home.folder / "log.csv").mkdir()
    with pytest.raises(PortraitError, match="no file 'log.csv'"):
        home.land(log("log.csv"))


def test_a_folder_that_is_given_is_told_from_a_file_that_is_not_there(home: Home) -> None:
    with pytest.raises(PortraitError, match="is a folder; name the files in it"):
        home.land(log("log.csv"), files=[home.folder])
    with pytest.raises(PortraitError, match="no such file; check the name"):
        home.land(log("log.csv"), files=[home.folder / "gone.csv"])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("log.json", json.dumps(RECORDS)),
        ("log.json", json.dumps(RECORDS, indent=2)),
        ("log.json", json.dumps(RECORDS).encode("utf-16")),
        ("log.json", "\n".join(map(json.dumps, RECORDS))),
        ("log.json", "\n".join(json.dumps(record, indent=2) for record in RECORDS)),
        ("log.json.gz", gzip.compress(json.dumps(RECORDS).encode(), mtime=0)),
        ("log.jsonl", "\n".join(map(json.dumps, RECORDS))),
    ],
)
def test_json_is_read_as_an_array_as_lines_or_as_objects(home: Home, name: str, content: str | bytes) -> None:
    home.write(name, content)
    assert counts(home.land(log(name))[0]) == (2, 2, 0, 0)
    assert home.rows("user_id") == [("Zoë",), ("bob",)]


def test_keys_may_be_named_as_the_reader_names_its_own(home: Home) -> None:
    """Shopify's orders have a number."""
    home.write("log.ndjson", '{"at": "2020-06-01", "number": "ann", "line": "tea", "problem": "x"}\nnothing\n')
    home.land(log("log.ndjson").replace('"who"', '"number"') + 'item_id = "line"\nsession_id = "problem"\n')
    assert home.rows("user_id, item_id, session_id") == [("ann", "tea", "x")]
    assert home.reasons() == ["line 2 is not a JSON object"]


def test_what_is_no_object_in_an_array_is_set_aside_with_its_number(home: Home) -> None:
    home.write("log.json", json.dumps([RECORDS[0], 7, None, RECORDS[1]], indent=1))
    assert counts(home.land(log("log.json"))[0]) == (4, 2, 0, 2)
    assert home.reasons() == ["record 2 is not a JSON object", "record 3 is not a JSON object"]


@pytest.mark.parametrize("records", ["log", "data.log"])
def test_records_names_the_list_inside_an_object_and_without_it_is_asked_for(home: Home, records: str) -> None:
    document: object = RECORDS
    for key in reversed(records.split(".")):
        document = {key: document}
    home.write("log.json", json.dumps(document))
    with pytest.raises(PortraitError, match=f'if its one JSON object holds the rows in a list, write records = "{records}"'):
        home.land(log("log.json"))
    assert counts(home.land(log("log.json", f'records = "{records}"'))[0]) == (2, 2, 0, 0)


def test_pages_of_records_are_read_one_after_the_other(home: Home) -> None:
    home.write("log.json", "\n".join(json.dumps({"log": [record], "next": 1}) for record in RECORDS))
    assert counts(home.land(log("log.json", 'records = "log"'))[0]) == (2, 2, 0, 0)


@pytest.mark.parametrize(
    ("name", "reader", "content", "message"),
    [
        ("log.ndjson", "", json.dumps(RECORDS), 'is a JSON array, not one object a line; write format = "json"'),
        ("log.json", 'records = "lgo"', json.dumps({"log": RECORDS}), "no list at records = .lgo.; nearest is 'log'; it has log"),
        ("log.json", 'records = "log"', json.dumps([1]), "it is no object; is `records` needed"),
        ("log.json", "", '[{"at": "2020-06-01", "who": "ann"},\n', "is a JSON array without its end; it was cut short"),
        ("log.json", "", '[{"at": "2020-06-01", "who": "ann"}', "is a JSON array without its end; it was cut short"),
        ("log.json", "", '[{"at": "2020-06-01" "who": "ann"}]', "can't be read as json: Malformed JSON"),
        ("log.json", "", "at,who\n", r"begins with 'at,who', not with \[ or {; is it JSON\?"),
        ("log.csv", "", TEXT.replace(",", ";"), "its first line looks separated by ';': write delimiter = \";\""),
        ("log.csv", "", TEXT.replace(",", "\t"), r"looks separated by '\\t': write delimiter = \"\\t\""),
        ("log.csv", "", "1,2020\n3,2020\n", "its first line looks like data: write header = false"),
        ("log.csv", "", "", "is empty, not even a header"),
    ],
)  # fmt: skip
def test_another_layout_than_the_declared_one_says_what_to_write(
    home: Home, name: str, reader: str, content: str, message: str
) -> None:
    home.write(name, content)
    with pytest.raises(PortraitError, match=message):
        home.land(log(name, reader))


@pytest.mark.parametrize(
    ("name", "content"), [("log.ndjson", ""), ("log.ndjson", "\n \n"), ("log.json", "[]"), ("log.csv", "at,who\n")]
)
def test_a_file_without_rows_is_a_batch_of_none(home: Home, name: str, content: str) -> None:
    home.write(name, content)
    [batch] = home.land(log(name, 'numbers = ["n"]\noptional = ["n"]').replace('"view"', "\"case when n > 1 then 'view' end\""))
    assert counts(batch) == (0, 0, 0, 0)


def test_delimiters_of_several_characters(home: Home) -> None:
    home.write("ratings.dat", "1::x y::978300760\n2::z::978300761\n".encode("latin-1"))
    reader = 'format = "csv"\ndelimiter = "::"\nheader = false\ncolumns = ["who", "what", "at"]\ntimes = { at = "epoch_s" }'
    home.land(log("ratings.dat", reader + '\nencoding = "latin-1"'))
    assert home.rows("user_id, event_time") == [
        ("1", datetime(2000, 12, 31, 22, 12, 40)),
        ("2", datetime(2000, 12, 31, 22, 12, 41)),
    ]


def test_a_header_between_delimiters_of_several_characters(home: Home) -> None:
    home.write("log.dat", "who::at\nann::2020-06-01\n")
    home.land(log("log.dat", 'format = "csv"\ndelimiter = "::"'))
    assert home.rows("user_id") == [("ann",)]


@pytest.mark.parametrize(
    ("reader", "message"),
    [
        ('delimiter = ":::::"', "delimiter is one to four characters, not ':::::'"),
        ('delimiter = ""', "delimiter is one to four characters"),
        ('quote = "``"', "quote is one plain character"),
        ('fill_within = "who"', "`fill_within` needs `fill_down`"),
        ('times = { at = "epoch" }', "times.at: 'epoch' is no format; nearest is 'epoch_"),
        ('times = { at = "dd/mm/yyyy" }', "is no format; write iso, epoch_s, .* or a pattern such as %d/%m/%Y"),
    ],
)
def test_a_reader_that_can_not_be_meant_is_refused_with_its_line(home: Home, reader: str, message: str) -> None:
    with pytest.raises(PortraitError, match=f"line 2: tables.log: .*{message}"):
        home.load(log("log.csv", reader))


@pytest.mark.parametrize(
    ("format_", "written", "expected"),
    [
        ("epoch_s", "1577836800", datetime(2020, 1, 1)),
        ("epoch_s", "1577836800.25", datetime(2020, 1, 1, 0, 0, 0, 250000)),
        ("epoch_ms", " 1577836800250 ", datetime(2020, 1, 1, 0, 0, 0, 250000)),
        ("epoch_us", "1577836800250001", datetime(2020, 1, 1, 0, 0, 0, 250001)),
        ("epoch_ns", "1577836800250001999", datetime(2020, 1, 1, 0, 0, 0, 250001)),
    ],
)
def test_time_counted_since_1970_is_utc_whatever_the_clock(home: Home, format_: str, written: str, expected: datetime) -> None:
    home.write("log.csv", f"at,who\n{written},ann\n")
    home.land('time_zone = "Europe/Berlin"\n' + log("log.csv", f'times = {{ at = "{format_}" }}'))
    assert home.rows("event_time") == [(expected,)]


@pytest.mark.parametrize("type_", ["bigint", "double", "varchar"])
def test_epochs_of_numeric_columns_and_what_is_no_such_number(home: Home, type_: str) -> None:
    source = f"select x::{type_} as at, 'ann' as who from unnest([1577836800250, 99999999999999999]) as t(x)"
    home.con.execute(f"copy ({source}) to '{home.folder / 'log.parquet'}'")
    home.land(log("log.parquet", 'times = { at = "epoch_ms" }'))
    assert home.rows("event_time") == [(datetime(2020, 1, 1, 0, 0, 0, 250000),)]
    assert "is not a time; expected epoch_ms" in home.reasons()[0] or "from the future" in home.reasons()[0]


def test_a_date_that_a_parquet_file_holds_as_a_whole_number_is_read_by_its_format(home: Home) -> None:
    home.con.execute(f"copy (select 20200601 as at, 'ann' as who) to '{home.folder / 'log.parquet'}'")
    home.land(log("log.parquet", 'times = { at = "%Y%m%d" }'))
    assert home.rows("event_time") == [(datetime(2020, 6, 1),)]


def test_a_column_that_is_a_word_of_sql_and_is_not_there_is_an_unknown_column(home: Home) -> None:
    home.write("log.csv", "time,who\n2020-06-01,ann\n")
    with pytest.raises(PortraitError, match="log.csv.*event_time: no column 'at' in log.*it has time, who"):
        home.land(log("log.csv"))


def test_line_numbers_hold_behind_a_line_in_a_wrong_encoding(home: Home) -> None:
    home.write("log.ndjson", b'{"at": "2020-06-01", "who": "ann"}\n{"who": "Zo\xeb"}\n\noops\n{"at": 1}\n')
    home.land(log("log.ndjson"))
    assert [reason.split(" is ")[0] for reason in home.reasons()][:2] == ["line 2:", "line 4"]


def test_nothing_unpacked_is_left_behind(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = home.folder / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    home.write("log.csv.gz", gzip.compress(TEXT.encode("utf-16")))
    home.land(log("log.csv.gz"))
    home.write("bad.csv.gz", gzip.compress(TEXT.encode("utf-16"))[:-9])
    with pytest.raises(PortraitError):
        home.land(log("bad.csv.gz"))
    assert list(scratch.iterdir()) == []
