"""Everybody at once: sizes, value, risk, what is known of attributes, and movement by day."""

from statistics import fmean

import polars as pl

from portrait_assets.packs.attributes import Attribute
from portrait_assets.pages.html import axis, bars, box, columns, grid, text, tiles
from portrait_assets.reading import Export
from portrait_assets.reading.words import UNKNOWN, counted, day, percent

STAGES = ("prospect", "new", "active", "lapsing", "lapsed", "dormant")
TIERS = ("high", "medium", "low")
DAYS_SHOWN = 90


def overview_page(export: Export) -> str:
    """The page of all users of `export`."""
    portraits = export.scan("portraits").collect()
    count, churn = portraits.height, portraits["churn"].drop_nulls().to_list()
    active = portraits.filter(pl.col("recency_days") < 30).height
    numbers = tiles(
        [
            ("users", f"{count:,}"),
            ("active in the last 30 days", f"{active:,} ({percent(active / max(1, count))})"),
            ("spent in 30 days", f"{(portraits['net_spend_cents_30d'].sum() or 0) / 100:,.0f}"),
            ("spent in 365 days", f"{(portraits['net_spend_cents_365d'].sum() or 0) / 100:,.0f}"),
            ("mean chance of churn", percent(fmean(churn)) if churn else UNKNOWN),
            (
                "lapsing, of high value",
                f"{portraits.filter((pl.col('lifecycle') == 'lapsing') & (pl.col('value_tier') == 'high')).height:,}",
            ),
        ]
    )
    parts = [numbers, box("Lifecycle", _sizes(portraits, "lifecycle", STAGES), "c4"), box("Segments", _sizes(portraits, "segment"), "c4"),
             box("Value by lifecycle", _matrix(portraits), "c4"), box("Chance of no purchase, each within their own horizon", _histogram(portraits), "c4"),
             box("Favourite departments", _sizes(portraits, "top_department", most=8), "c4"),
             box("Attributes: declared, inferred, unknown", _coverage(portraits, export.pack.schema.attributes), "c4"),
             box("Tags that changed, by day, last 90 days; new predictions aside", _movement(_changes(export)))]  # fmt: skip
    return grid(*parts, kind="overview")


def _sizes(portraits: pl.DataFrame, column: str, order: tuple[str, ...] = (), most: int = 12) -> str:
    sizes = dict(
        portraits.group_by(pl.col(column).fill_null(UNKNOWN)).len().sort("len", column, descending=[True, False]).iter_rows()
    )
    names = [name for name in order if name in sizes] + [name for name in sizes if name not in order]
    return bars([(name, sizes[name]) for name in names[:most]], say=lambda size: f"{size:,}")


def _matrix(portraits: pl.DataFrame) -> str:
    cells = {(stage, tier): size for stage, tier, size in portraits.group_by("lifecycle", "value_tier").len().iter_rows()}
    top = max(cells.values(), default=1)
    rows = "".join(
        f'<tr><td style="text-align:left!important">{stage}</td>' + "".join(
            f'<td style="background:rgba(47,102,144,{0.06 + 0.5 * (cells.get((stage, tier), 0) / top) ** 0.5:.2f})">{cells.get((stage, tier), 0):,}</td>'
            for tier in TIERS) + "</tr>"
        for stage in STAGES if any((stage, tier) in cells for tier in TIERS)
    )  # fmt: skip
    head = "".join(f'<th style="text-align:center">{tier}</th>' for tier in TIERS)
    return f'<table class="matrix"><tr><th></th>{head}</tr>{rows}</table>'


def _histogram(portraits: pl.DataFrame) -> str:
    churn = portraits["churn"].drop_nulls()
    if churn.is_empty():
        return '<span class="pt-soft">Unknown: no model says it of anybody on this day.</span>'
    sizes = [int(((churn >= step / 20) & ((churn < (step + 1) / 20) | (step == 19))).sum()) for step in range(20)]
    labels = [f"{step * 5} to {step * 5 + 5} %: {counted(size, 'user')}" for step, size in enumerate(sizes)]
    return columns(sizes, width=300, height=130, labels=labels) + axis("0 %", "50 %", "100 %")


def _coverage(portraits: pl.DataFrame, attributes: tuple[Attribute, ...]) -> str:
    out, count = "", max(1, portraits.height)
    for attribute in attributes:
        origins = dict(portraits.group_by(f"{attribute.name}_origin").len().iter_rows())
        shares = [origins.get("declared", 0) / count, origins.get("inferred", 0) / count]
        out += (
            f'<div class="bar" title="declared {percent(shares[0])}, inferred {percent(shares[1])}"><span class="name">{text(attribute.label.lower())}</span>'
            f'<span class="track"><i class="one" style="width:{100 * shares[0]:.1f}%"></i><i class="two" style="width:{100 * shares[1]:.1f}%"></i></span>'
            f'<span class="n">{percent(sum(shares))}</span></div>'
        )
    return out + '<p class="pt-soft pt-small">Dark: declared. Light: inferred by the model. The rest is unknown.</p>'


def _movement(changes: pl.DataFrame) -> str:
    if changes.is_empty():
        return '<span class="pt-soft">Nothing changed.</span>'
    labels = [f"{day(then)}: {counted(size, 'change')}" for then, size in changes.iter_rows()]
    first, last = changes["event_date"][0], changes["event_date"][-1]
    return columns(changes["size"].to_list(), width=900, height=110, labels=labels) + axis(day(first), day(last))


def _changes(export: Export) -> pl.DataFrame:
    """event_date, size: tags that changed that day otherwise than by a new prediction, the first day aside."""
    return (
        export.scan("changes")
        .filter(pl.col("event_date") > pl.col("event_date").min(), pl.col("cause") != "model")
        .group_by("event_date")
        .agg(pl.len().alias("size"))
        .sort("event_date")
        .tail(DAYS_SHOWN)
        .collect()
    )
