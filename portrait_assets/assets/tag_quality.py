"""How far each tag of a published day can be relied on: coverage, age, flips, accuracy where truth exists, redundancy, use."""

from dataclasses import asdict
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from portrait_assets import columns as c
from portrait_assets.assets.kept import make_again
from portrait_assets.assets.scoring import model_in
from portrait_assets.assets.training import declared, features_at
from portrait_assets.history import history_start
from portrait_assets.home import Home
from portrait_assets.lineage import models_in_force
from portrait_assets.packs import Tag
from portrait_assets.packs.tag_sql import tag_export
from portrait_assets.partitions import Window, as_of_of
from portrait_assets.reading.narrative import narrated_columns
from portrait_assets.resources.session import Session

if TYPE_CHECKING:
    from portrait_assets.kernels.tag_quality import Accuracy

FLIP_WEEKS = 4
HORIZONS = {f"churn_{days}d": days for days in (14, 28, 90)}
OWN_HORIZON = "churn"
DIGITS = 6  # of figures that are estimates anyway
# The horizon that most users have, and the truth that a churn tag of so many days ago is held against: who stayed away since.
USUAL_HORIZON = """
select churn_horizon_days from portraits.snapshots where event_date = $day and churn_horizon_days is not null
group by churn_horizon_days order by count(*) desc, churn_horizon_days limit 1
"""
STAYED_AWAY = """
select snapshots.user_id, "{column}" as probability, purchases.user_id is null as stayed_away
from portraits.snapshots as snapshots
left join (
    select distinct user_id from clean.events
    where event_date > $told and event_date <= $day and event_type = 'purchase'
) as purchases on snapshots.user_id = purchases.user_id
where snapshots.event_date = $told and "{column}" is not null{own}
order by snapshots.user_id
"""


def write_tag_quality(session: Session, home: Home, day: date) -> int:
    """Replace the rows of published `day`; returns how many tags there are."""
    make_again(session, home, [day])
    make_again(session, home, [day - timedelta(days=horizon) for horizon in horizons_at(session, day).values()])
    session.stage_frame("tag_quality_rows", tag_quality(session, home, day))
    table = c.OBSERVABILITY_TAG_QUALITY
    with session.transaction():
        session.execute(f"delete from {table.name} where event_date = $day", day=day)
        session.execute(f"insert into {table.name} by name from tag_quality_rows")
    return session.count(table, Window(day, day))


def tag_quality(session: Session, home: Home, day: date) -> pl.DataFrame:
    """Rows of observability.tag_quality: every tag that users get, in the catalogue's order."""
    tags = _tags_at(session, home, day)
    session.stage_frame("day_tags", tags)
    weeks = max(1, min(FLIP_WEEKS, (day - history_start(session, home)).days // 7))
    counted = {
        row["tag_id"]: row
        for row in session.frame(session.sql("observability/tag_quality.sql"), end=day, weeks=weeks).to_dicts()
    }
    alike, true = redundancy(tags, [tag.id for tag in home.pack.tags]), accuracies(session, home, day)
    used = uses(home.pack.tags)
    nobody = {"users": 0, "coverage": 0.0, "flips_per_week": 0.0}
    rows = [
        {"event_date": day, "tag_id": tag.id, "dimension": tag.dimension, "kind": tag.kind, "used_by": used[tag.id]}
        | counted.get(tag.id, nobody) | alike.get(tag.id, {}) | true.get(tag.id, {})
        for tag in home.pack.tags
    ]  # fmt: skip
    types: dict[str, Any] = {
        "varchar": pl.String,
        "double": pl.Float64,
        "bigint": pl.Int64,
        "date": pl.Date,
        "varchar[]": pl.List(pl.String),
    }
    schema = {column.name: types[column.type] for column in c.OBSERVABILITY_TAG_QUALITY.columns}
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema).with_columns(
        pl.col(pl.Float64).round(DIGITS)
    )


def uses(tags: tuple[Tag, ...]) -> dict[str, list[str]]:
    """Tag id -> which other tags build on it (`tag.<id>`), and `narrative` where the card's words say it."""
    said = narrated_columns()
    return {
        tag.id: [
            *(f"tag.{other.id}" for other in tags if tag.id in other.builds_on),
            *(["narrative"] if tag.value in said else []),
        ]
        for tag in tags
    }


def redundancy(tags: pl.DataFrame, ids: list[str]) -> dict[str, dict[str, Any]]:
    """Tag id -> the other tag that says most of the same, and how much of it, over the users of `tags`."""
    from portrait_assets.kernels.tag_quality import shared_information

    wide = tags.pivot("tag_id", index="user_id", values="value").select(pl.exclude("user_id"))
    held = [tag_id for tag_id in ids if tag_id in wide.columns]
    if len(held) < 2:
        return {}
    codes = wide.select(pl.col(name).fill_null("").rank("dense").cast(pl.Int64) - 1 for name in held).to_numpy()
    shared = shared_information(codes)
    most = shared.argmax(1)
    return {tag_id: {"redundant_with": held[most[k]], "redundancy": float(shared[k, most[k]])} for k, tag_id in enumerate(held)}


def accuracies(session: Session, home: Home, day: date) -> dict[str, dict[str, Any]]:
    """Tag id -> truth, truth_as_of, truth_users and figures, of the tags whose truth is known by the end of `day`.

    Attributes are predicted for households that declared them by fits that did not include them; churn risk as it was a horizon ago is
    compared with what happened since: of `churn`, which each user has over a horizon of their own, for those with the most usual one.
    """
    found, horizons = _attributes(session, home, day), horizons_at(session, day)
    for tag in home.pack.tags:
        column = next((name for name in horizons if tag.kind == "model" and name in tag.inputs), None)
        if column and (figures := _came_true(session, home, day, tag, column, horizons[column])):
            found[tag.id] = figures
    return found


def horizons_at(session: Session, day: date) -> dict[str, int]:
    """Column of a portrait -> the days over which it says that somebody stays away, as far as portraits of `day` have it."""
    usual = session.rows(USUAL_HORIZON, day=day)
    return HORIZONS | ({OWN_HORIZON: usual[0][0]} if usual else {})


def _came_true(session: Session, home: Home, day: date, tag: Tag, column: str, horizon: int) -> dict[str, Any] | None:
    from portrait_assets.kernels.tag_quality import accuracy

    told = day - timedelta(days=horizon)
    holders = _tags_at(session, home, told, tag).select("user_id")
    own = f" and snapshots.churn_horizon_days = {horizon}" if column == OWN_HORIZON else ""
    seen = session.frame(STAYED_AWAY.format(column=column, own=own), told=told, day=day).join(holders, on="user_id", how="semi")
    chance = seen["probability"].to_numpy()
    found = accuracy(chance >= 0.5, seen["stayed_away"].to_numpy(), np.maximum(chance, 1 - chance))
    return _figures(found, "what happened", as_of_of(told))


def _attributes(session: Session, home: Home, day: date) -> dict[str, dict[str, Any]]:
    from portrait_assets.kernels.tag_quality import accuracy, held_out_claims
    from portrait_assets.kernels.trained import attribute_inputs

    version = models_in_force(session, Window(day, day))[day]
    vectors = session.frame("select user_id, embedding from scores.vectors where event_date = $day order by user_id", day=day)
    if version is None or vectors.is_empty():
        return {}
    model = model_in(home, version)
    known = vectors.join(features_at(session, home, [day]), on="user_id", maintain_order="left")
    features = model.served.selection.transform(known.drop("embedding"))
    x = attribute_inputs(np.array(known["embedding"].to_list(), np.float64), features)
    place = {user: row for row, user in enumerate(known["user_id"])}
    attributes, found = declared(session, session.schema.inferred), {}
    for tag in home.pack.tags:
        name = next((name for name in model.attribute_heads if tag.kind == "attribute" and name in tag.inputs), None)
        if name is None:
            continue
        head = model.attribute_heads[name]
        known_of = attributes.filter(
            pl.col("attribute") == name, pl.col("value").is_in(head.classes), pl.col("user_id").is_in(place)
        )
        y = np.array([head.classes.index(value) for value in known_of["value"]])
        said, chance = held_out_claims(head, x[[place[user] for user in known_of["user_id"]]], y, model.config)
        sure = chance >= home.pack.attributes.min_probability  # less is not said
        if figures := _figures(accuracy(said[sure], y[sure], chance[sure]), "declared", as_of_of(day)):
            found[tag.id] = figures
    return found


def _figures(found: "Accuracy | None", truth: str, as_of: date) -> dict[str, Any] | None:
    if found is None:
        return None
    figures = asdict(found)
    renamed = {"truth_users": figures.pop("users"), "baseline_accuracy": figures.pop("baseline")}
    return {"truth": truth, "truth_as_of": as_of} | renamed | figures


def _tags_at(session: Session, home: Home, day: date, tag: Tag | None = None) -> pl.DataFrame:
    """The tags of everybody at the end of `day`, or one of them; none where the day's portraits are not stored."""
    session.execute("create or replace temp table snapshot_rows as from portraits.snapshots where event_date = $day", day=day)
    return session.frame(tag_export([tag] if tag else home.pack.tags))
