"""An id is one id whatever type its column has: text as it is, whole numbers without a decimal point, and nothing that is uncertain."""

import pytest

from portrait_assets.sources import coupons_of
from tests.sources.conftest import Home, counts

LOG = """
[tables.log]
files = "log*"
[[events]]
from = "log"
key = "number"
event_time = "at"
user_id = "who"
event_type = "view"
"""


def write_parquet(home: Home, name: str, *rows: str) -> None:
    """Rows of SQL values, the first with names and types."""
    home.con.execute(f"copy ({' union all '.join(f'select {row}' for row in rows)}) to '{home.folder / name}' (format parquet)")


def users(home: Home, type_: str, *values: str) -> None:
    """Land one view for each user id, of a Parquet column of that type."""
    rows = [f"{n}::bigint as number, '2020-06-01' as at, {value}::{type_} as who" for n, value in enumerate(values)]
    write_parquet(home, "log.parquet", *rows)
    home.land(LOG)


@pytest.mark.parametrize("type_", ["double", "float", "decimal(18, 2)", "decimal(38, 0)", "bigint", "varchar"])
def test_a_whole_number_is_the_same_user_in_every_type(home: Home, type_: str) -> None:
    home.write("log.csv", "number,at,who\n9,2020-06-02,17850\n")
    users(home, type_, "'17850'", "'-3'")
    assert home.rows("distinct user_id") == [("-3",), ("17850",)]
    assert home.reasons() == []


@pytest.mark.parametrize("type_", ["double", "float"])
@pytest.mark.parametrize("missing", ["'nan'", "'inf'", "'-inf'", "null"])
def test_what_is_no_number_is_an_empty_id(home: Home, type_: str, missing: str) -> None:
    users(home, type_, "'1'", missing)
    assert home.rows("user_id") == [("1",)]
    assert home.reasons() == ["user_id is empty"]


def test_a_number_that_may_have_been_rounded_is_quarantined(home: Home) -> None:
    users(home, "double", "'9007199254740991'", "'9007199254740992'", "'9.007199254740994e+16'", "'-9007199254740992'")
    assert home.rows("user_id") == [("9007199254740991",)]
    advice = "is not exact: DOUBLE rounds whole numbers beyond 9,007,199,254,740,991; write ids as BIGINT or as text"
    assert home.reasons() == [
        f"user_id '{written}' {advice}" for written in ("9007199254740992.0", "9.007199254740994e+16", "-9007199254740992.0")
    ]
    other = Home(home.write("other", "").parent, in_memory=True)
    users(other, "float", "'16777215'", "'16777216'")
    assert other.rows("user_id") == [("16777215",)]
    users(other, "decimal(38, 0)", "'99999999999999999999999999999999999999'")
    assert ("99999999999999999999999999999999999999",) in other.rows("user_id")


@pytest.mark.parametrize("type_", ["double", "decimal(18, 1)"])
def test_a_fraction_is_no_id(home: Home, type_: str) -> None:
    users(home, type_, "'1.5'", "'2.0'")
    assert home.rows("user_id") == [("2",)]
    assert home.reasons() == ["user_id '1.5' is not an id: it has a fraction"]


def test_text_stays_as_it_is_but_for_the_white_space_around_it(home: Home) -> None:
    written = ["007", "17850.0", "1e5", " ann ", "\tbob\n", "\u00a0cy\u2028", "a  b", "nan", "[/b]", "|\\'\"", "😀" * 300]
    users(home, "varchar", *("'" + value.replace("'", "''") + "'" for value in [*written, " \t\n", "\u3000"]))
    expected = ["007", "17850.0", "1e5", "ann", "bob", "cy", "a  b", "nan", "[/b]", "|\\'\"", "😀" * 300]
    assert [user for (user,) in home.rows("user_id", order="row_number")] == expected
    assert home.reasons() == ["user_id is empty"] * 2


@pytest.mark.parametrize("written", ["9.007199254740994e+16", "1.23457E+15", "1e+22", "-1.5e16"])
def test_a_long_number_that_a_spreadsheet_or_a_column_of_floats_rounded_is_no_id(home: Home, written: str) -> None:
    home.write("log.csv", f"number,at,who\n1,2020-06-01,{written}\n2,2020-06-01,5e23\n3,2020-06-01,1.5e3\n")
    home.land(LOG)
    assert home.rows("user_id") == [("1.5e3",), ("5e23",)]
    assert home.reasons() == [f"user_id '{written}' is not exact: it is a number that was rounded; write ids as text"]


def test_whole_numbers_of_json_are_ids_without_a_decimal_point(home: Home) -> None:
    ids = [
        "17850.0",
        "17850",
        '"17850"',
        '"17850.0"',
        "-3.0",
        "9.007199254740994e+16",
        "null",
        "123456789012345678901234567890",
    ]
    home.write("log.ndjson", "".join(f'{{"number": {n}.0, "at": "2020-06-01", "who": {who}}}\n' for n, who in enumerate(ids)))
    home.land(LOG)
    expected = ["17850", "17850", "17850", "17850.0", "-3", "123456789012345678901234567890"]
    assert [user for (user,) in home.rows("user_id", order="row_number")] == expected
    assert {key for (key,) in home.rows("event_key")} == {f"log|{n}" for n in (0, 1, 2, 3, 4, 7)}
    assert [reason.split(" is ")[1][:9] for reason in home.reasons()] == ["not exact", "empty"]


def test_whole_numbers_inside_of_json_and_its_lists_are_ids_too(home: Home) -> None:
    home.write(
        "log.json",
        '[{"at": "2020-06-01", "customer": {"id": 7.0}, "items": [1.0, "2.0", {"id": 3.0}], "lines": [{"sku": 4.0}]}]',
    )
    event = (
        '[[events]]\nfrom = "log"\nevent_time = "at"\nuser_id = "customer.id"\nevent_type = "view"\nkey = ["element_number"]\n'
    )
    table = '[tables.log]\nfiles = "log.json"\n'
    home.land(
        table
        + f'{event}stream = "items"\neach = "items"\nitem_id = "element"\n'
        + f'{event}stream = "lines"\neach = "lines"\nitem_id = "element.sku"\n'
    )
    assert home.rows("user_id, item_id") == [("7", "1"), ("7", "2.0"), ("7", "4"), ("7", '{"id":3.0}')]


def test_an_id_with_a_nul_character_is_rejected(home: Home) -> None:
    home.write("log.csv", "number,at,who\n1,2020-06-01,a\0b\n2,2020-06-01,ab\n")
    home.land(LOG)
    assert home.rows("user_id") == [("ab",)]
    assert home.reasons() == ["user_id 'a␀b' is not an id: it holds a NUL"]


def test_a_column_declared_as_numbers_gives_whole_ids(home: Home) -> None:
    home.write("log.csv", "number,at,who\n1,2020-06-01,17850.0\n2,2020-06-01,17850\n3,2020-06-01,\n4,2020-06-01,12.5\n")
    home.land(LOG.replace('files = "log*"', 'files = "log*"\nnumbers = ["who"]'))
    assert home.rows("user_id") == [("17850",), ("17850",)]
    assert home.reasons() == ["user_id is empty", "user_id '12.5' is not an id: it has a fraction"]


def test_every_id_column_of_every_stream_and_the_key_take_whole_numbers(home: Home) -> None:
    write_parquet(
        home, "log.parquet", "1.0::double as id, timestamp '2020-06-01' as at", "'nan'::double, timestamp '2020-06-02'"
    )
    names = ("item_id", "session_id", "place_id", "campaign_id")
    described = '[items]\nfrom = "log"\nitem_id = "id"\n[users]\nfrom = "log"\nuser_id = "id"\nregion = "\'Kent\'"\n'
    events = LOG.replace('"who"', "\"coalesce(nullif(id, 'nan'::double), 2)\"").replace('"number"', '["id + 1", "at"]')
    coupons = '[coupons]\nfrom = "log"\ncoupon_id = "id"\nitem_id = "id"\n'
    source = events + "".join(f'{name} = "id"\n' for name in names) + described + coupons
    home.land(source)
    assert home.rows(f"user_id, event_key, {', '.join(names)}") == [("1", "log|2|2020-06-01 00:00:00", "1", "1", "1", "1")]
    assert (home.rows("item_id", "items"), home.rows("user_id", "attributes")) == ([("1",)], [("1",)])
    assert home.reasons() == ["key 1 is empty"]  # by the events, for all that read the row
    assert coupons_of(home.load(source)).rows() == [("1", "1", None)]


def test_descriptions_of_number_columns_are_written_without_a_decimal_point(home: Home) -> None:
    rows = ("1 as id, 34.0::double as age, 'nan'::double as kids", "2, 34.5::double, 2.0::double", "3, 'inf'::double, null")
    write_parquet(home, "people.parquet", *rows)
    home.land(
        '[tables.people]\nfiles = "people.parquet"\n[users]\nfrom = "people"\nuser_id = "id"\nage = "age"\nkids = "kids"\n'
    )
    assert home.rows("user_id, attribute, value", "attributes") == [
        ("1", "age", "34"),
        ("2", "age", "34.5"),
        ("2", "kids", "2"),
        ("3", None, None),
    ]


LOOKUP = """
[tables.log]
files = "log.csv"
[tables.people]
files = "people.parquet"
[[events]]
from = "log"
event_time = "at"
user_id = "people.name"
event_type = "view"
lookups.people = { table = "people", on = { who = "id" } }
"""


def test_tables_are_joined_by_ids_whatever_their_types(home: Home) -> None:
    home.write("log.csv", "at,who\n2020-06-01,17850\n2020-06-02,18\n")
    write_parquet(home, "people.parquet", "17850.0::double as id, 'ann' as name", "'nan'::double, 'nobody'")
    [batch] = home.land(LOOKUP)
    assert counts(batch) == (2, 1, 0, 1)
    assert home.rows("user_id") == [("ann",)]


def test_a_row_is_not_joined_by_a_number_that_may_have_been_rounded(home: Home) -> None:
    write_parquet(
        home, "log.parquet", "timestamp '2020-06-01' as at, 9.007199254740994e+16::double as who", "timestamp '2020-06-02', 7.0"
    )
    write_parquet(home, "people.parquet", "90071992547409941 as id, 'ann' as name", "7, 'bob'")
    home.land(LOOKUP.replace("log.csv", "log.parquet"))
    assert home.rows("user_id") == [("bob",)]
    assert home.reasons()[0].startswith("who '9.007199254740994e+16' is not exact: DOUBLE rounds whole numbers beyond")
