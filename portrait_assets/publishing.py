"""Exports: immutable folders of Parquet files with a manifest, written aside and swapped in whole.

What stands in the Parquet files depends on what was known and on nothing else, so two exports of the same knowledge are
equal files; what differs from run to run stands under the manifest's key `run` alone.
"""

import hashlib
import json
import os
import shutil
import time
from datetime import UTC, date, datetime
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import polars as pl

from portrait_assets import __version__
from portrait_assets.errors import PortraitError
from portrait_assets.home import Home
from portrait_assets.lineage import knowledge, models_in_force
from portrait_assets.packs.pack import PACK_FILE
from portrait_assets.packs.tag_sql import tag_export
from portrait_assets.partitions import Window, as_of_of
from portrait_assets.resources.session import Session
from portrait_assets.state import STATE_FOLDER, write_state

GENERATIONS_KEPT = 3  # of each day, however old
SECONDS_LEFT_TO_READERS = 3600.0  # from the moment that a later generation is there

EMBEDDINGS = "select user_id, embedding from scores.vectors where event_date = $day order by user_id"
PREDICTIONS = (
    "select user_id, target || coalesce('=' || class, '') as target, probability "
    "from (from scores.predictions union all by name from scores.next_purchases) "
    "where event_date = $day and probability is not null order by user_id, target"
)
RECOMMENDATIONS = (
    'select top.user_id, top."rank", top.item_id, top.score, top.reason, top.list, top.probability, '
    "top.draw_chance, items.name as item_name, items.category "
    "from recommendations.top left join clean.items as items on top.item_id = items.item_id "
    'where top.event_date = $day order by top.user_id, top."rank"'
)
LISTS = (
    'select lists.user_id, lists.list, lists."rank", lists.item_id, lists.score, lists.probability, lists.reason, '
    "items.name as item_name, items.category from recommendations.lists left join clean.items as items "
    'on lists.item_id = items.item_id where lists.event_date = $day order by lists.user_id, lists.list, lists."rank"'
)
CHANGES = (
    "select user_id, event_date, tag_id, from_value, to_value, cause, catalogue_version from portraits.changes "
    "where event_date <= $day order by user_id, event_date, tag_id"
)

TAG_QUALITY = "select * exclude (event_date) from observability.tag_quality where event_date = $day order by tag_id"
SEGMENTS = ("segments", "segment_sizes", "segment_flows")
AUDIENCES = ("audiences", "audience_moves")


def write_export(session: Session, home: Home, day: date, folder: Path, state: dict[str, Any] | None = None) -> dict[str, Any]:
    """Write the export of partition `day` to `folder`, all of it or nothing; returns its manifest.

    `state` is what the manifest of a published generation says of the files that the live service reads.

    Raises PortraitError where `folder` exists and is not an export of ours.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / "manifest.json").exists():
        raise PortraitError(f"{folder} holds other files; choose a new or empty folder for the export")
    draft = folder.with_name(f".{folder.name}.{os.getpid()}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        rows = {name: _write_file(session, select, day, draft / name) for name, select in queries(session, home).items()}
        (draft / PACK_FILE).write_text(json.dumps(home.pack.content, ensure_ascii=False, sort_keys=True), encoding="utf-8")
        manifest = _manifest(session, home, day, draft, rows)
        manifest["run"] |= {"state": state} if state else {}
        (draft / "manifest.json").write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        swap_in(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return manifest


def queries(session: Session, home: Home) -> dict[str, str]:
    """What selects the rows of each Parquet file of an export, of the day `$day`."""
    # In the order that the pack says them in, which a column that was added later does not stand in.
    fields = ", ".join(f'"{name}"' for name in session.schema.snapshots.column_names if name != "event_date")
    # Materialized, its rows go to all threads: a day of a stored table is too short to be shared out.
    snapshot_rows = "snapshot_rows as materialized (select * from portraits.snapshots where event_date = $day)"
    return {
        "portraits.parquet": f"select {fields} from portraits.snapshots where event_date = $day order by user_id",
        "tags.parquet": f"with {snapshot_rows}, {tag_export(home.pack.tags).removeprefix('with')}",
        "embeddings.parquet": EMBEDDINGS,
        "recommendations.parquet": RECOMMENDATIONS,
        "lists.parquet": LISTS,
        "predictions.parquet": PREDICTIONS,
        "changes.parquet": CHANGES,
        "tag_quality.parquet": TAG_QUALITY,
        **{f"{name}.parquet": session.sql(f"published/{name}.sql") for name in (*SEGMENTS, *AUDIENCES)},
    }


def _write_file(session: Session, select: str, day: date, file: Path) -> int:
    """Write one file, and hold its rows no longer than that; returns how many they are."""
    frame = session.frame(select, day=day)
    frame.write_parquet(file, compression="zstd")
    return len(frame)


def _reasons(session: Session, home: Home, said: str | None) -> dict[str, str]:
    """Target -> why it is not predicted, as the training said; not of attributes that the pack has no more, or does not let infer."""
    declared = {name for (name,) in session.rows("select distinct attribute from raw.attributes where attribute is not null")}
    gone = declared - set(home.pack.schema.inferred)
    return {target: why for target, why in json.loads(said or "{}").items() if target not in gone}


def _manifest(session: Session, home: Home, day: date, folder: Path, rows: dict[str, int]) -> dict[str, Any]:
    window = Window(day, day)
    measures = [measure.name for measure in home.pack.schema.measures.portrayed]
    model, portraits = models_in_force(session, window)[day], pl.read_parquet(folder / "portraits.parquet", columns=measures)
    trained = session.rows(
        "select trained_through, mlflow_run_id, not_predicted from models.registry where version = $version", version=model
    )
    return {
        "as_of": str(as_of_of(day)),
        "code_version": __version__,
        "source": home.source.name,
        "pack": home.pack.name,
        "pack_version": home.pack.version,
        "model_versions": {"behaviour": model},
        "trained_through": {"behaviour": str(trained[0][0]) if trained else None},
        "not_predicted": _reasons(session, home, trained[0][2]) if trained else {},
        "audiences": home.audiences,
        "measures": [name for name in measures if (portraits[name] != 0).any()],
        "rows": rows,
        "sha256": {name: file_hash(folder / name) for name in (*rows, PACK_FILE)},
        "run": {
            "written_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "mlflow_run_id": trained[0][1] if trained else None,
            "knowledge": knowledge(session, home, day),
        },
    }


def is_current(folder: Path, session: Session, home: Home, day: date) -> bool:
    """Whether `folder` already is the export of `day` from what is known now."""
    file = folder / "manifest.json"
    if not file.exists():
        return False
    manifest = json.loads(file.read_text(encoding="utf-8"))
    return bool(
        manifest["as_of"] == str(as_of_of(day))
        and manifest["code_version"] == __version__
        and manifest["run"]["knowledge"] == knowledge(session, home, day)
    )


def swap_in(draft: Path, folder: Path) -> None:
    """Put the finished `draft` in the place of `folder`."""
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    if folder.exists():
        folder.replace(old)
    draft.replace(folder)
    shutil.rmtree(old, ignore_errors=True)


def publish(session: Session, home: Home, day: date) -> Path:
    """Write the export of `day` as a generation of its own; returns its folder.

    `current` moves to it in one step, unless it already names a later day: a backfill does not turn readers back. `session` is
    the one writer's, so whatever half-made thing lies about is of a process that was killed.
    """
    published = home.settings.published_dir
    _sweep(published)
    folder = published / f"{as_of_of(day)}-{knowledge(session, home, day)}"
    if not is_current(folder, session, home, day):
        write_export(session, home, day, folder, write_state(session, home, day))
    current = published / "current"
    if current.exists() and current.resolve().name[:10] > str(as_of_of(day)):
        return folder
    pointer = published / f".current.{os.getpid()}"
    pointer.symlink_to(folder.name)
    pointer.replace(current)
    _forget(published, time.time() - SECONDS_LEFT_TO_READERS)
    return folder


def _sweep(published: Path) -> None:
    """Remove drafts and what was to be removed."""
    for left in [*published.glob(".*"), *(published / STATE_FOLDER).glob(".*")]:
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def _forget(published: Path, since: float) -> None:
    """Remove generations that later ones of their day replaced before `since`, but for the last few, and state that none names."""
    finished: dict[str, list[tuple[float, Path]]] = {}
    for manifest in published.glob("????-??-??-*/manifest.json"):
        finished.setdefault(manifest.parent.name[:10], []).append((manifest.stat().st_mtime, manifest.parent))
    current = (published / "current").resolve()
    for of_day in finished.values():
        for (_, folder), (replaced_at, _) in pairwise(sorted(of_day)[: -GENERATIONS_KEPT + 1]):
            if replaced_at < since and folder != current:
                shutil.rmtree(folder.replace(folder.with_name(f".{folder.name}.old")))
    named = {file for manifest in published.glob("????-??-??-*/manifest.json") for file in _state_files(manifest)}
    for file in (published / STATE_FOLDER).glob("*.parquet"):
        if file.name not in named and file.stat().st_mtime < since:
            file.unlink()


def _state_files(manifest: Path) -> set[str]:
    state = json.loads(manifest.read_text(encoding="utf-8"))["run"].get("state")
    return {*state["tables"].values(), *chain(*state["daily"].values())} if state else set()


def file_hash(file: Path) -> str:
    """SHA-256 of a file's bytes, hex."""
    return hashlib.sha256(file.read_bytes()).hexdigest()
