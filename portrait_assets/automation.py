"""Jobs, the daily and weekly schedules, and the sensor that watches the landing folder."""

import hashlib
from pathlib import Path

import dagster as dg

from portrait_assets.assets.common import DAILY, HOME, WEEKLY

RAW_TO_FEATURES = dg.AssetSelection.groups("raw", "clean", "features")
MODELS = dg.AssetSelection.groups("models")
PORTRAITS = dg.AssetSelection.keys(["scores", "predictions"]) | dg.AssetSelection.groups("portraits")
PUBLISHED = dg.AssetSelection.keys(["scores", "vectors"], ["scores", "next_purchases"]) | dg.AssetSelection.groups(
    "recommendations", "published"
)

LANDING_SUFFIXES = (".parquet", ".csv", ".tsv", ".ndjson", ".jsonl", ".json", ".txt")
QUIET_SECONDS = 2.0

ingest = dg.define_asset_job(
    "ingest",
    RAW_TO_FEATURES,
    partitions_def=DAILY,
    description="Land what is new and bring clean tables and features up to it.",
)
train = dg.define_asset_job(
    "train", MODELS, partitions_def=WEEKLY, description="Train the behaviour model of a week and put it through the gate."
)
portraits = dg.define_asset_job(
    "portraits", PORTRAITS, partitions_def=DAILY, description="Predictions, snapshots and tag history of a range of days."
)
publish = dg.define_asset_job(
    "publish", PUBLISHED, partitions_def=DAILY, description="Vectors, recommendations and the export of one day."
)
refresh = dg.define_asset_job(
    "refresh",
    RAW_TO_FEATURES | PORTRAITS,
    partitions_def=DAILY,
    description="From landed files to portraits, for the days they touch.",
)
JOBS = [ingest, train, portraits, publish, refresh]

daily = dg.build_schedule_from_partitioned_job(
    refresh, name="daily", hour_of_day=3, description="Every night: yesterday, from what was landed to portraits."
)
weekly = dg.build_schedule_from_partitioned_job(
    train, name="weekly_training", hour_of_day=4, description="Every Monday night: the behaviour model of the week."
)
SCHEDULES = [daily, weekly]


@dg.sensor(job=refresh, minimum_interval_seconds=10, default_status=dg.DefaultSensorStatus.STOPPED)
def landing_folder(context: dg.SensorEvaluationContext):
    """Sees new files in the landing folder, once each by their content's name and size, and refreshes what they touch.

    A file still being written (changed within the last two seconds, or hidden) is left for the next look.
    """
    files = settled_files(HOME.settings.landing_dir)
    if not files:
        return dg.SkipReason(f"nothing in {HOME.settings.landing_dir}")
    fingerprint = hashlib.sha256("\n".join(f"{file.name} {file.stat().st_size}" for file in files).encode()).hexdigest()[:16]
    return dg.RunRequest(
        run_key=fingerprint,
        run_config={"ops": {"landing": {"config": {"files": [str(file) for file in files]}}}},
        tags={
            "dagster/asset_partition_range_start": str(HOME.days.start),
            "dagster/asset_partition_range_end": str(HOME.days.end),
        },
    )


def settled_files(folder: Path) -> list[Path]:
    """Data files of the landing folder that nobody is writing any more, by name."""
    import time

    if not folder.exists():
        return []
    now = time.time()
    return sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in LANDING_SUFFIXES
        and not file.name.startswith(".")
        and now - file.stat().st_mtime > QUIET_SECONDS
    )


SENSORS = [landing_folder]
