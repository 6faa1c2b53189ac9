"""Models in force, and back to the one before."""

import shutil
from dataclasses import replace
from datetime import date

import polars as pl
import pytest

from portrait_assets import columns as c
from portrait_assets import registry
from portrait_assets.assets.modelling import Champion, Trained, judged, record
from portrait_assets.assets.scoring import write_scores
from portrait_assets.errors import PortraitError
from portrait_assets.home import Home
from portrait_assets.kernels.evaluation import Verdict
from portrait_assets.lineage import SCORE_TABLES, stale_days
from portrait_assets.partitions import DAY, Window, as_of_of
from portrait_assets.resources.tracking import REGISTERED_NAME, Tracking
from portrait_assets.settings import Settings
from tests.small_world import LAST_DAY, World, event

OLD, NEW = date(2024, 2, 1), date(2024, 3, 1)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    """A home whose days were scored by a champion of February and one of March; a third model was rejected."""
    world = World(tmp_path_factory.mktemp("models"))
    with world.open():
        world.land(event(1, "ann", "2024-01-05 10:00"))
        for version, through, status in (("aa1", OLD, "champion"), ("bb2", NEW, "champion"), ("bb3", NEW, "rejected")):
            world.session.execute(
                "insert into models.registry by name select $version as version, $through as trained_through, $status as status, "
                "'it won' as reason, '[]' as metrics, '{}' as config",
                version=version, through=through, status=status,
            )  # fmt: skip
        world.clean().derive()
        for table in SCORE_TABLES:
            none = pl.DataFrame(schema=dict.fromkeys(table.column_names, pl.String))
            write_scores(world.session, world.home, table, world.home.days, [none])
        world.build()
    return world


def stale(home: Home) -> list[date]:
    with home.warehouse.open("look") as session:
        return stale_days(session, home, home.days)[c.SCORES_PREDICTIONS.name]


def trained_again(version: str, segment_id: int = 1) -> Trained:
    """The outcome of a training of March that the gate let through."""
    selection = pl.DataFrame(
        schema={"column": pl.String, "outcome": pl.String, "duplicate_of": pl.String, "correlation": pl.Float64}
    )
    fusion = pl.DataFrame(schema=dict.fromkeys(c.FEATURES_FUSION.column_names[1:], pl.String))
    told = {"cluster": 0, "segment_id": segment_id, "name": "rich", "traits": None, "users": 1, "share": 1.0, "centre": [0.5]}
    segments = pl.DataFrame([told], schema_overrides={"traits": pl.String})
    return Trained(version, NEW, "champion", "it won", pl.DataFrame(), selection, fusion, segments, {}, {}, b"", "run", None)  # type: ignore[arg-type]


def test_models_say_which_days_are_theirs(world: World):
    with world.home.warehouse.open("look") as session:
        found = {m["version"]: (m["first_day"], m["last_day"]) for m in registry.models(session, world.home)}
    assert found == {"aa1": (date(2024, 1, 31), date(2024, 2, 28)), "bb2": (date(2024, 2, 29), LAST_DAY), "bb3": (None, None)}


def test_a_rollback_gives_its_days_to_the_champion_before_and_the_ledger_finds_them_stale(world: World, tmp_path):
    shutil.copytree(world.home.settings.home_dir, tmp_path / "home")
    home = replace(world.home, settings=Settings(home=tmp_path / "home"))
    assert stale(home) == []
    done = registry.roll_back(home)
    days = list(Window(date(2024, 2, 29), LAST_DAY))
    assert (done.version, done.in_force, done.stale) == ("bb2", "aa1", len(days))
    assert stale(home) == days
    with home.warehouse.open("look") as session:
        bb2 = registry.model(session, home, "bb2")
    assert bb2["status"] == "rolled back" and bb2["reason"] == "rolled back by hand; at its training: it won"
    with pytest.raises(PortraitError, match="bb2 is rolled back, not champion"):
        registry.roll_back(home, "bb2")
    with home.warehouse.open("train again") as session:
        record(session, trained_again("bb2"))
        assert registry.model(session, home, "bb2")["status"] == "rolled back"  # a person's word stands
        record(session, trained_again("cc4"))
        assert registry.model(session, home, "cc4")["status"] == "champion"
    assert [registry.roll_back(home).version for _ in range(2)] == ["cc4", "aa1"]


def test_the_alias_champion_of_mlflow_goes_to_the_newest_champion_that_is_left(world: World, tmp_path):
    """Three champions in MLflow's own registry: taking the first back moves nothing, the last gives it to the one before, then to nobody."""
    shutil.copytree(world.home.settings.home_dir, tmp_path / "home")
    home = replace(world.home, settings=Settings(home=tmp_path / "home"))
    client = Tracking(folder=str(home.settings.mlflow_dir)).connect().MlflowClient()
    client.create_registered_model(REGISTERED_NAME)
    with home.warehouse.open("three champions") as session:
        session.execute("delete from models.registry")
        for version, through in (("aa1", OLD), ("bb2", OLD + DAY), ("cc3", NEW)):
            number = client.create_model_version(REGISTERED_NAME, source=str(tmp_path)).version
            session.execute(
                "insert into models.registry by name select $version as version, $through as trained_through, 'champion' as status, "
                "'it won' as reason, '[]' as metrics, '{}' as config, $number as mlflow_version",
                version=version, through=through, number=str(number),
            )  # fmt: skip
    client.set_registered_model_alias(REGISTERED_NAME, "champion", "3")

    def champion() -> str | None:
        return dict(client.get_registered_model(REGISTERED_NAME).aliases).get("champion")

    told = []
    for version in ("aa1", "cc3", "bb2"):
        assert registry.roll_back(home, version).version == version
        told.append(champion() and int(champion()))
    assert told == [3, 2, None]
    statuses = [client.get_model_version(REGISTERED_NAME, str(n)).tags.get("status") for n in (1, 2, 3)]
    assert statuses == ["rolled back"] * 3


def test_a_segment_keeps_its_number_when_its_model_is_trained_again(world: World, tmp_path):
    shutil.copytree(world.home.settings.home_dir, tmp_path / "home")
    with replace(world.home, settings=Settings(home=tmp_path / "home")).warehouse.open("train twice") as session:
        record(session, trained_again("dd5", segment_id=4))
        record(session, trained_again("dd5", segment_id=9))
        assert session.rows("select cluster, segment_id, name from models.segments where model_version = 'dd5'") == [
            (0, 4, "rich")
        ]
        session.execute("delete from models.registry where version = 'bb2'")
        champion = Champion.before(session, as_of_of(LAST_DAY))
    assert (champion.version, champion.numbers.rows(), champion.highest) == ("dd5", [(0, 4)], 4)


def test_a_training_is_judged_against_the_champion_of_an_earlier_instant_never_against_itself(world: World):
    with world.home.warehouse.open("look") as session:
        to_beat = {day: Champion.before(session, day).version for day in (OLD, NEW, NEW + DAY)}
    assert to_beat == {OLD: None, NEW: "aa1", NEW + DAY: "bb2"}


def test_a_model_that_is_refused_is_rejected_whatever_the_gate_says():
    won, lost = (Verdict(promoted, ("the gate's reason",), pl.DataFrame()) for promoted in (True, False))
    assert judged(won, None, None) == ("champion", "the gate's reason")
    assert judged(lost, None, None) == ("rejected", "the gate's reason")
    assert judged(won, None, "fusion.state.mean holds what is not a number") == (
        "rejected",
        "fusion.state.mean holds what is not a number",
    )
    assert judged(lost, "ranker: no numbers", "and no more") == ("rejected", "ranker: no numbers; and no more")


def test_a_champion_whose_folder_is_damaged_stops_a_training_before_it_begins(world: World):
    with world.home.warehouse.open("look") as session:
        champion = Champion.before(session, as_of_of(LAST_DAY))
    with pytest.raises(PortraitError, match="bb2.*train again; or `portrait models rollback bb2`"):
        champion.load(world.home)


def test_a_name_that_is_no_models_or_several_is_one_clear_error(world: World):
    with world.home.warehouse.open("look") as session:
        assert registry.model(session, world.home, "a")["version"] == "aa1"
        for name, many in (("bb", 2), ("zz", 0)):
            with pytest.raises(PortraitError, match=f"{many} models are called {name}.*aa1, bb2, bb3"):
                registry.model(session, world.home, name)
    with pytest.raises(PortraitError, match="no card; the model was trained by an older version"):
        registry.card_of(world.home, "aa1")
