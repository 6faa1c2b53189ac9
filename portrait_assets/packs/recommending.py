"""The rules of recommending, as a pack's recommendations.toml declares them."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from portrait_assets.errors import PortraitError
from portrait_assets.packs.files import Declared, validate
from portrait_assets.packs.places import line_of_field

LEVELS = ("item", "item_type", "category", "department", "brand", "maker", "name")


class Rule(Declared):
    """What a rule speaks of: one level and a name of it; of `name` a pattern."""

    item: str | None = None
    item_type: str | None = None
    category: str | None = None
    department: str | None = None
    brand: str | None = None
    maker: str | None = None
    name: str | None = Field(None, description="of the item, whatever its case; * is anything")

    @model_validator(mode="after")
    def _one_level(self) -> "Rule":
        if sum(getattr(self, level) is not None for level in LEVELS) != 1:
            raise ValueError(f"name one of {', '.join(LEVELS)}")
        return self

    @property
    def of(self) -> tuple[str, str]:
        """(level, name)."""
        return next((level, getattr(self, level)) for level in LEVELS if getattr(self, level) is not None)


class Boost(Rule):
    """Scores rise by `by` standard deviations."""

    by: float = Field(ge=-10, le=10)


class CoolDown(Rule):
    """Not offered for `days` after a purchase."""

    days: float = Field(gt=0, description="days")


class Recommending(Declared):
    """What recommendations.toml may say."""

    most_of_a_type: int = Field(ge=1, description="items of one item_type in the blended list")
    most_of_a_category: int | None = Field(None, ge=1, description="the same of a category; none where it is not said")
    most_of_a_brand: int | None = Field(None, ge=1, description="the same of a brand")
    most_of_a_maker: int | None = Field(None, ge=1, description="the same of a maker")
    discover_places: int = Field(ge=0, le=20, description="places of the twenty for what the user never bought")
    explore_places: int = Field(0, ge=0, le=20, description="so many of the discover places are drawn")
    diversity: float = Field(0, ge=0, le=10, description="standard deviations of score that likeness costs at most")
    out_of_stock: tuple[str, ...] | str = Field((), description="items, or a file of the home with one item id a line")
    exclude: tuple[Rule, ...] = ()
    boost: tuple[Boost, ...] = ()
    cool_down: tuple[CoolDown, ...] = ()

    @model_validator(mode="after")
    def _places_fit(self) -> "Recommending":
        if self.explore_places > self.discover_places:
            raise ValueError("explore_places are of the discover_places, so they can't be more")
        return self

    @property
    def rules(self) -> Iterator[tuple[str, str, str]]:
        """(field, level, name) of every rule, in the order of the file."""
        for kind in ("exclude", "boost", "cool_down"):
            for number, rule in enumerate(getattr(self, kind)):
                level, name = rule.of
                yield f"{kind}.{number}.{level}", level, name

    def stocked_by(self, folder: Path) -> "Recommending":
        """The same with the items of its stock file, in `folder`, in the place of the file's name."""
        if not isinstance(self.out_of_stock, str):
            return self
        file = folder / self.out_of_stock
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise PortraitError(
                f"{file}: out_of_stock of recommendations.toml names it, but it can't be read ({error}); write one item id a line, or "
                "name none"
            ) from None
        items = sorted({line.strip() for line in lines} - {""})
        return self.model_copy(update={"out_of_stock": tuple(items)})


def parse_recommending(content: dict[str, Any], path: Path, text: str = "") -> Recommending:
    """`content` of `path`, or a PortraitError naming the field and, with the file's `text`, its line."""
    return validate(Recommending, content, partial(place, path, text))


def place(path: Path, text: str, field: str) -> str:
    """Where a field stands, for the start of a message."""
    line = line_of_field(text, field)
    return f"{path}, line {line}" if line else str(path)
