"""Hostile events to the live service: any id, any permitted number, any time. What is accepted shows at once, after a restart and after a
refresh, the rest is refused with its reason, and no two users mix."""

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from itertools import product
from typing import Any

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from portrait_assets.columns import LARGEST
from portrait_assets.serving.service import Service
from portrait_assets.sources.values import SPACES
from tests.hostile import IDS
from tests.serving.shop import Client, Shop, serving

PIECES = "a|\\' \"/?#%&+[]<>=\t\n😀\u3000é"
TAKEN = datetime(2024, 1, 1, 14), datetime(2024, 3, 12, 11, 59, 59, 999_999)  # inside the declared days, whatever the offset
KINDS = ["view", "cart", "purchase", "purchase", "return", "review", "search", "coupon", "exposure"]
CUT = re.compile("value_tier|segment|.*_score")
NAMES = ("user_id", "event_id", "item_id", "session_id", "place_id", "campaign_id")

ids = st.sampled_from(IDS) | st.text(PIECES, min_size=1, max_size=5) | st.integers(-(10**20), 10**20)
money = st.sampled_from(
    [0, -0.0, 0.004, 0.005, 1, LARGEST["amount"] - 0.01, LARGEST["amount"], "1e9", "+7.", ".5"]
) | st.floats(0, LARGEST["amount"])
moments = (
    st.datetimes(*TAKEN)
    | st.sampled_from([TAKEN[0], datetime(2024, 2, 29, 23, 59, 59, 999_999), datetime(2024, 3, 10, 23, 59, 59)])
    | st.sampled_from([datetime(1970, 1, 2), datetime(2023, 12, 31, 9), datetime(2025, 6, 1), datetime(2999, 6, 1)])
)
offsets = st.sampled_from(["", "Z", "+00:00", "-12:00", "+14:00", "+05:45"])
events = st.fixed_dictionaries(
    {
        "user_id": ids,
        "event_id": ids,
        "event_time": st.builds(lambda moment, offset: f"{moment.isoformat()}{offset}", moments, offsets),
        "event_type": st.sampled_from(KINDS),
    },
    optional={
        **dict.fromkeys(NAMES[2:], ids),
        "text": st.text(max_size=20),
        "amount": money,
        "discount": money,
        "coupon": money,
        "quantity": st.sampled_from([0, 1, 0.0005, LARGEST["quantity"], "2.5"]),
        "rating": st.sampled_from([0, 5, 0.5, LARGEST["rating"], -LARGEST["rating"]]),
    },
)
LARGEST_EVERYWHERE = [
    {
        **dict.fromkeys(("user_id", "item_id", "session_id", "place_id", "campaign_id"), user),
        "event_id": event,
        "event_time": f"2024-03-{1 + place % 11:02d}T10:00:00.{place:06d}Z",
        "event_type": kind,
        "amount": LARGEST["amount"] - place,
        "discount": LARGEST["discount"],
        "coupon": LARGEST["coupon"],
        "quantity": LARGEST["quantity"],
        "rating": LARGEST["rating"],
    }
    for place, (user, event) in enumerate(
        [*zip(IDS, reversed(IDS), strict=True), *product(("a", "a|a", "|a", "a\\|a", "\\"), repeat=2)]
    )
    for kind in ("purchase", "view")
]


def name(value: object) -> str:
    """An id as it is stored."""
    return str(value).strip(SPACES)


def refusal(event: dict) -> str | None:
    """What the reason for which an event can't be taken is about; None where it can."""
    day = datetime.fromisoformat(event["event_time"])
    day = (day - (day.utcoffset() or timedelta())).date()
    texts = {field: name(event[field]) for field in NAMES if field in event}
    wrong = [field for field, text in texts.items() if not text] + ["text"] * ("\0" in event.get("text", ""))
    if wrong:
        return wrong[0]
    reasons = {1970: "declared start", 2023: "declared start", 2025: "is the date right?", 2999: "the future"}
    return reasons.get(day.year)


SUMS = (
    "purchases",
    "spend_cents",
    "discount_cents",
    "coupon_cents",
    "quantity_milli",
    "returns",
    "refund_cents",
    "views",
    "carts",
)


def totals(taken: list[dict]) -> dict[str, dict[str, int]]:
    """Of each user what the cards show; of each (user, event_id) the event that was sent first counts."""
    first = {(name(event["user_id"]), name(event["event_id"])): event for event in reversed(taken)}
    found: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(SUMS, 0))
    for (user, _), event in first.items():
        of, kind = found[user], event["event_type"]
        if kind == "purchase":
            of["purchases"] += 1
            for column, field, scale in (
                ("spend_cents", "amount", 100), ("discount_cents", "discount", 100), ("coupon_cents", "coupon", 100),
                ("quantity_milli", "quantity", 1000),
            ):  # fmt: skip
                of[column] += stored(event, field, scale)
        elif kind == "return":
            of["returns"] += 1
            of["refund_cents"] += stored(event, "amount", 100)
        elif kind in ("view", "cart"):
            of[f"{kind}s"] += 1
    return found


def stored(event: dict, field: str, scale: int) -> int:
    """A number as it is stored: whole, halves rounded up."""
    return math.floor(float(event.get(field, 0)) * scale + 0.5)


def portraits(client: Client, users: Iterable[str], through: str | None = None) -> dict[str, dict[str, Any]]:
    """Of each user the portrait in the card, once it shows the log through a position."""
    found = {}
    for user in users:
        card = client.card(user, through)
        assert card["user_id"] == card["portrait"]["user_id"] == user
        found[user] = card["portrait"]
    return found


def sums(portraits: dict[str, dict[str, Any]]) -> dict[str, dict[str, int]]:
    return {user: {column: portrait[column] for column in SUMS} for user, portrait in portraits.items()}


def own(portraits: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What a user's own events say, without what a month's cut points make of it: the service has those of the generation."""
    return {
        user: {column: value for column, value in portrait.items() if not CUT.fullmatch(column)}
        for user, portrait in portraits.items()
    }


@settings(
    max_examples=2,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@example(LARGEST_EVERYWHERE)
@given(st.lists(events, min_size=40, max_size=80))
def test_what_is_accepted_shows_live_after_a_restart_and_after_a_refresh(a_copy: Callable[[], Shop], sent: list[dict]):
    shop = a_copy()
    refused = {row: reason for row, event in enumerate(sent) if (reason := refusal(event))}
    taken = [event for row, event in enumerate(sent) if row not in refused]
    expected = totals(taken)
    with serving(Service(shop.home)) as client:
        _, answer, _ = client.ask("/events", sent)
        reasons = {rejected["row"]: rejected["reason"] for rejected in answer["rejected"]}
        assert {row: (reason, sent[row]) for row, reason in reasons.items() if row not in refused} == {}
        assert reasons.keys() == refused.keys()
        assert not [(reasons[row], reason) for row, reason in refused.items() if reason not in reasons[row]]
        assert answer["accepted"] == len({(name(event["user_id"]), name(event["event_id"])) for event in taken})
        live = portraits(client, expected, answer["position"])
        assert sums(live) == expected
    with serving(Service(shop.home)) as client:
        assert portraits(client, expected) == live
    generation = shop.refresh()
    with serving(Service(shop.home)) as client:
        status = client.ask("/status")[1]
        assert (status["generation"], status["since_generation"], status["problems"]) == (generation.name, 0, [])
        refreshed = portraits(client, expected)
        assert sums(refreshed) == expected
        assert own(refreshed) == own(live)
