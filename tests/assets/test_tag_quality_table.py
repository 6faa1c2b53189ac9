"""Tag quality of a small shop, counted by eye."""

from datetime import date

import polars as pl
import pytest

from portrait_assets.assets.tag_quality import accuracies, horizons_at, tag_quality, uses, write_tag_quality
from portrait_assets.observability import tag_doubts, tag_quality_of
from tests.small_world import World, event

DAY = date(2024, 3, 31)


@pytest.fixture(scope="module")
def two_users(tmp_path_factory: pytest.TempPathFactory):
    world = World(tmp_path_factory.mktemp("quality"))
    with world.open():
        world.land(
            *(event(f"a{n}", "ann", f"2024-{month} 10:00") for n, month in enumerate(("01-05", "02-04", "03-05", "03-31"))),
            event("b", "bob", "2024-01-01 10:00"),
        )
        yield world.build()


def test_what_is_counted(two_users: World):
    quality = {row["tag_id"]: row for row in tag_quality(two_users.session, two_users.home, DAY).to_dicts()}
    assert list(quality) == [tag.id for tag in two_users.home.pack.tags]
    stage = quality["buyer_stage"]  # ann since 4 February has bought a few times, bob once, on 1 January
    assert (stage["users"], stage["coverage"], stage["stale_share"], stage["mean_confidence"]) == (2, 1.0, 0.0, 1.0)
    assert stage["median_age_days"] == (56 + 90) / 2 and stage["flips_per_week"] == 0
    # In the four weeks bob goes on silently: lapsed after 120 days, so only ann's last visit may move the stage she is in.
    moved = two_users.rows(
        "select count(*) as n from portraits.changes where tag_id = 'lifecycle' and from_value is not null and event_date > $since",
        since=date(2024, 3, 3),
    )[0]["n"]
    assert quality["lifecycle"]["flips_per_week"] == moved / 2 / 4
    assert quality["gender"]["users"] == 0 and quality["gender"]["mean_confidence"] is None
    assert quality["age"]["truth"] is None  # declared by one; no model told it of anybody


def test_what_builds_on_a_tag_uses_it(two_users: World):
    used = uses(two_users.home.pack.tags)
    assert used["churn_risk"] == ["tag.retention_priority"]
    assert "narrative" in used["lifecycle"] and used["came_back"] == []


def test_it_is_stored_once_a_day_and_doubts_are_told_with_what_to_do(two_users: World):
    assert write_tag_quality(two_users.session, two_users.home, DAY) == write_tag_quality(
        two_users.session, two_users.home, DAY
    )
    stored = tag_quality_of(two_users.session)
    assert len(stored) == len(two_users.home.pack.tags)
    assert any(text.startswith("gender: nobody has it") for text in tag_doubts(stored)["coverage"])
    bad = stored.filter(pl.col("tag_id") == "age").with_columns(
        users=pl.lit(100), truth=pl.lit("declared"), truth_users=pl.lit(300), accuracy=pl.lit(0.2), baseline_accuracy=pl.lit(0.3),
        told=pl.lit(0.5), calibration_error=pl.lit(0.3), flips_per_week=pl.lit(0.6), redundancy=pl.lit(0.99),
        redundant_with=pl.lit("kids"),
    )  # fmt: skip
    doubts = tag_doubts(bad)
    assert {name for name, told in doubts.items() if told} == {"accuracy", "calibration", "flips", "redundancy"}
    assert "right for 20% of 300 users (declared), 30% by saying the most frequent" in doubts["accuracy"][0]
    few = bad.with_columns(truth_users=pl.lit(9))
    assert not tag_doubts(few)["accuracy"] and not tag_doubts(few)["calibration"]


def test_churn_risk_is_held_against_who_stayed_away_by_hand(tmp_path):
    """A fortnight ago: ann, who bought since, was unlikely to stay away; fay, who bought on the last day, likely; bob, cid (who had bought on
    the very day) and dan (at a half) stayed away as said. Eve has another horizon, gus no probability."""
    chances = {"ann": 0.2, "bob": 0.9, "cid": 0.7, "dan": 0.5, "eve": 0.9, "fay": 0.9, "gus": None}
    later = [("ann", "2024-03-20"), ("cid", "2024-03-17"), ("eve", "2024-03-25"), ("fay", "2024-03-31")]
    with World(tmp_path).open() as world:
        world.land(
            *(event(user, user, "2024-02-01 12:00") for user in chances),
            *(event(f"{user}2", user, f"{day} 12:00") for user, day in later),
        )
        world.build()
        for user, chance in chances.items():
            world.session.execute(
                "update portraits.snapshots set churn = $chance, churn_horizon_days = $days where user_id = $user",
                chance=chance, days=28 if user == "eve" else 14, user=user,
            )  # fmt: skip
        assert horizons_at(world.session, DAY)["churn"] == 14
        found = accuracies(world.session, world.home, DAY)["churn_risk"]
    assert (found["truth"], found["truth_as_of"], found["truth_users"]) == ("what happened", date(2024, 3, 18), 5)
    assert found["accuracy"] == pytest.approx(4 / 5) and found["baseline_accuracy"] == pytest.approx(3 / 5)
    assert found["told"] == pytest.approx((0.8 + 0.9 + 0.7 + 0.5 + 0.9) / 5)
