"""What goes wrong inside the service: others go on, it is said, and nothing that was acknowledged keeps it from starting."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from portrait_assets.errors import PortraitError
from portrait_assets.packs import load_pack
from portrait_assets.serving import service as service_module
from portrait_assets.serving.engine import Engine, Logged
from portrait_assets.serving.events import judge
from portrait_assets.serving.service import Service
from tests.serving.shop import Shop, live, serving

EVENTS = load_pack().events

DAY = "2024-03-12"
LAST = "2024-03-10T20:00:00"  # on the day that the generation ends with


@contextmanager
def nobody_portrayed(engine: Engine) -> Iterator[None]:
    """No turn goes on while the block runs."""
    held = [engine._idle.get() for _ in range(service_module.WORKERS)]
    try:
        yield
    finally:
        for portraying in held:
            engine._idle.put(portraying)


def test_events_that_wait_to_be_shown_count_as_waiting(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(service_module, "MOST_WAITING", 4)
    service = Service(shop.home)
    with serving(service) as client:
        with nobody_portrayed(service.engine):
            receipt = client.post(*(live(number, "ann", DAY) for number in range(3)))
            assert client.ask("/status")[1]["backlog"] == 3
            status, answer, _ = client.ask("/events", [live(number, "bob", DAY) for number in (3, 4)])
            assert (status, answer["detail"]) == (503, "3 events wait to be shown; send them again a little later")
            receipt = client.post(live(3, "bob", DAY))
            assert client.ask("/events", [live(4, "bob", DAY)])[0] == 503
        client.card("bob", receipt["position"])
        client.wait_for("backlog", 0)
        assert client.post(*(live(number, "bob", DAY) for number in range(4, 8)))["accepted"] == 4


def point_current_to(folder: Path) -> None:
    pointer = folder.parent / ".current.test"
    pointer.symlink_to(folder.name)
    pointer.replace(folder.parent / "current")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"pack_version": "another"}, "was made by another version of the pack ecommerce; run `portrait refresh`"),
        ({"run": {"state": {"format": 0}}}, "was published by another version; move it away and run `portrait refresh`"),
        ({"run": {}}, "was published by another version; move it away and run `portrait refresh`"),
    ],
)
def test_a_generation_of_another_catalogue_or_version_is_not_served(shop: Shop, said: dict, reason: str):
    first = (shop.home.settings.published_dir / "current").resolve()
    other = first.with_name("2024-03-12-other")
    shutil.copytree(first, other)
    manifest = other / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | said))
    with serving(Service(shop.home)) as client:
        receipt = client.post(live(1, "ann", DAY))
        point_current_to(other)
        client.wait_for("problems", [f"generation {other.name} can not be served, the one before stays: {other} {reason}"])
        assert client.ask("/health")[1] == {"status": "ok", "generation": first.name, "problems": 1}
        assert client.card("ann", receipt["position"])["live"]["generation"] == first.name
        point_current_to(first)
        client.wait_for("problems", [])
    point_current_to(other)
    with pytest.raises(PortraitError, match=re.escape(reason)):
        Service(shop.home).start()


def test_a_generation_with_a_damaged_file_of_state_is_not_served(shop: Shop):
    generation = (shop.home.settings.published_dir / "current").resolve()
    state = json.loads((generation / "manifest.json").read_text())["run"]["state"]
    (generation.parent / "state" / state["tables"]["items"]).write_bytes(b"PAR1")
    with pytest.raises(PortraitError, match=r"`portrait refresh` publishes it again"):
        Service(shop.home).start()


def test_a_user_without_live_events_is_stale_once_the_days_have_gone_on(shop: Shop):
    with serving(Service(shop.home)) as client:
        before = client.card("bob")["freshness"]
        assert {group: said["stale"] for group, said in before.items()} == dict.fromkeys(before, False)
        receipt = client.post(live(1, "ann", DAY))
        assert client.card("ann", receipt["position"])["freshness"]["behaviour"] == {"as_of": "2024-03-13", "stale": False}
        after = client.card("bob")["freshness"]
        assert after == {group: {"as_of": "2024-03-11", "stale": True} for group in before}
        receipt = client.post(live(2, "bob", "2024-03-11T10:00:00"))
        assert client.card("bob", receipt["position"])["freshness"]["behaviour"] == {"as_of": "2024-03-13", "stale": False}
        receipt = client.post(live(3, "ann", "2024-03-14T10:00:00"))
        client.card("ann", receipt["position"])
        client.wait_for("backlog", 0)
        assert client.card("bob", receipt["position"])["freshness"]["behaviour"] == {"as_of": "2024-03-15", "stale": False}


def overflowing(service: Service, user: str) -> None:
    """An event of the user into the cards alone, as no door lets in: two of them can't be summed."""
    engine, cleaning = service.engine, service._cleaning
    lines, _ = judge([live("most", user, LAST)], datetime.now(UTC), EVENTS)
    raw, _ = cleaning.read([lines[0].text])
    events = engine.clean(raw, cleaning)
    most = pa.array([2**63 - 1], events.schema.field("amount_cents").type)
    events = events.set_column(events.schema.get_field_index("amount_cents"), events.schema.field("amount_cents"), most)
    with service._changed:
        engine.add([Logged((1, 1), lines[0])], events, acknowledged=0.0)
        engine.add([Logged((1, 2), lines[0])], events, acknowledged=0.0)
        service._changed.notify_all()


def test_a_user_who_cannot_be_portrayed_is_said_and_all_others_go_on(shop: Shop):
    service = Service(shop.home)
    with serving(service) as client:
        with nobody_portrayed(service.engine):  # all of them in one turn
            overflowing(service, "ann")
            overflowing(service, "new")
            receipt = client.post(live(1, "bob", LAST), live(1, "cat", LAST))
        assert client.card("cat", receipt["position"])["portrait"]["purchases"] == 1
        assert not client.card("bob", receipt["position"])["freshness"]["behaviour"]["stale"]
        client.wait_for("backlog", 0)
        ann = client.card("ann")
        assert all(said["stale"] for said in ann["freshness"].values()) and ann["as_of"] == "2024-03-11"
        assert ann["live"]["through"] == "0.0" and "out of range" in ann["live"]["problem"]
        status, answer, _ = client.ask("/users/new/card")
        assert status == 503 and answer["detail"].startswith("user 'new' can not be portrayed: Conversion Error")
        problems = client.ask("/status")[1]["problems"]
        assert [problem.partition(":")[0] for problem in sorted(problems)] == [
            "user 'ann' can not be portrayed", "user 'new' can not be portrayed",
        ]  # fmt: skip
        assert client.ask("/health")[1]["problems"] == 2
        assert client.post(live(2, "ann", LAST))["accepted"] == 1, "events are taken, and durable, all the same"
    with serving(Service(shop.home)) as client:
        assert client.card("ann")["portrait"]["purchases"] == 21
        assert client.ask("/status")[1]["problems"] == []


def test_a_connection_that_is_lost_is_made_again(shop: Shop):
    service = Service(shop.home)
    with serving(service) as client:
        with nobody_portrayed(service.engine):
            receipt = client.post(live(1, "ann", DAY), live(1, "bob", DAY))
        for portraying in (service.engine._idle.get() for _ in range(service_module.WORKERS)):
            portraying.close()
            service.engine._idle.put(portraying)
        receipt = client.post(live(2, "ann", DAY), live(2, "bob", DAY))
        assert client.card("ann", receipt["position"])["portrait"]["purchases"] == 22
        assert client.ask("/status")[1]["problems"] == []


def test_whatever_lies_in_its_log_the_service_starts_and_shows_what_it_can(shop: Shop):
    """Segments of an older version, and a file that only looks like one."""
    landing = shop.home.settings.landing_dir
    landing.mkdir(exist_ok=True)
    old = '{"key":"x|ann","event_time":"2024-03-12T10:00:00.000000Z","user_id":"ann","event_type":"purchase","item_id":"milk",%s"ingested_at":"2024-03-12T11:00:00.000000Z"}\n'
    (landing / "live-000000000001.ndjson").write_text(
        old % '"amount":2.0,' + (old % '"amount":9e12,').replace("x|ann", "y|ann")
    )
    (landing / "live-000000000002.ndjson").write_bytes(
        b'not JSON\n{"a":1}\n[]\n{"key":5,"user_id":"ann","event_time":"x"}\n\xff\n'
    )
    with serving(Service(shop.home)) as client:
        assert client.card("ann")["portrait"]["purchases"] == 21
        assert client.post(live("x", "ann", "2024-03-12"))["duplicates"] == 1
        assert client.post(live("z", "ann", "2024-03-12"))["position"] == "3.1"
