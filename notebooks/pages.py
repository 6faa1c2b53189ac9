"""What the explorer shows, as HTML: a card, and an overview of everybody. Text from data is always escaped."""

from html import escape

import polars as pl

from portrait_assets.columns import ATTRIBUTES, WINDOWS
from portrait_assets.packs.catalogue import DIMENSIONS
from portrait_assets.reading.card import UNLISTED, Card
from portrait_assets.reading.render import CAUSES, PREFERENCES
from portrait_assets.reading.words import UNKNOWN, counted, day, money, number, percent

TONES = {"active": "good", "new": "good", "lapsing": "warn", "lapsed": "bad", "dormant": "bad", "high": "good"}
STAGES = ("prospect", "new", "active", "lapsing", "lapsed", "dormant")
TIERS = ("high", "medium", "low")


def text(value: object) -> str:
    return escape(str(value))


def chip(value: str | None, prefix: str = "") -> str:
    return f'<span class="chip {TONES.get(value or "", "")}">{text(prefix + (value or UNKNOWN))}</span>'


def box(title: str, body: str, width: str = "c12") -> str:
    return f'<section class="pt-box {width}"><h2>{text(title)}</h2>{body}</section>'


def bar(name: str, share: float, top: float, said: str) -> str:
    width = 100 * share / top if top > 0 else 0
    return (
        f'<div class="bar" title="{text(name)}: {text(said)}"><span class="name">{text(name)}</span>'
        f'<span class="track"><i style="width:{width:.1f}%"></i></span><span class="n">{text(said)}</span></div>'
    )


def bars(pairs: list[tuple[str, float]], say=percent) -> str:
    top = max((share for _, share in pairs), default=0)
    return "".join(bar(name, share, top, say(share)) for name, share in pairs)


def tiles(pairs: list[tuple[str, str]]) -> str:
    return '<div class="tiles c12">' + "".join(
        f'<div class="tile"><b>{text(value)}</b><span>{text(label)}</span></div>' for label, value in pairs
    ) + "</div>"  # fmt: skip


def columns(values: list[float | None], width: int = 96, height: int = 22, labels: list[str] | None = None) -> str:
    """A row of small columns as SVG, the highest full."""
    top, step = max((value or 0 for value in values), default=0) or 1, width / max(1, len(values))
    rects = "".join(
        f'<rect x="{place * step:.2f}" y="{height - height * (value or 0) / top:.2f}" width="{step * 0.78:.2f}" '
        f'height="{height * (value or 0) / top:.2f}" fill="#2f6690" rx="1">'
        f"<title>{text(labels[place] if labels else number(value or 0))}</title></rect>"
        for place, value in enumerate(values)
    )
    return f'<svg viewBox="0 0 {width} {height}" width="100%" height="{height}" preserveAspectRatio="none">{rects}</svg>'


def top_bar(manifest: dict, generation: str, users: int) -> str:
    model = (manifest.get("model_versions") or {}).get("behaviour")
    through = (manifest.get("trained_through") or {}).get("behaviour")
    said = f"model {model[:8]}, trained through {day(through)}" if model and through else "no model yet"
    return (
        '<div class="pt pt-top"><h1><span>●</span> Portrait</h1><div class="facts">'
        f"{text(manifest.get('source', ''))} · {users:,} users · as of <b>{day(manifest['as_of'])}</b>, 00:00 UTC<br>"
        f"generation {text(generation)} · {text(said)}</div></div>"
    )


def card_page(card: Card) -> str:
    left = _behaviour(card) + _recommendations(card) + _social(card)
    right = _preference(card) + _outlook(card) + _changes(card)
    return (
        f'<div class="pt pt-grid card">{_head(card)}{_key_numbers(card)}<div class="stack c7">{left}</div>'
        f'<div class="stack c5">{right}</div>{_tags(card)}{_foot(card)}</div>'
    )


def _head(card: Card) -> str:
    row = card.portrait
    chips = chip(row.get("lifecycle")) + chip(row.get("value_tier"), "value: ") + chip(row.get("segment"), "segment: ")
    return (
        f'<section class="pt-box c12 pt-head"><div class="pt-face">{text(card.user_id[:5])}</div><div>'
        f"<h1>User {text(card.user_id)}</h1>{chips}<p>{text(card.summary)}</p></div></section>"
    )


def _key_numbers(card: Card) -> str:
    row = card.portrait
    churn, last, gap = row.get("churn_14d"), row.get("recency_days"), row.get("mean_gap_days")
    return tiles(
        [
            ("spent in 365 days", money(row.get("spend_cents_365d") or 0)),
            ("spent in 90 days", money(row.get("spend_cents_90d") or 0)),
            ("since last active", UNKNOWN if last is None else counted(last, "day")),
            ("usual gap between shopping days", UNKNOWN if gap is None else counted(gap, "day")),
            ("chance of no purchase in 14 days", "no model" if churn is None else percent(churn)),
            ("known for", counted(row.get("tenure_days") or 0, "day")),
        ]
    )


def _behaviour(card: Card) -> str:
    head = "".join(f'<th class="n">{days} d</th>' for days in WINDOWS)
    rows = ""
    for measure in card.behaviour:
        say = money if measure.measure == "spend_cents" else number
        cells = "".join(f'<td class="n">{say(total)}</td>' for total in measure.windows.values())
        rows += f'<tr><td>{text(measure.label)}</td>{cells}<td style="width:110px">{columns(measure.weekly)}</td></tr>'
    dayparts = " · ".join(f"{part.name} {percent(part.share)}" for part in card.dayparts)
    note = f'<p class="pt-soft pt-small">Visits begin: {text(dayparts)}. Columns: per week, oldest on the left.</p>' if dayparts else ""
    if not rows:
        return box("Behaviour", '<span class="pt-soft">Nothing of their own doing is on record.</span>', "")
    return box("Behaviour", f'<table><tr><th>in the last</th>{head}<th>a week</th></tr>{rows}</table>{note}', "")


def _preference(card: Card) -> str:
    found = [(title, card.preference[name][:most]) for title, name, most in PREFERENCES if card.preference[name]]
    body = "".join(f"<h3>{title}</h3>{bars([(one.name, one.share) for one in interests])}" for title, interests in found)
    return box("Interests", body or '<span class="pt-soft">Unknown: no event on an item of known category.</span>', "")


def _outlook(card: Card) -> str:
    churn = card.portrait.get("churn_14d")
    risk = bar("No purchase in 14 days", churn, 1, percent(churn)) if churn is not None else f"Churn unknown: {text(card.churn_note)}."
    likely = "".join(bar(one.name, one.share, 1, percent(one.share)) for one in card.likely_next)
    return box("Risk and outlook", risk + (f"<h3>Likely bought in the next 14 days</h3>{likely}" if likely else ""), "")


def _social(card: Card) -> str:
    rows = ""
    for one in card.social:
        if one.value is not None:
            how = "declared" if one.origin == "declared" else f"inferred, {percent(one.probability or 0)} sure"
            rows += f'<tr><td>{text(one.label)}</td><td><b>{text(one.value)}</b></td><td><span class="chip plain">{how}</span></td></tr>'
    silent = ", ".join(one.label.lower() for one in card.social if one.value is None)
    note = f'<p class="pt-soft pt-small">Not known well enough to say: {text(silent)}.</p>' if silent else ""
    return box("Social attributes", (f"<table>{rows}</table>" if rows else "") + note, "")


def _recommendations(card: Card) -> str:
    if not card.recommendations:
        return box("Recommended", '<span class="pt-soft">Nothing was recommended for this user.</span>', "")
    top = max(item.score for item in card.recommendations)
    rows = "".join(
        f'<tr><td class="n">{item.rank}</td><td><b>{text(item.item_name or item.item_id)}</b><br>'
        f'<span class="pt-soft pt-small">{text(item.category or "")}</span></td><td>{text(item.reason)}</td>'
        f'<td style="width:90px"><div class="track" title="score {item.score:.3g}">'
        f'<i style="width:{100 * item.score / top if top > 0 else 0:.0f}%"></i></div></td></tr>'
        for item in card.recommendations[:10]
    )
    return box("Recommended", f"<table><tr><th></th><th>item</th><th>because</th><th>score</th></tr>{rows}</table>", "")


def _changes(card: Card) -> str:
    rows = "".join(
        f'<tr><td class="pt-soft" style="white-space:nowrap">{day(one.date)}</td><td>{text(one.name)}<br>'
        f'<span class="pt-soft">{text(one.from_value or "–")}</span> → <b>{text(one.to_value or "–")}</b></td>'
        f'<td class="pt-soft pt-small">{text(CAUSES.get(one.cause, one.cause))}</td></tr>'
        for one in card.changes
    )
    return box("What changed lately", f"<table>{rows}</table>" if rows else "Nothing since the first day.", "")


def _tags(card: Card) -> str:
    rows = ""
    for dimension in (*DIMENSIONS, UNLISTED):
        found = [tag for tag in card.tags if tag.dimension == dimension]
        rows += f'<tr><td class="dim" colspan="6">{text(dimension)}</td></tr>' if found else ""
        for tag in found:
            sure = f'<span class="sure"><span class="track"><i style="width:{100 * tag.confidence:.0f}%"></i></span>{percent(tag.confidence)}</span>'
            rows += (
                f'<tr><td title="{text(tag.name_zh)}">{text(tag.name)}</td><td><span class="chip">{text(tag.value)}</span></td>'
                f'<td class="pt-soft">{text(tag.kind)}</td><td>{sure}</td>'
                f'<td class="pt-soft" style="white-space:nowrap">{day(tag.since) if tag.since else ""}</td><td>{text(tag.explanation)}</td></tr>'
            )
    head = "<tr><th>tag</th><th>value</th><th>kind</th><th>sure</th><th>since</th><th>why</th></tr>"
    return box("Tags, and why", f"<table>{head}{rows}</table>" if rows else "None: every tag needs more than is known.")


def _foot(card: Card) -> str:
    unknown = f"<br>Not known: {text('; '.join(card.unknown))}." if card.unknown else ""
    said = f"Generation {card.sources['generation']}: everything before {day(card.as_of)}, 00:00 UTC, nothing after. Model {card.sources['model_version'] or 'none yet'}."
    return f'<div class="pt-soft pt-small c12">{text(said)}{unknown}</div>'


def overview_page(portraits: pl.DataFrame, changes: pl.DataFrame) -> str:
    """Everybody: sizes of stages and segments, value by stage, churn, what is known of attributes, movement by day."""
    count = portraits.height
    active = portraits.filter(pl.col("recency_days") < 30).height
    numbers = tiles(
        [
            ("users", f"{count:,}"),
            ("active in the last 30 days", f"{active:,} ({percent(active / max(1, count))})"),
            ("spent in 30 days", f"{(portraits['spend_cents_30d'].sum() or 0) / 100:,.0f}"),
            ("spent in 365 days", f"{(portraits['spend_cents_365d'].sum() or 0) / 100:,.0f}"),
            ("mean chance of churn", percent(portraits["churn_14d"].mean()) if portraits["churn_14d"].count() else "no model"),
            ("lapsing, of high value", f"{portraits.filter((pl.col('lifecycle') == 'lapsing') & (pl.col('value_tier') == 'high')).height:,}"),
        ]
    )
    parts = [numbers, box("Lifecycle", _sizes(portraits, "lifecycle", STAGES), "c4"), box("Segments", _sizes(portraits, "segment"), "c4"),
             box("Value by lifecycle", _matrix(portraits), "c4"), box("Chance of no purchase in 14 days", _histogram(portraits), "c4"),
             box("Favourite departments", _sizes(portraits, "top_department", most=8), "c4"),
             box("Attributes: declared, inferred, unknown", _coverage(portraits), "c4"),
             box("Tags that changed, by day, last 90 days; new predictions aside", _movement(changes))]  # fmt: skip
    return '<div class="pt pt-grid overview">' + "".join(parts) + "</div>"


def _sizes(portraits: pl.DataFrame, column: str, order: tuple[str, ...] = (), most: int = 12) -> str:
    sizes = dict(portraits.group_by(pl.col(column).fill_null(UNKNOWN)).len().sort("len", column, descending=[True, False]).iter_rows())
    names = [name for name in order if name in sizes] + [name for name in sizes if name not in order]
    return bars([(name, sizes[name]) for name in names[:most]], say=lambda size: f"{size:,}")


def _matrix(portraits: pl.DataFrame) -> str:
    cells = dict(((stage, tier), size) for stage, tier, size in portraits.group_by("lifecycle", "value_tier").len().iter_rows())
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
    churn = portraits["churn_14d"].drop_nulls()
    if churn.is_empty():
        return '<span class="pt-soft">No model had been trained by this day.</span>'
    sizes = [((churn >= step / 20) & ((churn < (step + 1) / 20) | (step == 19))).sum() for step in range(20)]
    labels = [f"{step * 5} to {step * 5 + 5} %: {size:,} users" for step, size in enumerate(sizes)]
    return columns(sizes, width=300, height=130, labels=labels) + _axis("0 %", "50 %", "100 %")


def _coverage(portraits: pl.DataFrame) -> str:
    out, count = "", max(1, portraits.height)
    for name in ATTRIBUTES:
        origins = dict(portraits.group_by(f"{name}_origin").len().iter_rows())
        shares = [origins.get("declared", 0) / count, origins.get("inferred", 0) / count]
        out += (
            f'<div class="bar" title="declared {percent(shares[0])}, inferred {percent(shares[1])}"><span class="name">{name.replace("_", " ")}</span>'
            f'<span class="track"><i class="one" style="width:{100 * shares[0]:.1f}%"></i><i class="two" style="width:{100 * shares[1]:.1f}%"></i></span>'
            f'<span class="n">{percent(sum(shares))}</span></div>'
        )
    return out + '<p class="pt-soft pt-small">Dark: declared. Light: inferred by the model. The rest is unknown.</p>'


def _movement(changes: pl.DataFrame) -> str:
    if changes.is_empty():
        return '<span class="pt-soft">Nothing changed.</span>'
    sizes = changes.sort("event_date").tail(90)
    labels = [f"{day(then)}: {size:,} changes" for then, size in sizes.iter_rows()]
    return columns(sizes["size"].to_list(), width=900, height=110, labels=labels) + _axis(day(sizes["event_date"][0]), day(sizes["event_date"][-1]))


def _axis(*labels: str) -> str:
    inner = "".join(f"<span>{text(label)}</span>" for label in labels)
    return f'<div class="pt-soft pt-small" style="display:flex;justify-content:space-between">{inner}</div>'
