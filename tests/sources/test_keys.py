"""No two events are one by the characters of their keys: not of two streams, two users, the live service, or without a key."""

import json
from itertools import product
from pathlib import Path

import pytest

from portrait_assets.errors import PortraitError
from portrait_assets.sources.compiling import key_of
from tests.sources.conftest import Home

PARTS = ("a", "|", "\\", "a|", "|a", "\\|", "a\\", "|\\|", "#2", "a|a")
SALES = """
[tables.sales]
files = "sales*.csv"
[[events]]
from = "sales"
key = "id"
event_time = "at"
user_id = "who"
event_type = "purchase"
"""
LIVE = "live-000000000001.ndjson"


def write_ndjson(home: Home, name: str, *rows: dict) -> Path:
    return home.write(name, "".join(json.dumps(row) + "\n" for row in rows))


def keys(home: Home) -> dict[str, list[str]]:
    """The stored keys of each user's events."""
    found: dict[str, list[str]] = {}
    for user_id, key in home.rows("user_id, event_key"):
        found.setdefault(user_id, []).append(key)
    return found


def said(user_id: str, **fields: object) -> dict:
    return {"event_time": "2020-06-01T10:00:00Z", "user_id": user_id, "event_type": "purchase", **fields}


def test_different_lists_are_different_keys() -> None:
    lists = [parts for length in (1, 2, 3) for parts in product(PARTS, repeat=length)]
    assert len({key_of(*parts) for parts in lists}) == len(lists) == 1110


def test_a_declared_key_is_that_list_whatever_its_parts_hold(home: Home) -> None:
    rows = [f'"{one}","{two}",2020-06-01 10:00:00,{n}\n' for n, (one, two) in enumerate(product(PARTS, repeat=2))]
    home.write("sales.csv", "id,line,at,who\n" + "".join(rows))
    home.land(SALES.replace('key = "id"', 'key = ["id", "line"]\nstream = "of|a\\\\shop"'))
    landed = {key for (key,) in home.rows("event_key")}
    assert landed == {key_of("of|a\\shop", one, two) for one, two in product(PARTS, repeat=2)}


def test_live_events_of_two_users_mapped_ones_and_those_without_a_key_stay_apart(home: Home) -> None:
    home.write("sales.csv", "id,at,who\ns1,2020-06-01 10:00:00,kai\n")
    home.land(SALES)
    live = write_ndjson(
        home, LIVE,
        said("c", event_id="x|y"), said("y|c", event_id="x"), said("c", event_id="x\\|y"), said("s1", event_id="sales"),
        said("kai", event_id="s1"), said("sales|s1", event_id="live"),
    )  # fmt: skip
    bare = write_ndjson(home, "canonical-1.ndjson", said("ann"), said("bob"))
    home.land(SALES, [live, bare])
    [without_a_key] = keys(home)["ann"]
    home.land(SALES, [write_ndjson(home, "live-000000000002.ndjson", said("ann", event_id=without_a_key))])
    landed = [key for of_user in keys(home).values() for key in of_user]
    assert len(set(landed)) == len(landed) == 10
    assert keys(home)["kai"] == ["live|s1|kai", "sales|s1"]


def test_a_segment_from_before_lands_under_the_keys_of_today(home: Home) -> None:
    before = write_ndjson(home, LIVE, said("c", key="x|y|c"), said("y|c", key="x|y|c"), said("s1", key="sales|s1"))
    home.land(SALES, [before])
    assert keys(home) == {"s1": ["live|sales|s1"], "c": ["live|x\\|y|c"], "y|c": ["live|x|y\\|c"]}


def test_a_canonical_file_corrects_a_live_event_by_its_id_and_user(home: Home) -> None:
    home.land(SALES, [write_ndjson(home, LIVE, said("c", event_id="x|y"), said("y|c", event_id="x"))])
    home.land(SALES, [write_ndjson(home, "canonical-1.ndjson", said("c", event_id="x|y", version=1, is_deletion=True))])
    assert home.rows("user_id, event_version, is_deletion") == [("c", 0, False), ("c", 1, True), ("y|c", 0, False)]
    assert keys(home)["c"] == ["live|x\\|y|c"] * 2
    both = write_ndjson(home, "canonical-2.ndjson", said("c", event_id="x", key="x|y|c"))
    with pytest.raises(PortraitError, match="by key and by event_id; leave out one"):
        home.land(SALES, [both])


@pytest.mark.parametrize("name", ["live", "canonical"])
def test_no_stream_of_a_mapping_takes_a_name_that_keys_give_to_others(home: Home, name: str) -> None:
    home.write("sales.csv", "id,at,who\ns1,2020-06-01 10:00:00,kai\n")
    with pytest.raises(PortraitError, match=f"name '{name}' is that of"):
        home.land(SALES + f'stream = "{name}"')
