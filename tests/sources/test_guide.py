"""docs/mapping.md is true: its example lands, and it names every key there is."""

import re
from pathlib import Path

import pytest

from portrait_assets.packs import load_pack
from portrait_assets.sources import land, load
from portrait_assets.sources.mapping import (
    OF_THE_PACK,
    CouponStream,
    EventStream,
    ItemStream,
    Lookup,
    Source,
    SourceTable,
    UserStream,
)
from tests.sources.conftest import EXAMPLES, NOW, Home

GUIDE = (Path(__file__).parents[2] / "docs" / "mapping.md").read_text()
BLOCKS = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)


def test_the_complete_example_of_the_guide_lands(home: Home) -> None:
    example = BLOCKS[0]
    (home.folder / "data").mkdir()
    home.write("data/lines.csv", (EXAMPLES / "online_shop/lines.csv").read_bytes())
    batches = land(home.con, load(home.write("my_shop.toml", example)), NOW)
    assert {batch.stream: batch.rows_accepted for batch in batches} == {"items": 5, "users": 2, "lines": 5}


@pytest.mark.parametrize("model", [Source, SourceTable, Lookup, EventStream, ItemStream, UserStream, CouponStream])
def test_the_guide_names_every_key(model) -> None:
    keys = [field.alias or name for name, field in model.model_fields.items() if name not in ("path", *OF_THE_PACK)]
    assert [key for key in keys if not re.search(rf"`[\[\w.]*{key}\b", GUIDE)] == []


def test_the_guide_names_every_attribute() -> None:
    assert [name for name in load_pack().schema.attribute_names if f"`{name}`" not in GUIDE] == []


def test_the_guide_names_every_event_type() -> None:
    assert [kind for kind in load_pack().event_types if kind not in GUIDE] == []


def test_the_join_of_the_guide_is_that_of_the_example() -> None:
    marketplace = (EXAMPLES / "marketplace.toml").read_text().splitlines()
    assert [line for line in BLOCKS[1].splitlines() if line not in marketplace] == []
