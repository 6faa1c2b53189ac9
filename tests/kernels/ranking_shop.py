"""A shop whose users have habits, for the ranker to learn from, and lines by hand."""

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl

AS_OF = date(2024, 3, 1)
THROUGH = AS_OF + timedelta(days=14)
ITEMS = pl.DataFrame(
    {
        "item_id": ["bread", "milk", "beer", "soap"],
        "item_type": ["loaf", "whole", "lager", "bar"],
        "category": ["bakery", "dairy", "drinks", "care"],
        "department": ["food", "food", "drinks", "care"],
        "brand": ["own", "own", "brewer", "own"],
        "maker": ["1", "2", "3", "1"],
        "name": [None, "Milk", None, None],
    }
)


def bought(*rows: tuple[str, int, str]) -> pl.DataFrame:
    """Lines of (user, days before AS_OF, item); a negative number is after it."""
    midnight = datetime(AS_OF.year, AS_OF.month, AS_OF.day)
    return pl.DataFrame(
        [
            {
                "user_id": user, "item_id": item, "visit_id": f"{user}{ago}",
                "visit_time": midnight - timedelta(days=ago) + timedelta(hours=9),
                "units": 1, "cents": 100, "discount_cents": 0, "coupon_cents": 0, "place_id": "p",
            }
            for user, ago, item in rows
        ],
        schema_overrides={"place_id": pl.String},
    )  # fmt: skip


def make_shop() -> pl.DataFrame:
    """Sixty users, each with two habits of her own among forty items, on a rhythm of 4 to 12 days; now and then something else."""
    rng, events = np.random.default_rng(5), set()
    for u in range(60):
        own, gap, ago = rng.choice(40, 2, replace=False), rng.integers(4, 12), float(rng.integers(1, 10))
        while ago < 100:
            for item in own:
                events.add((f"u{u:02}", int(ago) - 14, f"i{item:02}"))
            if rng.random() < 0.4:
                events.add((f"u{u:02}", int(ago) - 14, f"i{rng.integers(40):02}"))
            ago += gap
    return bought(*sorted(events))


def make_goods(shop: pl.DataFrame) -> pl.DataFrame:
    """What its items are: ten of a type, all of one category."""
    names = shop["item_id"].unique().sort()
    return pl.DataFrame({"item_id": names}).with_columns(
        item_type=pl.concat_str(pl.lit("t"), pl.col("item_id").str.slice(1).cast(pl.Int64) // 10),
        category=pl.lit("c"), department=pl.lit("d"), brand=pl.lit("b"), maker=pl.lit("m"), name=pl.lit(None, pl.String),
    )  # fmt: skip
