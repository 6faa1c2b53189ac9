"""`check` says what a mapping makes of the first rows, lands nothing, and is good to look at."""

from datetime import date
from io import StringIO

import pytest
from rich.console import Console

from portrait_assets.errors import PortraitError
from portrait_assets.sources import check, load, render, survey
from tests.sources.conftest import EXAMPLES, Home


def test_check_shows_values_in_and_out_and_why_rows_are_rejected() -> None:
    report = check(load(EXAMPLES / "online_shop.toml"))
    lines = report.streams[2]
    columns = {column.column: column for column in lines.columns}
    assert columns["event_time"].examples[0] == ("01/12/2010 08:26", "2010-12-01 08:26:00")
    assert columns["amount"].expression == "Quantity * UnitPrice"
    assert columns["amount"].examples[0] == ("6 · 2.55", "1530 cents")
    assert (columns["user_id"].nulls, columns["user_id"].rejected) == (2, 1)
    assert (columns["event_time"].rejected, columns["quantity"].rejected, columns["amount"].rejected) == (1, 1, 1)
    assert ("user_id is empty", 1) in lines.reasons
    assert (lines.batch.rows_in, lines.batch.rows_accepted, lines.batch.rows_duplicate, lines.batch.rows_rejected) == (
        10,
        4,
        1,
        5,
    )
    assert not report.is_fine


def test_check_reads_only_the_first_rows_and_names_unused_columns(home: Home) -> None:
    home.write("log.csv", "at,who,colour,size\n" + "2020-06-01,ann,red,3\n" * 5 + "never,ann,red,3\n")
    mapping = (
        '[tables.log]\nfiles = "log.csv"\n[[events]]\nfrom = "log"\nevent_time = "at"\nuser_id = "who"\nevent_type = "view"\n'
    )
    [stream] = check(home.load(mapping), rows=5).streams
    assert (stream.batch.rows_in, stream.batch.rows_duplicate, stream.batch.rows_rejected) == (5, 4, 0)
    assert stream.unmapped == ("colour", "size")
    assert "no key" in stream.warnings[0]


def test_check_counts_like_reasons_together_and_warns_of_an_incomplete_key(home: Home) -> None:
    home.write("log.csv", "at,who,n\n2020-06-01,ann,1\n2020-06-02,ann,1\nmay,ann,2\njune,bob,3\n")
    mapping = (
        '[tables.log]\nfiles = "log.csv"\n[[events]]\nfrom = "log"\nkey = "n"\n'
        'event_time = "at"\nuser_id = "who"\nevent_type = "view"\n'
    )
    [stream] = check(home.load(mapping)).streams
    assert [times for _, times in stream.reasons] == [2]
    assert stream.warnings == ("1 keys come with different content, of which only the last counts; is the key complete?",)


def test_check_counts_events_outside_the_declared_days_as_rejected(home: Home) -> None:
    home.write("log.csv", "at,who\n2020-06-01,ann\n")
    mapping = (
        'start = 2020-06-02\nend = 2020-06-03\n[tables.log]\nfiles = "log.csv"\n'
        '[[events]]\nfrom = "log"\nevent_time = "at"\nuser_id = "who"\nevent_type = "view"\nkey = "who"\n'
    )
    [stream] = check(home.load(mapping)).streams
    assert stream.reasons == (("event_time 2020-06-01 is before the declared start 2020-06-02", 1),)
    assert check(home.load(mapping.replace("06-02", "06-01"))).is_fine


def test_report_renders_what_a_person_looks_for() -> None:
    console = Console(width=140, record=True, file=StringIO())
    console.print(render(check(load(EXAMPLES / "online_shop.toml"))))
    text = console.export_text()
    for words in (
        "10 rows = 4 accepted + 1 duplicate + 5 rejected",
        "01/12/2010 08:26 → 2010-12-01 08:26:00",
        "user_id is empty",
    ):
        assert words in text


def test_survey_tells_first_and_last_day_of_what_is_accepted(home: Home) -> None:
    home.write("log1.csv", "at,who\n2020-06-03,ann\n1960-01-01,ann\n")
    home.write("log2.csv", "at,who\n2020-06-01,ann\n2020-05-01,\n")
    mapping = (
        '[tables.log]\nfiles = "log*.csv"\n[[events]]\nfrom = "log"\nevent_time = "at"\nuser_id = "who"\nevent_type = "view"\n'
    )
    assert survey(home.load(mapping)) == (date(2020, 6, 1), date(2020, 6, 3))
    assert survey(home.load("start = 2020-01-01\n" + mapping)) == (date(2020, 1, 1), date(2020, 6, 3))
    home.write("log1.csv", "at,who\n")
    home.write("log2.csv", "at,who\n")
    with pytest.raises(PortraitError, match="no event can be read"):
        survey(home.load(mapping))


@pytest.mark.parametrize(("written", "warnings"), [(" 00:00:00", 1), ("", 0), (" 00:00:01", 0)])
def test_check_warns_where_every_event_is_at_midnight(home: Home, written: str, warnings: int) -> None:
    home.write("log.csv", "seen,who\n" + "".join(f"2020-06-{n:02}{written},ann\n" for n in range(1, 11)))
    mapping = '[tables.log]\nfiles = "log.csv"\n[[events]]\nfrom = "log"\nkey = "seen"\nevent_time = "seen"\nuser_id = "who"\nevent_type = "view"\n'
    [stream] = check(home.load(mapping)).streams
    assert [("at midnight" in warning) for warning in stream.warnings] == [True] * warnings
