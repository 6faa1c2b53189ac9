"""Which numeric columns of `features` the model uses, and why the others were dropped. Decided on training as-ofs only."""

from dataclasses import dataclass

import numpy as np
import polars as pl

KEYS = ("user_id", "as_of")
SPARSE_SHARE = 0.005  # a column that is null or zero for all but this share of rows says next to nothing
DUPLICATE_CORRELATION = 0.99
OUTCOME_SCHEMA = {"column": pl.String, "outcome": pl.String, "duplicate_of": pl.String, "correlation": pl.Float64}


@dataclass(frozen=True)
class Selection:
    """Kept columns in name order, with mean and deviation of their signed log (D,), and one outcome row per column seen."""

    columns: tuple[str, ...]
    mean: np.ndarray
    deviation: np.ndarray
    outcome: pl.DataFrame  # column, outcome (kept | constant | sparse | duplicate), of, correlation

    def transform(self, features: pl.DataFrame) -> np.ndarray:
        """(N, D) float64: signed log1p, standardised, clipped at 5; null, NaN and missing columns are the mean, 0."""
        if not self.columns:
            return np.zeros((features.height, 0))
        return np.clip(np.nan_to_num((signed_log(features, self.columns) - self.mean) / self.deviation), -5, 5)


def signed_log(features: pl.DataFrame, columns: tuple[str, ...]) -> np.ndarray:
    """(N, D) float64 sign(x) log(1 + |x|), NaN where null, not finite or absent."""
    present = set(features.columns)
    raw = np.stack(
        [
            features[c].cast(pl.Float64).fill_null(np.nan).to_numpy() if c in present else np.full(features.height, np.nan)
            for c in columns
        ],
        axis=1,
    )
    raw = np.where(np.isfinite(raw), raw, np.nan)
    return np.sign(raw) * np.log1p(np.abs(raw))


def select_columns(features: pl.DataFrame) -> Selection:
    """Judge every numeric column in name order: constant, sparse, a near-duplicate of an earlier kept one, or kept."""
    features = features.sort(c for c in KEYS if c in features.columns)  # sums to the last bit, in whatever order rows come
    names = tuple(sorted(c for c, t in features.schema.items() if c not in KEYS and (t.is_numeric() or t == pl.Boolean)))
    if not names:
        return Selection((), np.zeros(0), np.ones(0), outcome_frame([]))
    x = signed_log(features, names)
    known = ~np.isnan(x)
    mean = np.where(known.any(0), np.nansum(x, 0) / np.maximum(known.sum(0), 1), 0.0)
    filled = np.where(known, x, mean)
    deviation = filled.std(0)
    standard = (filled - mean) / np.where(deviation > 1e-9, deviation, 1.0)
    kept: list[int] = []
    rows: list[tuple] = []
    for i, name in enumerate(names):
        outcome, other, r = "kept", None, None
        if deviation[i] <= 1e-9:
            outcome = "constant"
        elif (known[:, i] & (x[:, i] != 0)).mean() < SPARSE_SHARE:
            outcome = "sparse"
        elif kept:
            correlation = standard[:, kept].T @ standard[:, i] / len(standard)
            best = int(np.abs(correlation).argmax())
            if abs(correlation[best]) >= DUPLICATE_CORRELATION:
                outcome, other, r = "duplicate", names[kept[best]], round(float(correlation[best]), 4)
        if outcome == "kept":
            kept.append(i)
        rows.append((name, outcome, other, r))
    return Selection(tuple(names[i] for i in kept), mean[kept], deviation[kept], outcome_frame(rows))


def outcome_frame(rows: list[tuple]) -> pl.DataFrame:
    """One row per judged column, in name order."""
    return pl.DataFrame(rows, schema=OUTCOME_SCHEMA, orient="row")
