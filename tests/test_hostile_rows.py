"""Hostile rows that are acceptable: any id, any permitted number, any time. What is accepted is there, adds up, and breaks nothing."""

import re
import tempfile
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from portrait_assets import columns as c
from portrait_assets import sources
from portrait_assets.columns import LARGEST
from portrait_assets.home import extend_to_landed
from portrait_assets.sources.values import ROUNDED, SPACES
from tests.small_world import EVENT, NOW, World, event

EXAMPLES = settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
)
ERAS = (datetime(1970, 1, 1), datetime(1999, 12, 20), datetime(2024, 2, 20), NOW - timedelta(days=12))
HOSTILE = (
    "", " ", "\t\n", "ann", " ann ", "Ann", "ann\n", "ann\nann", "a|b", "a\\|b", "a\\", "|", "\\", "events|1", '["a","b"]', "'", '"', "';--",
    "$start", "{user_id}", "%s", "[/b]", "[red]", "<b>", "a/b", "../..", "+49 30", "=1+1", "007", "7", "7.0", "1e5", "9.00720E+16", "nan",
    "null", "None", "-", "😀", "é", "é", "\u202eann", "\u200b", "\ufeffann", "\x00", "\x1bann", "x" * 300, "\U0010ffff",
)  # fmt: skip
ids = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=8),
    st.text("ab|\\#'\" ", max_size=4),
)
AMOUNTS = st.sampled_from([None, 0, -0.0, 0.01, 19.99, LARGEST["amount"] - 0.01, LARGEST["amount"]])
QUANTITIES = st.sampled_from([None, 0, 0.001, 1, 2.5, LARGEST["quantity"]])
MINUTES = 60 * 24 * 12


@st.composite
def rows(draw: st.DrawFn, era: datetime) -> dict:
    """An event without a number."""
    moment = draw(st.sampled_from([0, MINUTES]) | st.integers(0, MINUTES).map(float))
    return {
        "user": draw(ids),
        "time": (era + timedelta(minutes=moment)).isoformat(),
        "kind": draw(st.sampled_from(["purchase", "purchase", "view", "review"])),
        "item": draw(st.none() | ids),
        "session": draw(st.none() | ids),
        "quantity": draw(QUANTITIES),
        "amount": draw(AMOUNTS),
        "discount": draw(AMOUNTS),
        "coupon": draw(AMOUNTS),
        "rating": draw(st.sampled_from([None, 0, 4.5, LARGEST["rating"], -LARGEST["rating"]])),
    }


shops = st.sampled_from(ERAS).flatmap(lambda era: st.tuples(st.just(era), st.lists(rows(era), min_size=3, max_size=20)))
LARGEST_EVENT = {
    "time": "2024-02-21T10:00:00", "kind": "purchase", "item": "tea", "session": None, "quantity": 0.001, "amount": LARGEST["amount"],
    "discount": LARGEST["amount"], "coupon": LARGEST["amount"], "rating": LARGEST["rating"],
}  # fmt: skip


def read(value: str | None) -> str | None:
    """An id as it is kept; None where it is empty. What can't be an id is a ValueError."""
    text = (value or "").strip(SPACES)
    if "\0" in text or re.fullmatch(ROUNDED, text, re.ASCII):
        raise ValueError(text)
    return text or None


def accepted(told: list[dict]) -> list[dict]:
    """The events that are to be accepted, with their ids as they are kept."""
    kept = []
    for line in told:
        try:
            line = {**line, **{name: read(line[name]) for name in ("user_id", "item", "session")}}
        except ValueError:
            continue
        if line["user_id"] is not None:
            kept.append(line)
    return kept


def cents(line: dict, name: str) -> int | None:
    return None if line[name] is None else round(line[name] * 100)


NUMBERS = ("quantity", "amount", "discount", "coupon", "rating")
SCHEMA = dict.fromkeys(EVENT, pl.String) | dict.fromkeys(NUMBERS, pl.Float64) | {"version": pl.Int64, "deleted": pl.Boolean}


def land(world: World, form: str, lines: list[dict]) -> sources.Batch:
    """Land one file of events in this form."""
    if form == "ndjson":
        return world.land(*lines)
    file = world.shop / "rows.parquet"
    pl.DataFrame([list(line.values()) for line in lines], schema=SCHEMA, orient="row", strict=False).write_parquet(file)
    [batch] = sources.land(world.session.connection, world.home.source, NOW, [file.rename(world.shop / "events-0.parquet")])
    world.home = extend_to_landed(world.home, world.session)
    return batch


@pytest.mark.parametrize("form", ["ndjson", "parquet"])
@given(shops)
@example((ERAS[2], [{**LARGEST_EVENT, "user": user} for user in ("a|b", "a\\|b", "a", "😀") * 5]))
@example((ERAS[2], [{**LARGEST_EVENT, "user": user, "item": user, "session": user} for user in HOSTILE]))
@EXAMPLES
def test_what_is_accepted_is_there_and_adds_up_for_its_own_user(form: str, shop: tuple[datetime, list[dict]]):
    era, told = shop
    first, last = era.date(), min(era.date() + timedelta(days=12), date(2026, 1, 1))
    lines = [event(n, **body) for n, body in enumerate(told)]
    fine = accepted(lines)
    with tempfile.TemporaryDirectory() as folder, World(Path(folder), first, last, declared=False).open() as world:
        batch = land(world, form, lines)
        assert (batch.rows_in, batch.rows_accepted, batch.rows_rejected) == (len(lines), len(fine), len(lines) - len(fine))
        world.build()
        world.recommend(last)

        clean = {row["event_key"]: row for row in world.rows("from clean.events")}
        assert set(clean) == {f"events|{line['id']}" for line in fine}
        spent: dict[str, Counter] = defaultdict(Counter)
        for line in fine:
            row, user = clean[f"events|{line['id']}"], line["user_id"]
            assert (row["user_id"], row["item_id"]) == (user, line["item"])
            assert [row[f"{name}_cents"] for name in ("amount", "discount", "coupon")] == [
                cents(line, name) for name in ("amount", "discount", "coupon")
            ]
            bought = line["type"] == "purchase"
            milli = round((line["quantity"] or 0) * 1000)
            rated = 0 if line["rating"] is None else round(line["rating"] * 1000)
            spent[user].update(
                purchases=bought,
                spend_cents=bought * (cents(line, "amount") or 0),
                discount_cents=bought * (cents(line, "discount") or 0),
                coupon_cents=bought * (cents(line, "coupon") or 0),
                quantity_milli=bought * milli,
                rating_milli=rated,
            )
        state = "from features.user_state qualify row_number() over (partition by user_id order by event_date desc) = 1"
        found = {row["user_id"]: row for row in world.rows(state)}
        assert {user: {name: found[user][name] for name in sums} for user, sums in spent.items()} == spent
        assert set(found) == set(spent)
        portraits = world.rows(
            f"select user_id, spend_cents from {c.PORTRAITS_SNAPSHOTS.name} where event_date = $day", day=last
        )
        assert {row["user_id"]: row["spend_cents"] for row in portraits} == {
            user: sums["spend_cents"] for user, sums in spent.items()
        }
