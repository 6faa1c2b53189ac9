"""Who this is in a sentence or three: fixed templates, every number and name from the portrait."""

from typing import Any

from portrait_assets.reading.words import article, counted, day, money, number, percent

LEAST_VISITS_FOR_DAYPART = 5
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
    return f"{tier}-value" if tier and portrait.get("spend_cents") else None


def _rhythm(portrait: dict[str, Any]) -> str | None:
    gap = portrait.get("mean_gap_days")
    if gap is not None and gap > 0:
        return f"buys about every {number(round(gap))} days" if gap >= 1.5 else "buys almost every day"
    if portrait.get("purchase_days") == 1:
        return "bought on one day so far"
    if portrait.get("views"):
        return f"has made {counted(portrait['views'], 'view')} and bought nothing"
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
    if not portrait.get("spend_cents"):
        return f"{seen}." if seen else ""
    spent = f"spent {money(portrait.get('spend_cents_90d') or 0)} in the last 90 days"
    return f"{seen}; {spent}." if seen else f"{spent.capitalize()}."


def _outlook(portrait: dict[str, Any]) -> str:
    churn = portrait.get("churn_14d")
    return f"The chance of no purchase in the next 14 days is {percent(churn)}." if churn is not None else ""


def _joined(parts: list[str]) -> str:
    """`a`, `a and b`, `a, b, and c`: a part may hold an `and` of its own."""
    if len(parts) <= 2:
        return " and ".join(parts)
    return f"{', '.join(parts[:-1])}, and {parts[-1]}"
