"""Interests add up: a parent is the exact sum of its children; a taxonomy that could not add up is refused."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portrait_assets.errors import PortraitError
from portrait_assets.packs import load_pack
from portrait_assets.packs.taxonomy import parse_taxonomy

TAXONOMY = load_pack().taxonomy
CATEGORIES = [*TAXONOMY.leaf_of, "never seen"]


def file_of(parents: dict[str, str | None], **said: Any) -> dict[str, Any]:
    nodes = [{"id": one, "name": one, "name_zh": one, **({"parent": up} if up else {})} for one, up in parents.items()]
    return {
        "version": 1,
        "rest": "other",
        "nodes": [*nodes, {"id": "other", "name": "o", "name_zh": "o"}],
        "mappings": {},
        **said,
    }


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(CATEGORIES), st.integers(0, 10**15)))
def test_a_parent_is_the_exact_sum_of_its_children_and_nothing_is_lost(amounts: dict[str, int]):
    totals = TAXONOMY.totals(amounts)
    parents = {node.parent for node in TAXONOMY.nodes} - {None}
    for parent in parents:
        assert totals[parent] == sum(totals[node.id] for node in TAXONOMY.nodes if node.parent == parent)
    assert sum(totals[node.id] for node in TAXONOMY.nodes if node.parent is None) == sum(amounts.values())


def test_baby_products_by_hand():
    totals = TAXONOMY.totals({"BABY FOODS": 120, "DIAPERS & DISPOSABLES": 30, "DOG FOODS": 7, "never seen": 5})
    assert {name: totals[name] for name in ("baby_food", "baby_care", "baby", "family", "other", "food")} == {
        "baby_food": 120, "baby_care": 30, "baby": 150, "family": 157, "other": 5, "food": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (file_of({"a": "b", "b": "c", "c": "a"}), "node 'c', field parent: goes in a circle: a -> b -> c -> a"),
        (file_of({"a": "a"}), "goes in a circle: a -> a"),
        (
            file_of({"food": None, "fresh": "foood"}),
            "node 'fresh', field parent: no node has the id 'foood'; nearest is 'food'",
        ),
        (file_of({"food": None}, mappings={"fod": ["X"]}), "mapping 'fod': no node has this id; nearest is 'food'"),
        (file_of({"food": None, "fresh": "food"}, mappings={"food": ["X"]}), "mapping 'food': has children"),
        (file_of({"a": None, "b": None}, mappings={"a": ["X"], "b": ["X"]}), "mapping 'b': 'X' is mapped to 'a' as well"),
        (file_of({"a": None}, rest="nobody"), "mapping 'nobody': no node has this id"),
        ({**file_of({"a": None}), "nodes": file_of({"a": None})["nodes"] * 2}, "node 'a', field id: is used twice"),
    ],
)
def test_what_could_not_add_up_is_refused(content: dict[str, Any], message: str):
    with pytest.raises(PortraitError, match=message):
        parse_taxonomy(content, Path("taxonomy.toml"))
