"""What is popular at a generation's day: the list of whom nothing personal is known."""

from datetime import timedelta
from typing import Any

import duckdb

from portrait_assets.home import Home
from portrait_assets.packs.recommending import Recommending
from portrait_assets.partitions import partition_of
from portrait_assets.reading.export import Export
from portrait_assets.state import STATE_FOLDER

LENGTH = 20
POPULAR = timedelta(days=28)
# As recommendations/top.sql has it, for a user of no events.
SELECT = """
with bought as (
    select item_id, count(distinct user_id) as user_count
    from read_parquet($events)
    where event_date > $since and item_id is not null and list_contains($types, event_type)
    group by item_id
)
select
    bought.item_id, user_count / 1e9 as score, null as probability,
    'popular with everyone: ' || user_count || ' users in the last 28 days' as reason,
    'popular' as list, items.name as item_name, items.category, items.item_type, items.department, items.brand, items.maker
from bought left join read_parquet($items) as items on bought.item_id = items.item_id
order by user_count desc, bought.item_id
limit 1000
"""


def popular_items(export: Export, home: Home) -> list[dict[str, Any]]:
    """Rows as in recommendations.parquet, best first, without rank and without what the rules exclude or is out of stock; of an export with state."""
    state, files = export.manifest["run"]["state"], export.folder.parent / STATE_FOLDER
    last_day = partition_of(export.as_of)
    with duckdb.connect(config={"threads": 1}) as con:
        con.execute("set enable_progress_bar = false")
        rows = con.sql(
            SELECT,
            params={
                "events": [str(files / file) for file in state["daily"]["events"]],
                "items": str(files / state["tables"]["items"]),
                "since": last_day - POPULAR,
                "types": home.pack.sql_parameters["point_types"],
            },
        ).to_arrow_table()
    rules = Recommending.model_validate(state["recommending"])
    excluded = [rule.of for rule in rules.exclude] + [("item", item) for item in rules.out_of_stock]
    levels = ("item_type", "department", "brand", "maker")
    return [
        {name: value for name, value in row.items() if name not in levels}
        for row in rows.to_pylist()
        if not any(row["item_id" if level == "item" else level] == name for level, name in excluded)
    ]


def listed(popular: list[dict[str, Any]], basket: tuple[str, ...]) -> list[dict[str, Any]]:
    """A list of them, without what is in the basket."""
    rows = [row for row in popular if row["item_id"] not in basket]
    return [{"rank": rank} | row for rank, row in enumerate(rows[:LENGTH], 1)]
