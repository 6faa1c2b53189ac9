"""Events to measure on: Complete Journey's households copied under fresh ids, whole baskets at jittered times.

Every household is copied equally often, up to a rest taken in a fixed random order. A basket keeps its lines, its shop and its
household's company; it moves by up to three days and half an hour, within the year. After the year come single days, each of
whole baskets that a year's households might have had, 1 % of them of households never seen before, and one file of late events.
All of it is a function of the sizes asked for. What streams to disk a month at a time needs little memory.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from portrait_assets import sources
from portrait_assets.partitions import DAY, Window
from portrait_assets.resources.sql import used_parameters

YEAR = Window(date(2017, 1, 1), date(2017, 12, 31))
NEW_HOUSEHOLD_SHARE = 0.01
DESCRIPTIONS = ("products.parquet", "campaign_descriptions.parquet")

PREPARE = """
create temp table lines as select * from read_parquet($root || '/transactions.parquet');
create temp table baskets as
select basket_id, household_id, min(transaction_timestamp) as moment, row_number() over (order by basket_id) - 1 as place
from lines group by basket_id, household_id;
create temp table copies as
with households as (
    select household_id, row_number() over (order by hash(household_id), household_id) - 1 as place
    from (select distinct household_id from lines)
)
select numbers.n as household, households.household_id as of_household
from range(1, $households + 1) as numbers(n)
inner join households on (numbers.n - 1) % (select count(*) from households) = households.place
"""

# A basket of the year: `pick` selects, `kind` tells its ids from those of the same basket on another day.
LINES = """
select moved.household as household_id, lines.store_id, moved.household * 10000000 + $kind * 200000 + moved.place as basket_id,
       lines.product_id, lines.quantity, lines.sales_value, lines.retail_disc, lines.coupon_disc, lines.coupon_match_disc,
       moved.moment as transaction_timestamp
from moved inner join lines on moved.basket_id = lines.basket_id
"""
IN_ORDER = "order by transaction_timestamp, basket_id, product_id"

JITTERED = """
select copies.household, baskets.basket_id, baskets.place,
       $start::timestamp + to_seconds((
           epoch(baskets.moment) - epoch($start::timestamp) + $seconds
           + (hash(copies.household, baskets.place, 'day') % 7)::bigint * 86400 - 3 * 86400
           + (hash(copies.household, baskets.place, 'second') % 3601)::bigint - 1800
       )::bigint % $seconds) as moment
from copies inner join baskets on copies.of_household = baskets.household_id
"""

MONTH = f"""
with jittered as ({JITTERED}),
moved as (select * from jittered where moment >= $first and moment < $next)
{LINES} {IN_ORDER}
"""

ONE_DAY = f"""
with jittered as ({JITTERED}),
picked as (
    select *, hash(household, place, $kind, 'new') % 1000000 < $new_share * 1000000 as is_new
    from jittered where hash(household, place, $kind) % $days = 0
),
moved as (
    select case when is_new then $households + $kind * 1000000 + row_number() over (partition by is_new order by household, place)
                else household end as household,
           basket_id, place, $first::timestamp + (moment - date_trunc('day', moment)) as moment
    from picked
)
{LINES} {IN_ORDER}
"""

# One line each of as many baskets: users as many as can be.
LATE = f"""
with jittered as ({JITTERED}),
moved as (
    select household, basket_id, place,
           $last::timestamp - to_days((hash(household, place, 'late days') % $late_days)::integer) + (moment - date_trunc('day', moment)) as moment
    from jittered order by hash(household, place, $kind), household, place limit $events
),
late as ({LINES})
select * from late
qualify row_number() over (partition by basket_id order by hash(basket_id, product_id), product_id) = 1
{IN_ORDER}
"""

OF_HOUSEHOLDS = {
    "campaigns.parquet": "true",
    "coupon_redemptions.parquet": "redemption_date::date between $start and $end",
    "demographics.parquet": "true",
}


@dataclass(frozen=True)
class Generated:
    """What was generated: the mapping of the year's files, one file a day after it, and one of late events."""

    mapping: Path
    days: tuple[tuple[date, Path], ...]
    late: Path
    late_days: int
    households: int


def generate(folder: Path, events: int, days: int = 10, late_events: int = 1_000, threads: int = 2) -> Generated:
    """About `events` events of one year in monthly files under `folder`, then `days` days and `late_events` late ones of those days."""
    root = sources.load("complete_journey").root
    following = Window(YEAR.end + DAY, YEAR.end + DAY * days)
    for name in ("source", "days"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    with _prepared(root, events, threads) as (connection, households):
        _describe(connection, root, folder / "source")
        year = {"start": YEAR.start, "seconds": len(YEAR) * 86_400}
        for first, following_month in _months():
            file = folder / "source" / f"transactions-{first:%Y-%m}.parquet"
            _write(connection, MONTH, file, **year, first=first, next=following_month, kind=0)
        daily = tuple((day, folder / "days" / f"transactions-{day}.parquet") for day in following)
        for kind, (day, file) in enumerate(daily, start=1):
            _write(connection, ONE_DAY, file, **year, first=day, kind=kind, days=len(YEAR), households=households,
                   new_share=NEW_HOUSEHOLD_SHARE)  # fmt: skip
        late = folder / "days" / "transactions-late.parquet"
        _write(connection, LATE, late, **year, last=following.end, late_days=days, kind=days + 1, events=late_events)
    return Generated(_mapping(folder / "source"), daily, late, days, households)


def events_of(households: int) -> int:
    """How many events to ask for, to get so many households."""
    with duckdb.connect() as connection:
        return round(households * _events_each(connection, sources.load("complete_journey").root))


def _events_each(connection: duckdb.DuckDBPyConnection, root: Path) -> float:
    """Events of a household of Complete Journey in the year."""
    told = "+".join(
        f"(select count(*) from '{root}/{name}.parquet')" for name in ("transactions", "coupon_redemptions", "campaigns")
    )
    [(each,)] = connection.execute(
        f"select ({told}) / (select count(distinct household_id) from '{root}/transactions.parquet')"
    ).fetchall()
    return float(each)


@contextmanager
def _prepared(root: Path, events: int, threads: int) -> Iterator[tuple[duckdb.DuckDBPyConnection, int]]:
    with duckdb.connect(config={"threads": threads, "memory_limit": "4GB"}) as connection:
        households = max(1, round(events / _events_each(connection, root)))
        for statement in PREPARE.split(";"):
            connection.execute(statement, used_parameters(statement, {"root": str(root), "households": households}))
        yield connection, households


def _describe(connection: duckdb.DuckDBPyConnection, root: Path, folder: Path) -> None:
    """What is said of products, campaigns and households, the last for each copy of a household."""
    for name in DESCRIPTIONS:
        shutil.copyfile(root / name, folder / name)
    for name, condition in OF_HOUSEHOLDS.items():
        told = (
            "select told.* replace (copies.household as household_id) "
            f"from read_parquet('{root / name}') as told inner join copies on told.household_id = copies.of_household "
            f"where {condition} order by all"
        )
        _write(connection, told, folder / name, start=YEAR.start, end=YEAR.end)


def _mapping(folder: Path) -> Path:
    """The shipped mapping, reading `folder`."""
    shipped = sources.load("complete_journey").path.read_text(encoding="utf-8")
    lines = {"root": '"."', "end": str(YEAR.end)}
    told = [f"{name} = {lines[name]}" if (name := line.partition(" = ")[0]) in lines else line for line in shipped.splitlines()]
    mapping = folder / "complete_journey.toml"
    mapping.write_text("\n".join(told) + "\n", encoding="utf-8")
    return mapping


def _months() -> Iterator[tuple[date, date]]:
    """First days of the year's months, each with that of the next."""
    for month in range(1, 13):
        yield date(YEAR.start.year, month, 1), date(YEAR.start.year + month // 12, month % 12 + 1, 1)


def _write(connection: duckdb.DuckDBPyConnection, select: str, file: Path, **parameters: Any) -> None:
    connection.execute(f"copy ({select}) to '{file}' (format parquet, compression zstd)", used_parameters(select, parameters))
