"""Real Dagster runs, in this process, on the small shop: checks that stop, ranges that are their days."""

from collections.abc import Iterator
from datetime import date

import dagster as dg
import pytest

from portrait_assets import columns as c
from portrait_assets.assets.daily import write_days
from portrait_assets.definitions import build_definitions
from portrait_assets.home import open_home
from portrait_assets.partitions import Window
from portrait_assets.resources.session import Session
from tests.small_world import event, write_lines

HOME = open_home()
FEATURES = {"features/visit", "features/user_day", "features/user_day_interest", "features/user_state", "features/interests",
            "features/cut_points"}  # fmt: skip


@pytest.fixture
def landing() -> Iterator[dict]:
    """The run configuration that lands four events into an empty warehouse of the tests' home."""
    HOME.settings.warehouse_file.unlink(missing_ok=True)
    file = write_lines(
        HOME.settings.home_dir / "shop" / "events-run.ndjson",
        [
            event(1, "ann", "2024-01-05 10:00"),
            event(2, "bob", "2024-01-05 11:00"),
            event(3, "ann", "2024-01-20 10:00", item="soap"),
            event(4, None, "2024-01-20 10:00"),
        ],
    )
    yield {"ops": {"landing": {"config": {"files": [str(file)]}}}}
    file.unlink()
    HOME.settings.warehouse_file.unlink(missing_ok=True)


def run(job: str, window: Window, config: dict | None = None) -> dg.ExecuteInProcessResult:
    with dg.DagsterInstance.ephemeral() as instance:
        return (
            build_definitions(HOME)
            .resolve_job_def(job)
            .execute_in_process(
                instance=instance,
                run_config=config or {},
                tags={
                    "dagster/asset_partition_range_start": str(window.start),
                    "dagster/asset_partition_range_end": str(window.end),
                },
                raise_on_error=False,
            )
        )


def materialized(result: dg.ExecuteInProcessResult) -> set[str]:
    return {e.asset_key.to_user_string() for e in result.all_events if e.is_step_materialization and e.asset_key}


def failed_checks(result: dg.ExecuteInProcessResult) -> set[str]:
    evaluations = result.get_asset_check_evaluations()
    return {f"{'.'.join(e.asset_key.path)}.{e.check_name}" for e in evaluations if not e.passed}


def in_warehouse(statement: str) -> list[tuple]:
    with HOME.warehouse.open("test") as session:
        return session.rows(statement)


def test_a_run_lands_cleans_and_derives_and_every_check_passes(landing: dict):
    result = run("ingest", HOME.days, landing)
    assert result.success and failed_checks(result) == set()
    assert FEATURES | {"raw/events", "raw/batches", "raw/quarantine", "clean/events", "clean/items"} <= materialized(result)
    assert in_warehouse("select count(*) from clean.events") == [(3,)]


def test_the_metadata_shows_the_work(landing: dict):
    result = run("ingest", HOME.days, landing)
    [event_log] = [
        e
        for e in result.all_events
        if e.is_step_materialization
        and e.asset_key == dg.AssetKey(["features", "user_day"])
        and e.partition == str(HOME.days.end)
    ]
    metadata = event_log.materialization.metadata
    assert metadata["dagster/row_count"].value == 3
    assert "preview" in metadata and str(HOME.days.start) in metadata["days"].value


def test_rows_not_accounted_for_stop_everything_downstream(landing: dict):
    assert run("ingest", HOME.days, landing).success
    in_warehouse("update raw.batches set rows_in = rows_in + 1 where stream = 'events'")
    in_warehouse("delete from clean.events")
    result = run("ingest", HOME.days, landing)
    assert not result.success and failed_checks(result) == {"raw.batches.rows_accounted_for"}
    assert not (FEATURES | {"raw/events", "clean/events"}) & materialized(result)
    assert in_warehouse("select count(*) from clean.events") == [(0,)]


def test_a_reasonless_quarantine_row_stops_the_run(landing: dict):
    assert run("ingest", HOME.days, landing).success
    in_warehouse("update raw.quarantine set reason = ''")
    result = run("ingest", HOME.days, landing)
    assert not result.success and failed_checks(result) == {"raw.quarantine.every_row_has_a_reason"}


def test_an_event_filed_under_another_day_stops_what_reads_it(landing: dict):
    assert run("ingest", HOME.days, landing).success
    in_warehouse("update raw.events set event_date = event_date + 1 where user_id = 'bob'")
    result = run("ingest", HOME.days, landing)
    assert not result.success and "raw.events.day_is_utc_day" in failed_checks(result)
    assert not (FEATURES | {"clean/events"}) & materialized(result)


def test_lost_clean_events_stop_the_features(landing: dict, monkeypatch: pytest.MonkeyPatch):
    """A `clean/events.sql` that forgets rows: the check says so before anything is made of them."""
    import portrait_assets.assets.common as common

    def forgetful(session: Session, home, table, window: Window) -> int:
        rows = write_days(session, home, table, window)
        session.execute("delete from clean.events where user_id = 'bob'")
        return rows

    monkeypatch.setattr(common, "write_days", forgetful)
    result = run("ingest", HOME.days, landing)
    assert not result.success and failed_checks(result) == {"clean.events.nothing_lost"}
    assert not FEATURES & materialized(result)


def test_a_run_of_a_few_days_leaves_the_other_days_alone(landing: dict):
    assert run("ingest", HOME.days, landing).success
    in_warehouse("update features.user_day set views = 99 where event_date = date '2024-01-05'")
    days = Window(date(2024, 1, 10), date(2024, 1, 25))
    result = run("ingest", days, landing)
    partitions = {e.partition for e in result.all_events if e.is_step_materialization and e.partition}
    assert partitions == {str(day) for day in days}
    assert in_warehouse("select distinct views from features.user_day where event_date = date '2024-01-05'") == [(99,)]


def test_cut_points_of_a_month_are_of_the_state_before_it(landing: dict):
    """The first of January is the first day there is, so January has none, whatever happens on that day."""
    first = write_lines(HOME.settings.home_dir / "shop" / "events-first.ndjson", [event(5, "ann", "2024-01-01 10:00")])
    landing["ops"]["landing"]["config"]["files"].append(str(first))
    try:
        assert run("ingest", HOME.days, landing).success
    finally:
        first.unlink()
    assert in_warehouse("select count(*) from features.user_state where event_date = date '2024-01-01'") == [(1,)]
    assert in_warehouse("select count(*) from features.cut_points") == [(0,)]


def test_the_portrait_job_before_any_model_has_portraits_and_no_model_fields(landing: dict):
    assert run("ingest", HOME.days, landing).success
    result = run("portraits", HOME.days)
    assert result.success and failed_checks(result) == set()
    assert in_warehouse(
        "select count(*), count(churn_14d), count(model_version), count(distinct user_id) from portraits.snapshots "
        f"where event_date = date '{HOME.days.end}'"
    ) == [(2, 0, 0, 2)]
    published = run("publish", Window(HOME.days.end, HOME.days.end))
    # A warning: without a model, and with a source that tells little, some tags are nobody's.
    assert published.success and failed_checks(published) == {"observability.tag_quality.coverage"}
    assert in_warehouse("select user_id, len(embedding) > 0 from scores.vectors order by all") == [("ann", True), ("bob", True)]
    assert in_warehouse(f"select count(*) from {c.RECOMMENDATIONS_TOP.name} where user_id = 'ann'") == [(2,)]
