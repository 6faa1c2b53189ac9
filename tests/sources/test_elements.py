"""Nested sources: paths into JSON and structs, one event for each element of a list, and rows that continue the row above."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from portrait_assets.errors import PortraitError
from tests.sources.conftest import Home, counts

ORDERS = """
[tables.orders]
files = "orders.*"
numbers = ["element.quantity", "element.price"]
[[events]]
from = "orders"
each = "line_items"
key = ["id", "element_number"]
event_time = "created_at"
user_id = "customer.id"
event_type = "purchase"
item_id = "element.sku"
session_id = "id"
quantity = "element.quantity"
amount = "element.quantity * element.price"
"""

TEA = {"sku": "tea", "quantity": 2, "price": "9.99"}
JAM = {"sku": "jam", "quantity": 1, "price": 3.5}


def order(number: int, items: object, customer: object = None) -> dict:
    return {"id": number, "created_at": "2024-01-05T10:00:00Z", "customer": customer or {"id": 7}, "line_items": items}


def write_orders(home: Home, *orders: dict) -> None:
    home.write("orders.ndjson", "".join(json.dumps(o) + "\n" for o in orders))


def test_each_element_of_a_list_is_an_event_beside_the_columns_of_its_row(home: Home) -> None:
    write_orders(home, order(1, [TEA, JAM]), order(2, [JAM], {"id": 8}))
    [batch] = home.land(ORDERS)
    assert (*counts(batch), batch.rows_skipped) == (3, 3, 0, 0, 0)
    assert home.rows("event_key, user_id, item_id, quantity_milli, amount_cents, event_time") == [
        ("orders|1|1", "7", "tea", 2000, 1998, datetime(2024, 1, 5, 10)),
        ("orders|1|2", "7", "jam", 1000, 350, datetime(2024, 1, 5, 10)),
        ("orders|2|1", "8", "jam", 1000, 350, datetime(2024, 1, 5, 10)),
    ]


def test_every_element_is_accounted_for_and_empty_lists_are_skipped(home: Home) -> None:
    write_orders(
        home,
        order(1, [TEA, None, {**JAM, "quantity": "two"}]),
        order(2, []),
        order(3, None),
        order(4, "tea"),
        order(5, {"sku": "tea"}),
    )
    [batch] = home.land(ORDERS)
    assert (*counts(batch), batch.rows_skipped) == (5, 1, 0, 4, 2)
    assert home.reasons() == [
        "element 2 of line_items is null",
        "element.quantity 'two' is not a number; expected digits such as 1234.50",
        "line_items 'tea' is not a JSON list",
        'line_items \'{"sku":"tea"}\' is not a JSON list',
    ]
    told = home.rows(
        "payload::json ->> 'id', payload::json ->> 'element_number', payload::json ->> 'element'", "quarantine", "row_number"
    )
    assert told[:2] == [("1", "2", None), ("1", "3", '{"sku":"jam","quantity":"two","price":3.5}')]
    assert home.rows("payload::json ->> 'line_items'", "quarantine", "row_number") == [
        (None,),
        (None,),
        ("tea",),
        ('{"sku":"tea"}',),
    ]


def test_where_and_reject_see_the_element(home: Home) -> None:
    write_orders(home, order(1, [TEA, JAM, {"sku": "gift", "quantity": 1}]))
    [batch] = home.land(ORDERS + 'where = "element.sku <> \'gift\'"\nreject = { "one only" = "element.quantity = 1" }\n')
    assert (*counts(batch), batch.rows_skipped) == (2, 1, 0, 1, 1)
    assert home.reasons() == ["one only"]


def test_elements_can_be_looked_up_and_describe_items_too(home: Home) -> None:
    write_orders(home, order(1, [TEA, {"sku": "rum", "title": "Rum"}]))
    home.write("prices.json", json.dumps([{"about": {"sku": "tea", "cost": "2,5"}}]))
    home.land(
        ORDERS.replace('"element.quantity * element.price"', '"goods.about.cost"')
        + 'lookups.goods = { table = "prices", on = { "element.sku" = "about.sku" } }\n'
        + '[tables.prices]\nfiles = "prices.json"\nnumbers = ["about.cost"]\ndecimal = ","\n'
        + '[items]\nfrom = "orders"\neach = "line_items"\nitem_id = "element.sku"\nname = "element.title"\n'
    )
    assert home.rows("item_id, amount_cents") == [("rum", None), ("tea", 250)]
    assert home.rows("item_id, name", "items") == [("rum", "Rum"), ("tea", None)]


def test_lists_inside_of_objects_lists_of_texts_and_what_an_expression_makes(home: Home) -> None:
    home.write("log.ndjson", '{"at": "2020-06-01", "who": {"id": "ann"}, "seen": {"items": ["a", "b"]}}\n')
    mapping = (
        '[tables.log]\nfiles = "log.ndjson"\n[[events]]\nfrom = "log"\neach = "{}"\nitem_id = "element"\nevent_time = "at"\n'
        'user_id = "who.id"\nevent_type = "view"\nduplicates = "distinct"\nstream = "{}"\n'
    )
    for stream, each in (
        ("path", "seen.items"),
        ("json", "json_extract(seen, '$.items[*]')"),
        ("list", "string_split('a,b', ',')"),
    ):
        assert counts(home.land(mapping.format(each, stream))[0]) == (2, 2, 0, 0)
        assert home.rows("item_id", order="row_number") == [("a",), ("b",)]
        for table in ("events", "batches"):
            home.con.execute(f"delete from raw.{table}")


def test_lists_of_structs_in_parquet(home: Home) -> None:
    home.con.execute(
        "copy (select 1 as id, timestamp '2024-01-05 10:00:00' as created_at, {'id': 'ann'} as customer, "
        "[{'sku': 'tea', 'quantity': 2, 'price': 9.99}, {'sku': 'jam', 'quantity': null, 'price': 1}] as line_items "
        f"union all select 2, timestamp '2024-01-05', null, []) to '{home.folder / 'orders.parquet'}'"
    )
    [batch] = home.land(ORDERS)
    assert (*counts(batch), batch.rows_skipped) == (2, 2, 0, 0, 1)
    assert home.rows("user_id, item_id, quantity_milli, amount_cents") == [
        ("ann", "jam", None, None),
        ("ann", "tea", 2000, 1998),
    ]


def test_a_field_that_a_struct_lacks_is_refused_unless_it_is_optional(home: Home) -> None:
    home.con.execute(f"copy (select 1 as id, '2024-01-05' as t, {{'id': 'ann'}} as who) to '{home.folder / 'x.parquet'}'")
    mapping = (
        '[tables.x]\nfiles = "x.parquet"\n{}[[events]]\nfrom = "x"\nevent_time = "t"\nuser_id = "who.id"\nevent_type = "view"\n'
        'place_id = "who.town"\n'
    )
    with pytest.raises(PortraitError, match=r'x\.parquet.*place_id: Could not find key "town" in struct'):
        home.land(mapping.format(""))
    home.land(mapping.format('optional = ["who.town"]\n'))
    assert home.rows("user_id, place_id") == [("ann", None)]


PATHS = """
[tables.log]
files = "log.*"
numbers = ["context.price"]
times = { "context.at" = "epoch_ms" }
optional = ["context"]
[[events]]
from = "log"
event_time = "context.at"
user_id = "log.context.user.id"
event_type = "case context.kind when 'é' then 'view' else 'purchase' end"
amount = "context.price * 2"
item_id = 'context."the item"'
"""


def test_paths_into_json_are_columns_that_can_be_typed_and_calculated_with(home: Home) -> None:
    context = {"at": 1577836800000, "user": {"id": "ann"}, "kind": "é", "price": "1.25", "the item": "tea"}
    home.write(
        "log.ndjson",
        json.dumps({"context": context}) + "\n" + json.dumps({"context": {**context, "kind": 1, "price": "x"}}) + "\n",
    )
    home.land(PATHS)
    assert home.rows("event_time, user_id, event_type, amount_cents, item_id") == [
        (datetime(2020, 1, 1), "ann", "view", 250, "tea")
    ]
    assert home.reasons() == ["context.price 'x' is not a number; expected digits such as 1234.50"]


def test_a_text_that_is_no_json_is_rejected_where_a_path_is_read_from_it_and_an_absent_key_is_empty(home: Home) -> None:
    home.write("log.csv", 'context\n"{""at"": 1577836800000, ""user"": {""id"": ""ann""}}"\n{broken\n\n[1]\n')
    home.land(PATHS)
    assert home.rows("user_id, item_id, amount_cents") == [("ann", None, None)]
    assert home.reasons()[0].startswith("context '{broken' is not JSON, so it has no context.")
    assert home.reasons()[1:] == ["event_time is empty; user_id is empty"] * 2


def test_a_column_whose_name_has_a_dot_is_that_column(home: Home) -> None:
    home.write("log.csv", "context.at,context.user.id,context.kind,context.price,context.the item\n1577836800000,ann,é,2,tea\n")
    home.land(PATHS.replace("log.context", "context").replace("'context.\"the item\"'", '"context.the item"'))
    assert home.rows("user_id, amount_cents, item_id") == [("ann", 400, "tea")]


@pytest.mark.parametrize("name", ["log.ndjson", "log.json"])
def test_nested_names_of_a_file_without_rows_are_no_mistakes(home: Home, name: str) -> None:
    home.write(name, "")
    assert counts(home.land(PATHS)[0]) == (0, 0, 0, 0)


def test_elements_of_a_file_without_rows_are_none(home: Home) -> None:
    home.write("orders.ndjson", "")
    assert counts(home.land(ORDERS)[0]) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('"line_items"', '"items"', "each: no column 'items' in orders; nearest is 'line_items'"),
        ('"line_items"', '"element_number"', "each: no column 'element_number'"),
        ('"line_items"', '"1"', "each: `1` is INTEGER, not a list"),
        ("element.quantity *", "elements.quantity *", "no column 'elements' in orders; nearest is 'element'"),
    ],
)
def test_a_mistake_about_elements_is_one_clear_line(home: Home, before: str, after: str, message: str) -> None:
    write_orders(home, order(1, [TEA]))
    assert before in ORDERS
    with pytest.raises(PortraitError, match=message):
        home.land(ORDERS.replace(before, after, 1))


def test_a_column_that_is_named_as_each_names_its_own_is_refused(home: Home) -> None:
    write_orders(home, {**order(1, [TEA]), "Element": 1})
    with pytest.raises(PortraitError, match="a column is named 'Element', as each names its own"):
        home.land(ORDERS)


LINES = """
[tables.lines]
files = "lines.csv"
fill_down = ["day", "who"]
{}
[[events]]
from = "lines"
event_time = "day"
user_id = "who"
event_type = "purchase"
item_id = "what"
duplicates = "distinct"
"""


def test_within_a_group_a_blank_cell_takes_the_nearest_value_above_and_never_one_of_another_group(home: Home) -> None:
    home.write(
        "lines.csv", "order,day,who,what\n1,2020-06-01,ann,tea\n1, ,,jam\n2,2020-06-02,,rum\n1,,,ham\n2,,bob,gin\n2,,,ale\n"
    )
    home.land(LINES.format('fill_within = "order"'))
    assert home.rows("user_id, event_date::varchar, item_id") == [
        ("ann", "2020-06-01", "ham"), ("ann", "2020-06-01", "jam"), ("ann", "2020-06-01", "tea"),
        ("bob", "2020-06-02", "ale"), ("bob", "2020-06-02", "gin"),
    ]  # fmt: skip
    assert home.reasons() == ["user_id is empty"]


def test_without_a_group_a_row_whose_first_filled_column_is_blank_continues_the_row_above(home: Home) -> None:
    home.write("lines.csv", "day,who,what\n,early,egg\n2020-06-01,ann,tea\n,,jam\n2020-06-02,,rum\n,bob,gin\n-,,ale\n")
    home.land(LINES.format('nulls = "-"'))
    assert home.rows("user_id, event_date::varchar, item_id") == [
        ("ann", "2020-06-01", "jam"), ("ann", "2020-06-01", "tea"), ("bob", "2020-06-02", "gin"),
    ]  # fmt: skip
    assert home.reasons() == ["event_time is empty", "user_id is empty", "user_id is empty"]


def test_without_a_group_nothing_is_filled_over_a_malformed_line(home: Home) -> None:
    home.write("lines.csv", "day,who,what\n2020-06-01,ann,tea\n2020-06-02,bob\n,,jam\n")
    with pytest.raises(PortraitError, match="lines.csv.*line 3: .*rows after it may continue it.*fill_within"):
        home.land(LINES.format(""))


def test_a_column_to_fill_that_is_not_there_names_the_nearest(home: Home) -> None:
    home.write("lines.csv", "Day of order,who,what\n2020-06-01,ann,tea\n")
    with pytest.raises(
        PortraitError, match="fill_down names 'day', which the file has not; nearest is 'Day of order'|it has Day of"
    ):
        home.land(LINES.format(""))


def test_elements_land_once(home: Home, tmp_path: Path) -> None:
    write_orders(home, order(1, [TEA, JAM]))
    home.land(ORDERS)
    write_orders(home, order(1, [TEA, {**JAM, "quantity": 3}]), order(2, [TEA]))
    [batch] = home.land(ORDERS)
    assert counts(batch) == (3, 2, 1, 0)
