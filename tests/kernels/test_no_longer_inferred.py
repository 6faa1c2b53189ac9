"""An attribute that the pack does not let infer any more, while the model in force has a head for it, trained before."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from portrait_assets.assets.scoring import model_in
from portrait_assets.home import open_home
from portrait_assets.kernels import storage
from tests.kernels.test_scores_kept import LAST, bring, scored_world
from tests.small_world import World

TARGETS = "select distinct target from scores.predictions where event_date = $day"
ORIGINS = "select distinct age_origin from portraits.snapshots where event_date = $day order by all"


def targets(world: World) -> set[str]:
    return {row["target"] for row in world.rows(TARGETS, day=LAST)}


def test_what_may_be_inferred_no_more_is_predicted_no_more(tmp_path: Path, trained: Any):
    world = scored_world(tmp_path, trained)
    [folder] = [folder for folder in world.home.settings.models_dir.iterdir() if folder.is_dir()]
    with world.open():
        before = targets(world)
        assert {"age", "churn_14d"} <= before
        assert [row["age_origin"] for row in world.rows(ORIGINS, day=LAST)] == ["declared", "inferred"]
    rules = world.home.settings.home_dir / "pack"
    rules.mkdir()
    (rules / "attributes.toml").write_text('[[attributes]]\nname = "age"\ninferred = false\n', encoding="utf-8")
    world.home = replace(open_home(world.home.settings), days=world.home.days)
    with world.open():
        bring(world)
        assert targets(world) == before - {"age"}
        assert [row["age_origin"] for row in world.rows(ORIGINS, day=LAST)] == ["declared", None]  # of ann, and of nobody else
    assert storage.load(folder)[0].attribute_heads.keys() == {"age"}
    assert model_in(world.home, folder.name).attribute_heads == {}
