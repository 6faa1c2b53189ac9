"""Every definition of a tag that was ever published, and what a former one says of users: its values are computed from stored portraits.

The history of tags is a pure function of events, catalogue and model calendar, so a changed definition rewrites it, from the first day
on, under its new version. What the former version said stays readable because its definition is kept.
"""

import hashlib
import json
from datetime import date
from typing import Any

import polars as pl

from portrait_assets.errors import PortraitError
from portrait_assets.packs import Tag
from portrait_assets.packs.tag_sql import tag_export
from portrait_assets.resources.session import Session

DECIDING = ("kind", "value", "origin", "confidence", "evidence", "values", "ttl_days")
RECORD = """
insert into catalogue.versions
select $tag_id, $version, $fingerprint, $definition, $day, $day, (select coalesce(max(recorded), 0) + 1 from catalogue.versions)
where not exists (select 1 from catalogue.versions where tag_id = $tag_id and version = $version and fingerprint = $fingerprint)
"""
IN_FORCE = """
update catalogue.versions set first_day = least(first_day, $day), last_day = greatest(last_day, $day)
where tag_id = $tag_id and version = $version and fingerprint = $fingerprint
"""


def record_versions(session: Session, tags: tuple[Tag, ...], day: date) -> int:
    """Enter the definitions that `day` is published with; returns how many are known in all."""
    with session.transaction():
        for tag in tags:
            said = {"tag_id": tag.id, "version": tag.version, "fingerprint": fingerprint(tag), "day": day}
            session.execute(RECORD, definition=_as_json(tag), **said)
            session.execute(IN_FORCE, **said)
    return int(session.scalar("select count(*) from catalogue.versions"))


def fingerprint(tag: Tag) -> str:
    """Sixteen hex digits of what decides who has which value; a name or a description does not count."""
    said = tag.model_dump(mode="json", include=set(DECIDING))
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def versions(session: Session, tag_id: str | None = None) -> pl.DataFrame:
    """tag_id, version, fingerprint, first_day, last_day of what was published, of one tag or of all, in order."""
    return session.frame(
        "select tag_id, version, fingerprint, first_day, last_day from catalogue.versions "
        "where tag_id = coalesce($tag_id, tag_id) order by tag_id, recorded",
        tag_id=tag_id,
    )


def definition(session: Session, tag_id: str, version: int) -> Tag:
    """The last published definition under that number; PortraitError naming those there are."""
    found = session.rows(
        "select definition from catalogue.versions where tag_id = $tag_id and version = $version order by recorded desc limit 1",
        tag_id=tag_id, version=version,
    )  # fmt: skip
    if not found:
        known = sorted(set(versions(session, tag_id)["version"]))
        there = f"published were {', '.join(map(str, known))}" if known else "it was never published here"
        raise PortraitError(f"tag '{tag_id}' has no version {version}; {there}")
    return Tag.model_validate_json(found[0][0])


def values(session: Session, tag: Tag, day: date) -> pl.DataFrame:
    """user_id, value, confidence, evidence at the end of `day` as `tag` defines them; PortraitError where that day is not stored."""
    session.execute("create or replace temp table snapshot_rows as from portraits.snapshots where event_date = $day", day=day)
    if not session.scalar("select count(*) from snapshot_rows"):
        raise PortraitError(f"no portraits of {day} are stored; `portrait run --from {day}` makes them")
    return session.frame(f'select user_id, "value", confidence, evidence from ({tag_export([tag])})')


def history(session: Session, tag: Tag, user_id: str) -> list[dict[str, Any]]:
    """The user's intervals of `value` as `tag` defines it, from stored portraits: value, valid_from, valid_to (None while it lasts)."""
    days = session.frame(
        f"select event_date, ({tag.value}\n)::varchar as \"value\" from portraits.snapshots as snapshot_rows "
        "where user_id = $user_id order by event_date",
        user_id=user_id,
    )  # fmt: skip
    if days.is_empty():
        raise PortraitError(f"user '{user_id}' has no stored portrait")
    runs = days.filter(pl.col("value").ne_missing(pl.col("value").shift()) | (pl.int_range(pl.len()) == 0))
    found = runs.with_columns(valid_to=pl.col("event_date").shift(-1)).filter(pl.col("value").is_not_null())
    return found.select("value", pl.col("event_date").alias("valid_from"), "valid_to").to_dicts()


def _as_json(tag: Tag) -> str:
    return json.dumps(tag.model_dump(mode="json"), sort_keys=True, ensure_ascii=False, default=sorted)
