"""Plots as PNG bytes: small, labelled, readable without colour alone."""

import io
from typing import Any

import matplotlib

matplotlib.use("Agg")
import polars as pl
from matplotlib.figure import Figure

INK = "#3b6ea8"
SHADES = ("#3b6ea8", "#8fb1d6", "#c9a227", "#b9b9b9")


def line(frame: pl.DataFrame, x: str, y: str, title: str) -> bytes:
    """One line of `y` over `x`."""
    figure, axes = _axes(7, 2.4, title)
    axes.plot(frame[x].to_list(), frame[y].to_list(), color=INK, linewidth=1.4)
    return png(figure)


def bars(frame: pl.DataFrame, label: str, length: str, title: str, mark: float | None = None) -> bytes:
    """Horizontal bars, first row on top; a dashed line at `mark` where one is given."""
    figure, axes = _axes(7, 0.6 + 0.28 * max(1, len(frame)), title)
    axes.barh([_short(str(value)) for value in frame[label]], frame[length].to_list(), color=INK)
    axes.invert_yaxis()
    if mark is not None:
        axes.axvline(mark, color=SHADES[2], linestyle="--", linewidth=1.2)
    return png(figure)


def driver_panels(drivers: pl.DataFrame) -> bytes:
    """Bars of how far each head's probability moves without each group (head, group, moved), a panel a head."""
    heads = drivers["head"].unique(maintain_order=True).to_list()
    rows = -(-len(heads) // 2)
    figure = Figure(figsize=(11, 0.4 + 1.7 * rows), layout="constrained")
    panels = figure.subplots(rows, 2, squeeze=False).ravel()
    for panel, head in zip(panels, heads, strict=False):
        part = drivers.filter(pl.col("head") == head)
        panel.barh([_short(name) for name in part["group"]], part["moved"].to_list(), color=INK)
        panel.invert_yaxis()
        panel.set_title(head, fontsize=9, loc="left")
        panel.tick_params(labelsize=7)
        panel.spines[["top", "right"]].set_visible(False)
    for panel in panels[len(heads) :]:
        panel.set_visible(False)
    return png(figure)


def tag_quality(quality: pl.DataFrame) -> bytes:
    """Coverage and flips of the tags that anybody has, widest first, and beside them the accuracy of those whose truth is known."""
    held = quality.filter(pl.col("users") > 0).sort("coverage", "tag_id", descending=[True, False])
    known = quality.filter(pl.col("truth").is_not_null()).sort("tag_id")
    figure = Figure(figsize=(12, 1.2 + 0.17 * max(1, len(held))), layout="constrained")
    coverage, flips, accuracy = figure.subplots(1, 3)
    names = [_short(name) for name in held["tag_id"]]
    coverage.barh(names, held["coverage"].to_list(), color=INK)
    flips.barh(names, held["flips_per_week"].to_list(), color=INK)
    flips.set_yticks([])
    told = [f"{row['tag_id']}\n{row['truth_users']:,} users, {row['truth']}" for row in known.iter_rows(named=True)]
    accuracy.barh(told, known["accuracy"].to_list(), color=INK, label="right")
    accuracy.plot(known["baseline_accuracy"].to_list(), told, "o", color=SHADES[2], label="saying the most frequent")
    accuracy.plot(known["told"].to_list(), told, "|", markersize=12, markeredgewidth=2, color="black", label="mean probability")
    if len(known):
        accuracy.legend(fontsize=7, frameon=False, loc="lower left", bbox_to_anchor=(0, 1))
    titles = {coverage: "share of users who have it", flips: "flips a user and week", accuracy: ""}
    for axes, title in titles.items():
        axes.set_title(title, loc="left", fontsize=9)
        axes.invert_yaxis()
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    return png(figure)


def costs(frame: pl.DataFrame, x: str, title: str) -> bytes:
    """A line of each other column over `x`, both axes logarithmic, each point marked; `x` is in millions."""
    figure, axes = _axes(7, 3.6, title)
    for shade, marker, name in zip(SHADES, "os^D", [name for name in frame.columns if name != x], strict=False):
        axes.plot(frame[x].to_list(), frame[name].to_list(), color=shade, marker=marker, linewidth=1.4, label=name)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(frame[x].to_list(), [f"{value / 1e6:.3g}" for value in frame[x]])
    axes.minorticks_off()
    axes.set_xlabel(f"million {x}")
    axes.set_ylabel("seconds")
    axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return png(figure)


def metric_bars(metrics: pl.DataFrame) -> bytes:
    """AUC per head, one bar a model: the served heads beside what they have to beat."""
    shown = metrics.filter(pl.col("auc").is_not_null())
    heads, models = shown["head"].unique(maintain_order=True).to_list(), shown["model"].unique(maintain_order=True).to_list()
    figure, axes = _axes(7, 3.2, "AUC on the validation window, by head and model")
    width = 0.8 / max(1, len(models))
    for place, model in enumerate(models):
        auc = dict(shown.filter(pl.col("model") == model).select("head", "auc").iter_rows())
        axes.bar(
            [index + place * width for index in range(len(heads))],
            [auc.get(head, 0) for head in heads],
            width,
            label=model,
            color=SHADES[place % len(SHADES)],
        )
    axes.set_xticks([index + 0.4 - width / 2 for index in range(len(heads))], heads)
    axes.set_ylim(0.5, 1)
    if models:
        axes.legend(fontsize=8, frameon=False, ncols=4)
    return png(figure)


def line_panels(curves: pl.DataFrame) -> bytes:
    """Training curves: loss and validation AUC per epoch."""
    names = [name for name in curves.columns if name not in ("stage", "epoch")]
    figure = Figure(figsize=(3.2 * max(1, len(names)), 2.6), layout="constrained")
    for panel, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for shade, (stage, part) in zip(SHADES, curves.group_by("stage", maintain_order=True), strict=False):
            panel.plot(
                part["epoch"].to_list(), part[name].to_list(), label=str(stage[0]), color=shade, marker=".", linewidth=1.2
            )
        panel.set_title(name, fontsize=9, loc="left")
        panel.tick_params(labelsize=7)
        panel.spines[["top", "right"]].set_visible(False)
    figure.axes[0].legend(fontsize=7, frameon=False)
    return png(figure)


def reliability_panels(bins: pl.DataFrame) -> bytes:
    """What was predicted against what happened, a panel a head; the diagonal is honest."""
    heads = bins["head"].unique(maintain_order=True).to_list()
    figure = Figure(figsize=(2.6 * max(1, len(heads)), 2.6), layout="constrained")
    for panel, head in zip(figure.subplots(1, max(1, len(heads)), squeeze=False)[0], heads, strict=False):
        part = bins.filter(pl.col("head") == head)
        end = float(part.select(pl.max_horizontal(pl.col("told", "seen").max(), 1e-3)).item())
        panel.plot([0, end], [0, end], color=SHADES[3], linewidth=1, linestyle="--")
        panel.plot(part["told"].to_list(), part["seen"].to_list(), color=INK, marker="o", markersize=3, linewidth=1.2)
        panel.set_title(head, fontsize=9, loc="left")
        panel.set_xlabel("told", fontsize=8)
        panel.set_ylabel("seen", fontsize=8)
        panel.tick_params(labelsize=7)
        panel.spines[["top", "right"]].set_visible(False)
    return png(figure)


def _axes(width: float, height: float, title: str) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    return figure, axes


def _short(text: str) -> str:
    return text if len(text) <= 48 else text[:45] + "…"


def png(figure: Figure) -> bytes:
    """A figure as PNG bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
