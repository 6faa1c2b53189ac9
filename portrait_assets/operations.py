"""What the commands do: find what is stale in the ledger, and materialize just that, in a handful of Dagster runs.

The runs are those of the jobs one sees in the Dagster UI, executed in this process on the home's own Dagster instance, so
that lineage, checks and history are the same whoever started them.
"""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from portrait_assets import sources
from portrait_assets.assets.kept import make_again
from portrait_assets.assets.recommending import write_published
from portrait_assets.assets.recomputation import recomputed
from portrait_assets.columns import PORTRAITS_CHANGES
from portrait_assets.errors import PortraitError
from portrait_assets.history import begin_history, history_start
from portrait_assets.home import Home, extend_to_landed, open_home
from portrait_assets.killed import end_killed
from portrait_assets.lineage import (
    FEATURE_TABLES,
    ON_DEMAND_TABLES,
    PORTRAIT_TABLES,
    PROCESS_TAG,
    REFRESH_TAG,
    covering,
    models_in_force,
    stale_days,
)
from portrait_assets.partitions import DAY, Window, as_of_of, partition_of
from portrait_assets.publishing import is_current, publish, write_export
from portrait_assets.settings import PROJECT_DIR, Settings
from portrait_assets.steps import Steps

logger = logging.getLogger("portrait")

MODEL_LEAD = timedelta(days=13)
LEAST_HISTORY = timedelta(days=42)  # three as-ofs a horizon of 14 days apart, each with events before it


@dataclass(frozen=True)
class Outcome:
    """What a command did: the last day it brought up to date, and the Dagster runs it took."""

    day: date
    runs: tuple[str, ...]


def run(home: Home, first: date | None = None, through: date | None = None) -> Outcome:
    """Bring the whole path up to date through a day: landing, features, a model, portraits of `first` on, the export."""
    if first and through:
        Window(first, through)  # refuses a range that ends before it starts, before anything is done
    steps = Steps("land", "ingest", "train", "portraits", "publish")
    home, runs = _land_source(home, steps, through)
    day = through or home.days.end
    start = first and max(Window(first, day).start, home.days.start)
    runs += [*_features(home, steps, day, start), *_model(home, steps, model_date(Window(home.days.start, day)))]
    return Outcome(day, (*runs, *_portraits(home, steps, day), *_published(home, steps, day)))


def refresh(home: Home) -> tuple[Home, Outcome]:
    """Land what lies in the landing folder and bring every stale day up to date, training nothing; returns the home as it now is.

    A file that can not be landed does not hold up the others: it is named in a PortraitError when all else is done.
    """
    from portrait_assets.automation import settled_files

    files, refused = settled_files(home.settings.landing_dir, home.source), sources.Refused()
    if files:
        home = _landed(home, files, refused)[0]
    day, steps = home.days.end, Steps("ingest", "portraits", "publish")
    runs = _features(home, steps, day)
    outcome = Outcome(day, (*runs, *_portraits(home, steps, day), *_published(home, steps, day)))
    _raise(refused, "Everything else is up to date")
    return home, outcome


def ingest(home: Home, files: list[Path]) -> tuple[Home, list[sources.Batch]]:
    """Land `files`; returns the home, extended to the days they bring, and the landed batches.

    A person says now what they say, so what was superseded since they were landed before holds again.
    A file that can not be landed does not hold up the others: it is named in a PortraitError when they have landed. A name without
    a file is a slip of the pen: then nothing is landed.
    """
    if missing := next((file for file in files if not file.is_file()), None):
        what = "is a folder; name the files in it" if missing.is_dir() else "no such file; check the name"
        raise PortraitError(f"{missing}: {what}. Nothing was landed")
    refused = sources.Refused()
    home, batches = _landed(home, files, refused, again=True)
    _raise(refused, f"{len(batches)} other batches are landed")
    return home, batches


def _landed(home: Home, files: list[Path], refused: sources.Refused, again: bool = False) -> tuple[Home, list[sources.Batch]]:
    with home.warehouse.open("landing") as session:
        now = datetime.now(UTC).replace(tzinfo=None)
        batches = sources.land(session.connection, home.source, now, files, refused, again)
        return extend_to_landed(home, session), batches


def _land_source(home: Home, steps: Steps, through: date | None = None) -> tuple[Home, list[str]]:
    """Land what is new of the source's own files; returns the home, whose days are those then landed, through `through` at least."""
    with home.warehouse.open("look for new files") as session:
        pending = sources.pending(session.connection, home.landed_whole)
    runs = [execute(home, "land", None, steps)] if pending else []
    home = open_home(home.settings, through=through)
    if not home.has_days:
        raise PortraitError(
            f"{home.source.path}: no event of its files is accepted; `portrait status` lists why, `portrait sources check` tries the mapping"
        )
    return home, runs


def _raise(refused: sources.Refused, done: str) -> None:
    """One error, one line, for all files that were not landed; `done` says what was done nevertheless."""
    if refused:
        raise PortraitError(f"{sources.told(refused)}. Mend that or take the file away, then land again. {done}")


def snapshot(home: Home, as_of: date, out: Path) -> dict[str, Any]:
    """Export the state at `as_of` to `out`, computing whatever is missing first, from earlier events only.

    Where no champion was trained early enough, one is trained at `as_of` itself.
    """
    day, steps = partition_of(as_of), Steps("land", "ingest", "train", "portraits", "publish")
    home, _ = _land_source(home, steps, day)
    _features(home, steps, day)
    if _model_in_force(home, day) is None:
        _model(home, steps, as_of)
    _portraits(home, steps, day)
    _published(home, steps, day)
    with home.warehouse.open("snapshot") as session:
        make_again(session, home, [day])
        return write_export(session, home, day, out)


def snapshot_as_known(home: Home, as_of: date, known_at: date, out: Path) -> dict[str, Any]:
    """Export the state at `as_of` to `out` as one would have seen it at `known_at`: without what was learnt since.

    Recomputed from raw beside the stored tables, which stay as they are. Only what is landed counts; nothing is trained.
    """
    day = partition_of(as_of)
    with home.warehouse.open("look what is kept") as session:
        begins = min(history_start(session, home), day)
    with recomputed(home, Window(home.days.start, day), Window(begins, day), known_at) as beside:
        write_published(beside, home, day)
        return write_export(beside, home, day, out)


def export_of(home: Home, as_of: date) -> Path:
    """The published generation of `as_of`, made now from what is known if it is not there; trains nothing."""
    day, steps = partition_of(as_of), Steps("land", "ingest", "portraits", "publish")
    home, _ = _land_source(home, steps, day)
    _features(home, steps, day)
    _portraits(home, steps, day)
    _published(home, steps, day)
    with home.warehouse.open("publish") as session:
        make_again(session, home, [day])
        return publish(session, home, day)


def model_date(days: Window) -> date:
    """The instant the main job trains for: the last Monday two weeks before the end, a function of the calendar alone.

    Two weeks of daily portraits then have model fields. Histories too short for that are trained to their end.
    """
    latest = days.end - MODEL_LEAD
    monday = latest - DAY * latest.weekday()
    return monday if (monday - days.start).days >= 84 else as_of_of(days.end)


def _features(home: Home, steps: Steps, day: date, first: date | None = None) -> list[str]:
    """Clean and derive features of every stale day through `day`; the history begins at `first`, if it does not begin earlier."""
    days = Window(home.days.start, day)
    with home.warehouse.open("look for stale days") as session:
        is_begun = session.rows("from meta.materializations where table_name = $name limit 1", name=PORTRAITS_CHANGES.name)
        if first and not is_begun:
            begin_history(session, first)
        elif (earliest := first or day) < history_start(session, home):
            begin_history(session, earliest)
        window = covering(stale_days(session, home, days), FEATURE_TABLES)
    return [] if window is None else [execute(home, "ingest", window, steps, lands=False)]


def _model(home: Home, steps: Steps, trained_through: date) -> list[str]:
    """Train for `trained_through` unless that was done before, whatever the gate then said, or there is too little to learn from."""
    with home.warehouse.open("look for the model") as session:
        known = session.scalar("select count(*) from models.registry where trained_through = $day", day=trained_through)
        first = session.scalar("select min(event_date) from features.user_day") or trained_through
    if known:
        return []
    if trained_through - first <= LEAST_HISTORY:
        logger.info(
            "no model: %d days of events before %s, a first model needs more than %d; model fields stay empty",
            max((trained_through - first).days, 0), trained_through, LEAST_HISTORY.days,
        )  # fmt: skip
        return []
    from portrait_assets.assets.common import weekly_of

    moment = datetime(trained_through.year, trained_through.month, trained_through.day, tzinfo=UTC)
    config = {"ops": {"models__behaviour": {"config": {"trained_through": str(trained_through)}}}}
    week = weekly_of(home.planned().days).get_partition_key_for_timestamp(moment.timestamp())
    return [execute(home, "train", week, steps, config)]


def _portraits(home: Home, steps: Steps, day: date) -> list[str]:
    """Predictions, snapshots and tag history of every stale day of the kept history through `day`."""
    with home.warehouse.open("look for stale portraits") as session:
        kept = Window(history_start(session, home), day)
        window = covering(stale_days(session, home, kept), PORTRAIT_TABLES)
    return [] if window is None else [execute(home, "portraits", window, steps)]


def _published(home: Home, steps: Steps, day: date) -> list[str]:
    current = home.settings.published_dir
    with home.warehouse.open("look at the export") as session:
        stale = covering(stale_days(session, home, Window(day, day)), ON_DEMAND_TABLES)
        done = any(is_current(folder, session, home, day) for folder in current.glob(f"{as_of_of(day)}-*"))
    return [] if stale is None and done else [execute(home, "publish", Window(day, day), steps)]


def _model_in_force(home: Home, day: date) -> str | None:
    with home.warehouse.open("look for the model") as session:
        return models_in_force(session, Window(day, day))[day]


def execute(
    home: Home,
    job: str,
    partitions: Window | str | None,
    steps: Steps | None = None,
    config: dict[str, Any] | None = None,
    lands: bool = True,
) -> str:
    """One Dagster run of `job` over `partitions`, in this process; returns its run id. Raises PortraitError if it fails.

    A job without partitions takes None. One that `lands` goes without the landing where that has been done. `steps` are those of the
    command that it is part of.
    """
    from portrait_assets.automation import LANDED_TABLES
    from portrait_assets.definitions import build_definitions

    days = f" ({len(partitions):,} days)" if isinstance(partitions, Window) else ""
    logger.info("[bold]%s[/bold] %s%s", job, partitions or "", days, extra={"markup": True})
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    definition = build_definitions(home).resolve_job_def(job)
    with dagster_instance(home.settings) as instance:
        run_id = str(uuid4())
        instance.add_event_listener(run_id, (steps or Steps(job)).listener(job, partitions))
        result = definition.execute_in_process(
            instance=instance,
            run_id=run_id,
            run_config={**(config or {}), **quiet},
            # Whoever began it begins it again where it was killed, not Dagster's daemon.
            tags={**_partition_tags(partitions), PROCESS_TAG: str(os.getpid()), "dagster/max_retries": "0"},
            partition_key=partitions if isinstance(partitions, str) else None,
            asset_selection=None if lands else sorted(definition.asset_layer.selected_asset_keys - LANDED_TABLES),
            raise_on_error=False,
        )
        if not result.success:
            raise PortraitError(_failure(job, result))
    return run_id


def _partition_tags(partitions: Window | str | None) -> dict[str, str]:
    if partitions is None or isinstance(partitions, str):
        return {}
    return {
        "dagster/asset_partition_range_start": str(partitions.start),
        "dagster/asset_partition_range_end": str(partitions.end),
        REFRESH_TAG: "true",
    }


def _failure(job: str, result: Any) -> str:
    """One line: which step failed and why, the innermost cause first."""
    for event in result.all_events:
        if event.is_step_failure:
            error = event.event_specific_data.error
            while error.cause is not None:
                error = error.cause
            message = error.message.strip().split("\n")[0].removeprefix(f"{PortraitError.__module__}.PortraitError: ")
            return f"{job}: step {event.step_key} failed: {message} (run {result.run_id}; details in `make ui`)"
    return f"{job}: run {result.run_id} failed; details in `make ui`"


@contextmanager
def dagster_instance(settings: Settings) -> Iterator[Any]:
    """The home's own Dagster instance, configured as `make ui` shows it."""
    from dagster import DagsterInstance

    prepare_dagster(settings)
    os.environ["DAGSTER_HOME"] = str(settings.dagster_dir)
    with DagsterInstance.get() as instance:
        for run in end_killed(instance, settings):
            logger.info("the run %s of %s was killed: it is marked as failed", run.run_id, run.job_name)
        yield instance


def prepare_dagster(settings: Settings) -> None:
    """The home's Dagster folder, with the project's `dagster.yaml` in it."""
    settings.dagster_dir.mkdir(parents=True, exist_ok=True)
    text = (
        (PROJECT_DIR / "dagster.yaml")
        .read_text(encoding="utf-8")
        .replace("{folder}", json.dumps(str(settings.dagster_dir))[1:-1])
    )
    file = settings.dagster_dir / "dagster.yaml"
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        draft = file.with_suffix(f".{os.getpid()}.tmp")
        draft.write_text(text, encoding="utf-8")
        draft.replace(file)
