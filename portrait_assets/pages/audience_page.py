"""An audience as a page: its size, what is special about it, whom it shares with another, why a user is in or out, who is alike."""

from math import log
from statistics import fmean, median

from portrait_assets.audiences.insight import IndexLine, Overlap
from portrait_assets.audiences.lookalike import expand, quality
from portrait_assets.audiences.members import Audience, stale_note
from portrait_assets.audiences.why import Reason
from portrait_assets.errors import PortraitError
from portrait_assets.pages.html import ACCENT, box, chip, grid, soft, table, text, tiles, user_link
from portrait_assets.reading.words import counted, money, percent

MOST_LINES = 24
MOST_USERS = 60
FARTHEST = 16  # the picture ends at this many times as common, and as rare
ALIKE = "Users like them, who are not among them"


def audience_page(group: Audience) -> str:
    """How many, what they spend, and the first of them."""
    note = stale_note(group)
    size = grid(_numbers(group), *([soft(note)] if note else []), kind="audience")
    if group.size == 0:
        return size + grid(
            box(
                "Nobody",
                soft(
                    "No user of this generation is like that. Loosen a condition; below, a user's reasons say which one keeps them out."
                ),
            )
        )
    return size


def _numbers(group: Audience) -> str:
    portraits = group.export.scan("portraits").select("user_id", "net_spend_cents_90d", "churn", "recency_days").collect()
    members = portraits.join(group.members.select("user_id"), on="user_id", how="semi")
    spent, of_all = (sum(frame["net_spend_cents_90d"].drop_nulls().to_list()) for frame in (members, portraits))
    churn, recency = (members[name].drop_nulls().to_list() for name in ("churn", "recency_days"))
    return tiles(
        [
            (f"of {counted(group.of, 'user')}", f"{group.size:,}"),
            ("of everybody", percent(group.size / group.of) if group.of else "–"),
            ("spent by them in 90 days", money(spent)),
            ("of everybody's 90 days", percent(spent / of_all) if of_all else "–"),
            ("mean chance of no purchase, each within their own horizon", percent(fmean(churn)) if churn else "–"),
            ("since last active, the median", counted(median(recency), "day") if recency else "–"),
        ]
    )


def insight_page(lines: list[IndexLine], every: bool = False) -> str:
    """The index of each tag value, with its interval drawn about 100."""
    shown = [line for line in lines if every or line.is_different][:MOST_LINES]
    if not shown:
        return grid(box("What is special about them", soft("No tag value is more or less common than in all.")))
    rows = [
        (
            text(line.tag_id.replace("_", " ")), f"<b>{text(line.value)}</b>", f"{line.members:,}", percent(line.share),
            percent(line.share_of_all), f"<b>{line.index:,.0f}</b>", _interval(line), f"{line.low:,.0f} to {line.high:,.0f}",
        )
        for line in shown
    ]  # fmt: skip
    head = ("tag", "value", "members", "share", "of all", "index", "", "95 %")
    note = soft(
        "The index (TGI) is the share among them over the share among all: 100 is as common. The bar is its 95 % interval, the line "
        f"in the middle is 100, the ends are {FARTHEST} times as rare and as common. {len(shown)} of {len(lines)} values shown, the most different first."
    )
    return grid(box("What is special about them", table(head, rows, numbers=(2, 3, 4, 5, 7)) + note), kind="insight")


def _interval(line: IndexLine) -> str:
    low, high, index = (_place(value) for value in (line.low, line.high, line.index))
    shade = ACCENT if line.is_different else "#b8c2cc"
    return (
        '<svg class="interval" viewBox="0 0 100 10" preserveAspectRatio="none"><line x1="50" x2="50" y1="0" y2="10" stroke="#8b97a5" '
        f'stroke-width=".6"/><rect x="{low:.1f}" width="{max(1.0, high - low):.1f}" y="3" height="4" rx="1" fill="{shade}" opacity=".45"/>'
        f'<rect x="{min(99.0, max(0.0, index - 0.5)):.1f}" width="1" y="1" height="8" fill="{shade}"/></svg>'
    )


def _place(index: float) -> float:
    """0 to 100 from left to right, 50 at an index of 100, by its logarithm."""
    return 50 + 50 * min(1.0, max(-1.0, log(max(index, 1e-9) / 100) / log(FARTHEST)))


def overlap_page(found: Overlap, one: str, other: str) -> str:
    """Two audiences side by side, as two bars that share a middle."""
    total = max(1, found.either)
    only, both, rest = found.first - found.both, found.both, found.second - found.both
    parts = "".join(
        f'<i style="width:{100 * size / total:.1f}%;background:{shade}" title="{text(said)}: {size:,}"></i>'
        for size, shade, said in (
            (only, "#2f6690", "only the first"),
            (both, "#6b4f8a", "both"),
            (rest, "#d08c3c", "only the second"),
        )
    )
    chance = "" if found.lift is None else f"; {found.lift:.2f} times as many in both as by chance"
    said = f"{only:,} only in the first, {both:,} in both, {rest:,} only in the second{chance}."
    body = f'<div class="track tall">{parts}</div><p>{text(said)}</p>' + soft(f"First: {one}. Second: {other}.")
    return grid(box("Overlap", body), kind="overlap")


def why_page(user_id: str, reasons: list[Reason]) -> str:
    """Each condition, met or not, what the user has and how far off it is."""
    is_member = reasons[0].is_met
    rows = [
        (
            chip("yes" if reason.is_met else "no", "good" if reason.is_met else "bad"),
            "&emsp;" * reason.depth + text(reason.text), text(reason.has), f"<b>{text(reason.off)}</b>",
        )
        for reason in reasons
    ]  # fmt: skip
    verdict = f"<p>User {user_link(user_id)} is <b>{'in' if is_member else 'out'}</b>.</p>"
    return grid(box("Why in, why out", verdict + table(("met", "condition", "has", "off by"), rows)), kind="why")


def members_page(group: Audience) -> str:
    """The first members, each a way to their card."""
    users = group.members["user_id"].to_list()
    more = soft(f"and {len(users) - MOST_USERS:,} more; all are in the file") if len(users) > MOST_USERS else ""
    links = "".join(f'<span class="chip plain">{user_link(user_id)}</span>' for user_id in users[:MOST_USERS])
    return grid(box("Who they are", (f"<p>{links}</p>" if links else soft("Nobody.")) + more), kind="members")


def alike_page(group: Audience) -> str:
    """Users outside who are most like them, and how far such a list can be trusted; says so where there are too few to say."""
    try:
        alike, measured = expand(group, MOST_USERS).to_dicts(), quality(group)
    except PortraitError as problem:
        return grid(box(ALIKE, soft(str(problem))))
    links = "".join(f'<span class="chip plain">{user_link(row["user_id"])} {row["similarity"]:.2f}</span>' for row in alike)
    said = (
        f"Hiding half of them {measured.splits} times, {percent(measured.recall)} of the {measured.hidden:,} hidden are among as many "
        f"found, by chance {percent(measured.recall_by_chance)}: lift {measured.lift:.1f} ({measured.lift_low:.1f} to {measured.lift_high:.1f})."
    )
    return grid(box(ALIKE, f"<p>{text(said)}</p><p>{links}</p>"), kind="lookalike")
