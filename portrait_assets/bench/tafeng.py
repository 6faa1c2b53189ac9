"""Next baskets on TaFeng, by the published protocol: `python -m portrait_assets.bench.tafeng --data DIR`.

DIR holds history.json and future.json of the reproducibility study of Li et al. (TOIS 2023): user -> baskets of item numbers in order, with
[-1] at both ends. The baskets bear no time: each gets a week of its own, counted back from the one to be predicted, as a CSV file, which
examples/tafeng.toml declares. What is read back from the landed events is ranked, and scored on each user's last basket.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
from rich.console import Console
from scipy import sparse

from portrait_assets.errors import PortraitError
from portrait_assets.kernels.ranking.assessment import tifu_knn
from portrait_assets.kernels.ranking.candidates import best_unknown
from portrait_assets.kernels.ranking.lines import Lines, before, lines_from
from portrait_assets.kernels.ranking.measures import DEEP, TARGETS, measure
from portrait_assets.kernels.ranking.neighbours import values_at
from portrait_assets.kernels.ranking.ranker import RankerConfig, Read, fit_ranker, read_at
from portrait_assets.sources import landing, loading

AS_OF, STEP = date(2000, 1, 3), timedelta(days=7)
MAPPING = Path(__file__).parents[2] / "examples" / "tafeng.toml"
CONFIG = RankerConfig(horizon_days=7)
KS = (10, 20)
LINES = """
select
    user_id, item_id, session_id as visit_id, min(event_time) as visit_time, count(*) as units,
    0 as cents, 0 as discount_cents, 0 as coupon_cents, null as place_id
from raw.events
where event_type = 'purchase'
group by all
order by all
"""


def baskets(folder: Path) -> Iterator[tuple[str, int, int]]:
    """(user, baskets before the last, item) of every line; the last basket is number 0."""
    history, future = (_read(folder / f"{name}.json") for name in ("history", "future"))
    for user in sorted(future):
        told = [basket for part in (history.get(user, []), future[user]) for basket in part if basket != [-1]]
        for back, basket in enumerate(reversed(told)):
            yield from ((user, back, item) for item in sorted(set(basket)))


def _read(file: Path) -> dict[str, list[list[int]]]:
    if not file.is_file():
        raise PortraitError(f"{file}: no such file; --data names the folder of TaFeng's history.json and future.json")
    return json.loads(file.read_text(encoding="ascii"))


def write_csv(folder: Path, file: Path) -> None:
    """The baskets as lines with a day each: the last in the week of AS_OF, the one before it a week earlier."""
    rows = [(user, f"{user}-{back}", str(AS_OF - back * STEP), item) for user, back, item in baskets(folder)]
    pl.DataFrame(rows, schema=["customer", "basket", "day", "product"], orient="row").write_csv(file)


def landed(folder: Path) -> Lines:
    """What the mapping makes of the CSV, as the ranker reads it."""
    with tempfile.TemporaryDirectory(prefix="portrait-tafeng-") as made:
        write_csv(folder, Path(made) / "baskets.csv")
        source = loading.load(MAPPING).model_copy(update={"root": Path(made)})
        with duckdb.connect() as con:
            landing.land(con, source, datetime.now(UTC))
            frame = con.sql(LINES).pl()
    nothing = pl.DataFrame({"item_id": frame["item_id"].unique().sort()})
    columns = ("item_type", "category", "department", "brand", "maker")
    return lines_from(frame, nothing.with_columns(pl.lit(None, pl.String).alias(name) for name in columns))


def scored(lines: Lines, read: Read, config: RankerConfig) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """ranker or rival -> users, items and scores of what it ranks."""
    number, pairs = {name: read.x[:, k] for k, name in enumerate(read.names)}, read.candidates
    again = pairs.by["again"]
    ranker, _ = fit_ranker(before(lines, AS_OF), AS_OF, config)
    return {
        "popular": (pairs.user, pairs.item, number["item_buyers_28d"]),
        "personal frequency": (pairs.user[again], pairs.item[again], number["pair_visits"][again]),
        "item-kNN": over_all(lines, read, read.near.goes_with),
        "TIFU-KNN": over_all(lines, read, tifu_knn(lines, AS_OF)),
        "Portrait": (pairs.user, pairs.item, ranker.scores(read.x)[0]),
    }


def over_all(lines: Lines, read: Read, scores: sparse.csr_matrix) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the user bought before, and the best of all else by (U, I) scores."""
    pair = np.union1d(lines.pairs_before(AS_OF), best_unknown(scores, lines, AS_OF, DEEP * max(KS)))
    user, item = pair // len(lines.items), pair % len(lines.items)
    return user, item, values_at(scores, user, item)


def compare(lines: Lines, config: RankerConfig = CONFIG) -> pl.DataFrame:
    """ranker, and a column for each target, measure and k: over users who have a target of that kind."""
    read, rows = read_at(lines, AS_OF, config.horizon_days), []
    for name, ranking in scored(lines, read, config).items():
        row: dict[str, str | float] = {"ranker": name}
        for k in KS:
            values = measure(lines, AS_OF, config.horizon_days, *ranking, k=k).values
            for target in TARGETS:
                if target != "basket":  # the window is one basket
                    row |= {f"{target} {m}@{k}": float(values[target][m].mean()) for m in ("recall", "ndcg")}
        rows.append(row)
    return pl.DataFrame(rows)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m portrait_assets.bench.tafeng", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder of history.json and future.json")
    parser.add_argument("--seed", type=int, default=CONFIG.seed)
    arguments = parser.parse_args()
    console, found = Console(highlight=False), compare(landed(arguments.data), replace(CONFIG, seed=arguments.seed))
    console.print("| " + " | ".join(found.columns) + " |\n|" + "---|" * len(found.columns))
    for row in found.iter_rows():
        console.print("| " + " | ".join(f"{value:.4f}" if isinstance(value, float) else value for value in row) + " |")


if __name__ == "__main__":
    main()
