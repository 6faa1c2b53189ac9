"""`portrait explain`: why a user has a tag, what it would take to be otherwise, each word of it tried on the user's own history."""

import json
import math
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import polars as pl

from portrait_assets.assets.changed import Variant
from portrait_assets.errors import PortraitError
from portrait_assets.explaining.claims import CHANCES, Claim, Unit, target_of, units_of
from portrait_assets.explaining.evidence import NAMED, Evidence, evidence_of
from portrait_assets.explaining.rescorer import Rescorer
from portrait_assets.home import Home
from portrait_assets.packs import Tag
from portrait_assets.packs.tag_sql import tag_export
from portrait_assets.partitions import DAY, as_of_of
from portrait_assets.reading.words import command, counted, day, fill, labelled, percent
from portrait_assets.resources.session import Session

MOST_UNITS = 200  # the latest of them are tried
MOST_REASONS = 5
ADDED_DAYS = (0, 2, 4)  # before the last day: where one, two, three more visits of this week are put
SMALL = 0.05  # log odds that make no reason


@dataclass(frozen=True)
class Reason:
    """A group of what the user did: what the claim would be without it, and up to five pieces of it. Probabilities are of the claim."""

    text: str
    events: list[str]
    probability_without: float | None = None
    log_odds: float | None = None


@dataclass(frozen=True)
class Counterfactual:
    """A changed history, and the tag's value in it; None is absent."""

    change: str
    value: str | None
    probability: float | None
    differs: bool


@dataclass(frozen=True)
class Explanation:
    """All that is said of one tag of one user. `claim` and `probability` are the model's, where it has a say."""

    user_id: str
    as_of: str
    tag_id: str
    name: str
    value: str
    kind: str
    confidence: float
    said: str
    evidence: dict[str, Any]
    model_version: str | None
    claim: str | None
    probability: float | None
    events: list[str]
    """At most five: those without which, all taken out together, the model holds its claim least."""
    probability_without_events: float | None
    reasons: list[Reason]
    counterfactuals: list[Counterfactual]

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def explain(session: Session, home: Home, last_day: date, user_id: str, tag: Tag) -> Explanation:
    """Why `user_id` has `tag` at the end of `last_day`. PortraitError where that day's portrait is not stored, or lacks the tag."""
    row = _tag_row(session, home, last_day, user_id, tag)
    horizon = session.scalar("select churn_horizon_days from snapshot_rows")
    rescorer = Rescorer.of(session, home, last_day, [user_id])
    is_inferred, attributes = row["kind"] == "model", home.pack.schema.attribute_names
    target = target_of(tag, row["value"], attributes) if is_inferred else None
    units = units_of(rescorer.events, target, as_of_of(last_day), attributes)[:MOST_UNITS]
    evidence = json.loads(row["evidence"])
    claim, probability, found = None, None, None
    if target:
        odds = float(rescorer.log_odds([Variant(user_id)], [target])[0, 0])
        claim, probability = Claim(user_id, target, 1 if odds >= 0 or target not in CHANCES else -1), _chance(odds)
        found = evidence_of(rescorer, [claim], [units])[0]
        reasons = _model_reasons(rescorer, claim, units, found)
    else:
        reasons = _rule_reasons(rescorer, user_id, tag, row["value"], evidence, units)
    return Explanation(
        user_id=user_id,
        as_of=str(as_of_of(last_day)),
        tag_id=tag.id,
        name=tag.name,
        value=row["value"],
        kind=row["kind"],
        confidence=row["confidence"],
        said=fill(tag.explanation, evidence),
        evidence=evidence,
        model_version=rescorer.version if target else None,
        claim=_claim_told(claim, horizon) if claim else None,
        probability=probability if claim is None or claim.sign > 0 else 1 - (probability or 0.0),
        events=[units[place].told for place in found.named] if found else [],
        probability_without_events=_chance(found.without_named) if found and found.named else None,
        reasons=reasons,
        counterfactuals=_counterfactuals(rescorer, user_id, tag, row["value"], claim),
    )


def _tag_row(session: Session, home: Home, last_day: date, user_id: str, tag: Tag) -> dict[str, Any]:
    session.execute(
        "create or replace temp table snapshot_rows as from portraits.snapshots where event_date = $day and user_id = $user_id",
        day=last_day, user_id=user_id,
    )  # fmt: skip
    as_of = as_of_of(last_day)
    if not session.scalar("select count(*) from snapshot_rows"):
        raise PortraitError(
            f"user '{user_id}' has no stored portrait as of {as_of}; `{command('show', user_id, as_of=as_of)}` says whether there is one"
        )
    rows = session.frame(tag_export([tag])).to_dicts()
    if not rows:
        raise PortraitError(
            f"user '{user_id}' has no tag {tag.id} as of {as_of}; `{command('show', user_id)}` lists those there are"
        )
    return rows[0]


def _model_reasons(rescorer: Rescorer, claim: Claim, units: list[Unit], found: Evidence) -> list[Reason]:
    """Groups of the history by what the claim loses (or gains) without them, the largest first; in each the pieces that matter most."""
    groups: dict[str, list[int]] = {}
    for place, unit in enumerate(units):
        groups.setdefault(unit.group, []).append(place)
    without = rescorer.support([claim], [units], [(0, tuple(places)) for places in groups.values()])
    reasons = []
    for (group, places), odds in zip(groups.items(), without, strict=True):
        moved = found.full - float(odds)
        if odds != odds or abs(moved) < SMALL:
            continue
        sign = 1 if moved > 0 else -1
        telling = sorted(places, key=lambda place: sign * found.alone[place])
        text = f"{group} ({len(places)}) speak {'for' if moved > 0 else 'against'} it"
        reasons.append(Reason(text, [units[place].told for place in telling[:NAMED]], _chance(float(odds)), moved))
    reasons += _silence(rescorer, claim, units, found.full)
    return sorted(reasons, key=lambda reason: -abs(reason.log_odds or 0.0))[:MOST_REASONS]


def _silence(rescorer: Rescorer, claim: Claim, units: list[Unit], full: float) -> list[Reason]:
    """Of a claim about coming back: what the time since the latest visit says, as one on the last day would unsay it."""
    silent = (rescorer.day - units[0].day).days if units else 0
    if claim.target not in CHANCES or silent == 0:
        return []
    broken = Variant(claim.user_id, again=tuple((number, rescorer.day) for number in units[0].numbers))
    odds = claim.sign * float(rescorer.log_odds([broken], [claim.target])[0, 0])
    if abs(full - odds) < SMALL:
        return []
    verb = "speaks" if silent == 1 else "speak"
    text = f"{counted(silent, 'day')} of silence {verb} {'for' if odds < full else 'against'} it"
    return [Reason(text, [f"the latest visit: {units[0].told}"], _chance(odds), full - odds)]


def _rule_reasons(
    rescorer: Rescorer, user_id: str, tag: Tag, value: str, evidence: dict[str, Any], units: list[Unit]
) -> list[Reason]:
    """The visits without which the tag, or the numbers behind it, would be others: most of all those that would change its value."""
    after = _tags_without(rescorer, user_id, tag, [[unit] for unit in units])
    moving = []
    for unit, (other, numbers) in zip(units, after, strict=True):
        weight = 1e9 * (other != value) + sum(_apart(evidence.get(name), numbers.get(name)) for name in evidence)
        if weight > 0:
            told = [labelled(name, numbers.get(name)) for name in evidence if numbers.get(name) != evidence[name]]
            would = f"{tag.name} would be {other or 'absent'}" if other != value else ", ".join(told)
            moving.append((weight, f"{unit.told} (without it: {would})"))
    if not moving:
        return []
    moving.sort(key=lambda pair: -pair[0])
    bear = "bears" if len(moving) == 1 else "bear"
    text = f"{len(moving)} of {counted(len(units), 'visit')} {bear} on these numbers; most of all"
    return [Reason(text, [t for _, t in moving[:NAMED]])]


def _tags_without(
    rescorer: Rescorer, user_id: str, tag: Tag, gone: list[list[Unit]]
) -> list[tuple[str | None, dict[str, Any]]]:
    variants = [Variant(user_id, tuple(n for unit in units for n in unit.numbers)) for units in gone]
    return _values(rescorer.tags(variants, []), tag, len(variants)) if variants else []


def _values(tags: pl.DataFrame, tag: Tag, count: int) -> list[tuple[str | None, dict[str, Any]]]:
    rows = {row["user_id"]: row for row in tags.filter(pl.col("tag_id") == tag.id).iter_rows(named=True)}
    return [(rows[n]["value"], json.loads(rows[n]["evidence"])) if n in rows else (None, {}) for n in range(count)]


def _apart(before: Any, after: Any) -> float:
    """How far two numbers are apart, of the larger; anything else that differs counts as wholly apart."""
    if before == after:
        return 0.0
    if isinstance(before, (int, float)) and isinstance(after, (int, float)):
        return abs(before - after) / max(abs(before), abs(after))
    return 1.0


def _counterfactuals(rescorer: Rescorer, user_id: str, tag: Tag, value: str, claim: Claim | None) -> list[Counterfactual]:
    """One to three more visits this week, and one to three fewer: of either side the least that makes the tag another, or the most that was tried."""
    visits = [unit for unit in units_of(rescorer.events, None, as_of_of(rescorer.day)) if unit.event_type == "purchase"]
    if not visits:
        return []
    usual, found = visits[0], []
    more = [tuple((n, rescorer.day - DAY * ago) for ago in ADDED_DAYS[:k] for n in usual.numbers) for k in (1, 2, 3)]
    less = [tuple(n for unit in visits[:k] for n in unit.numbers) for k in (1, 2, 3) if k < len(visits)]
    variants = [Variant(user_id, again=again) for again in more] + [Variant(user_id, without=gone) for gone in less]
    targets = [claim.target] if claim else []
    told = _values(rescorer.tags(variants, targets), tag, len(variants))
    odds = rescorer.log_odds(variants, targets)
    texts = [f"with {counted(k, 'more visit')} this week like that of {day(usual.day)}" for k in (1, 2, 3)]
    texts += [f"without the latest {counted(k, 'visit') if k > 1 else 'visit'}" for k in (1, 2, 3)][: len(less)]
    for side in (range(len(more)), range(len(more), len(variants))):
        place = next((place for place in side if told[place][0] != value), side[-1] if side else None)
        if place is not None:
            chance = _chance(claim.sign * float(odds[place, 0])) if claim else None
            found.append(Counterfactual(texts[place], told[place][0], chance, told[place][0] != value))
    return found


def _claim_told(claim: Claim, horizon_days: int | None) -> str:
    """The claim for a person; `churn` is about the user's own horizon."""
    head, _, about = claim.target.partition("=")
    if head in CHANCES:
        days = horizon_days if head == "churn" else head.removeprefix("churn_").removesuffix("d")
        return f"{'no purchase' if claim.sign > 0 else 'a purchase'} in the next {days} days"
    return f"{head.replace('_', ' ')} {about}"


def _chance(odds: float) -> float:
    return 1 / (1 + math.exp(-odds))


def told(explanation: Explanation) -> list[str]:
    """The explanation in lines for a terminal."""
    lines = [
        f"{explanation.name}: {explanation.value}, as of {day(explanation.as_of)} ({explanation.kind})",
        f"  {explanation.said}",
    ]
    if explanation.claim and explanation.probability is not None:
        lines.append(
            f"  the model: {percent(explanation.probability)} for {explanation.claim} (version {explanation.model_version})"
        )
    if explanation.events:
        lines += ["", f"  it rests on these most: without all of them {percent(explanation.probability_without_events or 0.0)}"]
        lines += [f"    {event}" for event in explanation.events]
    for reason in explanation.reasons:
        without = "" if reason.probability_without is None else f": without them {percent(reason.probability_without)}"
        lines += ["", f"  {reason.text}{without}", *(f"    {event}" for event in reason.events)]
    if explanation.counterfactuals:
        lines.append("")
    for other in explanation.counterfactuals:
        chance = "" if other.probability is None else f" ({percent(other.probability)})"
        would = f"would be {other.value or 'absent'}" if other.differs else f"would still be {other.value}"
        lines.append(f"  {would} {other.change}{chance}")
    return lines
