"""What is popular at a generation's day: the list of whom nothing personal is known."""

from typing import Any

import duckdb

from portrait_assets.assets.recommending import stage_popular, stage_withheld
from portrait_assets.home import Home
from portrait_assets.packs.recommending import Recommending
from portrait_assets.partitions import partition_of
from portrait_assets.reading.export import Export
from portrait_assets.resources.session import Session
from portrait_assets.state import STATE_FOLDER

LENGTH = 20
DESCRIBED = """
select popular.item_id, score, null as probability, reason, list, items.name as item_name, items.category
from popular left join clean.items as items on popular.item_id = items.item_id
order by score desc, popular.item_id
"""


def popular_items(export: Export, home: Home) -> list[dict[str, Any]]:
    """Rows as in recommendations.parquet, best first, without rank: what sql/recommendations/popular.sql finds in an export with state."""
    state, files = export.manifest["run"]["state"], export.folder.parent / STATE_FOLDER
    with duckdb.connect(config={"threads": 1}) as con:
        session = Session(con, home.pack.schema)
        session.execute("set enable_progress_bar = false")
        session.execute("create schema clean")
        held = {"events": state["daily"]["events"], "items": [state["tables"]["items"]]}
        for name, parts in held.items():
            con.read_parquet([str(files / part) for part in parts]).create_view(f"held_{name}")
            session.execute(f"create view clean.{name} as from held_{name}")
        stage_withheld(session, Recommending.model_validate(state["recommending"]))
        stage_popular(session, home, partition_of(export.as_of))
        return session.frame(DESCRIBED).to_dicts()


def listed(popular: list[dict[str, Any]], basket: tuple[str, ...]) -> list[dict[str, Any]]:
    """A list of them, without what is in the basket."""
    rows = [row for row in popular if row["item_id"] not in basket]
    return [{"rank": rank} | row for rank, row in enumerate(rows[:LENGTH], 1)]
