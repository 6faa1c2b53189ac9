"""A reader in a process of its own: `python -m tests.end_to_end.readers PUBLISHED`, until its standard input ends.

It opens `published/current` as anybody would, reads every file of it, a card and an audience, and tells what it saw as JSON, a line
a time.
"""

import json
import select
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl

from portrait_assets.audiences import audience
from portrait_assets.audiences.members import write
from portrait_assets.reading import Export
from portrait_assets.reading.card import card
from portrait_assets.reading.export import FILES

USER = "ann"
PAUSE_SECONDS = 0.1  # so that the publisher has its share of two cores


def look(current: Path) -> dict[str, Any]:
    """What one reading saw, of everything the generation it was told to be of."""
    export = Export.open(current)
    rows = {name: len(export.scan(name).collect()) for name in FILES}
    shown = card(export, USER).as_dict()
    portrait = export.portrait(USER)
    spent = audience(export, f"spend_cents >= {portrait['spend_cents']}")
    with tempfile.TemporaryDirectory() as folder:
        write(spent, Path(folder) / "spent.ndjson")
        written = pl.read_ndjson(Path(folder) / "spent.ndjson")
    return {
        "generation": export.generation,
        "rows": [rows[name] == export.manifest["rows"][f"{name}.parquet"] for name in FILES],
        "changes": rows["changes"],
        "counted": spent.size,
        "listed": sorted(spent.ids()),
        "exported": sorted(written["user_id"]),
        "exported_of": written["generation"].unique().to_list(),
        "spend_cents": [portrait["spend_cents"], shown["portrait"]["spend_cents"]],
    }


def main(published: Path) -> None:
    while not select.select([sys.stdin], [], [], 0)[0]:
        try:
            seen: dict[str, Any] = look(published / "current")
        except Exception as error:
            seen = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(seen) + "\n")
        sys.stdout.flush()
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
