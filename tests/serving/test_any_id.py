"""Whoever an event is of can be asked for: any id, and whatever stands beside it in an address, is one user's own."""

import urllib.parse

import pytest

from portrait_assets.serving.service import Service
from tests.hostile import IDS
from tests.serving.shop import Client, Shop, live, serving


@pytest.fixture
def client(shop: Shop):
    with serving(Service(shop.home, segment_seconds=0.2)) as client:
        yield client


def test_every_id_is_askable_before_and_after_a_refresh_and_no_two_are_mixed(shop: Shop, client: Client):
    """Each user buys as many times as their place in the list says."""
    events = [
        live(f"{visit}", user, f"2024-03-12T10:{visit:02d}:00", amount=1 + place)
        for place, user in enumerate(IDS)
        for visit in range(1 + place % 3)
    ]
    receipt = client.post(*events)
    assert (receipt["accepted"], receipt["rejected"]) == (len(events), [])

    def check(client: Client, through: str | None) -> None:
        for place, user in enumerate(IDS):
            shown = client.card(user, through)
            times = 1 + place % 3
            assert (shown["user_id"], shown["portrait"]["purchases"]) == (user, times)
            assert shown["portrait"]["spend_cents"] == times * (1 + place) * 100
            path = f"/users/{urllib.parse.quote(user, safe='')}/recommendations"
            status, offered, _ = client.ask(f"{path}?list=discover&basket=milk")
            assert (status, offered["user_id"], offered["list"]) == (200, user, "discover")

    check(client, receipt["position"])
    generation = shop.refresh_all(client)
    client.wait_for_generation(generation.name)
    check(client, None)
    assert client.ask("/status")[1]["since_generation"] == 0


@pytest.mark.parametrize("user", ["nobody", "a/b/c", "../card", "x/card"])
def test_an_id_that_nobody_has_is_named_in_the_answer(client: Client, user: str):
    status, answer, _ = client.ask(f"/users/{urllib.parse.quote(user, safe='')}/card")
    assert (status, answer["detail"]) == (404, f"user '{user}' has no event yet; send one to /events")
