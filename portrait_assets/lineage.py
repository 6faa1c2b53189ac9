"""Which daily table is made from what, and so which of its days, and of whose rows in them, are due.

The ledger `meta.materializations` remembers two things of each day of a table. Its version is a hash of what made it: the SQL as it runs
with the values the pack gives it, the Python that its rows come from, the model, and the versions of the tables it reads. Another
version makes the whole day due. Its `through_seq` is the newest landed batch it holds: later batches make due the users they name, from
the first day they touch. Nothing is ever found by clocks.
"""

import hashlib
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cache, cached_property, lru_cache
from itertools import accumulate
from operator import attrgetter, itemgetter, xor
from typing import Any

from portrait_assets import __version__
from portrait_assets import columns as c
from portrait_assets.history import history_start
from portrait_assets.home import Home
from portrait_assets.packs import Tag
from portrait_assets.packs.tag_sql import tag_changes, tag_values
from portrait_assets.partitions import DAY, Window, as_of_of
from portrait_assets.reached import reached
from portrait_assets.resources.session import Session
from portrait_assets.resources.sql import has_sql, read_sql, text_version, used_parameters
from portrait_assets.tables import Relation


@dataclass(frozen=True)
class Daily:
    """A daily table, what makes it, and the daily tables it reads: of the same day, or of all days up to it.

    It is made by the `.sql` file of its name where there is one, by those in `sql`, and by the Python functions in `made_by`, with the
    files these name.
    """

    table: Relation
    sql: tuple[str, ...] = ()
    made_by: tuple[str, ...] = ()
    inputs: tuple[Relation, ...] = ()
    accumulates: tuple[Relation, ...] = ()
    by_user: bool = True
    """A user's rows depend on that user's events only, so a touched user can be refreshed alone."""
    uses_model: bool = False
    uses_rules: bool = False
    uses_attributes: bool = False
    """What it holds depends on which attributes may be inferred."""
    on_demand: bool = False
    """Kept for the published days only, not for every day."""
    is_retained: bool = False
    """Kept for the newest days alone (settings.snapshots_kept): an earlier day is made again where it is read."""
    uses_audiences: bool = False
    rendered: tuple[Callable[[tuple[Tag, ...]], str], ...] = ()
    """The SQL that is made of the tag catalogue."""
    goes_on: bool = False
    """What is written for a window goes on from the table's own rows of the days before it."""

    @property
    def is_running(self) -> bool:
        """An event changes the days after its own too."""
        return bool(self.accumulates) or any(BY_NAME[table.name].is_running for table in self.inputs)


CLEAN_SQL = ("clean/identities.sql", "clean/items.sql")
STATE = (c.FEATURES_USER_STATE, c.FEATURES_INTERESTS)


def _scored(
    table: Relation, rows: str, on_demand: bool = False, is_retained: bool = False, uses_attributes: bool = False
) -> Daily:
    """`rows` makes the rows of a scored day."""
    reads = (*STATE, c.FEATURES_VISIT)
    made_by = ("assets.scoring:scored_days", f"assets.scoring:{rows}")
    return Daily(
        table,
        made_by=made_by,
        accumulates=reads,
        by_user=False,
        uses_model=True,
        uses_attributes=uses_attributes,
        on_demand=on_demand,
        is_retained=is_retained,
    )


def _recommended(table: Relation) -> Daily:
    reads = (c.CLEAN_EVENTS, c.FEATURES_USER_STATE)
    return Daily(
        table,
        made_by=("assets.recommending:write_recommendations",),
        accumulates=reads,
        by_user=False,
        uses_model=True,
        uses_rules=True,
        on_demand=True,
    )


DAILY_TABLES: tuple[Daily, ...] = (
    Daily(c.CLEAN_EVENTS, sql=CLEAN_SQL),
    Daily(c.FEATURES_VISIT, inputs=(c.CLEAN_EVENTS,)),
    Daily(c.FEATURES_USER_DAY, inputs=(c.CLEAN_EVENTS,)),
    Daily(c.FEATURES_USER_DAY_INTEREST, inputs=(c.CLEAN_EVENTS,)),
    Daily(c.FEATURES_USER_STATE, accumulates=(c.FEATURES_USER_DAY,), goes_on=True),
    Daily(c.FEATURES_INTERESTS, accumulates=(c.FEATURES_USER_DAY_INTEREST,)),
    Daily(c.FEATURES_CUT_POINTS, accumulates=(c.FEATURES_USER_DAY, c.FEATURES_USER_STATE), by_user=False),
    _scored(c.SCORES_PREDICTIONS, "portrait_rows", is_retained=True, uses_attributes=True),
    _scored(c.SCORES_SEGMENTS, "segment_rows"),
    Daily(
        c.PORTRAITS_SNAPSHOTS,
        sql=("clean/users.sql",),
        made_by=("assets.derivation:stage_features", "assets.derivation:stage_next_day"),
        inputs=(c.SCORES_PREDICTIONS,),
        accumulates=STATE,
        is_retained=True,
    ),
    Daily(c.PORTRAITS_CHANGES, rendered=(tag_values, tag_changes), inputs=(c.PORTRAITS_SNAPSHOTS, c.CLEAN_EVENTS)),
    Daily(
        c.PORTRAITS_AUDIENCES,
        made_by=("audiences.membership_sql:membership",),
        rendered=(tag_values,),
        inputs=(c.PORTRAITS_SNAPSHOTS, c.SCORES_PREDICTIONS),
        uses_audiences=True,
    ),
    _scored(c.SCORES_VECTORS, "vector_rows", on_demand=True),
    _scored(c.SCORES_NEXT_PURCHASES, "purchase_rows", on_demand=True),
    _recommended(c.RECOMMENDATIONS_TOP),
    _recommended(c.RECOMMENDATIONS_LISTS),
)
BY_NAME = {daily.table.name: daily for daily in DAILY_TABLES}

SCORE_TABLES = (c.SCORES_PREDICTIONS, c.SCORES_SEGMENTS)  # written together
RETAINED = tuple(daily.table for daily in DAILY_TABLES if daily.is_retained)
PORTRAIT_TABLES = {table.name for table in (*SCORE_TABLES, c.PORTRAITS_SNAPSHOTS, c.PORTRAITS_CHANGES, c.PORTRAITS_AUDIENCES)}
ON_DEMAND_TABLES = {daily.table.name for daily in DAILY_TABLES if daily.on_demand}
FEATURE_TABLES = {daily.table.name for daily in DAILY_TABLES} - PORTRAIT_TABLES - ON_DEMAND_TABLES

NEVER = -1

ROLLED_BACK = "rolled back"  # the status of a champion that a person took out of force

# The ledger's lines of days, by runs of days that say the same.
ENTRIES = """
select table_name, min(event_date), max(event_date), version, through_seq
from (
    select *, event_date - row_number() over (partition by table_name, version, through_seq order by event_date)::int as run
    from meta.materializations where event_date is not null
)
group by table_name, version, through_seq, run
order by table_name, min(event_date)
"""

# A run with this tag writes what is due of its window; without it, the whole window, as somebody asked for.
REFRESH_TAG = "portrait/refresh"

# The process that a command's run is executed in: when it is gone and the run not over, it was killed.
PROCESS_TAG = "portrait/process"

# Forward decay counts from landmarks so many half-lives apart: the sums of an era fit into a HUGEINT, and what is twenty half-lives
# older than its landmark weighs nothing. They are of the calendar, so that no event, however early, moves them.
DECAY_EPOCH = date(2017, 1, 1)
HALF_LIVES_AN_ERA = 30

# A month's cut points are taken this long before its first day, so that what comes up to a fortnight late is in them.
CUT_LEAD = 16 * DAY


@dataclass(frozen=True)
class Due:
    """The days of a table that are due: whole, or for the users touched by batches after `since`."""

    whole: tuple[date, ...]
    touched: tuple[date, ...]
    since: int


@dataclass(frozen=True)
class Entry:
    """What the ledger says of a run of days of a table."""

    first: date
    last: date
    version: str
    through_seq: int


class Ledger:
    """What is landed and what is written, read once, and the questions asked of it."""

    def __init__(self, session: Session, home: Home):
        self.session, self.home = session, home
        self.newest_seq = int(session.scalar("select coalesce(max(batch_seq), 0) from raw.batches"))
        self.batches: list[tuple[int, date | None, date | None]] = session.rows(
            "select batch_seq, first_date, last_date from raw.batches where rows_accepted > 0 order by batch_seq"
        )
        self.entries: dict[str, list[Entry]] = defaultdict(list)
        for table, *entry in session.rows(ENTRIES):
            self.entries[table].append(Entry(*entry))
        self.history_start = history_start(session, home)
        self._made_where_read: dict[str, dict[date, int]] = {}

    @cached_property
    def models(self) -> dict[date, str | None]:
        """Day -> the model in force."""
        return models_in_force(self.session, self.home.days)

    @cached_property
    def versions(self) -> dict[str, dict[date, str]]:
        """Table name -> day -> the version the day should have been written with, given code, pack and models."""
        # Cut points matter by what they are, not by when they were taken: a late event seldom moves one.
        cuts = dict(self.session.rows("select event_date, string_agg(measure || cuts::varchar order by measure) "
                                      "from features.cut_points group by event_date"))  # fmt: skip
        code = tuple((daily.table.name, code_version(daily, self.home)) for daily in DAILY_TABLES)
        return _versions(code, tuple(cuts.items()), tuple(self.models.items()), self.history_start)

    def due(self, table: Relation, window: Window) -> Due:
        """What of the window is due."""
        daily = BY_NAME[table.name]
        whole: list[date] = []
        touched: list[date] = []
        since = self.newest_seq
        for day in self._days_to_hold(daily, window):
            held = self.held(table, day)
            if held == NEVER:
                whole.append(day)
            elif self.newest_batch(daily, day) > held:
                # A day is scored whole, and the last bits of a score may depend on who is scored together.
                is_scored = daily.table.name in PORTRAIT_TABLES and self.models[day] is not None
                (touched if daily.by_user and not is_scored else whole).append(day)
                since = min(since, self._first_missed(daily, day, held) - 1)
        return Due(tuple(whole), tuple(touched), since)

    def _days_to_hold(self, daily: Daily, window: Window) -> list[date]:
        """The days of the window that the table is to hold: of predictions also those that what is due is made from."""
        if not daily.is_retained:
            return list(window)
        kept = self.first_kept(window.end)
        needed: set[date] = set()
        if daily.table is c.SCORES_PREDICTIONS and window.start < kept:
            changed = self.due(c.PORTRAITS_CHANGES, window)
            members = self.due(c.PORTRAITS_AUDIENCES, window)
            compared = {*changed.whole, *changed.touched}
            readers = {*compared, *(day - DAY for day in compared), *members.whole, *members.touched}
            needed = {day for day in readers if day >= self.history_start and self.models.get(day)}
        return [day for day in window if day >= kept or day in needed]

    def first_kept(self, through: date) -> date:
        """The first day that tables which are kept for the newest days alone hold, when portraits have come to `through`."""
        come_to = max((entry.last for entry in self.entries[c.PORTRAITS_CHANGES.name]), default=through)
        return max(self.history_start, max(come_to, through) - DAY * (self.home.settings.snapshots_kept - 1))

    def is_current(self, table: Relation, day: date) -> bool:
        """Whether the day of the table is stored and misses nothing that is landed."""
        held = self.held(table, day)
        return held != NEVER and self.newest_batch(BY_NAME[table.name], day) <= held

    def held(self, table: Relation, day: date) -> int:
        """The newest batch that a day of the table holds; NEVER where it is missing or was written by another version."""
        entries = self.entries[table.name]
        place = bisect_right(entries, day, key=attrgetter("first")) - 1
        if place < 0 or entries[place].last < day or entries[place].version != self.versions[table.name].get(day):
            return NEVER
        return entries[place].through_seq

    def newest_batch(self, daily: Daily, day: date) -> int:
        """The newest batch that can have changed the day; undated ones (items, attributes) can have changed any."""
        if daily.table is c.FEATURES_CUT_POINTS:
            day = day.replace(day=1) - CUT_LEAD
        if not daily.is_running:
            return max(self._newest_undated, self._newest_of_day.get(day, 0))
        place = bisect_right(self._newest_up_to, day, key=lambda entry: entry[0])
        return max(self._newest_undated, self._newest_up_to[place - 1][1] if place else 0)

    def _first_missed(self, daily: Daily, day: date, held: int) -> int:
        """The oldest batch after `held` that can have changed the day: those of later days alone, landed in between, have not."""
        begins = bisect_right(self.batches, held, key=itemgetter(0))
        for seq, first, last in self.batches[begins:]:
            if first is None or last is None or (first <= day and (daily.is_running or day <= last)):
                return seq
        return held + 1

    def content(self, table: Relation, days: Window) -> dict[date, str]:
        """Day -> a name for what it holds where it misses nothing: another one when other code writes it or a batch touches it."""
        batches = self.session.rows(
            "select batch_id, first_date, last_date from raw.batches where rows_accepted > 0 order by batch_id"
        )
        is_running = BY_NAME[table.name].is_running
        turns: dict[date, int] = defaultdict(int)
        for batch_id, first, last in batches:
            begins = max(first or days.start, days.start)
            ends = days.end if is_running or last is None else min(last, days.end)
            if begins <= ends:  # one more name from its first day on, and one less after its last
                name = int(hashlib.sha256(batch_id.encode()).hexdigest(), 16)
                turns[begins] ^= name
                turns[ends + DAY] ^= name
        names = accumulate((turns[day] for day in days), xor)
        return {day: _digest(self.versions[table.name][day], f"{name:x}") for day, name in zip(days, names, strict=True)}

    @cached_property
    def _newest_undated(self) -> int:
        return max((seq for seq, first, _ in self.batches if first is None), default=0)

    @cached_property
    def _newest_of_day(self) -> dict[date, int]:
        return {day: seq for seq, first, last in self.batches if first and last for day in Window(first, last)}

    @cached_property
    def _newest_up_to(self) -> list[tuple[date, int]]:
        """In order of days: a first day, and the newest batch among those that begin then or earlier."""
        ordered = sorted((first, seq) for seq, first, _ in self.batches if first)
        newest = accumulate((seq for _, seq in ordered), max)
        return [(first, seq) for (first, _), seq in zip(ordered, newest, strict=True)]

    def through(self, table: Relation, window: Window) -> dict[date, int]:
        """Day -> the newest batch that what is written for it now will hold, given its inputs; NEVER where one is missing."""
        daily = BY_NAME[table.name]
        so_far = self._looked_up_through if table is c.CLEAN_EVENTS else self.newest_seq
        if daily.accumulates and self.home.days.start < window.start:
            before = Window(self.home.days.start, window.start - DAY)
            so_far = min((so_far, *(self._least_reached(source, before) for source in daily.accumulates)))
            if daily.goes_on:
                so_far = min(so_far, self._least_reached(table, before))
        held = {}
        for day in window:
            so_far = min((so_far, *(self.reached(source, day) for source in daily.accumulates)))
            held[day] = min((so_far, *(self.reached(source, day) for source in daily.inputs)))
        return held

    def _least_reached(self, table: Relation, days: Window) -> int:
        """The least that `reached` says of these days, asked of those alone where it may turn."""
        turns = {days.start, self.history_start, self.history_start + DAY, *self._turns}
        turns |= {day for entry in self.entries[table.name] for day in (entry.first, entry.last + DAY)}
        return min(self.reached(table, day) for day in turns if days.start <= day <= days.end)

    @cached_property
    def _turns(self) -> set[date]:
        """The days of the home on which another month begins, another model comes into force, or a batch begins or has ended."""
        months = {day for day in self.home.days if day.day == 1}
        models = {day for day in self.home.days if self.models[day] != self.models.get(day - DAY)}
        return months | models | {day for _, first, last in self.batches if first and last for day in (first, last + DAY)}

    @cached_property
    def _looked_up_through(self) -> int:
        """The newest batch that the clean tables without days, which clean.events looks into, miss nothing of.

        Identities take in every batch's users; items and users change with batches that describe them only.
        """
        held = dict(self.session.rows("select table_name, through_seq from meta.materializations where event_date is null"))
        described = [held.get(table.name, NEVER) for table in (c.CLEAN_ITEMS, c.CLEAN_USERS)]
        behind = [through for through in described if through < self._newest_undated]
        return min((self.newest_seq, held.get(c.CLEAN_IDENTITIES.name, NEVER), *behind))

    def reached(self, table: Relation, day: date) -> int:
        """The newest batch of which a day of the table misses nothing; of one that is made where it is read, of which it will."""
        if self.is_current(table, day):
            return self.newest_seq
        if not self._is_made_where_read(table, day):
            return self.held(table, day)
        if table.name not in self._made_where_read:
            self._made_where_read[table.name] = self.through(table, self.home.days)
        return self._made_where_read[table.name].get(day, NEVER)

    def _is_made_where_read(self, table: Relation, day: date) -> bool:
        """Snapshots are derived where the stored ones are not there or behind; without a model there are no predictions to store."""
        return table is c.PORTRAITS_SNAPSHOTS or (table is c.SCORES_PREDICTIONS and self.models.get(day) is None)


@lru_cache(maxsize=2)  # the ledger is read anew for each piece that is written, and says the same of the versions each time
def _versions(
    code: tuple[tuple[str, str], ...],
    cuts: tuple[tuple[date, str], ...],
    models: tuple[tuple[date, str | None], ...],
    start: date,
) -> dict[str, dict[date, str]]:
    """Table name -> day -> version, of the days of `models`."""
    codes, cuts_of = dict(code), dict(cuts)

    @cache
    def of_day(model: str, cuts_of_month: str, place: str) -> dict[str, str]:
        """Table name -> version of a day with this model in force, these cut points, and at this place of the kept history."""
        told: dict[str, str] = {}
        for daily in DAILY_TABLES:
            is_changes, is_snapshots = daily.table is c.PORTRAITS_CHANGES, daily.table is c.PORTRAITS_SNAPSHOTS
            told[daily.table.name] = _digest(
                codes[daily.table.name],
                *(told[table.name] for table in (*daily.inputs, *daily.accumulates)),
                model if daily.uses_model else "",
                "first" if is_changes and place == "first" else "",
                cuts_of_month if is_snapshots else "",
            )
        # Stored from the history's first day on, and of everybody on that day. Who reads them needs not know where it begins:
        # what is not stored is derived (derivation.stage_features).
        return told | {c.FEATURES_INTERESTS.name: _digest(told[c.FEATURES_INTERESTS.name], place)}

    of_days = {
        day: of_day(
            model or "none",
            cuts_of.get(day.replace(day=1), ""),
            "before" if day < start else "first" if day == start else "",
        )
        for day, model in models
    }
    versions = {name: {day: told[name] for day, told in of_days.items()} for name in codes}
    # What changed on a day is found by comparison with the day before, which may have other cut points or another model.
    changes, snapshots = versions[c.PORTRAITS_CHANGES.name], versions[c.PORTRAITS_SNAPSHOTS.name]
    versions[c.PORTRAITS_CHANGES.name] = {
        day: _digest(version, snapshots.get(day - DAY, "")) if day > start else version for day, version in changes.items()
    }
    return versions


def code_version(daily: Daily, home: Home) -> str:
    """Sixteen hex digits of everything but data and model that the rows of a table come from."""
    found = reached(*daily.made_by)
    own = daily.table.name.replace(".", "/") + ".sql"
    schema = home.pack.schema
    texts = [read_sql(name, schema) for name in sorted({*daily.sql, *found.sql, *([own] if has_sql(own) else [])})]
    texts += [render(home.pack.tags) for render in daily.rendered]
    given = [f"{name} {used_parameters(text, fixed_parameters(home))}" for name, text in enumerate(texts)]
    rules = home.recommending.model_dump_json() if daily.uses_rules else ""
    inferred = schema.inferred if daily.uses_attributes else ()
    audiences = [f"{name}\t{text}" for name, text in sorted(home.audiences.items())] if daily.uses_audiences else []
    return _digest(text_version(*texts), *given, found.fingerprint(), rules, *inferred, *audiences)


def fixed_parameters(home: Home) -> dict[str, Any]:
    """The named values a `.sql` file may ask for, but for those of the window: the pack's, the source's and the calendar's."""
    return {
        **home.pack.sql_parameters,
        "time_zone": home.source.time_zone,
        "decay_epoch": DECAY_EPOCH,
        "decay_era_days": round(HALF_LIVES_AN_ERA * home.pack.sql_parameters["half_life_days"]),
        "cut_lead_days": CUT_LEAD // DAY,
    }


def stale_days(session: Session, home: Home, window: Window) -> dict[str, list[date]]:
    """Table name -> the days of the window of which anything is due."""
    ledger = Ledger(session, home)
    dues = {daily.table.name: ledger.due(daily.table, window) for daily in DAILY_TABLES}
    return {name: sorted((*due.whole, *due.touched)) for name, due in dues.items()}


def knowledge(session: Session, home: Home, day: date) -> str:
    """A hash of everything an export of `day` is made from: equal knowledge, equal export."""
    versions = Ledger(session, home).versions
    batches = session.rows(
        "select batch_id from raw.batches where rows_accepted > 0 and (first_date is null or first_date <= $day) order by batch_id",
        day=day,
    )
    return _digest(
        __version__,
        home.pack.version,
        *(f"{table} {days[day]}" for table, days in versions.items()),
        *(batch for (batch,) in batches),
    )


def covering(stale: dict[str, list[date]], tables: set[str]) -> Window | None:
    """The smallest window that holds every stale day of `tables`; None where nothing is stale."""
    return Window.covering(day for table, days in stale.items() if table in tables for day in days)


def models_in_force(session: Session, window: Window) -> dict[date, str | None]:
    """Day -> the newest champion whose training saw nothing after the day's as-of; None before the first one."""
    champions = session.rows(
        "select trained_through, version from models.registry where status = 'champion' "
        "order by trained_through, recorded_at, version"
    )
    return _in_force(tuple(champions), window)


@lru_cache(maxsize=2)
def _in_force(champions: tuple[tuple[date, str], ...], window: Window) -> dict[date, str | None]:
    latest = champions[::-1]
    return {day: next((version for through, version in latest if through <= as_of_of(day)), None) for day in window}


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
