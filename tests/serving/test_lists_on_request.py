"""Lists on request over HTTP, from a home whose lists a ranker makes: as published, of now, and what refresh then says."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from portrait_assets import columns as c
from portrait_assets.assets.recommending import write_recommendations
from portrait_assets.assets.training import ITEMS, lines_at
from portrait_assets.kernels import behaviour, storage
from portrait_assets.kernels.config import TINY
from portrait_assets.kernels.ranking.context import NOWHERE
from portrait_assets.kernels.ranking.lines import lines_from
from portrait_assets.kernels.ranking.ranker import RANKERS, fit_ranker
from portrait_assets.kernels.trained import TrainedModel
from portrait_assets.packs import load_pack
from portrait_assets.partitions import as_of_of
from portrait_assets.publishing import publish
from portrait_assets.serving.events import judge
from portrait_assets.serving.popular import popular_items
from portrait_assets.serving.recommender import LISTS, Recommender, answer
from portrait_assets.serving.service import Service
from portrait_assets.state import SEGMENT_NAME
from tests.kernels.conftest import THROUGH, as_ofs_back, make_attributes, make_features, make_items, make_visits
from tests.kernels.ranking_shop import make_shop
from tests.serving.shop import Client, Shop, live, place, serving, small_shop
from tests.small_world import event

EVENTS = load_pack().events

LAST_DAY = date(2024, 3, 10)


class RankedShop(Shop):
    """Sixty users with habits in two stores; lists are made by a ranker, all else without a model."""

    def __init__(self, folder: Path):
        super().__init__(folder)
        visits = make_visits(60)
        features, config = make_features(visits, as_ofs_back(THROUGH)), replace(TINY, targets=3, network_targets=3, epochs=1)
        self.model: TrainedModel = behaviour.train(visits, features, make_items(), make_attributes(visits), THROUGH, config)[0]
        self.land(event("first", "viewer", "2024-03-08T10:00:00", "view", "i02"))
        bought = make_shop().filter(pl.col("visit_time").dt.date() <= LAST_DAY)
        rows = [
            live(k, user, f"{when.isoformat()}Z", item=item, session_id=visit, place_id="north" if user < "u30" else "south")
            for k, (user, item, visit, when) in enumerate(bought.select("user_id", "item_id", "visit_id", "visit_time").rows())
        ]
        lines, refused = judge(
            [*rows, live("seen", "viewer", "2024-03-09T10:00:00Z", "view", "i01")], datetime.now(UTC), EVENTS
        )
        assert not refused
        landing = self.home.settings.landing_dir
        landing.mkdir(parents=True, exist_ok=True)
        (landing / SEGMENT_NAME.format(number=1)).write_text("".join(f"{line.text}\n" for line in lines))
        self.refresh()

    def refresh(self) -> Path:
        """As the shop's own, without the ranker; then the lists by the ranker, and that published."""
        with self.home.warehouse.open("test") as session:
            session.execute("delete from models.registry")
        super().refresh()
        day = self.home.days.end
        with self.home.warehouse.open("test") as session:
            as_of = as_of_of(LAST_DAY)
            ranker, _ = fit_ranker(lines_from(lines_at(session, as_of), session.frame(ITEMS)), as_of, RANKERS["tiny"])
            model = replace(self.model, ranker=ranker, trained_through=as_of)
            version = storage.version_of(model)
            storage.save(model, self.home.settings.models_dir / version)
            session.execute(
                f"insert into {c.MODELS_REGISTRY.name} (version, trained_through, status, recorded_at) "
                "values ($version, $as_of, 'champion', now()::timestamp)",
                version=version, as_of=as_of,
            )  # fmt: skip
            write_recommendations(session, self.home, day)
            return publish(session, self.home, day)


@pytest.fixture(scope="module")
def ranked_shop(tmp_path_factory: pytest.TempPathFactory) -> RankedShop:
    return RankedShop(tmp_path_factory.mktemp("ranked"))


@pytest.fixture(scope="module")
def service(ranked_shop: RankedShop) -> Service:
    return Service(ranked_shop.home, segment_seconds=0.2)


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[Client]:
    with serving(service) as client:
        wait_until_ready(client)
        yield client


def wait_until_ready(client: Client) -> None:
    client.wait_for("live_lists", "ready")


def lists(client: Client, user: str, query: str = "") -> dict:
    status, told, _ = client.ask(f"/users/{user}/recommendations{query}")
    assert status == 200, told
    return told


def items(told: dict) -> list[str]:
    return [row["item_id"] for row in told["recommendations"]]


def test_who_did_nothing_since_has_the_published_list_which_is_the_one_made_now(client: Client, service: Service):
    told = lists(client, "u07")
    assert (told["live"], told["as_of"], told["stale"], told["note"]) == (False, "2024-03-11", False, None)
    engine = service.engine
    assert isinstance(engine.recommender, Recommender)
    for user in ("u00", "u07", "u41"):
        for which in LISTS:
            published = lists(client, user, f"?list={which}")["recommendations"]
            events = engine.generation.events.of(user)
            now = engine.recommender.rows(user, events, engine.generation.export.as_of, which, NOWHERE)
            assert now is not None and len(now) == len(published) > 0
            for mine, theirs in zip(now, published, strict=True):
                for number in ("score", "probability"):
                    assert mine.pop(number) == pytest.approx(theirs.pop(number), abs=1e-6)
                assert mine == theirs


def test_a_context_is_counted_and_what_nobody_knows_of_it_is_one_line(client: Client):
    first = items(lists(client, "u07"))
    told = lists(client, "u07", f"?basket={first[0]},milk&store=south")
    assert told["live"] and first[0] not in items(told) and items(told)
    for query, line in {
        "?store=west": "store 'west': nobody bought anything there before 2024-03-11; 2 are known, for example north, south",
        "?basket=i01,i99x": "basket, item 'i99x': it is neither described nor bought before 2024-03-11; check the id",
        "?list=best": "list 'best': there is no such list; choose one of blended, again, discover",
    }.items():
        assert client.ask(f"/users/u07/recommendations{query}")[:2] == (422, {"detail": line})


@pytest.mark.parametrize("user", ["nobody", "viewer"])
def test_whom_nothing_personal_is_known_of_gets_what_is_popular_and_is_told_so(client: Client, user: str):
    told = lists(client, user)
    assert {row["list"] for row in told["recommendations"]} <= {"popular", "again"} and not told["live"]
    assert sum(row["reason"].startswith("popular with everyone") for row in told["recommendations"]) >= 18
    assert [row["rank"] for row in told["recommendations"]] == list(range(1, 21))
    if user == "nobody":
        assert told["note"] == "nothing that user 'nobody' bought is known: this is what is popular"
        none = lists(client, user, "?list=again")
        assert none["recommendations"] == [] and none["note"] == "the rules or the data leave nothing to offer here"


def test_what_is_popular_is_as_the_batch_path_has_it_less_what_the_rules_keep_back(service: Service, ranked_shop: RankedShop):
    """The viewer looked at two things and bought none: the rest of its published list is what is popular, best first."""
    export = service.engine.generation.export
    popular = popular_items(export, ranked_shop.home)
    rows = sorted(service.engine.generation.rows["recommendations"].of("viewer").to_pylist(), key=lambda row: row["rank"])
    others = [row for row in popular if row["item_id"] not in ("i01", "i02")]
    told = ("item_id", "score", "reason", "list", "item_name", "category")
    assert [[row[name] for name in told] for row in rows[2:]] == [[row[name] for name in told] for row in others[:18]]
    state = export.manifest["run"]["state"]
    kept_back = {"exclude": [{"item": popular[0]["item_id"]}], "out_of_stock": [popular[2]["item_id"]]}
    ruled = state | {"recommending": state["recommending"] | kept_back}
    less = popular_items(replace(export, manifest=export.manifest | {"run": {"state": ruled}}), ranked_shop.home)
    assert less == [popular[1], *popular[3:]]


def test_rules_that_exclude_everything_are_told_in_one_line(client: Client, service: Service, ranked_shop: RankedShop):
    generation = service.engine.generation
    rules = [{"item": item} for item in ("milk", "cheese", "bread", "soap", *(f"i{k:02}" for k in range(40)))]
    ruled = replace(generation, recommending=generation.recommending | {"exclude": rules})
    said = answer(
        ruled,
        Recommender.of(ruled, ranked_shop.home),
        "u07",
        generation.events.of("u07"),
        date(2024, 3, 11),
        "blended",
        NOWHERE,
    )
    assert (said["live"], said["recommendations"]) == (True, [])
    assert said["note"] == "the rules or the data leave nothing to offer here"


def test_what_was_just_bought_is_in_the_list_and_after_a_refresh_the_published_list_is_the_live_one(
    client: Client, service: Service, ranked_shop: RankedShop
):
    """What everybody bought, which the refresh brings up to date too, is all that may move the list: read against it, it is the same."""
    before = lists(client, "u07")
    new = next(f"i{k:02}" for k in range(40) if f"i{k:02}" not in items(lists(client, "u07", "?list=again")))
    receipt = client.post(*(live(f"n{k}", "u07", f"2024-03-12T1{k}:00:00Z", item=new, place_id="north") for k in range(2)))
    told = lists(client, "u07")
    assert (told["live"], told["as_of"], told["stale"]) == (True, "2024-03-13", False)
    assert told["through"] == receipt["position"] and told["generation"] == before["generation"]
    bought = next(row for row in lists(client, "u07", "?list=again")["recommendations"] if row["item_id"] == new)
    assert bought["list"] == "again"
    others = lists(client, "u08")
    assert not others["live"] and others["stale"]

    client.wait_for("since_generation", 2)
    engine = service.engine
    events = [engine.generation.events.of("u07"), engine.live_events("u07")]
    segment, _ = place(receipt["position"])
    client.wait_for("log", {"segment": segment + 1, "line": 0})  # closed by the log's own thread
    generation = ranked_shop.refresh()
    client.wait_for_generation(generation.name)
    wait_until_ready(client)
    published = lists(client, "u07")
    assert (published["live"], published["as_of"]) == (False, "2024-03-13")
    after = service.engine
    assert isinstance(after.recommender, Recommender)
    now = after.recommender.rows("u07", pa.concat_tables(events), date(2024, 3, 13), "blended", NOWHERE)
    assert now is not None
    assert [(row["item_id"], row["reason"]) for row in now] == [
        (row["item_id"], row["reason"]) for row in published["recommendations"]
    ]
    assert len(set(items(told)) & set(items(published))) >= 0.8 * len(items(told))


def test_without_a_model_the_published_list_says_so(tmp_path: Path):
    with serving(Service(small_shop(tmp_path).home)) as client:
        client.wait_for("live_lists", "no model is in force")
        receipt = client.post(live(1, "ann", "2024-03-12T10:00:00Z"))
        client.card("ann", receipt["position"])
        told = lists(client, "ann", "?basket=milk")
        assert (told["live"], told["as_of"], told["stale"]) == (False, "2024-03-11", True)
        assert told["note"] == "as published: no model is in force; of the context only the basket counts, it is not offered"
        assert "milk" not in items(told) and [row["rank"] for row in told["recommendations"]] == [1, 2, 3]
