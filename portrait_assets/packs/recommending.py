"""The rules of recommending, as a pack's recommendations.toml declares them."""

from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from portrait_assets.packs.files import Declared, validate

LEVELS = ("item", "item_type", "category", "department", "brand", "maker")


class Rule(Declared):
    """What a rule speaks of: one level and a name of it."""

    item: str | None = None
    item_type: str | None = None
    category: str | None = None
    department: str | None = None
    brand: str | None = None
    maker: str | None = None

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

    most_of_a_type: int = Field(ge=1)
    discover_places: int = Field(ge=0, le=20)
    exclude: tuple[Rule, ...] = ()
    boost: tuple[Boost, ...] = ()
    cool_down: tuple[CoolDown, ...] = ()


def parse_recommending(content: dict[str, Any], path: Path) -> Recommending:
    """`content` of `path`, or a PortraitError naming the field."""
    return validate(Recommending, content, str(path))
