"""The live service over real HTTP: events are in the card, and the batch path later says the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.shop import Client, Process, Shop, live, small_shop

MODELLED = ("churn_14d", "model_version")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return small_shop(tmp_path)


@pytest.fixture
def service(shop: Shop) -> Iterator[Process]:
    process = Process(shop.home.settings.home_dir)
    yield process
    process.kill()


@pytest.fixture
def client(service: Process) -> Client:
    return service.client


def test_what_is_acknowledged_is_in_the_card_and_the_batch_path_says_the_same_to_the_letter(
    shop: Shop, service: Process, client: Client
):
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
    assert lives["new"]["portrait"]["visits"] == 2

    service.stop()
    generation = shop.refresh()
    again = Process(shop.home.settings.home_dir)
    try:
        for user, card in lives.items():
            batch = again.client.card(user)
            assert batch["live"]["generation"] == generation.name
            assert card["portrait"] == batch["portrait"]
            # Since when a tag holds is history, which an event that comes a day late changes: the batch path's to say.
            assert [tag | {"since": None} for tag in card["tags"]] == [tag | {"since": None} for tag in batch["tags"]]
            assert user != "bob" or card["tags"] == batch["tags"]
            assert card["behaviour"] == batch["behaviour"] and card["preference"] == batch["preference"]
    finally:
        again.kill()
