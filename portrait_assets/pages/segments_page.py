"""Segments as a page: a map of users, sizes and names, and who went where."""

from urllib.parse import quote

import polars as pl

from portrait_assets.pages.html import SHADES, axis, bar, box, grid, soft, table, text
from portrait_assets.reading.segment_map import NOWHERE, SegmentMap
from portrait_assets.reading.words import counted, percent

MOST_POINTS = 3000
WIDTH, HEIGHT, GAP, NODE = 640, 360, 6, 12


def segments_page(found: SegmentMap) -> str:
    """The map beside its names; flows below."""
    names = [*found.segments["segment"].to_list(), NOWHERE]
    shade = {segment: SHADES[place % len(SHADES)] for place, segment in enumerate(names)}
    how = (
        "clusters of their vectors, named for what sets them apart"
        if found.is_published
        else "cells of recency, frequency and spend"
    )
    note = soft(f"Each point is a user, placed by the two directions in which vectors differ most. Colours are {how}.")
    return grid(
        box("Map of users", _points(found.users, shade) + note, "c7"),
        box("Segments", _names(found.segments, shade), "c5"),
        box(f"Who went where in {found.flow_days} days", _sankey(found.flows, shade, found.flow_days), "c7"),
        box("The greatest moves", _moves(found.flows), "c5"),
        kind="segments",
    )


def _points(users: pl.DataFrame, shade: dict[str, str]) -> str:
    shown = users if users.height <= MOST_POINTS else users.sample(MOST_POINTS, seed=0)
    points = "".join(
        f'<a href="/?user={quote(user_id, safe="")}" target="_self"><circle cx="{(x + 1) * WIDTH / 2:.1f}" '
        f'cy="{(1 - y) * HEIGHT / 2:.1f}" r="3" fill="{shade[segment]}"><title>user {text(user_id)}, {text(segment)}</title></circle></a>'
        for user_id, x, y, segment in shown.select("user_id", "x", "y", "segment").iter_rows()
    )
    return f'<svg class="map" viewBox="-8 -8 {WIDTH + 16} {HEIGHT + 16}" width="100%">{points}</svg>'


def _names(segments: pl.DataFrame, shade: dict[str, str]) -> str:
    rows = [
        (f'<i class="dot" style="background:{shade[name]}"></i><b>{text(name)}</b><br><span class="pt-soft pt-small">{text(traits or "")}</span>',
         f"{users:,}", percent(share))
        for name, traits, users, share in segments.iter_rows()
    ]  # fmt: skip
    return table(("segment", "users", "share"), rows, numbers=(1, 2))


def _moves(flows: pl.DataFrame) -> str:
    moved = flows.filter(pl.col("from") != pl.col("to")).sort("users", "from", "to", descending=[True, False, False])
    stayed = sum(flows.filter(pl.col("from") == pl.col("to"))["users"].to_list())
    total = sum(flows["users"].to_list())
    if not total:
        return soft("There is no history of segments yet.")
    top = moved["users"].max() or 1
    rows = "".join(bar(f"{begin} → {end}", users, float(top), f"{users:,}") for begin, end, users in moved.head(14).iter_rows())  # type: ignore[arg-type]
    return rows + soft(
        f"{stayed:,} of {counted(total, 'user')} {'is' if stayed == 1 else 'are'} where they were ({percent(stayed / total)})."
    )


def _sankey(flows: pl.DataFrame, shade: dict[str, str], days: int) -> str:
    """Bands from the segments before (left) to those now (right), as high as the users in them."""
    total = sum(flows["users"].to_list())
    if not total:
        return soft("There is no history of segments yet.")
    sizes = {side: dict(flows.group_by(side).agg(pl.col("users").sum()).iter_rows()) for side in ("from", "to")}
    names = sorted(
        sizes["from"].keys() | sizes["to"].keys(), key=lambda name: -max(sizes["from"].get(name, 0), sizes["to"].get(name, 0))
    )
    shade = {name: SHADES[place % len(SHADES)] for place, name in enumerate(names)} | shade
    unit = (HEIGHT - GAP * (len(names) - 1)) / total
    left, right = (_tops(names, sizes[side], unit) for side in ("from", "to"))
    bands, used = "", {"from": dict(left), "to": dict(right)}
    order = {name: place for place, name in enumerate(names)}
    for begin, end, users in sorted(flows.iter_rows(), key=lambda row: (order[row[0]], order[row[1]])):
        high, y0, y1 = users * unit, used["from"][begin], used["to"][end]
        used["from"][begin] += high
        used["to"][end] += high
        x0, x1, middle = NODE, WIDTH - NODE, WIDTH / 2
        bands += (
            f'<path d="M{x0} {y0:.1f}C{middle} {y0:.1f} {middle} {y1:.1f} {x1} {y1:.1f}V{y1 + high:.1f}C{middle} {y1 + high:.1f} {middle} '
            f'{y0 + high:.1f} {x0} {y0 + high:.1f}Z" fill="{shade[begin]}" opacity="{0.22 if begin == end else 0.5}">'
            f"<title>{text(begin)} → {text(end)}: {counted(users, 'user')}</title></path>"
        )
    nodes = _nodes(0, left, sizes["from"], unit, shade, "start") + _nodes(WIDTH - NODE, right, sizes["to"], unit, shade, "end")
    return f'<svg class="sankey" viewBox="0 0 {WIDTH} {HEIGHT}" width="100%">{bands}{nodes}</svg>' + axis(
        f"{days} days before", "now"
    )


def _tops(names: list[str], sizes: dict[str, int], unit: float) -> dict[str, float]:
    tops, y = {}, 0.0
    for name in names:
        tops[name] = y
        y += sizes.get(name, 0) * unit + GAP
    return tops


def _nodes(x: int, tops: dict[str, float], sizes: dict[str, int], unit: float, shade: dict[str, str], anchor: str) -> str:
    at = x + NODE + 4 if anchor == "start" else x - 4
    return "".join(
        f'<rect x="{x}" y="{tops[name]:.1f}" width="{NODE}" height="{sizes[name] * unit:.1f}" fill="{shade[name]}" rx="2"/>'
        f'<text x="{at}" y="{tops[name] + sizes[name] * unit / 2 + 4:.1f}" text-anchor="{anchor}">{text(name)} {sizes[name]:,}</text>'
        for name in tops
        if sizes.get(name)
    )
