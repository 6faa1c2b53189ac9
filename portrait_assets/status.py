"""`portrait status`: how far each layer has come, what waits, what failed, what is unusual."""

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable

from portrait_assets import sources
from portrait_assets.history import history_start
from portrait_assets.home import Home, extend_to_landed
from portrait_assets.lineage import DAILY_TABLES, PORTRAIT_TABLES, stale_days
from portrait_assets.observability import (
    LARGE_PSI,
    RECENT_DAYS,
    drift,
    drift_told,
    last_good_day,
    mix_told,
    odd_mixes,
    odd_volumes,
    reach,
    volume_told,
)
from portrait_assets.operations import dagster_instance
from portrait_assets.resources.session import Session
from portrait_assets.sources.files import sha256
from portrait_assets.sources.ledger import place_of
from portrait_assets.terminal import styled


def status(home: Home) -> dict[str, Any]:
    """All that `portrait status` says, as plain values."""
    with home.warehouse.open("status") as session:
        home = extend_to_landed(home, session)
        found: dict[str, Any] = {
            "home": str(home.settings.home_dir),
            "source": home.source.name,
            "pack": {"name": home.pack.name, "version": home.pack.version, "from": home.pack.reference},
            "days": [str(home.days.start), str(home.days.end)],
            "portraits_from": str(history_start(session, home)),
            "replay": asdict(home.replay) if home.replay else None,
            "layers": [asdict(each) for each in reach(session, home)],
            "last_good_day": last_good_day(session, home),
            "tables": _tables(session, home),
            "pending": _pending(session, home),
            "failed": session.frame("select files, stream, reason, failed_at from raw.failures order by failed_at").to_dicts(),
            "quarantine": session.frame(
                "select source, stream, reason, count(*) as row_count from raw.quarantine "
                "group by all order by row_count desc, reason limit 20"
            ).to_dicts(),
            "odd_volumes": odd_volumes(session, home.days).to_dicts(),
            "odd_mixes": odd_mixes(session, home.days).to_dicts(),
            "drift": drift(session).to_dicts(),
            "models": session.frame(
                "select version, trained_through, status, reason from models.registry order by trained_through, recorded_at"
            ).to_dicts(),
        }
    found["runs"] = _last_runs(home)
    current = home.settings.published_dir / "current"
    found["published"] = current.resolve().name if current.exists() else None
    return found


def _tables(session: Session, home: Home) -> list[dict[str, Any]]:
    begins = history_start(session, home)
    stale = stale_days(session, home, home.days)
    last = dict(session.rows("select table_name, max(event_date) from meta.materializations group by table_name"))
    return [
        {
            "table": name,
            "rows": session.count(daily.table),
            "through": str(last.get(name, "")) or None,
            "stale_days": None if daily.on_demand else sum(name not in PORTRAIT_TABLES or day >= begins for day in stale[name]),
        }
        for daily in DAILY_TABLES
        for name in [daily.table.name]
    ]


def _pending(session: Session, home: Home) -> list[str]:
    """Files that wait to be landed: those of the landing folder, and the source's own."""
    from portrait_assets.automation import settled_files

    landed = set(session.rows("select files.place, batches.sha256 from raw.files as files join raw.batches using (batch_id)"))
    files = settled_files(home.settings.landing_dir, home.source)
    waiting = [file.name for file in files if (place_of(home.source, file), sha256(file)) not in landed]
    return waiting + ["the source's own files"] * sources.pending(session.connection, home.landed_whole)


def _last_runs(home: Home) -> list[dict[str, Any]]:
    with dagster_instance(home.settings) as instance:
        return [{"job": run.job_name, "status": run.status.value, "run_id": run.run_id} for run in instance.get_runs(limit=8)]


def show_status(console: Console, found: dict[str, Any]) -> None:
    """The same for a person, what needs a person first."""
    console.print(
        styled(
            "[bold]{}[/bold] with the pack {} in {}, days {} to {}, portraits from {}",
            found["source"],
            found["pack"]["name"],
            found["home"],
            *found["days"],
            found["portraits_from"],
        )
    )
    if replay := found["replay"]:
        console.print(f"Replayed through {replay['delivered']}, of {replay['first']} to {replay['last']}")
    console.print(
        styled(
            "[bold]Last good day[/bold] {}",
            f"{good}: every layer is current there" if (good := found["last_good_day"]) else "none",
        )
    )
    console.print(_layers(found["layers"]))
    console.print(_sizes(found["tables"]))
    _section(console, "Waiting to be landed", found["pending"], "nothing")
    failed = [f"{line['files']} ({line['stream']}): {line['reason']}" for line in found["failed"]]
    _section(console, "Failed to land", failed, "nothing")
    rejected = [f"{line['row_count']:>9,}  {line['stream']}: {line['reason']}" for line in found["quarantine"]]
    _section(console, "Quarantine", rejected, "empty")
    unusual = [*map(volume_told, found["odd_volumes"]), *map(mix_told, found["odd_mixes"])]
    _section(console, f"Unusual in the last {RECENT_DAYS} days", unusual, "nothing")
    _section(console, "Drift", *_drift_told(found["drift"]))
    _section(console, "Published", [found["published"]] if found["published"] else [], "nothing yet")
    models = [
        f"{each['version']}  through {each['trained_through']}  {each['status']}: {each['reason']}" for each in found["models"]
    ]
    _section(console, "Models", models, "none yet")
    runs = [f"{line['status']:8s} {line['job']:10s} {line['run_id']}" for line in found["runs"]]
    _section(console, "Last runs", runs, "none yet")


def _section(console: Console, title: str, lines: list[str], none: str) -> None:
    console.print(styled("[bold]{}[/bold]{}", title, "" if lines else f" {none}"))
    for line in lines:
        console.print(f"  {line}")


def _layers(layers: list[dict[str, Any]]) -> RichTable:
    table = RichTable("layer", "newest day", "days behind", box=None, pad_edge=False)
    for line in layers:
        table.add_row(line["layer"], str(line["newest"]), str(line["lag_days"] or "none"))
    return table


def _sizes(tables: list[dict[str, Any]]) -> RichTable:
    table = RichTable("table", "rows", "through", "stale days", box=None, pad_edge=False)
    for line in tables:
        stale = "when published" if line["stale_days"] is None else str(line["stale_days"] or "none")
        table.add_row(line["table"], f"{line['rows']:>12,}", line["through"] or "never", stale)
    return table


def _drift_told(rows: list[dict[str, Any]]) -> tuple[list[str], str]:
    if not rows:
        return [], "not measured: it needs a published day, and portraits 28 days before it"
    large = [drift_told(row) for row in rows if row["psi"] > LARGE_PSI]
    return large, f"none by {rows[0]['event_date']}; the largest PSI is {rows[0]['psi']:.3f} of {rows[0]['feature']}"
