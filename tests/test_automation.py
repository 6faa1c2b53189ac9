"""The sensor of the landing folder: each file once, none that is still being written, then what became stale, step by step."""

import os
import subprocess
import time
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from portrait_assets import automation, operations
from portrait_assets.assets.common import weekly_of
from portrait_assets.automation import drifted, landing_folder, settled_files
from portrait_assets.definitions import build_definitions
from portrait_assets.errors import PortraitError
from portrait_assets.history import begin_history
from portrait_assets.home import open_home
from portrait_assets.killed import end_killed, runs_under_way
from portrait_assets.lineage import PROCESS_TAG
from portrait_assets.observability import measure_drift
from portrait_assets.resources.lock import exclusive, is_held
from portrait_assets.serving.log import Log
from portrait_assets.sources.mapping import SourceTable
from tests.small_world import World, event

HOME = open_home()
defs = build_definitions(HOME)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def put(folder: Path, name: str, text: str = "x", age_seconds: float = 60) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(text)
    then = time.time() - age_seconds
    os.utime(file, (then, then))
    return file


def test_settled_files_are_data_files_nobody_writes_any_more(folder: Path):
    ready = [put(folder, "a.csv"), put(folder, "b.ndjson"), put(folder, "c.PARQUET")]
    put(folder, "fresh.csv", age_seconds=0)
    put(folder, ".hidden.csv")
    put(folder, "notes.md")
    put(folder, "letter.doc.gz")
    (folder / "folder.csv.d").mkdir()
    (folder / "folder.csv").mkdir()
    os.utime(folder / "folder.csv", (0, 0))
    assert settled_files(folder) == ready
    assert settled_files(folder / "missing") == []


def test_a_segment_of_the_live_log_is_settled_at_once(folder: Path):
    """It is renamed into the folder whole, so what was acknowledged a moment ago is in the next refresh."""
    log = Log(folder / "live", folder / "landing")
    log.append(['{"user_id": "ann"}'])
    log.close()
    put(folder / "landing", "sales.csv", age_seconds=0)
    assert [file.name for file in settled_files(folder / "landing")] == ["live-000000000001.ndjson"]


def test_what_a_source_can_read_is_waited_for_in_the_landing_folder_too(folder: Path):
    table = SourceTable(files=("u.data", "orders*.log"), format="csv")
    source = HOME.source.model_copy(update={"tables": {"events": table}})
    read = [put(folder, name) for name in ("a.csv.gz", "b.json", "c.json.zst", "d.zip", "orders-2.log.gz", "u.data")]
    put(folder, "other.log")
    assert settled_files(folder, source) == read
    assert settled_files(folder) == read[:4]


def test_the_sensor_lands_once_for_the_same_files_and_again_for_other_content():
    landing = HOME.settings.landing_dir
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance, resources={"home": HOME})
        assert isinstance(landing_folder(context), dg.SkipReason)
        file = put(landing, "events-sensor.ndjson")
        try:
            first, second = landing_folder(context), landing_folder(context)
            put(landing, "events-sensor.ndjson", "longer")
            third = landing_folder(context)
        finally:
            file.unlink()
    assert isinstance(second, dg.SkipReason)
    assert first.job_name == third.job_name == "land" and first.run_key != third.run_key
    assert first.run_config["ops"]["landing"]["config"]["files"] == [str(file)]


def test_a_mended_mapping_is_a_reason_to_land_what_failed_again_and_no_other_is(tmp_path: Path):
    world = World(tmp_path, date(2024, 1, 1), date(2024, 1, 10))
    file, mapping = put(world.home.settings.landing_dir, "events-x.ndjson", '{"when": "2024-01-03"}\n'), world.home.source.path
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance, resources={"home": world.home})
        first = landing_folder(context)
        assert first.job_name == "land"
        mapping.write_text(mapping.read_text() + "# nothing failed yet\n")
        assert isinstance(landing_folder(context), dg.SkipReason)
        with pytest.raises(PortraitError, match="events-x.ndjson"):
            operations.ingest(world.home, [file])
        assert isinstance(landing_folder(context), dg.SkipReason)  # still read as it was read then
        mapping.write_text(mapping.read_text() + "# mended\n")
        again = landing_folder(context)
        assert again.job_name == "land" and again.run_key != first.run_key and again.run_config == first.run_config
        assert isinstance(landing_folder(context), dg.SkipReason)


def test_after_landing_the_sensor_asks_for_the_first_stale_step_over_the_days_it_is_stale_for(tmp_path):
    world = World(tmp_path, date(2024, 1, 1), date(2024, 1, 10))
    assert isinstance(automation._due(world.home), dg.SkipReason)  # nothing was landed yet
    with world.open():
        world.land(event(1, "ann", "2024-01-03 10:00:00"))
    assert asked(automation._due(world.home)) == ("refresh", "2024-01-01", "2024-01-10")
    with world.open():
        begin_history(world.session, date(2024, 1, 7))
    assert asked(automation._due(world.home)) == ("ingest", "2024-01-01", "2024-01-10")  # most days have no portraits
    with world.open():
        world.build()
    assert asked(automation._due(world.home)) == ("publish", "2024-01-10", "2024-01-10")
    with world.open():
        world.land(event(2, "ann", "2024-01-08 10:00:00"))
    again = automation._due(world.home)
    assert asked(again) == ("refresh", "2024-01-08", "2024-01-10")  # through all layers in one run
    assert again.run_key == automation._due(world.home).run_key


def test_the_sensor_waits_while_the_warehouse_is_held(tmp_path):
    lock = tmp_path / "warehouse.lock"
    assert not is_held(lock)
    with exclusive(lock, "a test"):
        assert is_held(lock)
    assert not is_held(lock)


@pytest.fixture
def drifted_home():
    """The tests' home with a champion of 8 January whose users came every day, and never now."""
    HOME.settings.warehouse_file.unlink(missing_ok=True)
    with HOME.warehouse.open("test") as session:
        session.execute(
            "insert into models.registry by name "
            "select 'm1' as version, date '2024-01-08' as trained_through, 'champion' as status"
        )
        session.execute(
            "insert into portraits.snapshots by name select event_date, n::varchar as user_id, date '2023-01-01' as first_date, "
            "recency_days from range(20) as users(n), (values (date '2024-01-07', 0), (date '2024-01-30', 23)) as days(event_date, recency_days)"
        )
        measure_drift(session, date(2024, 1, 30))
    yield HOME
    HOME.settings.warehouse_file.unlink()


def test_drift_since_the_training_asks_for_the_partition_of_the_last_whole_week_once(drifted_home):
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance, repository_def=defs.get_repository_def(), resources={"home": HOME})
        sensor = defs.resolve_sensor_def("drifted")
        [request] = sensor.evaluate_tick(context).run_requests
        [again] = sensor.evaluate_tick(context).run_requests
        assert (request.job_name or "train", request.partition_key) == ("train", "2024-01-22")
        assert request.partition_key in weekly_of(HOME.days).get_partition_keys()
        assert "recency_days: PSI" in request.tags["portrait/why"] and "against 2024-01-07" in request.tags["portrait/why"]
        assert request.run_key == again.run_key  # which Dagster asks for once
        instance.create_run_for_job(
            defs.resolve_job_def("train"), status=dg.DagsterRunStatus.STARTED, tags={PROCESS_TAG: str(os.getpid())}
        )
        waiting = sensor.evaluate_tick(context)
    assert not waiting.run_requests and "a run is under way" in waiting.skip_message


def test_what_was_trained_since_is_not_asked_for(drifted_home):
    with HOME.warehouse.open("test") as session:
        session.execute("update models.registry set trained_through = date '2024-01-29'")
    with dg.DagsterInstance.ephemeral() as instance:
        found = drifted(
            dg.build_sensor_context(instance=instance, repository_def=defs.get_repository_def(), resources={"home": HOME})
        )
    assert isinstance(found, dg.SkipReason) and "PSI above 0.2" in found.skip_message


def asked(request: dg.RunRequest) -> tuple[str, str, str]:
    return (
        request.job_name,
        request.tags["dagster/asset_partition_range_start"],
        request.tags["dagster/asset_partition_range_end"],
    )


def test_a_run_whose_process_was_killed_holds_nobody_up_and_is_marked_as_failed():
    gone = subprocess.Popen(["true"])
    gone.wait()
    with dg.DagsterInstance.ephemeral() as instance:
        killed, working = (
            instance.create_run_for_job(
                defs.resolve_job_def("land"), status=dg.DagsterRunStatus.STARTED, tags={PROCESS_TAG: str(process)}
            ).run_id
            for process in (gone.pid, os.getpid())
        )
        assert [run.run_id for run in runs_under_way(instance)] == [working]
        assert [run.run_id for run in end_killed(instance, HOME.settings)] == [killed]
        assert instance.get_run_by_id(killed).status == dg.DagsterRunStatus.FAILURE
        assert instance.get_run_by_id(working).status == dg.DagsterRunStatus.STARTED
        assert end_killed(instance, HOME.settings) == []
