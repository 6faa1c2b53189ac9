"""A changed history is the history of a shop where it was so: same features, same tags."""

from datetime import date

import polars as pl
import pytest

from portrait_assets.assets.changed import Variant, changed_frames, name_of, number_events
from portrait_assets.assets.training import frames_at
from portrait_assets.errors import PortraitError
from portrait_assets.explaining.explanation import explain
from portrait_assets.explaining.rescorer import Rescorer
from portrait_assets.partitions import as_of_of
from tests.small_world import World, event

DAY = date(2024, 3, 31)
ANN = [
    event(1, "ann", "2024-01-05 10:00"),
    event(2, "ann", "2024-01-05 10:05", item="soap", discount=0.5),
    event(3, "ann", "2024-02-01 23:30", "view"),
    event(4, "ann", "2024-02-14 12:00", item="cheese", coupon=0.3),
    event(5, "ann", "2024-03-05 09:00", item="bread"),
    event(6, "ann", "2024-03-06 09:00", "exposure", item=None),
]
BOB = [event(7, "bob", "2024-01-03 10:00"), event(8, "bob", "2024-03-30 10:00")]
GONE = {"cas": (1,), "dan": (4,), "eve": (1, 2), "fay": (5, 6)}  # users who did what ann did, but for these
AGAIN = event("again", "gus", "2024-03-08 09:00", item="bread")
EARLIER = event("earlier", "ivy", "2024-03-02 09:00", item="bread")  # a Saturday, before the Tuesday it is a copy of


def like_ann(user: str, without: tuple[int, ...] = ()) -> list[dict]:
    return [{**e, "id": f"{user}{e['id']}", "user_id": user} for e in ANN if int(e["id"]) not in without]


@pytest.fixture(scope="module")
def histories(tmp_path_factory: pytest.TempPathFactory):
    world = World(tmp_path_factory.mktemp("shop"))
    with world.open():
        others = [e for user, gone in GONE.items() for e in like_ann(user, gone)]
        world.land(*ANN, *BOB, *others, *like_ann("gus"), AGAIN, *like_ann("hal"), *like_ann("ivy"), EARLIER)
        yield world.build()


def test_a_changed_history_is_that_of_a_user_whose_history_it_is(histories: World):
    events = number_events(histories.session, DAY, ["ann"])
    assert events["event_number"].to_list() == [1, 2, 3, 4, 5, 6]
    variants = [Variant("ann", gone) for gone in GONE.values()]
    variants += [Variant("ann", again=((5, date(2024, 3, day)),)) for day in (8, 2)]
    made = changed_frames(histories.session, histories.home, DAY, variants)
    real = frames_at(histories.session, histories.home, as_of_of(DAY), [DAY])
    for place, user in enumerate([*GONE, "gus", "ivy"]):
        for changed, told in ((made.visits, real.visits), (made.features, real.features)):
            mine, theirs = (
                frame.filter(pl.col("user_id") == name) for frame, name in ((changed, name_of(place)), (told, user))
            )
            assert len(mine) and mine.drop("user_id").equals(theirs.drop("user_id")), user


def test_nothing_of_a_changed_history_is_kept(histories: World):
    before = histories.rows("select * from portraits.snapshots where event_date = $day order by user_id", day=DAY)
    rescorer = Rescorer.of(histories.session, histories.home, DAY, ["ann"])
    tags = rescorer.tags([Variant("ann"), Variant("ann", (5,))], [])
    real = histories.rows(
        "select tag_id, \"value\" from portraits.tags where user_id = 'ann' and valid_to is null order by tag_id"
    )
    assert tags.filter(pl.col("user_id") == 0).sort("tag_id").select("tag_id", "value").to_dicts() == real
    assert (
        dict(tags.filter(pl.col("user_id") == 1).select("tag_id", "value").iter_rows())["age"] == "35-44"
    )  # declared stays declared
    assert {user for (user,) in histories.session.rows("select user_id from clean.users")} == {"ann", "bob"}
    assert {user for (user,) in histories.session.rows("select distinct user_id from scoped_events")} == {
        "ann",
        "bob",
        *GONE,
        "gus",
        "hal",
        "ivy",
    }
    assert histories.rows("select * from portraits.snapshots where event_date = $day order by user_id", day=DAY) == before


def test_a_rule_is_explained_by_the_visits_that_decide_it_and_by_what_would_change_it(histories: World):
    # By 14 February ann and four like her had come back once in 41 days, which sets March's pace: 26 days of silence are not two gaps.
    found = explain(histories.session, histories.home, DAY, "ann", histories.home.pack.tag("lifecycle"))
    assert (found.value, found.kind, found.claim, found.evidence["recency_days"]) == ("active", "rule", None, 26)
    [reason] = found.reasons
    assert reason.text == "3 of 4 visits bear on these numbers; most of all"
    assert reason.events == [
        "5 Jan 2024: 2 purchase lines, 4.00 (without it: Lifecycle would be new)",
        "5 Mar 2024: 1 purchase line, 2.00 (without it: recency days 46)",
        "14 Feb 2024: 1 purchase line, 2.00 (without it: pace days 45.8)",  # one gap of 60 days and three of 41
    ]
    more, less = found.counterfactuals
    assert (more.value, more.differs, more.change) == ("active", False, "with 3 more visits this week like that of 5 Mar 2024")
    assert (less.value, less.differs, less.change) == ("active", False, "without the latest 2 visits")
    # Bob without his latest visit: 88 days of silence, more than twice 41.
    less = explain(histories.session, histories.home, DAY, "bob", histories.home.pack.tag("lifecycle")).counterfactuals[1]
    assert (less.value, less.differs, less.change) == ("lapsing", True, "without the latest visit")


def test_what_can_not_be_explained_is_refused_in_one_line(histories: World):
    with pytest.raises(PortraitError, match="no tag churn_risk as of 2024-04-01"):
        explain(histories.session, histories.home, DAY, "ann", histories.home.pack.tag("churn_risk"))
    with pytest.raises(PortraitError, match="'zoe' has no stored portrait"):
        explain(histories.session, histories.home, DAY, "zoe", histories.home.pack.tag("lifecycle"))
