"""The taxonomy of interests: a forest of nodes, and which category of the source belongs to which leaf.

Only leaves are mapped to, and amounts are whole numbers, so a parent's interest is the exact sum of its children's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from portrait_assets.errors import PortraitError
from portrait_assets.packs.files import Declared, Name, Text, validate
from portrait_assets.words_near import nearest


class Node(Declared):
    """One interest."""

    id: Name = Field(description="unique for ever")
    name: Text = Field(description="English name")
    name_zh: Text = Field(description="Chinese name")
    parent: str | None = Field(None, description="the id of the node above; none for a root")


class TaxonomyFile(Declared):
    """What taxonomy.toml may say."""

    version: int = Field(ge=1, strict=True, description="goes up when a node or a mapping changes")
    rest: str = Field(description="the leaf of categories that no mapping names")
    nodes: tuple[Node, ...] = Field(min_length=1)
    mappings: dict[str, tuple[str, ...]] = Field(description="leaf = the source's categories, as clean.items has them")


@dataclass(frozen=True)
class Taxonomy:
    """A taxonomy that was judged. `leaf_of` gives the leaf of each mapped category."""

    version: int
    nodes: tuple[Node, ...]
    rest: str
    leaf_of: Mapping[str, str]

    def totals(self, amounts: Mapping[str, int]) -> dict[str, int]:
        """Amount of each node, from whole amounts by category: a leaf's own categories, a parent's children."""
        parent_of = {node.id: node.parent for node in self.nodes}
        totals = dict.fromkeys(parent_of, 0)
        for category, amount in amounts.items():
            node: str | None = self.leaf_of.get(category, self.rest)
            while node is not None:
                totals[node] += amount
                node = parent_of[node]
        return totals


def parse_taxonomy(content: dict[str, Any], path: Path) -> Taxonomy:
    """The taxonomy of a parsed file; PortraitError for a circle, a missing parent, a doubled or dangling mapping."""
    file = validate(TaxonomyFile, content, str(path))
    ids = [node.id for node in file.nodes]
    if doubled := sorted({node_id for node_id in ids if ids.count(node_id) > 1}):
        raise PortraitError(f"{path}, node '{doubled[0]}', field id: is used twice; give the second one another id")
    _climb(file, path)
    parents = {node.parent for node in file.nodes}
    leaf_of: dict[str, str] = {}
    for leaf, categories in [*file.mappings.items(), (file.rest, ())]:
        where = f"{path}, mapping '{leaf}'"
        if leaf not in ids:
            raise PortraitError(f"{where}: no node has this id{nearest(leaf, ids)}")
        if leaf in parents:
            raise PortraitError(f"{where}: has children; map to one of them, so that a parent is the sum of its children")
        for category in categories:
            if category in leaf_of:
                raise PortraitError(f"{where}: '{category}' is mapped to '{leaf_of[category]}' as well; keep one")
            leaf_of[category] = leaf
    return Taxonomy(file.version, file.nodes, file.rest, leaf_of)


def _climb(file: TaxonomyFile, path: Path) -> None:
    """From every node to its root."""
    parent_of = {node.id: node.parent for node in file.nodes}
    for node_id in parent_of:
        way, above = [node_id], parent_of[node_id]
        while above is not None:
            where = f"{path}, node '{way[-1]}', field parent"
            if above not in parent_of:
                raise PortraitError(f"{where}: no node has the id '{above}'{nearest(above, parent_of)}")
            if above in way:
                raise PortraitError(f"{where}: goes in a circle: {' -> '.join((*way[way.index(above) :], above))}")
            way.append(above)
            above = parent_of[above]
