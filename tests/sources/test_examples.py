"""The shipped mappings and the examples, their canonical rows worked out by hand from the files beside them."""

from datetime import date, datetime
from importlib.util import find_spec

import duckdb
import pytest

from portrait_assets.sources import Batch, land, load, survey
from tests.sources.conftest import EXAMPLES, NOW, counts


def query(con: duckdb.DuckDBPyConnection, sql: str) -> list[tuple]:
    return con.execute(sql).fetchall()


def test_online_shop_order_lines(landed) -> None:
    con, batches = landed("online_shop.toml")
    assert {b.stream: counts(b) for b in batches} == {"items": (9, 5, 4, 0), "users": (8, 2, 6, 0), "lines": (10, 4, 1, 5)}
    assert query(
        con,
        "select event_time, user_id, event_type, item_id, session_id, quantity_milli, amount_cents from raw.events order by all",
    ) == [
        (datetime(2010, 12, 1, 8, 26), "17850", "purchase", "71053", "536365", 6000, 2034),
        (datetime(2010, 12, 1, 8, 26), "17850", "purchase", "85123A", "536365", 6000, 1530),
        (datetime(2010, 12, 1, 9, 41), "17850", "return", "85123A", "C536379", 1000, 255),
        (datetime(2011, 7, 15, 8, 5), "12583", "purchase", "22728", "536370", 24000, 9000),
    ]
    assert query(con, "select row_number, reason from raw.quarantine where stream = 'lines' order by 1") == [
        (4, "user_id is empty"),
        (7, "InvoiceDate '31/02/2011 10:00' is not a time; expected %d/%m/%Y %H:%M"),
        (8, "Quantity 'one' is not a number; expected digits such as 1234.50"),
        (9, "not a product, an adjustment of the books"),
        (10, "line 11: Expected Number of Columns: 8 Found: 9"),
    ]
    assert query(con, "select name from raw.items where item_id = '22728'") == [("ALARM CLOCK BAKELIKE PINK",)]
    assert query(con, "select user_id, value from raw.attributes order by 1") == [
        ("12583", "France"),
        ("17850", "United Kingdom"),
    ]


def test_marketplace_of_six_files(landed) -> None:
    con, batches = landed("marketplace.toml")
    assert {b.stream: counts(b) for b in batches} == {
        "items": (2, 2, 0, 0), "users": (3, 2, 1, 0), "purchases": (5, 3, 0, 2), "reviews": (2, 1, 0, 1),
    }  # fmt: skip
    assert query(
        con,
        "select event_key, local_time, user_id, quantity_milli, amount_cents, coupon_cents from raw.events "
        "where event_type = 'purchase' order by event_key",
    ) == [
        ("purchases|o1|1", datetime(2017, 10, 2, 10, 56, 33), "u1", 1000, 3871, 2059),
        ("purchases|o2|1", datetime(2018, 7, 24, 20, 41, 37), "u2", 1000, 14146, None),
        ("purchases|o2|2", datetime(2018, 7, 24, 20, 41, 37), "u2", 1000, 14146, None),
    ]
    assert query(con, "select event_time, rating, text from raw.events where event_type = 'review'") == [
        (datetime(2017, 10, 11, 3), 4.0, "Boa qualidade,\nchegou antes do prazo")
    ]
    assert query(con, "select stream, reason from raw.quarantine order by stream, row_number") == [
        ("purchases", "the order was cancelled before it was paid out"),
        ("purchases", "event_time is empty; user_id is empty"),
        ("reviews", "rating 'five' is not a number; expected digits such as 1234.50"),
    ]


def test_website_of_json_lines_fixed_width_and_european_csv(landed) -> None:
    con, batches = landed("website.toml")
    assert [(b.stream, *counts(b), b.rows_skipped) for b in batches] == [
        ("users", 3, 3, 0, 0, 0),
        ("clicks", 6, 4, 0, 2, 0),
        ("clicks", 2, 2, 0, 0, 0),
        ("exposures", 3, 3, 0, 0, 0),
        ("coupons", 2, 1, 0, 1, 1),
    ]
    assert query(con, "select event_type, count(*) from raw.events group by 1 order by 1") == [
        ("cart", 2), ("coupon", 1), ("exposure", 3), ("purchase", 1), ("search", 1), ("view", 2),
    ]  # fmt: skip
    assert query(con, "select event_time, local_time from raw.events where event_key = 'clicks|7'") == [
        (datetime(2024, 3, 31, 2), datetime(2024, 3, 31, 4))
    ]
    assert query(con, "select is_deletion from raw.events where event_key = 'clicks|3' order by 1") == [(False,), (True,)]
    assert query(con, "select coupon_cents, campaign_id from raw.events where event_type = 'coupon'") == [(123450, "spring")]
    assert query(con, "select user_id, attribute, value from raw.attributes order by all") == [
        ("m1", "age", "25-34"), ("m1", "gender", "female"), ("m1", "occupation", "nurse"), ("m1", "region", "Bavaria"),
        ("m2", "gender", "male"), ("m2", "region", "Hesse"), ("m3", "age", "65+"), ("m3", "occupation", "retired"),
    ]  # fmt: skip


@pytest.mark.skipif(find_spec("lifetimes") is None, reason="CDNOW comes with lifetimes: pip install -e '.[examples]'")
def test_cdnow_keeps_every_purchase_of_its_file(landed) -> None:
    con, [batch] = landed("cdnow.toml")
    assert counts(batch) == (69659, 69659, 0, 0)
    assert query(con, "select count(distinct user_id), count(*) filter (where event_key like '%#%') from raw.events")[0] == (
        23570,
        255,
    )
    assert query(
        con, "select event_time, quantity_milli, amount_cents from raw.events where user_id = '00002' order by all"
    ) == [
        (datetime(1997, 1, 12, 5), 1000, 1200),
        (datetime(1997, 1, 12, 5), 5000, 7700),
    ]
    assert survey(load(EXAMPLES / "cdnow.toml")) == (date(1997, 1, 1), date(1998, 6, 30))


@pytest.fixture(scope="module")
def journey() -> tuple[duckdb.DuckDBPyConnection, list[Batch]]:
    con = duckdb.connect()
    return con, land(con, load(), NOW)


def test_complete_journey_lands_whole(journey) -> None:
    _, batches = journey
    assert {batch.stream: counts(batch) for batch in batches} == {
        "items": (92331, 92331, 0, 0),
        "users": (801, 801, 0, 0),
        "purchases": (1469307, 1469307, 0, 0),
        "redemptions": (2102, 2102, 0, 0),
        "exposures": (6589, 6589, 0, 0),
    }
    assert min(b.first_date for b in batches if b.first_date) == load().start == date(2017, 1, 1)
    assert max(b.last_date for b in batches if b.last_date) == load().end == date(2018, 1, 1)


def test_complete_journey_money_is_what_was_paid(journey) -> None:
    con, _ = journey
    files = load().root / "transactions.parquet"
    expected = query(
        con,
        "select sum(greatest(round(sales_value * 100)::bigint - round(coupon_disc * 100)::bigint, 0)), "
        "sum(round(retail_disc * 100)::bigint + round(coupon_match_disc * 100)::bigint), sum(round(coupon_disc * 100)::bigint) "
        f"from '{files}'",
    )
    assert query(con, "select sum(amount_cents), sum(discount_cents), sum(coupon_cents) from raw.events") == expected


def test_complete_journey_gasoline_is_gallons_and_the_rest_pieces(journey) -> None:
    con, _ = journey
    [(largest, gallons)] = query(
        con,
        "select max(quantity_milli), count(*) from raw.events join raw.items using (item_id) where unit = 'gallon'",
    )
    assert (largest, gallons) == (89638, 13533)
    assert query(con, "select distinct item_type, category from raw.items where unit = 'gallon'") == [
        ("GASOLINE-REG UNLEADED", "COUPON/MISC ITEMS")
    ]
    assert query(con, "select quantity_milli from raw.events where item_id = '1095275' order by event_time limit 1") == [
        (1000,)
    ]


def test_complete_journey_first_purchase_as_it_is_in_the_file(journey) -> None:
    con, _ = journey
    assert query(
        con,
        "select event_key, event_time, local_time, user_id, item_id, session_id, quantity_milli, amount_cents, discount_cents, "
        "coupon_cents, place_id, ingested_at from raw.events where event_type = 'purchase' order by event_time limit 1",
    ) == [
        (
            "purchases|31198570044|1095275", datetime(2017, 1, 1, 11, 53, 26), datetime(2017, 1, 1, 6, 53, 26), "900", "1095275",
            "31198570044", 1000, 50, 0, 0, "330", datetime(2017, 1, 1, 11, 53, 26),
        )
    ]  # fmt: skip


def test_complete_journey_unknown_products_stay_and_unknown_attributes_are_absent(journey) -> None:
    con, _ = journey
    unknown = "select count(*) from raw.events anti join raw.items using (item_id) where item_id is not null"
    assert query(con, unknown) == [(4836,)]
    known = dict(query(con, "select attribute, count(*) from raw.attributes group by 1"))
    assert (known["home_ownership"], known["marital_status"], known["age"]) == (801 - 233, 801 - 137, 801)
    assert query(con, "select name, size, unit from raw.items where item_id = '25671'") == [
        ("Ice - crushed/cubed, 22 lb", "22 LB", None)
    ]


def test_complete_journey_campaigns_begin_at_local_midnight(journey) -> None:
    con, _ = journey
    assert query(
        con,
        "select distinct event_time from raw.events where event_type = 'exposure' and campaign_id in ('1', '24') order by 1",
    ) == [(datetime(2017, 1, 1, 5),), (datetime(2017, 3, 3, 5),)]
