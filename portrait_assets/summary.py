"""What a run leaves to look at: a summary after `portrait run`, and what `portrait ingest` landed."""

from datetime import date
from typing import Any

from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table as RichTable
from rich.text import Text

from portrait_assets import columns as c
from portrait_assets.home import Home
from portrait_assets.operations import Outcome
from portrait_assets.reading import Export
from portrait_assets.reading.card import card
from portrait_assets.reading.render import render
from portrait_assets.reading.words import command
from portrait_assets.resources.session import Session
from portrait_assets.sources import Batch
from portrait_assets.terminal import styled

LAYERS = (
    c.RAW_EVENTS,
    c.RAW_QUARANTINE,
    c.CLEAN_EVENTS,
    c.CLEAN_ITEMS,
    c.CLEAN_USERS,
    c.FEATURES_USER_DAY,
    c.FEATURES_USER_STATE,
    c.FEATURES_INTERESTS,
    c.SCORES_PREDICTIONS,
    c.PORTRAITS_SNAPSHOTS,
    c.PORTRAITS_CHANGES,
    c.RECOMMENDATIONS_TOP,
)


def facts(home: Home, outcome: Outcome) -> dict[str, Any]:
    """What a run came to, as plain values."""
    with home.warehouse.open("summary") as session:
        return {
            "source": home.source.name,
            "through": str(outcome.day),
            "runs": list(outcome.runs),
            "batches": session.frame(
                "select * exclude (batch_id, sha256, landed_at) from raw.batches order by batch_seq"
            ).to_dicts(),
            "rows": {table.name: session.count(table) for table in LAYERS},
            "model": _model(session),
            "example_user": _example_user(session, outcome.day),
        }


def _model(session: Session) -> dict[str, Any] | None:
    frame = session.frame(
        "select version, trained_through, status, reason, metrics from models.registry "
        "order by trained_through desc, recorded_at desc limit 1"
    )
    return None if frame.is_empty() else frame.row(0, named=True)


def _example_user(session: Session, day: date) -> str | None:
    """Somebody worth looking at: a high-value user who is lapsing, else the one with the most history."""
    return session.scalar(
        "select user_id from portraits.snapshots where event_date = $day "
        "order by (lifecycle = 'lapsing' and value_tier = 'high') desc nulls last, active_days desc, user_id limit 1",
        day=day,
    )


def show(console: Console, home: Home, facts: dict[str, Any]) -> None:
    """The end of `portrait run`: what was made, one card, and where to look next."""
    console.print(
        Panel(Group(_batches(facts["batches"]), _rows(facts["rows"]), _model_line(facts["model"])), title=_title(facts))
    )
    current = home.settings.published_dir / "current"
    if facts["example_user"] and current.exists():
        console.print(render(card(Export.open(current.resolve()), facts["example_user"])))
    console.print(_where_next(home, facts))


def _title(facts: dict[str, Any]) -> Text:
    runs = len(facts["runs"])
    work = f"{runs} Dagster run{'s' if runs != 1 else ''}" if runs else "nothing was stale, nothing was done"
    return styled("[bold]{}[/bold] through {}: {}", facts["source"], facts["through"], work)


def _batches(batches: list[dict[str, Any]]) -> RichTable:
    table = RichTable("stream", "files", "rows in", "=", "accepted", "+ duplicate", "+ rejected", box=None, pad_edge=False)
    for batch in batches[-12:]:
        numbers = (f"{batch[f'rows_{name}']:,}" for name in ("accepted", "duplicate", "rejected"))
        table.add_row(batch["stream"], batch["files"], f"{batch['rows_in']:,}", "=", *numbers)
    return table


def _rows(rows: dict[str, int]) -> RichTable:
    table = RichTable(box=None, pad_edge=False, show_header=False)
    names = list(rows)
    for left, right in zip(names[::2], names[1::2], strict=True):
        table.add_row(left, f"{rows[left]:>12,}", "   ", right, f"{rows[right]:>12,}")
    return table


def _model_line(model: dict[str, Any] | None) -> str:
    if model is None:
        return "\nNo model yet: model fields are null until one is trained."
    return f"\nModel {model['version']}, trained through {model['trained_through']}: {model['status']} ({model['reason']})"


def _where_next(home: Home, facts: dict[str, Any]) -> Text:
    example = command("show", facts["example_user"]) if facts["example_user"] else "portrait show USER"
    return styled(
        "[bold]Where to look next[/bold]\n"
        "  make ui                          lineage, partitions and checks in Dagster; model runs in MLflow\n"
        "  {} this card again; --as-of D for any past day\n"
        "  {}   Parquet files for DuckDB, notebooks, anything",
        f"{example:32s}", home.settings.published_dir / "current",
    )  # fmt: skip


def show_batches(console: Console, batches: list[Batch]) -> None:
    """What `portrait ingest` landed."""
    if not any(batch.is_new for batch in batches):
        console.print("Nothing new: these bytes were landed before.")
        return
    console.print(_batches([batch.__dict__ for batch in batches]))
    console.print("`portrait refresh` carries them through to the portraits.")
