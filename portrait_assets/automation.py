"""Jobs, the daily and weekly schedules, the sensor that watches the landing folder, and the one that watches drift."""

import hashlib
import time
from pathlib import Path

import dagster as dg

from portrait_assets.assets.common import HomeParam
from portrait_assets.history import history_start
from portrait_assets.home import Home, open_home
from portrait_assets.killed import end_killed, runs_under_way
from portrait_assets.lineage import (
    FEATURE_TABLES,
    PORTRAIT_TABLES,
    REFRESH_TAG,
    covering,
    knowledge,
    stale_days,
)
from portrait_assets.observability import outdated
from portrait_assets.partitions import Window, as_of_of
from portrait_assets.publishing import is_current
from portrait_assets.resources.lock import is_held
from portrait_assets.sources import Source
from portrait_assets.sources.files import is_data
from portrait_assets.sources.planning import LIVE_FILE

LANDED_TABLES = {dg.AssetKey(["raw", name]) for name in ("batches", "items", "attributes", "quarantine")}
LANDED = dg.AssetSelection.assets(*LANDED_TABLES)
RAW_TO_FEATURES = dg.AssetSelection.groups("raw", "clean", "features")
MODELS = dg.AssetSelection.groups("models")
PORTRAITS = dg.AssetSelection.keys(["scores", "predictions"], ["scores", "segments"]) | dg.AssetSelection.groups("portraits")
PUBLISHED = dg.AssetSelection.keys(["scores", "vectors"], ["scores", "next_purchases"]) | dg.AssetSelection.groups(
    "recommendations", "observability", "published"
)

QUIET_SECONDS = 2.0
land = dg.define_asset_job(
    "land",
    LANDED,
    description="Land files: those named in the configuration, or the source's own. Nothing else is brought up to date.",
)

ingest = dg.define_asset_job(
    "ingest",
    RAW_TO_FEATURES,
    description="Land what is new and bring clean tables and features up to it. The first of four: ingest, train, portraits, publish.",
)
train = dg.define_asset_job(
    "train",
    MODELS,
    description="Train the behaviour model of a week, on what happened before the week's end, and put it through the gate. Portraits "
    "of later days use it: one week is enough, and it need not be the latest.",
)
portraits = dg.define_asset_job(
    "portraits", PORTRAITS, description="Predictions, snapshots and tag history of a range of days."
)
publish = dg.define_asset_job(
    "publish",
    PUBLISHED,
    description="Vectors, recommendations and the export of one day: what the explorer and `portrait show` read.",
)
refresh = dg.define_asset_job(
    "refresh",
    RAW_TO_FEATURES | PORTRAITS,
    description="From landed files to portraits, for the days they touch.",
)
evaluate = dg.define_asset_job(
    "evaluate",
    dg.AssetSelection.keys(["models", "evaluation"]),
    description="How good the model would have been at past cutoffs, beside everything simpler. On demand: it trains once a cutoff.",
)
evaluate_ranking = dg.define_asset_job(
    "evaluate_ranking",
    dg.AssetSelection.keys(["models", "ranking"]),
    description="How good the recommendations would have been at past cutoffs, beside everything simpler. On demand.",
)
JOBS = [land, ingest, train, portraits, publish, refresh, evaluate, evaluate_ranking]

daily = dg.build_schedule_from_partitioned_job(
    refresh, name="daily", hour_of_day=3, description="Every night: yesterday, from what was landed to portraits."
)
weekly = dg.build_schedule_from_partitioned_job(
    train, name="weekly_training", hour_of_day=4, description="Every Monday night: the behaviour model of the week."
)
SCHEDULES = [daily, weekly]


@dg.sensor(
    jobs=[land, refresh, ingest, portraits, publish],
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Lands new files of the landing folder, then brings what they made stale up to date and publishes it. "
    "A file still being written (changed within the last two seconds, or hidden) is left for the next look.",
)
def landing_folder(context: dg.SensorEvaluationContext, home: HomeParam):
    """One step a look: land, then all layers of the days touched, then the export, each only where the ledger says it is due."""
    now = open_home(home.settings)
    end_killed(context.instance, home.settings)
    files = settled_files(home.settings.landing_dir, now.source)
    seen, readings = _fingerprint(files), _fingerprint(_readings(now.source))
    seen_before, _, readings_before = (context.cursor or "").partition(" ")
    if files and seen != seen_before:
        return _land(context, files, seen, readings)
    if now.days.start < home.days.start or now.days.end > home.days.end:
        return dg.SkipReason(
            f"the home now covers {now.days}: waiting for the definitions to be loaded again: `portrait ui` does it, in `dagster dev` press Reload definitions"
        )
    if runs_under_way(context.instance) or is_held(home.settings.warehouse_file.with_suffix(".lock")):
        return dg.SkipReason("a run is under way; looking again when it is done")
    if files and readings != readings_before:
        if _failed(now, files):
            return _land(context, files, seen, readings)
        context.update_cursor(f"{seen} {readings}")
    return _due(now) or dg.SkipReason(f"nothing new in {home.settings.landing_dir}, and nothing is stale")


def _land(context: dg.SensorEvaluationContext, files: list[Path], seen: str, readings: str) -> dg.RunRequest:
    context.update_cursor(f"{seen} {readings}")
    config = {"ops": {"landing": {"config": {"files": [str(file) for file in files]}}}}
    return dg.RunRequest(run_key=f"land {seen} {readings}", job_name=land.name, run_config=config)


def _readings(source: Source) -> list[Path]:
    """What decides how a file is read: the mapping, and the files that its streams look into."""
    looked_into = {lookup.table for stream in source.streams for lookup in stream.lookups.values()}
    patterns = {pattern for table in looked_into for pattern in source.tables[table].files}
    return [source.path, *sorted({file for pattern in patterns for file in source.root.glob(pattern)})]


def _failed(home: Home, files: list[Path]) -> bool:
    """Whether one of the files could not be landed the last time; then a mended mapping is a reason to try again."""
    with home.warehouse.open("look for files that failed") as session:
        names = [file.name for file in files]
        return session.rows("select 1 from raw.failures where list_contains($names, files) limit 1", names=names) != []


def _due(home: Home) -> dg.RunRequest | dg.SkipReason | None:
    """The first step that the ledger finds stale, over the days it is stale for; its key lets it be asked for once."""
    last = Window(home.days.end, home.days.end)
    with home.warehouse.open("look for stale days") as session:
        if not session.scalar("select count(*) from raw.batches"):
            return dg.SkipReason("nothing was landed yet; run the job `ingest`, or `portrait run`")
        stale, history = stale_days(session, home, home.days), history_start(session, home)
        kept = {table: [day for day in days if day >= history] for table, days in stale.items()}
        known = knowledge(session, home, last.end)
        generations = home.settings.published_dir.glob(f"{as_of_of(last.end)}-*")
        published = any(is_current(folder, session, home, last.end) for folder in generations)
    features, due = covering(stale, FEATURE_TABLES), covering(kept, FEATURE_TABLES | PORTRAIT_TABLES)
    if features and features.start < history:
        return _request(ingest.name, features, known)
    if due:  # days that have portraits: one run for all layers
        return _request((refresh if features else portraits).name, due, known)
    return None if published else _request(publish.name, last, known)


def _request(job: str, window: Window, known: str) -> dg.RunRequest:
    bounds = {"dagster/asset_partition_range_start": str(window.start), "dagster/asset_partition_range_end": str(window.end)}
    return dg.RunRequest(run_key=f"{job} {window} {known}", job_name=job, tags={**bounds, REFRESH_TAG: "true"})


def _fingerprint(files: list[Path]) -> str:
    told = "\n".join(f"{file.name} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in files)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def settled_files(folder: Path, source: Source | None = None) -> list[Path]:
    """Files of the landing folder that can be read (see is_data) and that nobody is writing any more, by name.

    A segment of the live log is there whole from the first moment, since it is renamed into the folder: it need not grow old first.
    """
    if not folder.exists():
        return []
    now = time.time()
    return sorted(
        file
        for file in folder.iterdir()
        if is_data(file, source)
        and not file.name.startswith(".")
        and (LIVE_FILE.fullmatch(file.name) or now - file.stat().st_mtime > QUIET_SECONDS)
    )


@dg.sensor(
    job=train,
    minimum_interval_seconds=600,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Asks for the training of the last whole week when a key feature has drifted, PSI above the limit, since the model in "
    "force was trained; once a week at most. The gate decides whether the new model serves.",
)
def drifted(context: dg.SensorEvaluationContext, home: HomeParam):
    """A request for the `train` partition of the week, or why there is none."""
    if runs_under_way(context.instance) or is_held(home.settings.warehouse_file.with_suffix(".lock")):
        return dg.SkipReason("a run is under way; looking again when it is done")
    with home.warehouse.open("look for drift") as session:
        found = outdated(session, open_home(home.settings))
    if isinstance(found, str):
        return dg.SkipReason(found)
    tags = {"portrait/why": found.why[:400]}
    return dg.RunRequest(run_key=f"drift {found.week_start}", partition_key=str(found.week_start), tags=tags)


SENSORS = [landing_folder, drifted]
