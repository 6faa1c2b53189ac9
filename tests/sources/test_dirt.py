"""Each kind of dirt in a few rows, and the canonical rows worked out by hand."""

from datetime import datetime

import pytest

from portrait_assets.columns import LARGEST
from portrait_assets.errors import PortraitError
from tests.sources.conftest import Home, counts

SALES = """
time_zone = "America/New_York"
{top}
[tables.sales]
files = "sales.csv"
numbers = ["qty", "price"]
{reader}
[[events]]
from = "sales"
event_time = "at"
user_id = "who"
event_type = "case when qty < 0 then 'return' else 'purchase' end"
quantity = "qty"
amount = "qty * price"
{more}
"""


def sales(top: str = "", reader: str = "", more: str = "") -> str:
    return SALES.format(top=top, reader=reader, more=more)


def test_amount_is_price_times_quantity_in_whole_cents_and_thousandths(home: Home) -> None:
    home.write("sales.csv", "at,who,qty,price\n2020-06-01 10:00:00,ann,1.5,2.99\n")
    home.land(sales())
    assert home.rows("user_id, event_type, quantity_milli, amount_cents") == [("ann", "purchase", 1500, 449)]


def test_negative_quantity_is_a_return_with_positive_amounts(home: Home) -> None:
    home.write("sales.csv", "at,who,qty,price\n2020-06-01 10:00:00,ann,-2,3.10\n")
    home.land(sales())
    assert home.rows("event_type, quantity_milli, amount_cents") == [("return", 2000, 620)]


def test_negative_amount_of_a_purchase_is_rejected_but_zero_is_not(home: Home) -> None:
    home.write("sales.csv", "at,who,qty,price\n2020-06-01 10:00:00,ann,1,-0.01\n2020-06-01 10:00:00,ann,0,1\n")
    home.land(sales())
    assert home.reasons() == ["amount -0.01 is negative; only a return may be"]
    assert home.rows("quantity_milli, amount_cents") == [(0, 0)]


def test_row_without_a_customer_is_quarantined_whole_with_its_reason(home: Home) -> None:
    home.write("sales.csv", "at,who,qty,price\n2020-06-01 10:00:00, ,1,1\n2020-06-01 10:00:00,ann,1,1\n")
    [batch] = home.land(sales())
    assert counts(batch) == (2, 1, 0, 1)
    assert home.rows("stream, row_number, reason, payload::json->>'price'", "quarantine") == [
        ("sales", 1, "user_id is empty", "1")
    ]


def test_local_time_is_turned_to_utc_in_summer_and_winter(home: Home) -> None:
    home.write("sales.csv", "at,who,qty,price\n2020-06-01 22:00:00,ann,1,1\n2020-12-01 22:00:00,ann,1,1\n")
    home.land(sales())
    assert home.rows("event_time, local_time, event_date::varchar") == [
        (datetime(2020, 6, 2, 2), datetime(2020, 6, 1, 22), "2020-06-02"),
        (datetime(2020, 12, 2, 3), datetime(2020, 12, 1, 22), "2020-12-02"),
    ]


def test_utc_times_get_the_local_wall_clock_beside_them(home: Home) -> None:
    home.write("sales.csv", "at,who,qty,price\n2020-06-01 02:00:00,ann,1,1\n")
    home.land(sales(top='times = "utc"'))
    assert home.rows("event_time, local_time") == [(datetime(2020, 6, 1, 2), datetime(2020, 5, 31, 22))]


@pytest.mark.parametrize(
    "written",
    [
        "2020-06-01T12:00:00+02:00",
        "2020-06-01 10:00:00Z",
        "2020-06-01 10:00:00 UTC",
        "2020-06-01 12:00:00 +0200",
        "2020-06-01 10:00:00 z",
        "2020-06-01 05:00:00 EST",
        "2020-06-01 12:00:00 Europe/Paris",
    ],
)
def test_a_time_with_an_offset_is_absolute_whatever_the_mapping_says(home: Home, written: str) -> None:
    home.write("sales.csv", f"at,who,qty,price\n{written},ann,1,1\n")
    home.land(sales())
    assert home.rows("event_time") == [(datetime(2020, 6, 1, 10),)]


@pytest.mark.parametrize("written", ["2020-06-01 10:00:00 PM", "2020-06-01 10:00 am", "2020-06-01 10:00:00 XYZ"])
@pytest.mark.parametrize("reader", ["", 'times = { at = "iso" }'])
def test_what_stands_behind_a_time_is_never_left_away(home: Home, written: str, reader: str) -> None:
    home.write("sales.csv", f"at,who,qty,price\n{written},ann,1,1\n")
    home.land(sales(reader=reader))
    assert f"'{written}' is not a time" in home.reasons()[0]


@pytest.mark.parametrize(
    ("format_", "written", "expected"),
    [
        ('"%d/%m/%Y %H:%M"', "1/12/2010 8:26", datetime(2010, 12, 1, 13, 26)),
        ('"%Y%m%d"', "19970101", datetime(1997, 1, 1, 5)),
        ('["%d.%m.%y", "iso"]', "2010-12-01 08:26", datetime(2010, 12, 1, 13, 26)),
        ('"%d/%m/%Y %H:%M %z"', "01/12/2010 08:26 +0100", datetime(2010, 12, 1, 7, 26)),
    ],
)
def test_dates_in_other_formats(home: Home, format_: str, written: str, expected: datetime) -> None:
    home.write("sales.csv", f"at,who,qty,price\n{written},ann,1,1\n")
    home.land(sales(reader=f"times = {{ at = {format_} }}"))
    assert home.rows("event_time") == [(expected,)]


def test_an_impossible_date_says_column_value_and_expectation(home: Home) -> None:
    home.write("sales.csv", "at,who,qty,price\n31/02/2017,ann,1,1\n")
    home.land(sales())
    assert home.reasons() == ["event_time '31/02/2017' is not a time; expected ISO 8601 or set a format in the mapping"]


def test_a_declared_format_is_named_in_the_reason(home: Home) -> None:
    home.write("sales.csv", "at,who,qty,price\n31/02/2017,ann,1,1\n")
    home.land(sales(reader='times = { at = "%d/%m/%Y" }'))
    assert home.reasons() == ["at '31/02/2017' is not a time; expected %d/%m/%Y"]


def test_time_bounds_are_1970_inclusive_and_a_day_from_now_inclusive(home: Home) -> None:
    times = ["1969-12-31 23:59:59", "1970-01-01 00:00:00", "2026-01-02 00:00:00", "2026-01-02 00:00:01", "infinity"]
    home.write("sales.csv", "at,who,qty,price\n" + "".join(f"{time},ann,1,1\n" for time in times))
    home.land(sales(top='times = "utc"').replace("America/New_York", "UTC"))
    assert home.rows("event_time") == [(datetime(1970, 1, 1),), (datetime(2026, 1, 2),)]
    assert [reason.split(" is ")[1] for reason in home.reasons()] == ["before 1970", *["an event from the future"] * 2]


@pytest.mark.parametrize(
    ("marks", "written", "milli"),
    [
        ('thousands = ","', '"1,234"', 1234000),
        ('decimal = ","\nthousands = "."', '"1.234,5"', 1234500),
        ('decimal = ","', '"0,25"', 250),
        ("", " 7 ", 7000),
        ("", "1e3", 1000000),
    ],
)
def test_numbers_with_other_marks(home: Home, marks: str, written: str, milli: int) -> None:
    home.write("sales.csv", f"at,who,qty,price\n2020-06-01,ann,{written},1\n")
    home.land(sales(reader=marks))
    assert home.rows("quantity_milli") == [(milli,)]


@pytest.mark.parametrize("written", ['"31,5"', '"1,2345"', "abc", "inf", "nan", "1 2"])
def test_what_is_not_quite_a_number_is_never_guessed(home: Home, written: str) -> None:
    home.write("sales.csv", f"at,who,qty,price\n2020-06-01,ann,{written},1\n")
    home.land(sales(reader='thousands = ","'))
    value = written.strip('"')
    assert home.reasons() == [f"qty '{value}' is not a number; expected digits such as 1,234.50"]


NUMBERS = """
[tables.log]
files = "log.csv"
[[events]]
from = "log"
event_time = "at"
user_id = "who"
event_type = "purchase"
quantity = "quantity"
amount = "amount"
discount = "discount"
coupon = "coupon"
rating = "rating"
"""
SCALES = {"quantity": 1000, "amount": 100, "discount": 100, "coupon": 100, "rating": 1000}


@pytest.mark.parametrize(
    ("column", "stored", "largest", "kept"),
    [
        ("quantity", "quantity_milli", 100_000_000, 10**11),
        ("amount", "amount_cents", 1_000_000_000, 10**11),
        ("discount", "discount_cents", 1_000_000_000, 10**11),
        ("coupon", "coupon_cents", 1_000_000_000, 10**11),
        ("rating", "rating", 1_000_000, 1_000_000.0),
    ],
)
def test_the_largest_number_is_kept_and_what_is_beyond_it_is_quarantined(
    home: Home, column: str, stored: str, largest: int, kept: float
) -> None:
    beyond = [f"{largest}.01", f"{10 * largest}", "9e13", "1e400", "-1e400"]
    header = "at,who," + ",".join(SCALES)
    lines = [",".join(["2020-06-01", "ann", *("" if name != column else value for name in SCALES)])
             for value in [str(largest), *beyond]]  # fmt: skip
    home.write("log.csv", "\n".join([header, *lines]) + "\n")
    [batch] = home.land(NUMBERS)
    assert counts(batch) == (6, 1, 0, 5)
    assert home.rows(stored) == [(kept,)]
    expected = [f"{column} '{value}' is not a number that can be kept; the largest is {largest:,}" for value in beyond]
    assert home.reasons() == expected


def test_a_hundred_years_of_the_largest_events_add_up_in_64_bits() -> None:
    """250 a day for a hundred years, an event's amount, discount and coupon added up before reductions, as prices are."""
    events = 250 * 36_525
    assert 3 * events * SCALES["amount"] * LARGEST["amount"] < 2**63
    assert all(events * scale * LARGEST[column] < 2**63 for column, scale in SCALES.items())


def test_a_number_that_is_missing_is_unknown_and_a_negative_zero_is_zero(home: Home) -> None:
    home.con.execute(
        "copy (select '2020-06-01' as at, 'ann' as who, 'nan'::double as quantity, -0.0 as amount, 'inf'::double as discount, "
        f"null::double as coupon, -0.0::double as rating union all select '2020-06-01', 'ann', 'nan'::double, -0.0, 'nan'::double, null, 0.0) "
        f"to '{home.folder / 'log.parquet'}' (format parquet)"
    )
    [batch] = home.land(NUMBERS.replace("log.csv", "log.parquet"))
    assert counts(batch) == (2, 1, 0, 1)
    assert home.reasons() == ["discount 'inf' is not a number that can be kept; the largest is 1,000,000,000"]
    [(quantity, amount, rating)] = home.rows("quantity_milli, amount_cents, rating::varchar")
    assert (quantity, amount, rating) == (None, 0, "0.0")


MOMENTS = ("event_time", "ingested_at")


@pytest.mark.parametrize("column", MOMENTS)
@pytest.mark.parametrize("written", ["infinity", "-infinity", "290309-12-22 (BC)", "0044-03-15 (BC)", "9999-12-31"])
def test_an_instant_at_the_edge_of_the_calendar_rejects_its_row_alone(home: Home, column: str, written: str) -> None:
    happened, told = (f"timestamptz '{written}'" if name == column else "timestamptz '2020-06-01'" for name in MOMENTS)
    home.con.execute(
        f"copy (select * from (values (timestamptz '2020-06-01', timestamptz '2020-06-01', 'ann'), ({happened}, {told}, 'bob')) "
        f"as log(happened, told, who)) to '{home.folder / 'log.parquet'}' (format parquet)"
    )
    [batch] = home.land(
        'time_zone = "America/New_York"\n[tables.log]\nfiles = "log.parquet"\n[[events]]\nfrom = "log"\n'
        'event_time = "happened"\nuser_id = "who"\nevent_type = "view"\ningested_at = "told"\n'
    )
    assert counts(batch) == (2, 1, 0, 1)
    assert home.rows("user_id") == [("ann",)]
    [reason] = home.reasons()
    assert reason.startswith(column) and reason.endswith(("is before 1970", "future"))


def test_null_texts_are_unknown_not_values(home: Home) -> None:
    home.write("sales.csv", "at,who,qty,price\n2020-06-01,ann,1,N/A\n2020-06-01,-,1,1\n")
    home.land(sales(reader='nulls = ["-", "N/A"]'))
    assert home.rows("user_id, amount_cents") == [("ann", None)]
    assert home.reasons() == ["user_id is empty"]


@pytest.mark.parametrize(("meaning", "kept"), [("same", 1), ("distinct", 2)])
def test_equal_rows_are_one_event_or_two_as_the_mapping_says(home: Home, meaning: str, kept: int) -> None:
    row = "2020-06-01,ann,1,1\n"
    home.write("sales.csv", "at,who,qty,price\n" + row * 2)
    [batch] = home.land(sales(more=f'duplicates = "{meaning}"'))
    assert counts(batch) == (2, kept, 2 - kept, 0)
    assert len({key for (key,) in home.rows("event_key")}) == kept


def test_an_expression_that_fails_on_a_row_rejects_that_row_only(home: Home) -> None:
    home.write("sales.csv", "at,who,qty,price\n2020-06-01,ann,1,1\n2020-06-01,17b,1,1\n2020-06-01,42,1,1\n")
    home.land(sales().replace('"who"', '"cast(who as integer)"'))
    assert home.rows("user_id") == [("42",)]
    assert home.reasons() == ["user_id can not be computed: cast(who as integer)"] * 2


def test_where_counts_what_it_leaves_to_other_streams_and_reject_quarantines(home: Home) -> None:
    home.write("sales.csv", "at,who,qty,price\n2020-06-01,ann,1,0\n2020-06-01,ann,-1,1\n2020-06-01,ann,1,1\nx,ann,oops,1\n")
    [batch] = home.land(sales(more='where = "qty > 0"\nreject = { "free of charge" = "price <= 0" }'))
    assert (*counts(batch), batch.rows_skipped) == (3, 1, 0, 2, 1)
    assert home.reasons()[0] == "free of charge"
    assert home.reasons()[1].startswith("qty 'oops' is not a number")


def test_unknown_event_type_names_the_known_ones(home: Home) -> None:
    home.write("sales.csv", "at,who,qty,price\n2020-06-01,ann,1,1\n")
    home.land(sales().replace("else 'purchase'", "else 'sale'"))
    assert home.reasons()[0].startswith('event_type "sale" is unknown; expected one of view, search')


@pytest.mark.parametrize(
    ("written", "near"),
    [("Purchases", "; nearest is purchase"), ("wishlst", "; nearest is wishlist"), ("zzz", "share, wishlist")],
)
def test_an_unknown_event_type_names_the_nearest(home: Home, written: str, near: str) -> None:
    home.write("sales.csv", "at,who,qty,price\n2020-06-01,ann,1,1\n")
    home.land(sales().replace("else 'purchase'", f"else '{written}'"))
    assert home.reasons()[0].endswith(near)


def test_types_that_the_pack_declares_beyond_those_with_columns_land(home: Home) -> None:
    home.write("sales.csv", "at,who,qty,price,what\n2020-06-01,ann,1,1,play\n2020-06-01,ann,1,1,remove\n")
    home.land(sales().replace("\"case when qty < 0 then 'return' else 'purchase' end\"", '"what"'))
    assert home.rows("event_type") == [("play",), ("remove",)]


def test_a_bare_event_type_is_itself_unless_it_is_a_column(home: Home) -> None:
    home.write("sales.csv", "at,who,qty,price,view\n2020-06-01,ann,1,1,cart\n")
    mapping = sales().replace("\"case when qty < 0 then 'return' else 'purchase' end\"", '"{}"')
    home.land(mapping.replace("{}", "purchase"))
    assert home.rows("event_type") == [("purchase",)]
    home.con.execute("delete from raw.batches")
    home.land(mapping.replace("{}", "view"))
    assert home.rows("event_type") == [("cart",), ("purchase",)]


def test_malformed_lines_keep_their_line_number_and_text(home: Home) -> None:
    home.write(
        "sales.csv", 'at,who,qty,price\n2020-06-01,ann,1,1\n2020-06-01,bob\n2020-06-01,"cy"x,1,1\n2020-06-01,dan,1,1,1\n'
    )
    [batch] = home.land(sales())
    assert counts(batch) == (4, 1, 0, 3)
    assert [reason.split(":")[0] for reason in home.reasons()] == ["line 3", "line 4", "line 5"]
    assert home.rows("payload::json->>'line'", "quarantine", "row_number")[0] == ("2020-06-01,bob",)


def test_column_names_with_spaces_and_quotes_are_quoted(home: Home) -> None:
    home.write("sales.csv", 'the time,"a ""user""",select\n2020-06-01,ann,3\n')
    home.land(
        '[tables.sales]\nfiles = "sales.csv"\n[[events]]\nfrom = "sales"\nevent_type = "view"\n'
        'event_time = "the time"\nuser_id = \'a "user"\'\nsession_id = "select"\n'
    )
    assert home.rows("user_id, session_id") == [("ann", "3")]


def test_other_encodings_byte_order_marks_and_windows_line_ends(home: Home) -> None:
    home.write("sales.csv", "at,who,qty,price\r\n2020-06-01,Zoë “Z”,1,1\r\n".encode("cp1252"))
    home.land(sales(reader='encoding = "cp1252"'))
    home.write("sales.csv", "at,who,qty,price\r\n2020-06-01,Ümit,1,1\r\n".encode("utf-8-sig"))
    home.con.execute("delete from raw.batches")
    home.land(sales())
    assert home.rows("user_id") == [("Zoë “Z”",), ("Ümit",)]


def test_a_line_in_a_wrong_encoding_is_quarantined_not_fatal(home: Home) -> None:
    home.write("sales.csv", b"at,who,qty,price\n2020-06-01,Zo\xeb,1,1\n2020-06-01,ann,1,1\n")
    [batch] = home.land(sales())
    assert counts(batch) == (2, 1, 0, 1)
    assert "encoding" in home.reasons()[0]


LOOKUP = """
[tables.sales]
files = "sales.csv"
[tables.goods]
files = "goods*.csv"
numbers = ["price"]
[[events]]
from = "sales"
event_time = "at"
user_id = "who"
event_type = "purchase"
amount = "goods.price"
lookups.goods = { table = "goods", on = { what = "id" } }
"""


def test_a_bad_value_of_a_looked_up_row_rejects_the_rows_that_need_it(home: Home) -> None:
    home.write("sales.csv", "at,who,what\n2020-06-01,ann,1\n2020-06-02,ann,2\n2020-06-03,ann,9\n")
    home.write("goods1.csv", "id,price\n1,cheap\n")
    home.write("goods2.csv", "id,price\n2,3.5\n")
    [batch] = home.land(LOOKUP)
    assert counts(batch) == (3, 2, 0, 1)
    assert home.reasons() == ["price 'cheap' is not a number; expected digits such as 1234.50"]
    assert home.rows("amount_cents", order="event_time") == [(350,), (None,)]


def test_two_expressions_that_share_what_fails_reject_the_row_and_no_other(home: Home) -> None:
    home.write("sales.csv", "at,who,qty,price\n2020-06-01,x1,1,1\n2020-06-01,2,1,1\n")
    home.land(sales(more='session_id = "cast(who as integer)"\nplace_id = "cast(who as integer) + 1"'))
    assert home.rows("session_id, place_id") == [("2", "3")]


def test_a_lookup_with_two_rows_for_a_key_is_refused_and_one_without_a_key_is_no_match(home: Home) -> None:
    home.write("sales.csv", "at,who,what\n2020-06-01,ann,1\n2020-06-02,ann,\n")
    home.write("goods.csv", "id,price\n1,3\n,4\n,5\n")
    home.land(LOOKUP)
    assert home.rows("amount_cents", order="event_time") == [(300,), (None,)]
    home.write("sales.csv", "at,who,what\n2020-06-03,ann,1\n")
    home.write("goods.csv", "id,price\n1,3\n1,3\n")
    with pytest.raises(PortraitError, match="2 rows of goods share id 1, so the join would multiply events"):
        home.land(LOOKUP)


DAYS = [
    # the column's reader, event_time, what the file says, whether that has an hour
    ("", "seen", "2020-06-01", False),
    ("", "seen", "2020-06-01 00:00:00", True),
    ("", "seen::date", "2020-06-01 00:00:00", False),
    ("", "strptime(seen, '%d.%m.%Y')", "01.06.2020", False),
    ("", "strptime(seen || ' 00:00', '%d.%m.%Y %H:%M')", "01.06.2020", True),
    ('times = { seen = "%d.%m.%Y" }', "seen", "01.06.2020", False),
    ('times = { seen = "%d.%m.%Y" }', "seen + interval 0 hour", "01.06.2020", False),
    ('times = { seen = "%d.%m.%Y" }', "seen + to_hours(qty::int - 1)", "01.06.2020", True),
    ('times = { seen = "%d.%m.%Y %H:%M" }', "seen", "01.06.2020 00:00", True),
    ('times = { seen = ["%d.%m.%Y %H:%M", "%d.%m.%Y"] }', "seen", "01.06.2020", False),
    ('times = { seen = ["%d.%m.%Y %H:%M", "%d.%m.%Y"] }', "seen", "01.06.2020 00:00", True),
    ('times = { seen = "iso" }', "seen", "2020-06-01", False),
    ('times = { seen = "iso" }', "seen", "2020-06-01T00:00", True),
]


@pytest.mark.parametrize(("reader", "expression", "written", "has_time"), DAYS)
@pytest.mark.parametrize("clock", ["local", "utc"])
def test_a_date_without_an_hour_is_a_local_day_that_has_none(
    home: Home, clock: str, reader: str, expression: str, written: str, has_time: bool
) -> None:
    home.write("sales.csv", f"seen,who,qty,price\n{written},ann,1,1\n")
    toml = sales(top=f'times = "{clock}"', reader=reader).replace('event_time = "at"', f'event_time = "{expression}"')
    home.land(toml)
    midnight = datetime(2020, 6, 1, 0 if has_time and clock == "utc" else 4)  # in New York
    assert home.rows("has_time, event_time") == [(has_time, midnight)]
    if not has_time:
        assert home.rows("local_time") == [(datetime(2020, 6, 1),)]


def test_an_hour_of_a_looked_up_time_is_known_row_by_row(home: Home) -> None:
    home.write("orders.csv", "id,seen\n1,2020-06-01\n2,2020-06-01 09:30:00\n")
    home.write("lines.csv", "id,who\n1,ann\n2,bob\n")
    home.land("""
[tables.orders]
files = "orders.csv"
times = { seen = "iso" }
[tables.lines]
files = "lines.csv"
[[events]]
from = "lines"
event_time = "orders.seen"
user_id = "who"
event_type = "purchase"
lookups.orders = { table = "orders", on = "id" }
""")
    assert home.rows("user_id, has_time") == [("ann", False), ("bob", True)]


def test_a_mapping_can_say_itself_that_midnight_is_no_hour(home: Home) -> None:
    home.write("sales.csv", "seen,who,qty,price\n2020-06-01 00:00:00,ann,1,1\n2020-06-01 10:00:00,bob,1,1\n")
    home.land(sales(more="has_time = \"seen not like '%00:00:00'\"").replace('"at"', '"seen"'))
    assert home.rows("user_id, has_time") == [("ann", False), ("bob", True)]


def test_a_date_that_gets_its_missing_hour_later_is_a_correction(home: Home) -> None:
    home.write("sales.csv", "seen,who,qty,price\n2020-06-01 00:00:00,ann,1,1\n")
    keyed = sales(more='key = "who"')
    home.land(keyed.replace('"at"', '"seen"'))
    [batch] = home.land(keyed.replace('"at"', '"seen::date"'))
    assert counts(batch) == (1, 1, 0, 0)
    assert home.rows("has_time", order="batch_seq") == [(True,), (False,)]
