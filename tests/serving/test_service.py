"""The live service over real HTTP: what it takes is durable and in the card, and the batch path later says the same."""

import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.client import HTTPException

import pytest

from portrait_assets.packs import load_pack
from portrait_assets.serving import log as log_module
from portrait_assets.serving import service as service_module
from portrait_assets.serving.events import judge
from portrait_assets.serving.service import Service
from tests.serving.shop import Client, Process, Shop, live, serving
from tests.small_world import event

EVENTS = load_pack().events


@pytest.fixture
def service(shop: Shop) -> Service:
    return Service(shop.home, segment_seconds=0.2)


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with serving(service) as client:
        yield client


def test_what_is_acknowledged_is_in_the_card_and_the_batch_path_says_the_same_to_the_letter(shop: Shop):
    process = Process(shop.home.settings.home_dir)
    client = process.client
    before = client.card("ann")
    client.post(
        live(1, "ann", "2024-03-12T10:00:00Z", "view", "bread"),
        live(2, "ann", "2024-03-12T10:01:00Z", item="bread", amount=7.255, quantity=2, discount=0.5, session_id="s1"),
        live(3, "new", "2024-03-12T23:59:59+01:00", item="soap"),
        live(4, "new", "2024-03-11T08:00:00", "review", "soap", rating=4.5),
    )
    receipt = client.post(
        live(5, "ann", "2024-02-05T10:00:00Z", item="soap", amount=100),
        live(6, "ann", "2024-03-12T10:05:00", "search", None, text="bröd"),
        live(7, "bob", "2024-03-12T10:05:00", "return", "milk", amount=2),
    )
    lives = {user: client.card(user, receipt["position"]) for user in ("ann", "bob", "new")}
    assert lives["ann"]["portrait"]["purchases"] == before["portrait"]["purchases"] + 2
    assert lives["ann"]["as_of"] == "2024-03-13"
    assert lives["ann"]["freshness"]["behaviour"] == {"as_of": "2024-03-13", "stale": False}
    assert lives["ann"]["freshness"]["recommendations"] == {"as_of": "2024-03-11", "stale": True}
    assert (lives["new"]["portrait"]["visits"], lives["new"]["portrait"]["active_days"]) == (1, 2)  # a review is no visit

    process.stop()
    generation = shop.refresh()
    again = Process(shop.home.settings.home_dir)
    try:
        for user, card in lives.items():
            batch = again.client.card(user)
            assert batch["live"]["generation"] == generation.name
            assert not batch["freshness"]["recommendations"]["stale"]
            assert card["portrait"] == batch["portrait"]
            assert card["behaviour"] == batch["behaviour"] and card["preference"] == batch["preference"]
            # Since when a tag holds is history, which an event that comes a day late changes: the batch path's to say.
            assert [tag | {"since": None} for tag in card["tags"]] == [tag | {"since": None} for tag in batch["tags"]]
            assert user != "bob" or card["tags"] == batch["tags"]
    finally:
        again.kill()


def test_an_evening_that_goes_on_after_midnight_utc_is_one_live_day_as_in_the_batch_path(shop: Shop):
    """Half past seven and half past eight of one evening in New York, in one session; the published generation ends in between. A week
    before, where the window of seven days begins, ann had an evening like that."""
    shop.land(
        event("eve", "ann", "2024-03-10T23:30:00", item="soap", session="evening", amount=5),
        event("half past six", "ann", "2024-03-04T23:30:00"),
        event("half past seven", "ann", "2024-03-05T00:30:00"),
    )
    shop.refresh()
    with serving(Service(shop.home)) as client:
        before = client.card("ann")["portrait"]
        receipt = client.post(
            live(1, "ann", "2024-03-11T00:30:00Z", item="soap", session_id="evening", amount=3),
            live(2, "ann", "2024-03-11T01:00:00Z", "return", "soap", amount=1),
            live(3, "bob", "2024-03-01T01:00:00Z", "view", "soap"),  # late
        )
        card = {user: client.card(user, receipt["position"])["portrait"] for user in ("ann", "bob")}
    counted = [
        f"{name}{window}" for name in ("active_days", "visits", "purchase_days", "item_days") for window in ("", "_365d")
    ]
    assert {name: card["ann"][name] for name in counted} == {name: before[name] for name in counted}
    assert (before["last_purchase_date"], card["ann"]["last_purchase_date"], card["ann"]["recency_days"]) == (
        "2024-03-10",
        "2024-03-10",
        1,
    )
    assert (before["active_days_7d"], card["ann"]["active_days_7d"]) == (2, 2)
    assert card["ann"]["net_spend_cents"] == before["net_spend_cents"] + 200
    shop.refresh()
    with serving(Service(shop.home)) as client:
        assert {user: client.card(user)["portrait"] for user in card} == card


def test_nothing_is_acknowledged_before_it_is_flushed(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    service = Service(shop.home)
    lines, _ = judge([live(1, "ann", "2024-03-12")], datetime.now(UTC), EVENTS)
    asked, was_acknowledged = threading.Event(), []
    with serving(service):
        flush = log_module.os.fsync

        def watched(file: int) -> None:
            asked.wait(20)
            was_acknowledged.append(receipt.done())
            flush(file)

        monkeypatch.setattr(log_module.os, "fsync", watched)
        receipt = service.submit(lines)
        asked.set()
        assert receipt.result(20).accepted == 1
        assert was_acknowledged == [False]


def test_a_repeated_event_is_counted_once_before_and_after_a_restart_and_a_refresh(shop: Shop):
    event = live(1, "ann", "2024-03-12")
    with serving(Service(shop.home)) as client:
        assert client.post(event, event)["duplicates"] == 1
        receipt = client.post(event, live(1, "bob", "2024-03-12"))
        assert (receipt["accepted"], receipt["duplicates"]) == (1, 1)
        purchases = client.card("ann", receipt["position"])["portrait"]["purchases"]
    for _ in range(2):
        with serving(Service(shop.home)) as client:
            assert client.post(event)["duplicates"] == 1
            assert client.card("ann")["portrait"]["purchases"] == purchases
        shop.refresh()
    assert shop.raw_keys() == ["live|1|ann", "live|1|bob"]


def test_bad_rows_are_told_one_by_one_and_the_rest_is_taken(client: Client):
    status, answer, _ = client.ask(
        "/events", [live(1, "ann", "2024-03-12"), live(2, "ann", "2999-01-01"), {"user_id": "ann"}, 7]
    )
    assert (status, answer["accepted"]) == (200, 1)
    assert [rejected["row"] for rejected in answer["rejected"]] == [1, 2, 3]
    assert "from the future" in answer["rejected"][0]["reason"]
    assert client.ask("/events", [live(3, "ann", "2999-01-01")])[0] == 422
    assert client.ask("/events", {"user_id": "ann"})[:2] == (
        400,
        {"detail": "the request is not a list; send a list of events, even for one"},
    )
    assert client.ask("/events", [{}] * 5_001)[0] == 413
    assert client.ask("/users/nobody/card")[0] == 404


def test_too_much_is_refused_with_a_time_to_come_back_and_nothing_of_it_is_kept(
    service: Service, client: Client, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(service_module, "MOST_WAITING", 3)
    status, answer, headers = client.ask("/events", [live(number, "ann", "2024-03-12") for number in range(4)])
    assert status == 503 and "send them again" in answer["detail"] and headers["retry-after"] == "2"
    monkeypatch.setattr(service_module, "MOST_WAITING", 1000)
    monkeypatch.setattr(service_module, "MOST_SINCE_GENERATION", 3)
    status, answer, _ = client.ask("/events", [live(number, "ann", "2024-03-12") for number in range(4)])
    assert status == 503 and "portrait refresh" in answer["detail"]
    assert client.ask("/status")[1]["accepted"] == 0


def test_a_generation_is_swapped_under_readers_who_never_see_two_at_once(shop: Shop, client: Client):
    before = client.card("ann")
    first = before["live"]["generation"]
    seen: list[tuple[str, str, int]] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            card = client.card("ann")
            seen.append((card["live"]["generation"], card["sources"]["generation"], card["portrait"]["purchases"]))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(3):
            receipt = client.post(live(number, "ann", f"2024-03-12T10:0{number}:00"))
            client.card("ann", receipt["position"])
        generation = shop.refresh_all(client)
        receipt = client.post(live(9, "ann", "2024-03-12T11:00:00"))
        client.wait_for_generation(generation.name)
        last = client.card("ann", receipt["position"])
    finally:
        stop.set()
        reader.join()
    generations = [generation for generation, _, _ in seen]
    assert set(generations) <= {first, generation.name}
    assert generations == sorted(generations, key=lambda name: name == generation.name)
    assert len({(folder, content) for folder, content, _ in seen}) == len({folder for folder, _, _ in seen})
    purchases = [count for _, _, count in seen]
    assert purchases == sorted(purchases)
    assert last["portrait"]["purchases"] == before["portrait"]["purchases"] + 4
    assert client.ask("/status")[1]["since_generation"] == 1


@pytest.mark.parametrize("kills", [3, pytest.param(15, marks=pytest.mark.slow)])
def test_killed_at_random_moments_nothing_acknowledged_is_lost_and_nothing_doubled(shop: Shop, kills: int):
    dice = random.Random(kills)
    number = 0
    sent: list[dict] = []
    unanswered: list[dict] = []
    for turn in range(kills):
        process = Process(shop.home.settings.home_dir)
        killer = threading.Timer(dice.uniform(0, 1.5), process.kill)
        killer.start()
        try:
            while True:
                batch = unanswered or [live(number + place, f"user-{dice.randrange(40)}", "2024-03-12") for place in range(7)]
                if not unanswered:
                    number += len(batch)
                    sent += batch
                unanswered = batch
                process.client.post(*batch)
                unanswered = []
        except (OSError, HTTPException, AssertionError, ValueError) as error:
            print(f"kill {turn}: {number} events sent, {len(unanswered)} unanswered, {type(error).__name__}")
        killer.join()
        process.process.wait()
    process = Process(shop.home.settings.home_dir)
    if unanswered:
        process.client.post(*unanswered)
    receipt = process.client.post(live("last", "ann", "2024-03-12"))
    users = {event["user_id"] for event in sent}
    counts = {user: process.client.card(user, receipt["position"])["portrait"]["purchases"] for user in users}
    assert counts == {user: sum(event["user_id"] == user for event in sent) for user in users}
    process.stop()
    shop.refresh()
    assert shop.raw_keys() == sorted([*(f"live|{event['event_id']}|{event['user_id']}" for event in sent), "live|last|ann"])
