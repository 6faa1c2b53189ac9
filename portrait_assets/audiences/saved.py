"""Saved audiences: names for expressions, in the home's audiences.toml, and who came and went between two generations."""

import json
import os
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from portrait_assets.audiences.language import conditions, parse
from portrait_assets.audiences.members import Audience, audience, holds
from portrait_assets.audiences.membership_sql import check
from portrait_assets.errors import PortraitError
from portrait_assets.packs.audiences import saved_audiences as load
from portrait_assets.reading.export import Export
from portrait_assets.resources.lock import exclusive

NAME = r"[a-z][a-z0-9_-]*"


@dataclass(frozen=True)
class Moves:
    """One audience in two generations. `changed` counts, by condition, for how many who came or went it changed."""

    before: Audience
    after: Audience
    entered: list[str]
    left: list[str]
    changed: dict[str, int]


@dataclass(frozen=True)
class History:
    """A saved audience as a generation publishes it. `members`: user_id, since. `moves`: event_date, user_id, move."""

    expression: str
    members: pl.DataFrame
    moves: pl.DataFrame

    def by_day(self) -> list[tuple[date, list[str], list[str]]]:
        """Each day with moves, the latest first: who entered and who left."""
        days = self.moves["event_date"].unique().sort(descending=True).to_list()
        return [(day, self._moved(day, "entered"), self._moved(day, "left")) for day in days]

    def _moved(self, day: date, move: str) -> list[str]:
        return self.moves.filter(pl.col("event_date") == day, pl.col("move") == move)["user_id"].to_list()


def history(export: Export, name: str, days: int) -> History:
    """The published members of a saved audience, and the moves of its last `days`; PortraitError where it is not in the generation."""
    published = export.manifest.get("audiences") or {}
    if name not in published:
        raise PortraitError(
            f"generation {export.generation} has no audience '{name}'; it has {', '.join(sorted(published)) or 'none'}. One that was "
            "saved since is in the next: portrait refresh"
        )
    began = export.as_of - timedelta(days=days)
    moves = export.scan("audience_moves").filter(pl.col("audience") == name, pl.col("event_date") >= began).collect()
    members = export.scan("audiences").filter(pl.col("audience") == name).collect()
    return History(published[name], members.drop("audience"), moves.drop("audience"))


def save(file: Path, name: str, found: Audience) -> None:
    """Name the expression of `found`, in place of what had that name."""
    text = str(found.expression)
    if not text.isprintable():
        raise PortraitError("the audience holds a character that cannot be printed, so it cannot be saved as one line")
    check(name, found.expression, found.vocabulary.pack)
    with exclusive(file.with_suffix(".lock"), "saving an audience"):
        entries = load(file) | {name: text}
        draft = file.with_name(f".{file.name}.{os.getpid()}.draft")
        # A JSON text of printable characters is a TOML text too.
        parts = [f"[{name}]\nexpression = {json.dumps(said, ensure_ascii=False)}\n" for name, said in sorted(entries.items())]
        draft.write_text("\n".join(parts), encoding="utf-8")
        draft.replace(file)


def expression_of(text: str, file: Path) -> tuple[str, bool]:
    """What `text` means, and whether it names a saved audience: no expression is a single word."""
    saved = load(file)
    return (saved[text], True) if text in saved else (text, False)


def moves(text: str, before: Export, after: Export) -> Moves:
    """Who entered and left between two generations, and which conditions turned for them."""
    parse(text)
    old, new = audience(before, text, values=False), audience(after, text, values=False)
    entered, left = new.ids() - old.ids(), old.ids() - new.ids()
    return Moves(old, new, _ordered(entered), _ordered(left), _changed(old, new, entered | left))


def _changed(old: Audience, new: Audience, moved: set[str]) -> dict[str, int]:
    met = [_met(group, moved) for group in (old, new)]
    both = met[0].join(met[1], on="user_id", suffix=" after")
    counts = {name: int((both[name] != both[f"{name} after"]).sum()) for name in met[0].columns if name != "user_id"}
    return {name: count for name, count in counts.items() if count}


def _met(group: Audience, users: set[str]) -> pl.DataFrame:
    """user_id and one true or false a condition, for these users as far as the generation has them."""
    named = {str(condition): holds(condition, group.vocabulary) for condition in conditions(group.expression)}
    return group.facts.filter(pl.col("user_id").is_in(users)).select("user_id", **named)


def _ordered(users: set[str]) -> list[str]:
    return sorted(users, key=lambda user_id: (len(user_id), user_id))
