"""The tag catalogue and the health of the data, as a page."""

from collections.abc import Iterable
from datetime import date
from pathlib import Path

import polars as pl

from portrait_assets.packs import Pack, Tag
from portrait_assets.packs.catalogue import DIMENSIONS
from portrait_assets.pages.html import box, chip, grid, soft, table, text, tiles
from portrait_assets.reading import Export
from portrait_assets.reading.tag_health import QUALITY, tag_health
from portrait_assets.reading.words import day, percent

MOST_VALUES = 4
SENSITIVITY = {"ordinary": "plain", "personal": "warn", "sensitive": "bad"}


def tags_page(export: Export, pack: Pack, dimension: str | None = None, contains: str = "") -> str:
    """Every tag of the catalogue with how it does in `export`; those of one dimension, or that hold a text, where asked."""
    health = {row["tag_id"]: row for row in tag_health(export, pack).to_dicts()}
    wanted = contains.strip().casefold()
    chosen = [
        tag for tag in pack.catalogue
        if dimension in (None, tag.dimension) and wanted in f"{tag.id} {tag.name} {tag.name_zh} {tag.description}".casefold()
    ]  # fmt: skip
    parts = [
        box(f"{name.capitalize()} ({len(found)})", _tags(found, health))
        for name in DIMENSIONS
        if (found := [tag for tag in chosen if tag.dimension == name])
    ]
    return grid(
        _numbers(pack, health.values()), *(parts or [box("", soft("No tag is like that."))]), _quality(export), kind="tags"
    )


def _numbers(pack: Pack, health: Iterable[dict]) -> str:
    rows = list(health)
    held = [row for row in rows if row["users"]]
    sure = sum(row["confidence"] * row["users"] for row in held) / max(1, sum(row["users"] for row in held))
    return tiles(
        [
            ("tags in the catalogue", f"{len(pack.catalogue)}"),
            ("held by somebody", f"{len(held)}"),
            ("held by nobody", f"{len(rows) - len(held)}"),
            ("tags a user, on average", f"{sum(row['coverage'] for row in rows):.1f}"),
            ("mean confidence", percent(sure)),
            ("changes of a user's tags a week", f"{sum(row['moves'] for row in rows):.1f}"),
        ]
    )


def _tags(tags: list[Tag], health: dict[str, dict]) -> str:
    rows = []
    for tag in tags:
        here = health[tag.id]
        sure = "" if here["confidence"] is None else percent(here["confidence"])
        status = "" if tag.status == "published" else " " + chip(tag.status, "warn")
        rows.append(
            (
                f'<b>{text(tag.name)}</b> <span class="pt-soft">{text(tag.name_zh)}</span>{status}<br><code>{text(tag.id)}</code>',
                text(tag.description), _values(tag), text(f"{tag.kind}, {tag.refresh}"),
                f'<div class="track"><i style="width:{100 * here["coverage"]:.0f}%"></i></div>{percent(here["coverage"])}', sure,
                percent(here["stale"] or 0), f"{here['moves']:.2f}",
                f"v{tag.version}, {text(tag.owner)}<br>{chip(tag.sensitivity, SENSITIVITY[tag.sensitivity])}",
            )
        )  # fmt: skip
    head = ("tag", "what it means", "values", "kind", "users", "sure", "stale", "moves a week", "owner")
    return table(head, rows, numbers=(5, 6, 7), kind="catalogue")


def _values(tag: Tag) -> str:
    """The first few values; all of them where one points."""
    few = ", ".join(tag.values[:MOST_VALUES]) + (" …" if len(tag.values) > MOST_VALUES else "")
    return f'<span title="{text(", ".join(tag.values))}">{text(few or "from the data")}</span>'


def _quality(export: Export) -> str:
    """The published table of tag quality, where the generation has one."""
    file = export.folder / QUALITY
    if not file.exists():
        return ""
    frame = pl.read_parquet(file)
    rows = [[_said(value) for value in row] for row in frame.iter_rows()]
    numbers = [place for place, dtype in enumerate(frame.dtypes) if dtype.is_numeric()]
    return box("Quality of the tags, as published", table([name.replace("_", " ") for name in frame.columns], rows, numbers))


def _said(value: object) -> str:
    return "" if value is None else f"{value:.3f}" if isinstance(value, float) else text(value)


def health_page(export: Export, published: Path) -> str:
    """What this generation is made of, how fresh it is, and which generations are there."""
    manifest, run = export.manifest, export.manifest.get("run") or {}
    last = export.scan("portraits").select(pl.col("last_active_date").max()).collect().item()
    through = (manifest.get("trained_through") or {}).get("behaviour")
    facts = [
        ("As of", f"{day(export.as_of)}, 00:00 UTC: everything before that instant"),
        ("Last event of a user", f"{day(last)}, {_days(last, export.as_of)} before" if last else "none"),
        (
            "Model trained through",
            f"{day(through)}, {_days(date.fromisoformat(through), export.as_of)} before" if through else "no model",
        ),
        ("Written", str(run.get("written_at", "unknown"))),
        ("Source, pack", f"{manifest.get('source', '')}, {manifest.get('pack', '')} {manifest.get('pack_version', '')}"),
        ("Code", str(manifest.get("code_version", ""))),
        ("What it knows", str(run.get("knowledge", "unknown"))),
    ]
    kept = '<table class="facts">' + "".join(f"<tr><td>{text(a)}</td><td>{text(b)}</td></tr>" for a, b in facts) + "</table>"
    rows = manifest.get("rows", {})
    files = [
        (f"<code>{text(name)}</code>", f"{count:,}", f"<code>{text(manifest['sha256'].get(name, '')[:12])}</code>")
        for name, count in rows.items()
    ]
    made = [
        (f"<code>{text(folder.name)}</code>", "shown here" if folder == export.folder else "")
        for folder in _generations(published)
    ]
    return grid(
        box("This generation", kept, "c5"), box("Its files", table(("file", "rows", "sha-256"), files, numbers=(1,)), "c4"),
        box("Generations kept", table(("day and knowledge", ""), made), "c3"), kind="health",
    )  # fmt: skip


def _days(then: date, until: date) -> str:
    days = (until - then).days
    return f"{days} day" + ("" if days == 1 else "s")


def _generations(published: Path) -> list[Path]:
    found = {manifest.parent.resolve() for manifest in published.glob("*/manifest.json")}
    return sorted(found, key=lambda folder: folder.name, reverse=True)
