"""A mapping's mistakes, each one clear line: what, where, what to do."""

import re
from pathlib import Path

import pytest

from portrait_assets.columns import EVENT_BODY, RAW_ITEMS
from portrait_assets.errors import PortraitError
from portrait_assets.sources import land, load
from portrait_assets.sources.mapping import EventStream, ItemStream, UserStream
from tests.sources.conftest import EXAMPLES, NOW, Home

SHOP = (EXAMPLES / "online_shop.toml").read_text()
MARKET = (EXAMPLES / "marketplace.toml").read_text()


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("event_time =", "event_tmie =", r"line 15: .*unknown key 'event_tmie'; nearest is 'event_time'"),
        ("numbers =", "numbrs =", r"line 9: tables\.lines\.numbrs: unknown key 'numbrs'; nearest is 'numbers'"),
        ("title =", "titel =", r"line 2: titel: unknown key 'titel'; nearest is 'title'"),
        ("title =", 'event_types = ["rental"]\ntitle =', r"line 2: event_types: unknown key 'event_types'; "),
        ("Europe/London", "Europe/Londn", r"line 4: .*not a time zone; nearest is 'Europe/London'"),
        ("online_shop", "Online Shop", r"line 1: name: 'Online Shop' is not a name"),
        ('name = "online_shop"', "name = online", "not TOML.*line 1"),
        ('"same"', '"samee"', r"line 14: events\.duplicates: should be 'same' or 'distinct'"),
        ('duplicates = "same"', 'duplicates = "distinct"\nkey = "InvoiceNo"', "leave out either"),
        ('user_id = "CustomerID"', "", r"events\.user_id is missing"),
        ('from = "lines"', 'from = "line"', r"no \[tables.line\]; nearest is 'lines'"),
        ('root = "online_shop"', 'root = "package:no_such/data"', "'no_such' is not installed"),
        (
            "Quantity * UnitPrice",
            "Quantity * UnitPrise",
            "no column 'UnitPrise' in lines; nearest is 'UnitPrice'; it has InvoiceNo",
        ),
        ('numbers = ["Quantity", "UnitPrice"]', "", r"declare numbers or times in \[tables.lines\]"),
        ("Quantity * UnitPrice", "Quantity *", "amount: `Quantity \\*` is not SQL"),
        ("Quantity * UnitPrice", "Quantity, UnitPrice", "not one SQL expression"),
        ("Quantity * UnitPrice", "1 from lines", "not one SQL expression"),
        ("Quantity * UnitPrice", "(select 1)", "reads one row"),
        ("Quantity * UnitPrice", "sum(Quantity) over ()", "reads one row"),
        ("Quantity * UnitPrice", "sum(Quantity)", "reads one row"),
        ("Quantity * UnitPrice", "random()", "reads one row"),
        ("Quantity * UnitPrice", "InvoiceDate", "amount is TIMESTAMP, not a number"),
        ('event_time = "InvoiceDate"', 'event_time = "Quantity"', r"event_time is DOUBLE, not a time.*to_timestamp"),
        ("lines*.csv", "order*.csv", r"\[tables.lines\] no file matches 'order\*.csv'"),
        ("lines*.csv", "gone.csv", r"\[tables.lines\] no file 'gone.csv'"),
        ('"latin-1"', '"latin-x"', "encoding 'latin-x' is unknown"),
        ('UnitPrice"]', 'UnitPrce"]', "declares 'UnitPrce', which its file has not; nearest is 'UnitPrice'"),
        ("lines*.csv", "lines.txt", 'set format in its .*format = "csv"'),
    ],
)
def test_a_mistake_in_a_mapping_is_one_clear_line(home: Home, before: str, after: str, message: str) -> None:
    assert before in SHOP
    (home.folder / "online_shop").mkdir()
    for name in ("lines.csv", "lines.txt"):
        home.write(f"online_shop/{name}", (EXAMPLES / "online_shop/lines.csv").read_bytes())
    with pytest.raises(PortraitError, match=message) as error:
        land(home.con, load(home.write("m.toml", SHOP.replace(before, after, 1))), NOW)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (
            r"(?s)payments\.by_voucher(.*?)summary = [^\n]*",
            r"payments.payment_value\1",
            "3 rows of payments share order_id o1, so the join would multiply events.*summary",
        ),
        (
            r"orders\.order_purchase_timestamp",
            "orders.purchase",
            "lookup orders has no 'purchase'; nearest is 'order_purchase_",
        ),
        (r"orders\.order_purchase_timestamp", "order_.at", "no column 'order_' in order_items; nearest is 'order_id'"),
        (r'= "customer_id" }', '= "customer" }', "no column 'customer' in customers; nearest is 'customer_id'"),
        (r'table = "orders"', 'table = "order"', r"no \[tables.order\]; nearest is 'orders'"),
        (r'table = "orders"', 'tabel = "orders"', "unknown key 'tabel'; nearest is 'table'"),
        (r"events.lookups.orders", "events.lookups.order", "lookup 'order' is not a name SQL can use; call it orders"),
        (r"events.lookups.orders", "events.lookups.price", "lookup 'price' is also the table or one of its columns"),
        (r'stream = "reviews"', 'stream = "purchases"', "a second stream named 'purchases'"),
    ],
)
def test_a_mistake_in_a_join_is_one_clear_line(home: Home, before: str, after: str, message: str) -> None:
    text = re.sub('root = "marketplace"', f"root = '{EXAMPLES / 'marketplace'}'", MARKET)
    changed = re.sub(before, after, text, count=1)
    assert changed != text
    with pytest.raises(PortraitError, match=message):
        land(home.con, load(home.write("m.toml", changed)), NOW)


def test_a_truncated_parquet_file_is_one_clear_line(home: Home) -> None:
    home.con.execute(f"copy (select 1 as a from range(1000)) to '{home.folder / 'x.parquet'}'")
    home.write("x.parquet", (home.folder / "x.parquet").read_bytes()[:-20])
    mapping = '[tables.x]\nfiles = "x.parquet"\n[[events]]\nfrom = "x"\nevent_time = "a"\nuser_id = "a"\nevent_type = "view"\n'
    with pytest.raises(PortraitError, match=r"x\.parquet: can't be read as parquet: .*cut short\? fetch it again"):
        home.land(mapping)


def test_an_empty_file_is_one_clear_line(home: Home) -> None:
    home.write("x.csv", "")
    mapping = '[tables.x]\nfiles = "x.csv"\n[[events]]\nfrom = "x"\nevent_time = "a"\nuser_id = "a"\nevent_type = "view"\n'
    with pytest.raises(PortraitError, match=r"x\.csv: is empty"):
        home.land(mapping)


def test_an_unknown_source_names_the_nearest() -> None:
    with pytest.raises(PortraitError, match="nearest is 'complete_journey'; give a TOML file, or one of: complete_journey"):
        load("complete_journy")


def test_every_word_of_the_vocabulary_can_be_mapped() -> None:
    stored = {c.name.removesuffix("_cents").removesuffix("_milli") for c in EVENT_BODY} - {"local_time"}
    assert stored == set(EventStream.canonical()) - {"version", "is_deletion", "ingested_at"}
    assert ItemStream.canonical() == [c.name for c in RAW_ITEMS.columns if c.name not in ("source", "batch_id", "row_number")]
    assert UserStream.canonical() == ["user_id", "ingested_at"]  # beside the attributes of the pack


def test_root_is_relative_to_the_mapping(home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(EXAMPLES.parent)
    assert load("examples/online_shop.toml").root == EXAMPLES / "online_shop"
