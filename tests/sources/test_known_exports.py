"""The mappings of known exports in docs/mapping.md land files of those shapes, their canonical rows worked out by hand."""

import gzip
import json
import re
from collections.abc import Callable
from datetime import datetime

import duckdb
import pytest

from portrait_assets.sources import Batch, land, load
from tests.sources.conftest import NOW, Home, counts
from tests.sources.test_guide import BLOCKS

MAPPINGS = {name[1]: block for block in BLOCKS if (name := re.match(r'name = "(\w+)"', block))}
Landed = Callable[..., dict[str, tuple[int, int, int, int, int]]]


@pytest.fixture
def landed(home: Home) -> Landed:
    def land_export(name: str, **files: str | bytes) -> dict[str, tuple[int, int, int, int, int]]:
        for file, content in files.items():
            home.write(file.replace("__", "."), content)
        batches: list[Batch] = land(home.con, load(home.write(f"{name}.toml", MAPPINGS[name])), NOW)
        return {batch.stream: (*counts(batch), batch.rows_skipped) for batch in batches}

    return land_export


def test_every_export_of_the_guide_is_tried_here() -> None:
    assert set(MAPPINGS) == {"my_shop", "ga4", "segment", "shopify_json", "shopify_csv", "matomo", "movielens"}


def param(key: str, **value: object) -> dict:
    return {"key": key, "value": value}


GA4 = [
    {"event_timestamp": "1612069510766593", "event_name": "view_item", "user_pseudo_id": "9.1",
     "event_params": [param("page_title", string_value="Tees"), param("ga_session_id", int_value="661084800")],
     "items": [{"item_id": "A1", "item_name": "Tee", "item_category": "Shirts"}, {"item_id": "A2", "item_name": "Cap"}]},
    {"event_timestamp": "1612069520766593", "event_name": "purchase", "user_pseudo_id": "9.1", "event_params": [],
     "items": [{"item_id": "A1", "price": 20.5, "quantity": 2}]},
    {"event_timestamp": "1612069530766593", "event_name": "scroll", "user_pseudo_id": "9.1", "event_params": [], "items": []},
]  # fmt: skip


def test_google_analytics_4(landed: Landed, home: Home) -> None:
    counted = landed("ga4", events_20210131="\n".join(map(json.dumps, GA4)))
    assert counted == {"items": (3, 2, 1, 0, 1), "ga": (3, 3, 0, 0, 1)}
    assert home.rows("event_time, event_type, item_id, session_id, quantity_milli, amount_cents, user_id") == [
        (datetime(2021, 1, 31, 5, 5, 10, 766593), "view", "A1", "661084800", None, None, "9.1"),
        (datetime(2021, 1, 31, 5, 5, 10, 766593), "view", "A2", "661084800", None, None, "9.1"),
        (datetime(2021, 1, 31, 5, 5, 20, 766593), "purchase", "A1", None, 2000, 4100, "9.1"),
    ]
    assert home.rows("item_id, name, category", "items") == [("A1", "Tee", "Shirts"), ("A2", "Cap", None)]


def track(event: str, number: int, user: str | None, **properties: object) -> dict:
    said = {"event": event, "messageId": f"m{number}", "timestamp": f"2024-01-05T10:00:0{number}.5Z", "anonymousId": "anon"}
    return {**said, "userId": user, "properties": properties}


def test_segment(landed: Landed, home: Home) -> None:
    products = [{"product_id": "p1", "price": 9.99, "quantity": 2}, {"product_id": "p2", "price": "3.5", "quantity": 1}]
    calls = [
        track("Product Viewed", 1, None, product_id="p1", price=9.99),
        track("Product Added", 2, "u1", product_id="p1"),
        track("Order Completed", 3, "u1", order_id="o1", products=products),
        track("Signed Up", 4, "u1"),
    ]
    counted = landed("segment", a__json__gz=gzip.compress("\n".join(map(json.dumps, calls)).encode()))
    assert counted == {"products": (2, 2, 0, 0, 2), "orders": (2, 2, 0, 0, 3)}
    assert home.rows("event_time, user_id, event_type, item_id, session_id, amount_cents", order="event_time, item_id") == [
        (datetime(2024, 1, 5, 10, 0, 1, 500000), "anon", "view", "p1", None, None),
        (datetime(2024, 1, 5, 10, 0, 2, 500000), "u1", "cart", "p1", None, None),
        (datetime(2024, 1, 5, 10, 0, 3, 500000), "u1", "purchase", "p1", "o1", 1998),
        (datetime(2024, 1, 5, 10, 0, 3, 500000), "u1", "purchase", "p2", "o1", 350),
    ]


def test_shopify_orders_as_json(landed: Landed, home: Home) -> None:
    tea = {"id": 11, "product_id": 501, "quantity": 2, "price": "9.99", "title": "Tea", "vendor": "Acme"}
    tip = {"id": 12, "product_id": None, "quantity": 1, "price": "1.00", "title": "Tip"}
    orders = [
        {"id": 1, "created_at": "2024-01-05T10:00:00-05:00", "customer": {"id": 7, "default_address": {"country_code": "DE"}},
         "line_items": [tea, tip]},
        {"id": 2, "created_at": "2024-01-06T10:00:00-05:00", "customer": None, "line_items": [tea]},
    ]  # fmt: skip
    counted = landed("shopify_json", orders__json=json.dumps({"orders": orders}))
    assert counted == {"items": (2, 1, 1, 0, 1), "users": (1, 1, 0, 0, 1), "orders": (2, 2, 0, 0, 1)}
    assert home.rows("event_key, event_time, user_id, item_id, amount_cents")[:1] == [
        ("orders|1|11", datetime(2024, 1, 5, 15), "7", "501", 1998)
    ]
    assert home.rows("item_id, amount_cents", order="event_key")[1] == (None, 100)
    assert home.rows("name, maker", "items") == [("Tea", "Acme")]
    assert home.rows("user_id, value", "attributes") == [("7", "DE")]


SHOPIFY_CSV = """\
Name,Email,Paid at,Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku,Shipping Country
#1001,ann@x.org,2024-01-05 10:00:00 -0500,2,Tea,9.99,tea,DE
#1001,ann@x.org,,1,Jam,3.50,jam,
#1002,bob@x.org,2024-01-06 10:00:00 -0500,1,Tea,9.99,tea,
#1003,cy@x.org,,1,Tea,9.99,tea,US
#1002,,,1,Tea,9.99,tea,
"""


def test_shopify_orders_as_csv(landed: Landed, home: Home) -> None:
    assert landed("shopify_csv", orders_export_1__csv=SHOPIFY_CSV) == {"users": (5, 3, 2, 0, 0), "orders": (4, 4, 0, 0, 1)}
    assert home.rows("event_time, user_id, item_id, session_id, amount_cents", order="row_number") == [
        (datetime(2024, 1, 5, 15), "ann@x.org", "tea", "#1001", 1998),
        (datetime(2024, 1, 5, 15), "ann@x.org", "jam", "#1001", 350),
        (datetime(2024, 1, 6, 15), "bob@x.org", "tea", "#1002", 999),
        (datetime(2024, 1, 6, 15), "bob@x.org", "tea", "#1002", 999),
    ]
    assert home.rows("user_id, value", "attributes") == [("ann@x.org", "DE"), ("bob@x.org", None), ("cy@x.org", "US")]


def test_matomo(landed: Landed, home: Home) -> None:
    actions = [
        {"type": "action", "url": "/tea", "timestamp": 1704448800},
        {"type": "event", "timestamp": 1704448801},
        {"type": "action", "url": "/jam", "timestamp": 1704448860},
    ]
    visits = [{"idVisit": 5, "visitorId": "abc", "actionDetails": actions}]
    assert landed("matomo", visits__json=json.dumps(visits)) == {"visits": (2, 2, 0, 0, 1)}
    assert home.rows("event_time, user_id, item_id, session_id") == [
        (datetime(2024, 1, 5, 10), "abc", "/tea", "5"),
        (datetime(2024, 1, 5, 10, 1), "abc", "/jam", "5"),
    ]


def test_movielens(landed: Landed, home: Home) -> None:
    counted = landed(
        "movielens",
        ratings__dat="1::2::4.5::978300760\n1::3::3::978300761\n",
        movies__dat='2::"Amélie" (2001)::Comedy|Romance\n3::Jumanji (1995)::Adventure\n'.encode("latin-1"),
    )
    assert counted == {"items": (2, 2, 0, 0, 0), "ratings": (2, 2, 0, 0, 0)}
    assert home.rows("event_time, user_id, item_id, rating") == [
        (datetime(2000, 12, 31, 22, 12, 40), "1", "2", 4.5),
        (datetime(2000, 12, 31, 22, 12, 41), "1", "3", 3.0),
    ]
    assert home.rows("item_id, name, category", "items") == [
        ("2", '"Amélie" (2001)', "Comedy"),
        ("3", "Jumanji (1995)", "Adventure"),
    ]


def test_google_analytics_4_in_parquet(landed: Landed, home: Home) -> None:
    lines = home.write("ga.ndjson", "\n".join(map(json.dumps, GA4)))
    with duckdb.connect() as con:
        con.execute(f"copy (from read_json('{lines}')) to '{home.folder / 'events_1.parquet'}'")
    mapping = MAPPINGS["ga4"].replace('format = "ndjson"\n', "")
    session = "list_filter(event_params, lambda p: p.key = 'ga_session_id')[1].value.int_value"
    mapping = re.sub(r'session_id = """.*?"""', f'session_id = "{session}"', mapping, flags=re.DOTALL)
    land(home.con, load(home.write("ga4.toml", mapping)), NOW)
    assert home.rows("event_type, item_id, session_id, amount_cents") == [
        ("purchase", "A1", None, 4100), ("view", "A1", "661084800", None), ("view", "A2", "661084800", None),
    ]  # fmt: skip
