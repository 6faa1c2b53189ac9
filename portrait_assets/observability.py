"""What shows whether the data is as it should be: volumes, the mix of events, how far each layer has come, drift.

Everything here is read from tables by one `.sql` file each; checks, `portrait status` and the drift asset show it.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from portrait_assets import columns as c
from portrait_assets.history import history_start
from portrait_assets.home import Home
from portrait_assets.lineage import DAILY_TABLES, PORTRAIT_TABLES, models_in_force, stale_days
from portrait_assets.packs import Tag
from portrait_assets.packs.domains import foreign_values
from portrait_assets.partitions import DAY, Window, as_of_of, partition_of
from portrait_assets.resources.session import Session

RECENT_DAYS = 14
LARGE_PSI = 0.2
COMPARED_WITH = 28 * DAY
LEAST_TRUTH = 50  # users below which a share says little,
LEAST_CALIBRATION = 200  # and ten bins of them
LARGE_CALIBRATION_ERROR = 0.1
MANY_FLIPS = 0.5
SAME = 0.95
LAYERS_DAILY = tuple(daily.table.name for daily in DAILY_TABLES if not daily.on_demand)

# What a person would look at when the distribution of a feature has moved.
LOOK_AT = {
    "recency_days": "the volume of raw/events: are days missing, or did many users stop at once?",
    "active_days_30d": "the volume of raw/events in the last 30 days: a season, a lost file, a doubled one?",
    "active_days_90d": "the volume of raw/events in the last 90 days: a season, a lost file, a doubled one?",
    "spend_cents_30d": "the amounts of the last 30 days: another unit or currency, a promotion, a season?",
    "spend_cents_90d": "the amounts of the last 90 days: another unit or currency, a promotion, a season?",
    "top_category_share_milli": "clean/items: were items filed under other categories?",
    "churn_14d": "whether another model came into force between the two days; if not, at the features above it",
}


@dataclass(frozen=True)
class Reach:
    """How far a layer has come: its newest day, and how many days that is behind the newest landed event."""

    layer: str
    newest: date
    lag_days: int


def recent(days: Window) -> Window:
    """The last two weeks of `days`: old anomalies are history, these are news."""
    return Window(max(days.start, days.end - (RECENT_DAYS - 1) * DAY), days.end)


def odd_volumes(session: Session, days: Window) -> pl.DataFrame:
    """Of the last two weeks of `days`, those with far more or fewer events than their weekday had in the eight weeks before."""
    return _anomalies(session, "observability/volumes.sql", days)


def odd_mixes(session: Session, days: Window) -> pl.DataFrame:
    """Of the last two weeks of `days`, the event types that made another share of the day than they used to."""
    return _anomalies(session, "observability/event_mix.sql", days)


def _anomalies(session: Session, sql_name: str, days: Window) -> pl.DataFrame:
    frame = session.frame(session.sql(sql_name), start=days.start, end=days.end)
    return frame.filter(pl.col("is_anomaly"), pl.col("event_date") >= recent(days).start).drop("is_anomaly")


def volume_told(row: dict[str, Any]) -> str:
    """An odd day for a person."""
    return f"{row['event_date']}: {row['events']:,} events, expected about {row['expected']:,.0f}"


def mix_told(row: dict[str, Any]) -> str:
    """An odd share for a person."""
    return f"{row['event_date']}: {row['share']:.1%} of events are {row['event_type']}, expected about {row['expected']:.1%}"


def reach(session: Session, home: Home) -> list[Reach]:
    """The layers in the way the data goes, each with its newest day; none before anything is landed."""
    rows = session.rows(session.sql("observability/reach.sql"), tables=list(LAYERS_DAILY))
    published = published_day(home)
    if rows and published:
        rows.append(("published", published, max((rows[0][1] - published).days, 0)))
    return [Reach(*row) for row in rows]


def lag_told(reached: Reach) -> str:
    """A layer that fell behind, for a person."""
    return (
        f"{reached.layer} has come to {reached.newest}, {reached.lag_days} days behind the newest landed event; "
        "`portrait refresh` brings it up to date"
    )


def published_day(home: Home) -> date | None:
    """The day whose export readers see now."""
    current = home.settings.published_dir / "current"
    return partition_of(date.fromisoformat(current.resolve().name[:10])) if current.exists() else None


def last_good_day(session: Session, home: Home) -> date | None:
    """The newest day of the kept history that is current in every layer."""
    begins = history_start(session, home)
    stale = stale_days(session, home, home.days)
    behind = {day for table in LAYERS_DAILY for day in stale[table] if table not in PORTRAIT_TABLES or day >= begins}
    landed = session.scalar("select max(last_date) from raw.batches")
    good = [day for day in home.days if day not in behind and day >= begins]
    return max(good, default=None) if landed else None


def measure_drift(session: Session, day: date) -> int:
    """Write the drift of published `day` against each of `days_compared`; returns the rows."""
    insert = f"insert into {c.OBSERVABILITY_DRIFT.name} by name {session.sql('observability/drift.sql')}"
    with session.transaction():
        session.execute(f"delete from {c.OBSERVABILITY_DRIFT.name} where event_date = $end", end=day)
        for before in days_compared(session, day):
            session.execute(insert, end=day, before=before)
    return session.count(c.OBSERVABILITY_DRIFT, Window(day, day))


def days_compared(session: Session, day: date) -> list[date]:
    """What the drift of `day` is measured against: 28 days before, and the day its model was trained through."""
    trained = last_learnt_day(session, day)
    return sorted({day - COMPARED_WITH} | ({trained} if trained and trained < day else set()))


def last_learnt_day(session: Session, day: date) -> date | None:
    """The last day whose events the model in force on `day` has seen; None without a model."""
    through = session.scalar(
        "select trained_through from models.registry where version = $version",
        version=models_in_force(session, Window(day, day))[day],
    )
    return partition_of(through) if through else None


def drift(session: Session, day: date | None = None, before: date | None = None) -> pl.DataFrame:
    """The measured drift of `day` (the last one it was measured for) since `before` (28 days before it); largest first."""
    return session.frame(
        "select * from observability.drift where event_date = coalesce($day, (select max(event_date) from observability.drift)) "
        "and compared_with = coalesce($before, event_date - $usual::integer) order by psi desc, feature",
        day=day,
        before=before,
        usual=COMPARED_WITH.days,
    )


@dataclass(frozen=True)
class Outdated:
    """A week to train, and why: what people do has moved away from what the model in force has learnt."""

    week_start: date
    why: str


def outdated(session: Session, home: Home) -> Outdated | str:
    """Whether to train again, judged on the last day drift was measured for; a text says why not.

    The week is the last one over by then, so that one is asked for once a week at most: not again where a model was
    already trained for it, whatever the gate then said.
    """
    day = session.scalar("select max(event_date) from observability.drift")
    learnt = last_learnt_day(session, day) if day else None
    if learnt is None:
        return "no day is published, or no model was in force on it: there is nothing to have moved away from"
    large = drift(session, day, learnt).filter(pl.col("psi") > LARGE_PSI)
    if large.is_empty():
        return f"by {day} no key feature has a PSI above {LARGE_PSI} since {learnt}, the last day the model learnt from"
    monday = as_of_of(day) - DAY * as_of_of(day).weekday()
    newest = session.scalar("select max(trained_through) from models.registry")
    if newest >= monday:
        return f"{'; '.join(map(drift_told, large.iter_rows(named=True)))}. But a model was trained through {newest}: the next week is not over"
    if monday - DAY * 7 < home.days.start:
        return f"the week before {monday} is not one of the home's"
    return Outdated(monday - DAY * 7, "; ".join(map(drift_told, large.iter_rows(named=True))))


def drift_told(row: dict[str, Any]) -> str:
    """A drifted feature for a person: by how much, what moved, and what to look at."""
    return (
        f"{row['feature']}: PSI {row['psi']:.2f} against {row['compared_with']}; users with a value {row['moved_bin']} "
        f"went from {row['moved_from']:.0%} to {row['moved_to']:.0%}; look at {LOOK_AT[row['feature']]}"
    )


def tag_quality_of(session: Session, day: date | None = None) -> pl.DataFrame:
    """The quality of the tags of `day`, by default of the last day it was measured for; by tag."""
    return session.frame(
        "from observability.tag_quality where event_date = coalesce($day, (select max(event_date) from observability.tag_quality)) "
        "order by tag_id",
        day=day,
    )


def tag_doubts(quality: pl.DataFrame) -> dict[str, list[str]]:
    """What is worth a look in a tag quality table, by claim that it belies: a sentence a tag, with what to do."""
    rows = list(quality.iter_rows(named=True))
    known = [row for row in rows if row["truth"] and row["truth_users"] >= LEAST_TRUTH]
    return {
        "accuracy": [
            f"{row['tag_id']}: right for {row['accuracy']:.0%} of {row['truth_users']:,} users ({row['truth']}), "
            f"{row['baseline_accuracy']:.0%} by saying the most frequent: do not rely on it, or raise the probability it is told from"
            for row in known
            if row["accuracy"] < row["baseline_accuracy"]
        ],
        "calibration": [
            f"{row['tag_id']}: its probabilities are {row['calibration_error']:.2f} off on average (told {row['told']:.0%}, right "
            f"{row['accuracy']:.0%} of {row['truth_users']:,} users): read its confidence with care"
            for row in known
            if row["truth_users"] >= LEAST_CALIBRATION and row["calibration_error"] > LARGE_CALIBRATION_ERROR
        ],
        "flips": [
            f"{row['tag_id']}: flips {row['flips_per_week']:.2f} times a week for each of {row['users']:,} users: make its thresholds coarser"
            for row in rows
            if row["users"] >= LEAST_TRUTH and row["flips_per_week"] > MANY_FLIPS
        ],
        "redundancy": [
            f"{row['tag_id']}: says what {row['redundant_with']} says (shared information {row['redundancy']:.2f}): deprecate one of them"
            for row in rows
            if row["redundancy"] is not None and row["redundancy"] > SAME
        ],
        "coverage": [f"{row['tag_id']}: nobody has it; the source may lack what it needs" for row in rows if not row["users"]],
    }


def foreign_tag_values(session: Session, tags: tuple[Tag, ...]) -> list[str]:
    """A sentence for each value in the tags' history that its catalogue entry does not allow."""
    held: dict[str, list[str]] = {}
    for tag_id, value in session.rows(
        "select distinct tag_id, to_value from portraits.changes where to_value is not null order by all"
    ):
        held.setdefault(tag_id, []).append(value)
    return [
        f"{tag.id} is '{value}' of somebody, which is outside its domain ({tag.domain or ', '.join(tag.values)}): mend its value, or its domain"
        for tag in tags
        for value in foreign_values(tag, held.get(tag.id, []), lambda column: _names(session, column))
    ]


def _names(session: Session, column: str) -> set[str]:
    """The names that `items.category` or `users.age` holds; an attribute may also be one that a model learnt from those."""
    table, _, name = column.partition(".")
    names = {value for (value,) in session.rows(f'select distinct "{name}" from clean.{table}')}
    if table == "users":
        names |= {
            value for (value,) in session.rows("select distinct class from scores.predictions where target = $name", name=name)
        }
    return names
