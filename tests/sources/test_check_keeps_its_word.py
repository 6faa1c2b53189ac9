"""What `check` says, `run` does: over sources with every kind of dirt, its counts and reasons are those of landing, and so is its verdict."""

import gzip
import json
import re
from collections import Counter
from datetime import datetime
from io import StringIO

import pytest
from rich.console import Console
from typer.testing import CliRunner

from portrait_assets.cli import app
from portrait_assets.errors import PortraitError
from portrait_assets.sources import Report, check, land, render
from tests.sources.conftest import NOW, Home

LOG = """
[tables.log]
files = "log*"
{reader}
[[events]]
from = "log"
key = "id"
event_time = "at"
user_id = "who"
event_type = "case what when 'buy' then 'purchase' else what end"
amount = "paid"
{more}
"""
HEADER = "id,at,who,what,paid\n"
ROWS = ["1,2020-06-01,ann,buy,3.5", "2,2020-06-02,bob,view,", "3,2020-06-02,ann,view,"]
GOOD = HEADER + "\n".join(ROWS) + "\n"
RECORDS = [dict(zip(HEADER.strip().split(","), row.split(","), strict=True)) for row in ROWS]


def mapping(reader: str = "", more: str = "") -> str:
    return LOG.format(reader=reader, more=more)


def parquet(home: Home, name: str, select: str) -> None:
    home.con.execute(f"copy ({select}) to '{home.folder / name}' (format parquet)")


ORDERS = '[items]\nfrom = "log"\nitem_id = "what"\nwhere = "what <> \'buy\'"\n[users]\nfrom = "log"\nuser_id = "who"\nregion = "id"\n'
LOOKUP = 'lookups.towns = { table = "towns", on = "who" }\nplace_id = "towns.town"\n[tables.towns]\nfiles = "towns*.csv"\n'

SOURCES: dict[str, tuple[dict[str, str | bytes], str]] = {
    "good": ({"log.csv": GOOD}, mapping()),
    "several files, one of them again": ({"log1.csv": GOOD, "log2.csv": GOOD + "4,2020-06-03,cy,view,\n"}, mapping()),
    "items and users beside events": ({"log.csv": GOOD}, mapping(more=ORDERS)),
    "dirty values": ({"log.csv": GOOD + "4,31/06/2020,cy,view,\n5,2020-06-01,,view,\n6,2020-06-01,cy,sing,\n7,2020-06-01,cy,buy,-1\n"}, mapping()),
    "malformed lines": ({"log.csv": HEADER + "0,bad\n" + "\n".join(ROWS) + "\n9,a,b,c,d,e\n"}, mapping()),
    "only malformed lines": ({"log.csv": HEADER + "0,bad\n1\n"}, mapping()),
    "a malformed line in the second file": ({"log1.csv": GOOD, "log2.csv": HEADER + "0,bad\n"}, mapping()),
    "nothing is accepted": ({"log.csv": GOOD}, mapping(more='reject = { "none" = "true" }')),
    "a header alone": ({"log.csv": HEADER}, mapping()),
    "one of two without rows": ({"log1.csv": HEADER, "log2.csv": GOOD}, mapping()),
    "renamed": ({"log1.csv": GOOD, "log2.csv": GOOD.replace("who", "user")}, mapping()),
    "missing": ({"log1.csv": GOOD, "log2.csv": "id,at,what\n1,2020-06-01,view\n"}, mapping()),
    "missing, first": ({"log1.csv": "id,at,what\n1,2020-06-01,view\n", "log2.csv": GOOD}, mapping()),
    "missing and optional": ({"log1.csv": GOOD, "log2.csv": "id,at,who,what\n9,2020-06-01,cy,view\n"}, mapping('optional = "paid"')),
    "reordered": ({"log1.csv": GOOD, "log2.csv": "who,at,id,what,paid\ncy,2020-06-01,9,view,\n"}, mapping()),
    "more columns": ({"log1.csv": GOOD, "log2.csv": "id,at,who,what,paid,more\n9,2020-06-01,cy,view,,x\n"}, mapping()),
    "another delimiter": ({"log1.csv": GOOD, "log2.csv": GOOD.replace(",", ";")}, mapping()),
    "another encoding": ({"log1.csv": GOOD, "log2.csv": GOOD.replace("ann", "Zoë").encode("utf-16")}, mapping()),
    "an undeclared encoding": ({"log1.csv": GOOD, "log2.csv": GOOD.replace("ann", "Zoë").encode("latin-1")}, mapping()),
    "utf-16 without its mark": ({"log1.csv": GOOD, "log2.csv": GOOD.encode("utf-16-le")}, mapping()),
    "compressed": ({"log1.csv": GOOD, "log2.csv.gz": gzip.compress(GOOD.replace("ann", "eve").encode())}, mapping()),
    "compressed and cut short": ({"log1.csv": GOOD, "log2.csv.gz": gzip.compress(GOOD.encode())[:-9]}, mapping()),
    "a workbook": ({"log1.csv": GOOD, "log2.csv": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"}, mapping()),
    "empty": ({"log1.csv": GOOD, "log2.csv": ""}, mapping()),
    "json": ({"log.json": json.dumps([*RECORDS, 5])}, mapping()),
    "a json array in place of lines": ({"log1.ndjson": "\n".join(map(json.dumps, RECORDS)), "log2.ndjson": json.dumps(RECORDS)}, mapping()),
    "json lines": ({"log.ndjson": "\n".join([*map(json.dumps, RECORDS), "{"])}, mapping()),
    "a json array cut short": ({"log1.json": json.dumps(RECORDS), "log2.json": json.dumps(RECORDS)[:-1]}, mapping()),
    "mixed line ends": ({"log.csv": GOOD.replace("\n", "\r\n", 2) + "9,bad\n"}, mapping()),
    "looked up": ({"log.csv": GOOD, "towns1.csv": "who,town\nann,Bonn\n", "towns2.csv": "who,town\nbob,Ulm\n"}, mapping(more=LOOKUP)),
    "looked up, one of them drifted": (
        {"log.csv": GOOD, "towns1.csv": "who,town\nann,Bonn\n", "towns2.csv": "name,town\nbob,Ulm\n"}, mapping(more=LOOKUP)),
    "looked up twice": ({"log.csv": GOOD, "towns.csv": "who,town\nann,Bonn\nann,Ulm\n"}, mapping(more=LOOKUP)),
    "no such column": ({"log1.csv": GOOD, "log2.csv": GOOD}, mapping(more='item_id = "article"')),
    "a stream of nothing": ({"log.csv": GOOD}, mapping(more=LOG.format(reader="", more='stream = "gone"\nwhere = "what = \'fly\'"').split('"log*"\n')[1])),
}  # fmt: skip


def alike(reason: str) -> str:
    return re.sub(r"'[^']*'|[0-9][0-9.: -]*", "…", reason)


@pytest.mark.parametrize("name", SOURCES)
def test_landing_does_what_check_says(home: Home, name: str) -> None:
    files, toml = SOURCES[name]
    for file, content in files.items():
        home.write(file, content)
    report, refusal = None, ""
    try:
        report = check(home.load(toml), now=NOW)
    except PortraitError as error:
        refusal = str(error)
    stopped = ""
    try:
        landed = land(home.con, home.load(toml), NOW)
    except PortraitError as error:
        stopped = str(error)
    if report is None:
        assert stopped and refusal.split(": ", 1)[1] in stopped
        return
    errors = [(file.name, file.error) for stream in report.streams for file in stream.files if file.error]
    assert bool(errors) == bool(stopped)
    if errors:
        assert not report.lands and any(file in stopped and error in stopped for file, error in errors if error)
        return
    accepted: Counter[str] = Counter()
    for batch in landed:
        accepted[batch.stream] += batch.rows_accepted
    assert report.lands == all(accepted.values())
    for stream in report.streams:
        of_stream = [batch for batch in landed if batch.stream == stream.batch.stream]
        for count in ("rows_in", "rows_accepted", "rows_duplicate", "rows_rejected", "rows_skipped"):
            assert getattr(stream.batch, count) == sum(getattr(batch, count) for batch in of_stream), count
        quarantined = home.con.execute(
            "select reason from raw.quarantine where stream = $s", {"s": stream.batch.stream}
        ).fetchall()
        told = Counter({alike(re.sub(r"^log\d?\.\w+, ", "", reason)): times for reason, times in stream.reasons})
        assert told == Counter(alike(reason) for (reason,) in quarantined)
        assert [file.tried for file in stream.files] == [file.rows for file in stream.files]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("renamed", "✗ log2.csv: shop.toml, stream 'log', user_id: no column 'who' in log; nearest is 'what'; it has id, at, user, what, paid"),
        ("missing, first", "✗ log1.csv: shop.toml, stream 'log', user_id: no column 'who' in log"),
        ("missing and optional", "! log2.csv: lacks paid; log1.csv differs"),
        ("reordered", "! log2.csv: has its columns in another order, and they are read by name; log1.csv differs"),
        ("more columns", "! log2.csv: also has more; log1.csv differs"),
        ("another delimiter", "✗ log2.csv: shop.toml, stream 'log', event_time: no column 'at' in log; "),
        ("another delimiter", "write delimiter = \";\""),
        ("utf-16 without its mark", '✗ log2.csv: looks like UTF-16-LE; set encoding = "utf-16-le"'),
        ("compressed and cut short", "✗ log2.csv.gz: is damaged or cut short"),
        ("a workbook", "✗ log2.csv: is an old Excel or Office document"),
        ("a json array in place of lines", '✗ log2.ndjson: is a JSON array, not one object a line; write format = "json"'),
        ("a malformed line in the second file", "1  log2.csv, line 2: Expected Number of Columns: 5 Found: 2"),
        ("malformed lines", "2  line 2: Expected Number of Columns: 5 Found: 2"),
        ("several files, one of them again", "Everything tried is accepted. Tried 2 of 2 files, 7 of 7 rows; nothing was landed."),
        ("renamed", "`portrait run` would stop: 1 of 2 files can't be read. Tried 1 of 2 files, 3 of 3 rows; nothing was landed."),
        ("a stream of nothing", "nothing of gone would land. Tried 1 of 1 file, 3 of 3 rows; nothing was landed."),
        ("a header alone", "nothing of log would land. Tried 1 of 1 file, 0 of 0 rows"),
        ("looked up", "Tried 1 of 1 file, 3 of 3 rows; read whole 2 files that are looked into; nothing was landed."),
    ],
)  # fmt: skip
def test_the_report_names_file_and_line(home: Home, name: str, said: str) -> None:
    files, toml = SOURCES[name]
    for file, content in files.items():
        home.write(file, content)
    assert said in shown(check(home.load(toml), now=NOW))


def shown(report: Report) -> str:
    console = Console(width=250, record=True, file=StringIO())
    console.print(render(report))
    return console.export_text()


def test_a_lookup_whose_files_differ_is_refused_by_name(home: Home) -> None:
    files, toml = SOURCES["looked up, one of them drifted"]
    for file, content in files.items():
        home.write(file, content)
    with pytest.raises(PortraitError, match="towns2.csv has no column 'who', as other files of towns have"):
        check(home.load(toml))


def test_a_parquet_file_with_another_type_is_named(home: Home) -> None:
    row = "select {} as id, date '2020-06-01' as at, 'ann' as who, 'view' as what, null::double as paid"
    parquet(home, "log1.parquet", row.format("1::bigint"))
    parquet(home, "log2.parquet", row.format("2.5::double"))
    report = check(home.load(mapping()))
    assert report.streams[0].warnings == ("log2.parquet: id is DOUBLE, not BIGINT; log1.parquet differs",)
    assert report.streams[0].reasons == (("log2.parquet, key 1 '2.5' is not an id: it has a fraction", 1),)


def test_of_a_longer_file_the_first_rows_a_sample_of_the_rest_and_every_malformed_line_are_tried(home: Home) -> None:
    lines = [f"{n},2020-06-01,u{n},view," for n in range(1, 1001)]
    lines[500], lines[777], lines[2] = "bad", "x,y", "worse"
    home.write("log.csv", HEADER + "\n".join(lines) + "\n")
    report = check(home.load(mapping()), rows=10)
    [stream] = report.streams
    assert (report.files[0].rows, report.files[0].tried) == (1000, 10 + 9 + 3)
    assert (stream.batch.rows_in, stream.batch.rows_accepted, stream.batch.rows_rejected) == (22, 19, 3)
    assert stream.reasons == (("line 4: Expected Number of Columns: 5 Found: 1", 3),)
    assert (
        "Tried 1 of 1 file, 22 of 1,000 rows; of a longer file its first 10 rows, a sample of the rest, and every malformed line; nothing"
        in shown(report)
    )


@pytest.mark.parametrize("ending", ["ndjson", "json", "parquet"])
def test_other_formats_are_sampled_too_and_a_rare_key_is_known(home: Home, ending: str) -> None:
    records: list[object] = [{"id": n, "at": "2020-06-01", "who": f"u{n}", "what": "view"} for n in range(1, 1001)]
    records[456] = {**records[456], "paid": "3"}  # type: ignore[dict-item]
    if ending == "parquet":
        parquet(
            home,
            "log.parquet",
            "select x as id, '2020-06-01' as at, x as who, 'view' as what, 1 as paid from range(1000) as t(x)",
        )
    else:
        records[800] = 7
        text = "\n".join(map(json.dumps, records)) if ending == "ndjson" else json.dumps(records)
        home.write(f"log.{ending}", text)
    report = check(home.load(mapping()), rows=10)
    malformed = 0 if ending == "parquet" else 1
    assert (report.files[0].rows, report.files[0].tried) == (1000, 20 + malformed)
    assert report.streams[0].batch.rows_rejected == malformed


def test_a_path_that_no_row_has_is_warned_of_with_the_nearest(home: Home) -> None:
    home.write("log.ndjson", '{"at": "2020-06-01", "who": "ann", "about": {"item": "tea"}}\n')
    toml = (
        '[tables.log]\nfiles = "log.ndjson"\n[[events]]\nfrom = "log"\nkey = "at"\nevent_time = "at"\nuser_id = "who"\n'
        'event_type = "view"\nitem_id = "about.itm"\n'
    )
    report = check(home.load(toml))
    assert report.streams[0].warnings == ("no row has about.itm; nearest is 'item'",) and report.lands
    assert check(home.load(toml.replace("itm", "item"))).is_fine
    report = check(
        home.load(toml.replace("about.itm", "element.itm").replace('key = "at"', 'key = "at"\neach = "about.items"'))
    )
    assert report.streams[0].warnings == ("nothing is accepted", "no row has an element in about.items") and not report.lands


def test_control_characters_of_the_data_are_shown_escaped(home: Home) -> None:
    home.write("log.csv", HEADER + '1,2020-06-01,"a\x1b[2Jn\nn",view,\n2,"\x07bell",bob,view,\n')
    text = shown(check(home.load(mapping())))
    assert r"a\x1b[2Jn\nn → a\x1b[2Jn\nn" in text and r"event_time '\x07bell' is not a time" in text
    assert not set(text) & set("\x1b\x07")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("good", 0),
        ("dirty values", 0),
        ("nothing is accepted", 1),
        ("renamed", 1),
        ("a stream of nothing", 1),
        ("a header alone", 1),
    ],
)
def test_the_exit_code_is_0_only_if_run_would_land_something_of_every_stream(home: Home, name: str, code: int) -> None:
    files, toml = SOURCES[name]
    for file, content in files.items():
        home.write(file, content)
    home.load(toml)
    for options in ([], ["--json"]):
        result = CliRunner().invoke(app, ["sources", "check", str(home.folder / "shop.toml"), *options])
        assert result.exit_code == code


def test_a_mapping_that_fits_no_file_is_one_error(home: Home) -> None:
    for n in (1, 2):
        home.write(f"log{n}.csv", GOOD)
    with pytest.raises(PortraitError, match="log1.csv: shop.toml, stream 'log', item_id: no column 'article' in log"):
        check(home.load(mapping(more='item_id = "article"')))


def test_what_check_was_told_of_time_holds(home: Home) -> None:
    home.write("log.csv", HEADER + "1,2020-06-01,ann,view,\n")
    assert check(home.load(mapping()), now=datetime(2020, 5, 1)).streams[0].reasons == (
        ("event_time 2020-06-01 00:00:00 is an event from the future", 1),
    )
