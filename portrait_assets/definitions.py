"""The table of contents: everything Dagster knows of Portrait."""

import dagster as dg

from portrait_assets.assets import (
    catalogue,
    clean,
    evaluation,
    features,
    models,
    observability,
    portraits,
    published,
    ranking_evaluation,
    raw,
)
from portrait_assets.assets.common import of_home
from portrait_assets.automation import JOBS, SCHEDULES, SENSORS
from portrait_assets.checks import CHECKS, values_in_their_domains
from portrait_assets.home import Home, open_home
from portrait_assets.resources.tracking import Tracking
from portrait_assets.watches import WATCHES

MODULES = (raw, clean, features, models, evaluation, ranking_evaluation, portraits, observability, catalogue, published)
ASSETS = [each for each in dg.load_assets_from_modules(MODULES) if isinstance(each, dg.AssetsDefinition)]


def build_definitions(home: Home) -> dg.Definitions:
    """Everything, for a home as it is now: the partitions are its days, those that a replay will deliver among them."""
    planned = home.planned()
    return dg.Definitions(
        assets=of_home(ASSETS, planned),
        asset_checks=[*CHECKS, values_in_their_domains, *WATCHES],
        jobs=JOBS,
        schedules=SCHEDULES,
        sensors=SENSORS,
        resources={
            "home": planned,
            "warehouse": home.warehouse,
            "tracking": Tracking(folder=str(home.settings.mlflow_dir)),
        },
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What `dagster dev` loads: that of the home of the environment. A home that covers other days since is loaded again."""
    return build_definitions(open_home())
