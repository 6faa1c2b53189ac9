"""Histories as they might have been: users with events taken out or put in, and all that the model reads of them made anew.

A variant stands for a user of its own, so the same `.sql` files that make everybody's features make those of many variants in one pass.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

import polars as pl

from portrait_assets import columns as c
from portrait_assets.assets.derivation import parameters
from portrait_assets.assets.training import Frames, features_sql
from portrait_assets.home import Home
from portrait_assets.packs.tag_sql import tag_export
from portrait_assets.partitions import Window
from portrait_assets.resources.scope import SCOPED_VIEWS, scope_to_all
from portrait_assets.resources.session import Session

# The events of the users in `explained(user_id)`, numbered: what a variant is told by.
NUMBERED = """
create or replace temp table numbered_events as
select row_number() over (order by user_id, event_time, source, event_key) as event_number, *
from clean.events
where event_date <= $day and user_id in (select user_id from explained)
"""
TOUCHED = """
create or replace temp table touched_days as
select distinct taken_out.variant, events.event_date
from taken_out inner join numbered_events as events on taken_out.event_number = events.event_number
union distinct
select variant, event_date from put_in
"""
CHANGED = """
create or replace temp table changed_events as
select events.* exclude (event_number) replace (variants.variant as user_id)
from touched_days
inner join variants on touched_days.variant = variants.variant
inner join numbered_events as events on variants.user_id = events.user_id and touched_days.event_date = events.event_date
anti join taken_out on touched_days.variant = taken_out.variant and events.event_number = taken_out.event_number
union all by name
select
    events.* exclude (event_number) replace (
        put_in.variant as user_id,
        put_in.event_date as event_date,
        events.local_date + (put_in.event_date - events.event_date)::integer as local_date,
        events.event_time + to_days((put_in.event_date - events.event_date)::integer) as event_time,
        (((events.local_weekday - 1 + put_in.event_date - events.event_date) % 7 + 7) % 7 + 1)::utinyint as local_weekday,
        events.visit_id || ' again' as visit_id,
        events.event_key || ' again' as event_key
    )
from put_in
inner join numbered_events as events on put_in.event_number = events.event_number
"""
# A day that a change does not touch is as it is stored.
UNTOUCHED = """
insert into {made} by name
select stored.* replace (variants.variant as user_id)
from variants
inner join {table} as stored on variants.user_id = stored.user_id
anti join touched_days on variants.variant = touched_days.variant and stored.event_date = touched_days.event_date
where stored.event_date <= $day
"""
# What the daily path makes of events, in order: the table, and the view of it that the next file reads.
STEPS = (
    (c.FEATURES_USER_DAY, "scoped_user_day"),
    (c.FEATURES_USER_STATE, "scoped_user_state"),
    (c.FEATURES_USER_DAY_INTEREST, "scoped_interest_days"),
    (c.FEATURES_INTERESTS, "known_interests"),
    (c.FEATURES_VISIT, "changed_visits"),
)
BY_DAY = (c.FEATURES_USER_DAY, c.FEATURES_USER_DAY_INTEREST, c.FEATURES_VISIT)
AS_USERS = """
insert into clean.users by name
select users.* replace (variants.variant as user_id) from variants inner join clean.users as users on variants.user_id = users.user_id
"""
AS_PREDICTIONS = """
insert into scores.predictions by name
select
    predictions.* replace (
        variants.variant as user_id,
        coalesce(rescored.probability, predictions.probability) as probability
    )
from variants
inner join scores.predictions as predictions on variants.user_id = predictions.user_id
left join rescored
    on
        variants.variant = rescored.variant
        and rescored.target = predictions.target || coalesce('=' || predictions.class, '')
where predictions.event_date = $day
"""
VISITS = "select * exclude (visit_id) from changed_visits order by user_id, visit_time, visit_id"


@dataclass(frozen=True)
class Variant:
    """The history of a user without the events of those numbers, and with copies of some on another day, at the same hour: number, day."""

    user_id: str
    without: tuple[int, ...] = ()
    again: tuple[tuple[int, date], ...] = ()


def number_events(session: Session, day: date, user_ids: list[str]) -> pl.DataFrame:
    """The events of `user_ids` through `day` in their order, under the numbers by which variants name them."""
    session.stage_frame("explained", pl.DataFrame({"user_id": user_ids}, schema={"user_id": pl.String}))
    session.execute(NUMBERED, day=day)
    return session.frame("from numbered_events order by event_number")


def changed_frames(session: Session, home: Home, day: date, variants: list[Variant]) -> Frames:
    """What the model reads at the end of `day` of each variant of a numbered user; its user_id is `name_of` its place in `variants`.

    A variant without a single event left has no row.
    """
    _stage(session, variants)
    with _scoped_to_changed(session):
        first = session.scalar("select min(event_date) from numbered_events") or day
        known = parameters(
            home, Window(day, day), history=day
        )  # as if it began now: interests of the last day are all that is read
        for table, view in STEPS:
            made = f"changed_{table.name.partition('.')[2]}"
            session.execute(f"create or replace temp table {made} as from {table.name} where false")
            select = session.sql(f"{table.name.replace('.', '/')}.sql")
            start = day if table is c.FEATURES_INTERESTS else first
            session.execute(f"insert into {made} by name {select}", **{**known, "start": start, "end": day})
            if table in BY_DAY:
                session.execute(UNTOUCHED.format(made=made, table=table.name), day=day)
            session.execute(f"create or replace temp view {view} as from {made}")
        session.stage_days("wanted_days", [day])
        session.stage("as_of_features", "features/as_of.sql", **known)
    nobody = pl.DataFrame()
    return Frames(session.frame(VISITS), session.frame(features_sql(session.schema.measures.windows)), nobody, nobody)


def changed_tags(session: Session, home: Home, day: date, rescored: pl.DataFrame) -> pl.DataFrame:
    """The tags of the variants that `changed_frames` was last asked about, as tags.parquet has them; their user_id is `name_of`.

    `rescored` (variant, target, probability) is what the model says of them now; what it does not name stays as stored. The variants
    are users for as long as this takes: nothing of it is kept.
    """
    known = parameters(home, Window(day, day), history=day)
    session.stage_frame("rescored", rescored)
    session.execute("begin transaction")
    try:
        session.execute(AS_USERS)
        session.execute(AS_PREDICTIONS, day=day)
        session.stage("snapshot_rows", "portraits/snapshots.sql", **known)
        return session.frame(tag_export(home.pack.tags))
    finally:
        session.execute("rollback")


def name_of(place: int) -> str:
    """What a variant is called as a user: in order of places."""
    return f"{place:07d}"


def _stage(session: Session, variants: list[Variant]) -> None:
    names = [name_of(place) for place in range(len(variants))]
    taken = [(name, number) for name, variant in zip(names, variants, strict=True) for number in variant.without]
    put_in = [(name, *again) for name, variant in zip(names, variants, strict=True) for again in variant.again]
    of_users = {"variant": names, "user_id": [variant.user_id for variant in variants]}
    session.stage_frame("variants", pl.DataFrame(of_users, schema={"variant": pl.String, "user_id": pl.String}))
    numbers = {"variant": pl.String, "event_number": pl.Int64}
    session.stage_frame("taken_out", pl.DataFrame(taken, schema=numbers, orient="row"))
    session.stage_frame("put_in", pl.DataFrame(put_in, schema=numbers | {"event_date": pl.Date}, orient="row"))
    session.execute(TOUCHED)
    session.execute(CHANGED)


@contextmanager
def _scoped_to_changed(session: Session) -> Iterator[None]:
    """Let the views that user-level SQL reads show the variants, and nothing made of them yet; everybody's rows again afterwards."""
    for view, (table, _) in SCOPED_VIEWS.items():
        session.execute(f"create or replace temp view {view} as from {table} where false")
    session.execute("create or replace temp view scoped_events as from changed_events")
    try:
        yield
    finally:
        scope_to_all(session.connection)
