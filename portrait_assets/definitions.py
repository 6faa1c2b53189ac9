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
from portrait_assets.assets.common import HOME
from portrait_assets.automation import JOBS, SCHEDULES, SENSORS
from portrait_assets.checks import CHECKS, values_in_their_domains
from portrait_assets.resources.tracking import Tracking
from portrait_assets.resources.warehouse import warehouse_of
from portrait_assets.watches import WATCHES

defs = dg.Definitions(
    assets=dg.load_assets_from_modules(
        [raw, clean, features, models, evaluation, ranking_evaluation, portraits, observability, catalogue, published]
    ),
    asset_checks=[*CHECKS, values_in_their_domains, *WATCHES],
    jobs=JOBS,
    schedules=SCHEDULES,
    sensors=SENSORS,
    resources={
        "warehouse": warehouse_of(HOME.settings),
        "tracking": Tracking(folder=str(HOME.settings.mlflow_dir)),
    },
    executor=dg.in_process_executor,
)
