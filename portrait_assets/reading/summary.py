"""Who this is in a sentence or three: fixed templates, every number and name from the portrait."""

from typing import Any

from portrait_assets.reading.words import article, counted, day, money, percent

LEAST_VISITS_FOR_DAYPART = 5
SILENT = ("lapsing", "lapsed", "dormant")
DAYPART_WORDS = {
    "night_share": "at night",
    "morning_share": "in the morning",
    "afternoon_share": "in the afternoon",
    "evening_share": "in the evening",
}


def summary(portrait: dict[str, Any]) -> str:
    """Plain words about one portrait row; says less where less is known."""
    sentences = (_who(portrait), _money(portrait), _outlook(portrait))
    return " ".join(sentence for sentence in sentences if sentence)


def _who(portrait: dict[str, Any]) -> str:
    stage = portrait.get("lifecycle")
    noun = "prospect" if stage == "prospect" else "customer"
    words = [word for word in (stage if stage != "prospect" else None, _value(portrait)) if word]
    head = article(", ".join(words) + f" {noun}" if words else noun)
    habits = [part for part in (_rhythm(portrait), _interest(portrait), _daypart(portrait)) if part]
    return f"{head}{' who ' + _joined(habits) if habits else ''}."


def _value(portrait: dict[str, Any]) -> str | None:
    tier = portrait.get("value_tier")
    return f"{tier}-value" if tier and (portrait.get("net_spend_cents") or 0) > 0 else None


def _rhythm(portrait: dict[str, Any]) -> str | None:
    """How often they buy, from the gaps on that make a usual one; in the past of who has gone silent."""
    gap, days = portrait.get("usual_gap_days"), portrait.get("purchase_days")
    if gap:
        is_over = portrait.get("lifecycle") in SILENT
        verb = ("bought" if is_over else "buys") if days else ("came" if is_over else "comes")
        return f"{verb} about every {counted(gap, 'day')}" if gap >= 1.5 else f"{verb} almost every day"
    if days:
        return f"bought on {counted(days, 'day')} so far"
    if portrait.get("returns"):
        return f"made {counted(portrait['returns'], 'return')} of purchases that are not on record"
    acts = [counted(portrait[name], noun) for name, noun in (("reviews", "review"), ("views", "view")) if portrait.get(name)]
    if acts:
        return f"has made {' and '.join(acts)}{' and bought nothing' if portrait.get('main_act') == 'purchase' else ''}"
    return None


def _interest(portrait: dict[str, Any]) -> str | None:
    found = [
        f"{portrait[name]} ({noun})"
        for name, noun in (("top_department", "department"), ("top_category", "category"))
        if portrait.get(name)
    ]
    return f"gives most attention to {' and '.join(found)}" if found else None


def _daypart(portrait: dict[str, Any]) -> str | None:
    if (portrait.get("visits") or 0) < LEAST_VISITS_FOR_DAYPART or portrait.get("night_share") == 1:
        return None
    name = max(DAYPART_WORDS, key=lambda column: portrait.get(column) or 0)
    share = portrait.get(name) or 0
    return f"comes mostly {DAYPART_WORDS[name]}" if share > 0.5 else None


def _money(portrait: dict[str, Any]) -> str:
    last = portrait.get("last_active_date")
    seen = f"Last active on {day(last)}" if last else ""
    spent = _spent(portrait)
    if not spent:
        return f"{seen}." if seen else ""
    return f"{seen}; {spent}." if seen else f"{spent.capitalize()}."


def _spent(portrait: dict[str, Any]) -> str:
    """What stayed of what was spent lately; of who has nothing left, what was paid back."""
    paid, refund = (portrait.get(name) or 0 for name in ("spend_cents", "refund_cents"))
    if refund and portrait.get("net_spend_cents", 0) <= 0:
        return f"spent {money(paid)} and was paid back {money(refund)}" if paid else f"was paid back {money(refund)}"
    if not paid:
        return ""
    lately, stayed = (portrait.get(f"{name}_cents_90d") or 0 for name in ("spend", "net_spend"))
    if stayed < 0:
        return f"spent {money(lately)} and was paid back {money(lately - stayed)} in the last 90 days"
    returned = f", of which {money(lately - stayed)} was paid back" if lately > stayed else ""
    return f"spent {money(lately)} in the last 90 days{returned}"


def _outlook(portrait: dict[str, Any]) -> str:
    churn, days = portrait.get("churn"), portrait.get("churn_horizon_days")
    if churn is None or days is None:
        return ""
    return f"The chance of no purchase within {counted(days, 'day')} is {percent(churn)}."


def _joined(parts: list[str]) -> str:
    """`a`, `a and b`, `a, b, and c`: a part may hold an `and` of its own."""
    if len(parts) <= 2:
        return " and ".join(parts)
    return f"{', '.join(parts[:-1])}, and {parts[-1]}"
